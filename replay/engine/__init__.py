"""The run: when to send, what comes next, what happened."""
