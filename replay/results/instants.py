"""When the steps of a run were intended, sent and ended: kept while it goes on, for figures that need them all."""

from array import array
from io import BufferedReader
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from replay.results.histogram import Int64s
from replay.results.tables.table import Flags

# 25 bytes each: 200 kB before they are put elsewhere.
_BLOCK_STEPS = 8192


class Instants(NamedTuple):
    """When every step that was tried was intended, sent and ended, and whether it was answered as expected.

    sent_ns: below 0 for steps that could not be sent, whose end is of no account.
    """

    intended_ns: Int64s
    sent_ns: Int64s
    end_ns: Int64s
    ok: Flags


class Elsewhere(Protocol):
    """Where bytes are kept that memory is too small for."""

    def append(self, data: bytes) -> bool:
        """Keep these, after those before; returns whether it still does so."""

    def taken(self) -> BufferedReader:
        """All of them, from the first."""


class KeptInstants:
    """Instants, told of a block at a time. elsewhere: takes them, so that a run of days does not grow by them; without
    it they stay in memory.
    """

    def __init__(self, elsewhere: Elsewhere | None = None) -> None:
        # What still takes them, and what did.
        self._elsewhere = self._holds = elsewhere
        self._put_away: list[int] = []
        # Arrays grow where they are: to join parts takes twice the memory.
        self._times_ns = array("q"), array("q"), array("q")
        self._ok = array("b")

    def __repr__(self) -> str:
        return f"<KeptInstants of {sum(self._put_away) + len(self._ok)} steps>"

    @property
    def in_memory(self) -> int:
        """Of how many steps they are in memory."""
        return len(self._ok)

    def add(self, steps: Instants) -> None:
        for kept, told in zip(self._times_ns, steps[:3], strict=True):
            kept.frombytes(told.tobytes())
        self._ok.frombytes(steps.ok.tobytes())
        if self._elsewhere is not None and len(self._ok) >= _BLOCK_STEPS:
            self._put(self._elsewhere)

    def _put(self, elsewhere: Elsewhere) -> None:
        columns = (*self._times_ns, self._ok)
        if not elsewhere.append(b"".join(columns)):
            self._elsewhere = None
            return
        self._put_away.append(len(self._ok))
        for column in columns:
            del column[:]

    def taken(self) -> Instants:
        """All of them, in the order in which they were told. To be asked once."""
        intended_ns, sent_ns, end_ns = (np.frombuffer(times, np.int64) for times in self._times_ns)
        rest = Instants(intended_ns, sent_ns, end_ns, np.frombuffer(self._ok, np.bool_))
        if self._holds is None or not self._put_away:
            return rest
        n = sum(self._put_away) + len(self._ok)
        found = Instants(
            np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.bool_)
        )
        columns: tuple[NDArray[Any], ...] = found
        at = 0
        with self._holds.taken() as file:
            for size in self._put_away:
                for column in columns:
                    file.readinto(column[at : at + size].data)
                at += size
        for column, last in zip(columns, rest, strict=True):
            column[at:] = last
        return found
