"""What every transform is: parameters, a stream of sessions in and out, and a tally of what it changed."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from replay.trace.types import Session

# What a transform changed, by what it was, in words that follow a number: {"steps removed": 3}.
Tally = Counter[str]


class TransformError(ValueError):
    """A transform's parameters cannot be used; str() is the whole message."""


class Transform(Protocol):
    """Sessions come and go in order of start_ms; a session that is given may be the one taken, changed."""

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]: ...
