"""A target: where requests go, with what, and what it costs."""
