"""Traces that nobody recorded: from a recipe, or in the likeness of one that somebody did."""
