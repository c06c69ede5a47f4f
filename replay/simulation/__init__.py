"""Runs in virtual time: the engine and a plane's core on one clock, without a network."""
