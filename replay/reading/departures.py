"""Where a trace departs from its recording: what had to be inferred, and what was dropped, counted and told.

Pure.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

Departure = Literal["Inferred", "Dropped"]


class Departures(msgspec.Struct):
    """How often, by what it was, in words."""

    inferred: dict[str, int] = {}
    dropped: dict[str, int] = {}

    def infer(self, what: str, n: int = 1) -> None:
        if n:
            self.inferred[what] = self.inferred.get(what, 0) + n

    def drop(self, what: str, n: int = 1) -> None:
        if n:
            self.dropped[what] = self.dropped.get(what, 0) + n

    def notes(self) -> Iterator[str]:
        """For people."""
        yield from departure_notes(("Inferred", n, what) for what, n in self.inferred.items())
        yield from departure_notes(("Dropped", n, what) for what, n in self.dropped.items())


def departure_notes(counted: Iterable[tuple[Departure, int, str]]) -> Iterator[str]:
    """A sentence for each of these that occurred."""
    for kind, n, what in counted:
        if n:
            yield f"{kind}: {n} {what}."


class Passed(msgspec.Struct):
    """What a file holds and is left out: what it is, in plural, and where it stands."""

    what: str
    place: str
