"""Requests collected until all of a recording have been seen, and then made into the sessions of their clients."""

from collections.abc import Sequence
from functools import partial

import msgspec
import numpy as np

from replay.assembly.call_steps import LONGEST_TEXT
from replay.assembly.requests.columns import Known
from replay.assembly.requests.digests import Digests, Texts, client_digests, digest
from replay.assembly.requests.kept import kept, part_of
from replay.assembly.requests.log_fields import LONGEST_PATH
from replay.assembly.requests.session_lines import keys_of, run_of
from replay.assembly.requests.spilled import Spilled
from replay.assembly.requests.types import NOTHING, ROW, Ints, Kept, Rows, SessionRule
from replay.assembly.requests.waiting import WaitingSessions
from replay.assembly.requests.workers import Workers
from replay.trace.edges.concurrent import UNKNOWN_US

_BATCH = 1 << 14
_LONGEST_AGENT = 2 * LONGEST_TEXT
_NEVER_US = np.iinfo(np.int64).max


class Collected(msgspec.Struct, frozen=True):
    """Requests that one process has collected. agents, names: texts that it tells of for the first time, by digest."""

    kept: Kept
    requests: int
    first_us: int
    last_us: int
    agents: dict[int, str]
    names: dict[int, str]


class Collector:
    """Collects requests in one process. It remembers what came before.

    A name or a user agent is cut where it is very long.
    """

    def __init__(self) -> None:
        self._agents = Digests(_LONGEST_AGENT, LONGEST_TEXT)
        self._names = Digests(LONGEST_PATH)

    def rows(
        self,
        starts_us: Ints,
        tooks_us: Ints,
        places: Ints,
        addresses: Sequence[int],
        agents: Sequence[str | None],
        names: Sequence[str | None],
    ) -> Rows:
        """Requests. tooks_us: UNKNOWN_US where unknown. addresses: digests. names: empty where they have none."""
        rows = np.empty(len(addresses), ROW)
        rows["start_us"], rows["took_us"], rows["place"] = starts_us, tooks_us, places
        rows["agent"] = self._agents.of(agents)
        rows["client"] = client_digests(np.array(addresses, np.int64), rows["agent"])
        of_names = self._names.of(names) if names else [NOTHING]
        rows["key"] = keys_of(rows["client"], np.array(of_names, np.int64))
        return rows

    def collected(self, spilled: Spilled, parts: int, rows: Rows, texts: Sequence[str]) -> Collected:
        """Have these wait. texts: as `kept` takes them."""
        return Collected(
            kept=kept(spilled, parts, rows, texts),
            requests=len(rows),
            first_us=int(rows["start_us"].min()),
            last_us=int(rows["start_us"].max()),
            agents=self._agents.fresh(),
            names=self._names.fresh(),
        )


class CollectedRequests:
    """Takes requests in any order. parts: see replay/assembly/requests/kept.py.

    agents, names: user agents and names of sessions by their digests. first_us, last_us: of all starts.
    """

    def __init__(self, spilled: Spilled, parts: int) -> None:
        self.agents = Texts()
        self.names = Texts()
        self.first_us, self.last_us = _NEVER_US, -_NEVER_US
        self._spilled = spilled
        self._parts = parts
        self._collector = Collector()
        self._kept: list[Kept] = []
        self._count = 0
        self._place = 0
        self._clients = Known(digest)
        self._pending: list[tuple[int, int, int, int, str | None, str | None]] = []
        self._texts: list[str] = []

    def __len__(self) -> int:
        return self._count + len(self._pending)

    @property
    def held_bytes(self) -> int:
        """What is held in memory of them as long as they are collected, but for what has its bound."""
        return self.agents.held_bytes + self.names.held_bytes

    def add(
        self,
        start_us: int,
        took_us: int | None,
        client: str,
        agent: str | None,
        name: str | None,
        text: str,
        place: int = 0,
    ) -> None:
        """One request. client: what tells clients apart, with agent. name: of its session, where it has one.

        text: as `kept` takes it. place: at least its place.
        """
        self._place = max(self._place + 1, place)
        took = UNKNOWN_US if took_us is None else took_us
        self._pending.append((start_us, took, self._place, self._clients[client], agent, name))
        self._texts.append(text)
        if len(self._pending) >= _BATCH:
            self.settle()

    def settle(self) -> None:
        """All have come so far: what is told of them is then true."""
        if self._pending:
            starts_us, tooks_us, places, *who = zip(*self._pending, strict=True)
            times = np.array(starts_us, np.int64), np.array(tooks_us, np.int64), np.array(places, np.int64)
            rows, texts = self._collector.rows(*times, *who), self._texts
            self._pending, self._texts = [], []
            self.take(self._collector.collected(self._spilled, self._parts, rows, texts))

    def take(self, collected: Collected) -> None:
        """Those that a process has collected."""
        self._count += collected.requests
        self.first_us = min(self.first_us, collected.first_us)
        self.last_us = max(self.last_us, collected.last_us)
        self.agents.take(collected.agents)
        self.names.take(collected.names)
        self._kept.append(collected.kept)

    def sessions(self, rule: SessionRule, workers: Workers) -> WaitingSessions:
        """All sessions."""
        self.settle()
        waiting = WaitingSessions(self._spilled)
        parts = (part_of(self._kept, part) for part in range(self._parts))
        for run in workers.made_of(
            (part for part in parts if len(part.rows)), partial(run_of, rule, bool(self.names))
        ):
            waiting.add(run)
        return waiting
