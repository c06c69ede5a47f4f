"""Measures the engine beside its peers: scenarios, the peers that are installed, and one table of figures and goals."""
