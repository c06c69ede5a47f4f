"""The lines of a run as tables: columns of a block of lines, from the text, from a run in hand, or from a cache."""
