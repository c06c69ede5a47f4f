"""A finished run turned into something to look at."""
