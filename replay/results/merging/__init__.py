"""A run that several workers made, each in a directory of its own: added up to one, now or after a crash."""
