"""How the load levels of a trace read."""

_WORDS = {"idle": "low", "normal": "middle", "peak": "high"}
LEVELS = tuple(_WORDS.values())
"""From the lowest load up."""


def level_of(name: str) -> str:
    """A level as people read it: by its height, for a trace may be without idle time, or at its peak for most of it."""
    return _WORDS.get(name, name)
