"""Replay recorded AI-agent workloads at precise times against any HTTP endpoint."""

__version__ = "0.1.0"
