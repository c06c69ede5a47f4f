"""Requests made into sessions, and these into lines of a trace, in order of their starts. Pure, but for what waits.

What becomes of a request says replay/importers/logs/logged_requests.py. A line is put together of texts rather than of
objects, which halves what an import takes; tests hold it to what an encoder makes of the objects.
"""

import heapq
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from replay.importers.requests.spilled import Spilled
from replay.importers.requests.types import MadeSession, Rows, SessionRule
from replay.trace.edges.concurrent import UNKNOWN_US, EdgeCounts, concurrent_waits
from replay.trace.file.rules import MOST_STEPS

LONG_US = 24 * 3_600 * 1_000_000
"""A step that took longer is doubted."""

MOST_WAITING_BYTES = 64 << 20

_HEAD = struct.Struct("<qqiiiii?i")
_READ_BYTES = 1 << 18


def run_of(rule: SessionRule, part: tuple[Rows, bytes]) -> tuple[list[MadeSession], EdgeCounts]:
    """The sessions of a part, by their starts, and the counts of their edges."""
    rows, text = part
    counts = EdgeCounts()
    return sorted(sessions_of(rows, text.decode().split("\n"), rule, counts)), counts


def sessions_of(
    rows: Rows, texts: Sequence[str], rule: SessionRule, counts: EdgeCounts
) -> Iterator[MadeSession]:
    """The sessions of these requests, which are all of theirs. texts: two for each row."""
    order = np.lexsort((rows["place"], rows["start_us"], rows["key"]))
    rows = rows[order]
    places = order.tolist()
    keys, starts_us, tooks_us = (rows[name].tolist() for name in ("key", "start_us", "took_us"))
    for begin, end in _spans(keys, starts_us, tooks_us, rule):
        first = rows[begin]
        tooks = tooks_us[begin:end]
        yield MadeSession(
            start_us=starts_us[begin],
            place=int(first["place"]),
            key=keys[begin],
            client=int(first["client"]),
            agent=int(first["agent"]),
            steps=end - begin,
            clients=1 if end == begin + 1 else len(set(rows["client"][begin:end].tolist())),
            is_long=max(tooks) > LONG_US,
            text=_steps_text(starts_us[begin:end], tooks, places[begin:end], texts, rule.resolution_us, counts),
        )


def _spans(
    keys: Sequence[int], starts_us: Sequence[int], tooks_us: Sequence[int], rule: SessionRule
) -> Iterator[tuple[int, int]]:
    """Where sessions begin and end: with their key, by silence, or because they are as long as one may be."""
    begin, key, end_us, gap_us = 0, -1, 0, rule.gap_us
    for n, (its_key, start_us, took_us) in enumerate(zip(keys, starts_us, tooks_us, strict=True)):
        if (
            its_key != key
            or (start_us - end_us > gap_us and ends_by_silence(key, rule))
            or n - begin >= MOST_STEPS
        ):
            if n:
                yield begin, n
            begin, key, end_us = n, its_key, start_us
        if start_us + took_us > end_us:
            end_us = start_us + max(took_us, 0)
    yield begin, len(keys)


def client_key(client: int) -> int:
    """The key of what has no session but its client's."""
    return 2 * client


def named_key(name: int) -> int:
    """The key of what has a session of its own."""
    return 2 * name + 1


def name_of(key: int) -> int | None:
    """The number of a session that has one of its own."""
    return key >> 1 if key & 1 else None


def ends_by_silence(key: int, rule: SessionRule) -> bool:
    return rule.has_gaps or name_of(key) is None


def _steps_text(
    starts_us: Sequence[int],
    tooks_us: Sequence[int],
    places: Sequence[int],
    texts: Sequence[str],
    resolution_us: int,
    counts: EdgeCounts,
) -> str:
    if len(places) == 1:  # most clients of a large log send one request
        at = 2 * places[0]
        return f'{{"id":"1",{texts[at]},"at_ms":0.0{texts[at + 1]}'
    zero_us = starts_us[0]
    starts_us = [start_us - zero_us for start_us in starts_us]
    waits = concurrent_waits(starts_us, tooks_us, resolution_us, counts)
    steps: list[str] = []
    for n, (place, start_us, parents, think_us) in enumerate(
        zip(places, starts_us, waits.parents, waits.think_us, strict=True), 1
    ):
        after = ""
        if parents:
            delay = f"{think_us // 1_000}.0" if think_us % 1_000 == 0 else f"{think_us / 1_000}"
            edges = [
                f'{{"step":"{parent + 1}","delay_ms":{delay}}}'
                if tooks_us[parent] != UNKNOWN_US
                else _from_start(parent, start_us - waits.walked_us[parent])
                for parent in parents
            ]
            after = f',"after":[{",".join(edges)}]'
        at_ms = f"{start_us // 1_000}.0" if start_us % 1_000 == 0 else f"{start_us / 1_000}"
        steps.append(f'{{"id":"{n}",{texts[2 * place]}{after},"at_ms":{at_ms}{texts[2 * place + 1]}')
    return ",".join(steps)


def _from_start(parent: int, delay_us: int) -> str:
    step = parent + 1
    return f'{{"step":"{step}","anchor":"start","delay_ms":{delay_us / 1_000}}},{{"step":"{step}"}}'


class WaitingSessions:
    """Takes the sessions of one part after the other, and gives all in order; many wait on the disk.

    sessions: how many they are. clients: how many these have, each of them; most_clients: the most that one has.
    """

    def __init__(self, most_waiting_bytes: int = MOST_WAITING_BYTES) -> None:
        self.sessions = self.clients = self.most_clients = 0
        self._most_waiting_bytes = most_waiting_bytes
        self._runs: list[list[MadeSession]] = []
        self._waiting_bytes = 0
        self._spilled: Spilled | None = None
        self._written: list[tuple[int, int]] = []

    def add(self, run: list[MadeSession]) -> None:
        """run: by their starts. Raises TraceError where the disk takes no more."""
        self._runs.append(run)
        self.sessions += len(run)
        self.clients += sum(session.clients for session in run)
        self.most_clients = max(self.most_clients, *(session.clients for session in run))
        self._waiting_bytes += sum(len(session.text) for session in run)
        if self._waiting_bytes > self._most_waiting_bytes:
            spilled = self._spilled = self._spilled or Spilled()
            self._written += (spilled.put(map(_packed, run)) for run in self._runs)
            self._runs.clear()
            self._waiting_bytes = 0

    def in_order(self) -> Iterator[MadeSession]:
        """All of them, by their starts. Raises TraceError."""
        return heapq.merge(*self._runs, *(self._read(*run) for run in self._written))

    def _read(self, at: int, length: int) -> Iterator[MadeSession]:
        assert self._spilled is not None
        end, ready, begin = at + length, b"", 0
        while at < end or begin < len(ready):
            wanted = begin + _HEAD.size
            if len(ready) >= wanted:
                *told, size = _HEAD.unpack_from(ready, begin)
                text, wanted = wanted, wanted + size
                if len(ready) >= wanted:
                    yield MadeSession(*(*told, ready[text:wanted].decode()))
                    begin = wanted
                    continue
            more = min(max(_READ_BYTES, wanted - len(ready)), end - at)
            ready, begin = ready[begin:] + self._spilled.get(at, more), 0
            at += more


def _packed(session: MadeSession) -> bytes:
    text = session.text.encode()
    return _HEAD.pack(*[getattr(session, name) for name in session.__struct_fields__[:-1]], len(text)) + text
