"""A run under way, seen."""
