"""Which files are opened, and how often."""

from collections import Counter
from pathlib import Path


def count_openings(monkeypatch):
    """From now on: how often each path was opened by `Path.open`, by its name."""
    opened = Counter()
    plain = Path.open

    def noted(path, *arguments, **named):
        opened[path.name] += 1
        return plain(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", noted)
    return opened
