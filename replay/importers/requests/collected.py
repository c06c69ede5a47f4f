"""Requests collected until all of a recording have been seen, and then made into the sessions of their clients."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from replay.importers.requests.kept import MOST_HELD_BYTES, KeptRequests
from replay.importers.requests.session_lines import (
    MOST_WAITING_BYTES,
    WaitingSessions,
    client_key,
    named_key,
    run_of,
)
from replay.importers.requests.types import ROW, Ints, Rows, SessionRule
from replay.importers.requests.workers import made_of
from replay.trace.edges.concurrent import UNKNOWN_US, EdgeCounts

_BATCH = 1 << 14
_BYTES_FOR_EACH = 100
_NEVER_US = np.iinfo(np.int64).max


class Numbered(dict[str, int]):
    """Texts, each with a number in order of their coming. held_bytes: what they take, about."""

    held_bytes = 0

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        self.held_bytes += _BYTES_FOR_EACH + len(text)
        return number


class CollectedRequests:
    """Takes requests in any order. parts, most_held_bytes: see replay/importers/requests/kept.py.

    most_waiting_bytes: so much of their sessions is held in memory until all are made, and the rest is on the disk.

    clients, agents, names: the texts that tell clients apart, their user agents, and sessions that have a name.
    """

    def __init__(
        self, parts: int, most_held_bytes: int = MOST_HELD_BYTES, most_waiting_bytes: int = MOST_WAITING_BYTES
    ) -> None:
        self.clients = Numbered()
        self.agents = Numbered()
        self.names = Numbered()
        self.first_us, self.last_us = _NEVER_US, -_NEVER_US
        self._kept = KeptRequests(parts, most_held_bytes)
        self._most_waiting_bytes = most_waiting_bytes
        self._count = 0
        self._pending: list[tuple[int, int, int, int, int, int]] = []
        self._texts: list[str] = []
        self._first_us = np.full(0, _NEVER_US)
        self._first_place = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return self._count

    @property
    def held_bytes(self) -> int:
        """What is held in memory of them as long as they are collected, but for what has its bound."""
        return self.clients.held_bytes + self.agents.held_bytes + self.names.held_bytes + 16 * len(self.clients)

    def add(
        self, start_us: int, took_us: int | None, client: str, agent: str | None, name: str | None, text: str
    ) -> None:
        """One request. name: of its session, where it has one. text: as KeptRequests takes it."""
        number = self.clients[client]
        key = client_key(number) if name is None else named_key(self.names[name])
        took_us = UNKNOWN_US if took_us is None else took_us
        row = (start_us, took_us, self._count, key, number, -1 if agent is None else self.agents[agent])
        self._pending.append(row)
        self._texts.append(text)
        self._count += 1
        if len(self._pending) >= _BATCH:
            self.settle()

    def add_all(
        self,
        starts_us: Ints,
        tooks_us: Ints,
        clients: Sequence[str],
        agents: Sequence[str | None],
        texts: Sequence[str],
        names: Sequence[str | None] = (),
    ) -> None:
        """Many requests. tooks_us: UNKNOWN_US where unknown. names: of their sessions; empty where they have none."""
        self.settle()
        rows = np.empty(len(texts), ROW)
        numbers = np.fromiter(map(self.clients.__getitem__, clients), np.int64, len(texts))
        rows["start_us"], rows["took_us"] = starts_us, tooks_us
        rows["place"] = np.arange(self._count, self._count + len(texts))
        rows["key"], rows["client"] = client_key(1) * numbers, numbers
        if names:
            rows["key"] = [
                client_key(number) if name is None else named_key(self.names[name])
                for name, number in zip(names, numbers.tolist(), strict=True)
            ]
        rows["agent"] = [-1 if agent is None else self.agents[agent] for agent in agents]
        self._count += len(texts)
        self._keep(rows, texts)

    def settle(self) -> None:
        """All have come so far: what is told of them is then true."""
        if self._pending:
            rows, texts = np.array(self._pending, ROW), self._texts
            self._pending, self._texts = [], []
            self._keep(rows, texts)

    def _keep(self, rows: Rows, texts: Sequence[str]) -> None:
        self.first_us = min(self.first_us, int(rows["start_us"].min()))
        self.last_us = max(self.last_us, int(rows["start_us"].max()))
        self._note_firsts(rows)
        self._kept.keep(rows, texts)

    def _note_firsts(self, rows: Rows) -> None:
        """When each client sent its first request: by that they are numbered."""
        lacking = len(self.clients) - len(self._first_us)
        if lacking > 0:
            room = max(lacking, len(self._first_us))
            self._first_us = np.concatenate([self._first_us, np.full(room, _NEVER_US)])
            self._first_place = np.concatenate([self._first_place, np.zeros(room, np.int64)])
        by_time = rows[np.argsort(rows["start_us"], kind="stable")]
        clients, at = np.unique(by_time["client"], return_index=True)
        firsts = by_time[at]
        is_earlier = firsts["start_us"] < self._first_us[clients]
        self._first_us[clients[is_earlier]] = firsts["start_us"][is_earlier]
        self._first_place[clients[is_earlier]] = firsts["place"][is_earlier]

    def client_numbers(self) -> list[int]:
        """By client, which one it is of all, from 1, by its first request."""
        self.settle()
        n = len(self.clients)
        numbers = np.empty(n, np.int64)
        numbers[np.lexsort((self._first_place[:n], self._first_us[:n]))] = np.arange(1, n + 1)
        found: list[int] = numbers.tolist()
        return found

    def sessions(
        self, rule: SessionRule, counts: EdgeCounts, workers: int = 1, place: str = ""
    ) -> WaitingSessions:
        """All sessions; to be asked for once. counts: of their edges. workers, place: as `made_of` takes them."""
        self.settle()
        waiting = WaitingSessions(self._most_waiting_bytes)
        for run, its_counts in made_of(self._kept.parts(), partial(run_of, rule), workers, place):
            waiting.add(run)
            counts.include(its_counts)
        return waiting
