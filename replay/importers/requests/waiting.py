"""Sessions that wait for their place in the trace, in runs that are in order each, and are merged at the end."""

import heapq
from collections.abc import Iterator

import msgspec
import numpy as np

from replay.importers.requests.session_lines import Run, firsts_of
from replay.importers.requests.spilled import Spilled
from replay.importers.requests.types import FIRST, HEAD, Ints, MadeSession, Rows
from replay.trace.edges.concurrent import EdgeCounts

_READ_BYTES = 1 << 18
_READ_HEADS = 1 << 10
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
        self._firsts = _NONE
        self._fresh: list[Rows] = []

    def add(self, run: Run) -> None:
        """Take a run."""
        self.sessions += run.sessions
        self.clients += run.clients
        self.most_clients = max(self.most_clients, run.most_clients)
        self.counts.include(run.counts)
        self._fresh.append(run.firsts)
        self._runs.append(msgspec.structs.replace(run, firsts=_NONE))

    @property
    def different_clients(self) -> int:
        """How many clients there are."""
        return len(self._settled())

    def in_order(self) -> Iterator[MadeSession]:
        """All of them, by their starts, their clients numbered by their first requests from 1. Raises TraceError."""
        firsts = self._settled()
        numbers = np.empty(len(firsts), np.int64)
        numbers[np.lexsort((firsts["place"], firsts["start_us"]))] = np.arange(1, len(firsts) + 1)
        clients = np.ascontiguousarray(firsts["client"])
        # No two are of one place, so that nothing else of them is compared.
        return heapq.merge(*(self._read(run, clients, numbers) for run in self._runs))

    def _settled(self) -> Rows:
        """The first request of each client, by client."""
        if self._fresh:
            self._firsts = firsts_of(np.concatenate([self._firsts, *self._fresh]))
            self._fresh = []
        return self._firsts

    def _read(self, run: Run, clients: Ints, numbers: Ints) -> Iterator[MadeSession]:
        text_at = run.texts_at
        for begin in range(0, run.sessions, _READ_HEADS):
            n = min(_READ_HEADS, run.sessions - begin)
            stored = self._spilled.get(run.heads_at + begin * HEAD.itemsize, n * HEAD.itemsize)
            heads = np.frombuffer(stored, HEAD).copy()
            heads["client"] = numbers[np.searchsorted(clients, heads["client"])]
            reads = np.cumsum(heads["size_bytes"]) // _READ_BYTES
            for some in np.split(heads, np.flatnonzero(np.diff(reads)) + 1):
                texts, at = self._spilled.get(text_at, int(some["size_bytes"].sum())), 0
                text_at += len(texts)
                for head in some.tolist():
                    session = MadeSession._make((*head, texts[at : at + head[6]]))
                    at += session.size_bytes
                    yield session
