"""Cold starts told apart from all else that is slow, and what they add."""
