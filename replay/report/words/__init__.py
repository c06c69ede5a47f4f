"""Numbers, names and verdicts as people read them, the same in every medium."""
