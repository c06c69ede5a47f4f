"""A run or a verdict on the terminal."""
