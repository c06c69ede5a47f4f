"""When the steps of a session are due, told plainly: what the engine's walk and every importer are held to."""

from replay.testing import walked_starts_ms

__all__ = ["walked_starts_ms"]
