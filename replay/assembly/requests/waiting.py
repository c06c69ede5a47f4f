"""Sessions that wait for their place in the trace, in runs that are in order each, and are merged at the end."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec
import numpy as np

from replay.assembly.requests.client_numbers import (
    ClientNumbers,
    NumbersOfFirstRequests,
    NumbersOfFirstSessions,
)
from replay.assembly.requests.session_lines import Run, firsts_of
from replay.assembly.requests.spilled import Spilled
from replay.assembly.requests.types import FIRST, HEAD, Ints, Ordered, Rows
from replay.trace.edges.concurrent import EdgeCounts

_STRETCH_BYTES = 4 << 20
# Of all runs together. Each time that some are read costs 80 us for a run.
_READ_HEADS = 1 << 16
_NO_LIMIT = (np.iinfo(np.int64).max - 1, 0)
_NONE = np.empty(0, FIRST)


class WaitingSessions:
    """Takes the runs of one part after the other, and gives all their sessions in order of their starts.

    sessions: how many they are. clients: how many these have, each of them; most_clients: the most that one has.
    counts: of their edges.
    """

    def __init__(self, spilled: Spilled) -> None:
        self.sessions = self.clients = self.most_clients = 0
        self.counts = EdgeCounts()
        self._spilled = spilled
        self._runs: list[Run] = []
        self._are_named = False
        self._clients_of_runs = 0
        self._firsts = _NONE
        self._fresh: list[Rows] = []

    def add(self, run: Run) -> None:
        """Take a run."""
        self.sessions += run.sessions
        self.clients += run.clients
        self.most_clients = max(self.most_clients, run.most_clients)
        self.counts.include(run.counts)
        self._are_named |= len(run.firsts) > 0
        self._clients_of_runs += run.different_clients
        self._fresh.append(run.firsts)
        self._runs.append(msgspec.structs.replace(run, firsts=_NONE))

    @property
    def different_clients(self) -> int:
        """How many clients there are."""
        return len(self._settled()) if self._are_named else self._clients_of_runs

    def in_order(self) -> Iterator[Ordered]:
        """All of them, some at a time, by their starts. Raises TraceError.

        Their clients are numbered by their first requests, from 1.
        """
        numbers = self._numbers()
        begins = accumulate((run.sessions for run in self._runs), initial=0)
        runs = [
            _Reading(self._spilled, run, begin, len(self._runs))
            for run, begin in zip(self._runs, begins, strict=False)
        ]
        while runs := [run for run in runs if run.load()]:
            # What is not read of a run lies behind.
            limit = min((run.last for run in runs if run.goes_on), default=_NO_LIMIT)
            taken = [run.take(limit) for run in runs]
            # Thrice as fast as concatenating arrays with fields.
            heads = np.frombuffer(b"".join([each.heads.tobytes() for each in taken]), HEAD)
            counts = [len(each.heads) for each in taken]
            places = np.concatenate([np.arange(each.place, each.place + len(each.heads)) for each in taken])
            firsts = heads["first"] + np.repeat([each.begin for each in taken], counts)
            ends = np.cumsum(heads["size_bytes"])
            moved = [each.text_at - before for each, before in zip(taken, _before(ends, counts), strict=True)]
            texts_at = ends - heads["size_bytes"] + np.repeat(moved, counts)
            # No two are of one place.
            order = np.lexsort((heads["place"], heads["start_us"]))
            heads, texts_at = heads[order], texts_at[order]
            heads["client"] = numbers.of(heads, places[order], firsts[order])
            for begin, end in _stretches(heads["size_bytes"]):
                yield Ordered(heads[begin:end], texts_at[begin:end])

    def _numbers(self) -> ClientNumbers:
        return (
            NumbersOfFirstRequests(self._settled())
            if self._are_named
            else NumbersOfFirstSessions(self.sessions)
        )

    def _settled(self) -> Rows:
        """The first request of each client, by client."""
        if self._fresh:
            firsts = np.concatenate([self._firsts, *self._fresh])
            self._firsts, self._fresh = _NONE, []  # gone before others are made of them
            self._firsts = firsts_of(firsts)
        return self._firsts


def _before(ends: Ints, counts: Sequence[int]) -> list[int]:
    """Where the first of each group ends that has none in front. ends: of all. counts: of the groups."""
    begins = np.cumsum([0, *counts[:-1]])
    told: list[int] = np.concatenate([[0], ends])[begins].tolist()
    return told


def _stretches(sizes: Ints) -> Iterator[tuple[int, int]]:
    """Where to cut these, so that a stretch of several has no more than so many bytes."""
    ends = np.cumsum(sizes)
    begin = 0
    while begin < len(ends):
        most = ends[begin] - sizes[begin] + _STRETCH_BYTES
        end = max(begin + 1, int(np.searchsorted(ends, most, "right")))
        yield begin, end
        begin = end


class _Taken(NamedTuple):
    """Sessions of a run, whose texts lie one behind the other from text_at on.

    begin: how many those of the runs before are. place: of the first one, among those of all.
    """

    heads: Rows
    text_at: int
    begin: int
    place: int


class _Reading:
    """A run as it is read, the heads of a few sessions at a time, so that all runs together take little memory.

    begin: how many sessions the runs before have. goes_on: whether there is more of it than has been read.
    """

    def __init__(self, spilled: Spilled, run: Run, begin: int, runs: int) -> None:
        self._spilled = spilled
        self._run = run
        self._begin = self._place = begin
        self._most_heads = max(1, _READ_HEADS // runs)
        self._read = 0
        self._text_at = run.texts_at
        self._heads = np.empty(0, HEAD)

    @property
    def goes_on(self) -> bool:
        return self._read < self._run.sessions

    @property
    def last(self) -> tuple[int, int]:
        """When the last session starts that has been read, and its place."""
        return int(self._heads["start_us"][-1]), int(self._heads["place"][-1])

    def load(self) -> bool:
        """Have as many sessions to take as may be; whether there are any.

        If more were read only where all are taken, those of some run would always be about to be, and few be taken at
        a time: a merge of 128 runs took about seven times as long.
        """
        n = min(self._most_heads - len(self._heads), self._run.sessions - self._read)
        if n > 0:
            more = self._spilled.get(self._run.heads_at + self._read * HEAD.itemsize, n * HEAD.itemsize)
            self._heads = np.frombuffer(self._heads.tobytes() + more, HEAD)
            self._read += n
        return len(self._heads) > 0

    def until(self, limit: tuple[int, int]) -> Rows:
        """The heads of those of them that come no later."""
        start_us, place = limit
        earlier, no_later = np.searchsorted(self._heads["start_us"], (start_us, start_us + 1)).tolist()
        at_once = self._heads["place"][earlier:no_later]
        return self._heads[: earlier + np.searchsorted(at_once, place, "right")]

    def take(self, limit: tuple[int, int]) -> _Taken:
        """Those of them that come no later."""
        taken = self.until(limit)
        self._heads = self._heads[len(taken) :]
        text_at, self._text_at = self._text_at, self._text_at + int(taken["size_bytes"].sum())
        place, self._place = self._place, self._place + len(taken)
        return _Taken(taken, text_at, self._begin, place)
