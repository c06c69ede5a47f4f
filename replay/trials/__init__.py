"""Runs that are made in order to be judged: what ties the engine to the judges."""
