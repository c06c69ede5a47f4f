"""Which part of a run this process does: the whole of it, or one of several shares, dealt by session.

A session never changes its share, so that every latency is a difference of two readings of one clock, and each process
can compute its share from the trace alone.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from replay.trace.types import Session

Scheduled = tuple[int, Session]
"""A session with its start, in ns from the run's start."""


class Share(NamedTuple):
    """The sessions whose place in start order is `place` modulo `of`, after copies were made. A whole run is 0 of 1."""

    place: int = 0
    of: int = 1

    def __str__(self) -> str:
        return f"{self.place} of {self.of}"


WHOLE = Share()


def of_share(sessions: Iterable[Scheduled], share: Share) -> Iterator[Scheduled]:
    """The sessions of this share; sessions: those of the whole run, in order of start."""
    return iter(sessions) if share.of == 1 else islice(sessions, share.place, None, share.of)


def part_of(amount: int, share: Share) -> int:
    """A share's part of a whole number, such as a limit; the parts of all shares add up to it."""
    return (amount + share.of - 1 - share.place) // share.of
