"""Scripts of commands as shells read them, without running any."""
