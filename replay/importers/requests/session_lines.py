"""Requests made into sessions: a part of them at a time, all of whose sessions are in it. Pure, but for what waits.

What becomes of a request says replay/importers/logs/logged_requests.py. A line is put together of texts rather than of
objects, which halves what an import takes; tests hold it to what an encoder makes of the objects.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from replay.importers.requests.edge_texts import edge_texts, ms_texts
from replay.importers.requests.kept import Part, read_part
from replay.importers.requests.latest import latest_before
from replay.importers.requests.spilled import Spilled
from replay.importers.requests.types import FIRST, HEAD, Ints, Rows, SessionRule
from replay.trace.edges.concurrent import EdgeCounts
from replay.trace.file.rules import MOST_STEPS

LONG_US = 24 * 3_600 * 1_000_000
"""A step that took longer is doubted."""

_STEPS_IN_PIECE = 4_096


class Run(msgspec.Struct, frozen=True):
    """Where the sessions of a part lie, by their starts: their heads and their texts, one behind the other.

    sessions: how many they are. clients: how many these have, each of them; most_clients: the most that one has.
    firsts: the first request of each client, as FIRST. counts: of their edges.
    """

    heads_at: int
    texts_at: int
    sessions: int
    clients: int
    most_clients: int
    firsts: Rows
    counts: EdgeCounts


class _Made(NamedTuple):
    """Sessions, each with its head, and where its steps begin and end, and the JSON of these.

    clients: how many each of them has.
    """

    heads: Rows
    begins: Ints
    ends: Ints
    steps: list[str]
    clients: Ints


def run_of(rule: SessionRule, spilled: Spilled, part: Part) -> Run:
    """The sessions of a part, which wait where its requests do."""
    rows, texts = _read(spilled, part)
    counts = EdgeCounts()
    made = _sessions_of(rows, texts, rule, counts)
    del texts
    order = np.lexsort((made.heads["place"], made.heads["start_us"]))
    heads = made.heads[order]
    spans = zip(made.begins[order].tolist(), made.ends[order].tolist(), strict=True)
    return Run(
        heads_at=spilled.put(heads.tobytes()),
        texts_at=spilled.put_pieces(_pieces(made.steps, spans), int(heads["size_bytes"].sum())),
        sessions=len(heads),
        clients=int(made.clients.sum()),
        most_clients=int(made.clients.max()),
        firsts=firsts_of(rows),
        counts=counts,
    )


def _read(spilled: Spilled, part: Part) -> tuple[Rows, list[str]]:
    """The requests of a part, and two texts for each."""
    rows, text = read_part(spilled, part)
    # As many characters as bytes, whatever these say.
    return rows, text.decode("latin-1").split("\n")


def _pieces(steps: Sequence[str], spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """The JSON of sessions, one behind the other, in pieces. spans: where their steps begin and end."""
    waiting: list[str] = []
    for begin, end in spans:
        while end - begin > _STEPS_IN_PIECE:
            waiting += (",".join(steps[begin : begin + _STEPS_IN_PIECE]), ",")
            begin += _STEPS_IN_PIECE
            yield "".join(waiting).encode("latin-1")
            waiting = []
        waiting.append(",".join(steps[begin:end]))
        if len(waiting) > _STEPS_IN_PIECE:
            yield "".join(waiting).encode("latin-1")
            waiting = []
    yield "".join(waiting).encode("latin-1")


def firsts_of(requests: Rows) -> Rows:
    """The first of these requests of each client. requests: ROW or FIRST."""
    order = np.lexsort((requests["place"], requests["start_us"], requests["client"]))
    clients = requests["client"][order]
    order = order[np.concatenate([[True], clients[1:] != clients[:-1]])]
    firsts = np.empty(len(order), FIRST)
    for name in ("client", "start_us", "place"):
        firsts[name] = requests[name][order]
    return firsts


def _sessions_of(rows: Rows, texts: Sequence[str], rule: SessionRule, counts: EdgeCounts) -> _Made:
    """The sessions of these requests, which are all of theirs. texts: two for each row."""
    order = np.lexsort((rows["place"], rows["start_us"], rows["key"]))
    rows = rows[order]
    begins = _begins(rows, rule)
    lengths = np.diff(begins, append=len(rows))
    steps = _steps_texts(rows, np.repeat(begins, lengths), order, texts, rule.resolution_us, counts)
    heads = np.empty(len(begins), HEAD)
    for name in ("start_us", "place", "key", "client", "agent"):
        heads[name] = rows[name][begins]
    heads["steps"] = lengths
    heads["size_bytes"] = np.add.reduceat(list(map(len, steps)), begins) + lengths - 1  # and commas
    heads["is_long"] = np.maximum.reduceat(rows["took_us"], begins) > LONG_US
    return _Made(heads, begins, begins + lengths, steps, _clients(rows, begins, lengths))


def _begins(rows: Rows, rule: SessionRule) -> Ints:
    """Where sessions begin: with their key, behind a silence, or where one is as long as it may be."""
    starts_us, keys = rows["start_us"], rows["key"]
    ends_us = starts_us + np.maximum(rows["took_us"], 0)
    may_end = (keys & 1 == 0) | rule.has_gaps
    is_cut = np.concatenate([[True], keys[1:] != keys[:-1]])
    while True:
        silence_us = starts_us - latest_before(ends_us, is_cut)
        begins = np.flatnonzero(is_cut | (may_end & (silence_us > rule.gap_us)))
        is_too_long = np.diff(begins, append=len(rows)) > MOST_STEPS
        if not is_too_long.any():
            return begins
        is_cut[begins[is_too_long] + MOST_STEPS] = True


def _steps_texts(
    rows: Rows, firsts: Ints, places: Ints, texts: Sequence[str], resolution_us: int, counts: EdgeCounts
) -> list[str]:
    """The JSON of each step. firsts: where the first of its session is. places: of their requests in texts."""
    starts_us = rows["start_us"] - rows["start_us"][firsts]
    numbers = np.arange(1, len(rows) + 1) - firsts
    edges = edge_texts(starts_us, rows["took_us"], numbers, resolution_us, counts)
    at = places.tolist()
    befores, behinds = texts[::2], texts[1::2]
    return [
        f'{{"id":"{number}",{befores[place]}{after},"at_ms":{at_ms}{behinds[place]}'
        for number, place, after, at_ms in zip(numbers.tolist(), at, edges, ms_texts(starts_us), strict=True)
    ]


def _clients(rows: Rows, begins: Ints, lengths: Ints) -> Ints:
    """How many clients each session has."""
    if not (rows["key"][begins] & 1).any():  # none has a name
        return np.ones(len(begins), np.int64)
    sessions = np.repeat(np.arange(len(begins)), lengths)
    order = np.lexsort((rows["client"], sessions))
    sessions, clients = sessions[order], rows["client"][order]
    is_other = np.ones(len(rows), bool)
    is_other[1:] = (sessions[1:] != sessions[:-1]) | (clients[1:] != clients[:-1])
    return np.bincount(sessions[is_other])


def client_key(client: int) -> int:
    """The key of what has no session but its client's. client: its digest."""
    return client & ~1


def named_key(name: int) -> int:
    """The key of what has a session of its own. name: its digest, which is odd."""
    return name


def name_of(key: int) -> int | None:
    """The digest of the name of a session that has one of its own."""
    return key if key & 1 else None
