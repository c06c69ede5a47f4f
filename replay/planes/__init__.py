"""Execution planes on this machine that a trace can be replayed against."""
