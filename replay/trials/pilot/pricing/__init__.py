"""What the planes of a pilot cost in its month, split or whole."""
