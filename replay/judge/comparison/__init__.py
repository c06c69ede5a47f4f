"""Targets held to each other, and a run to its own recording."""
