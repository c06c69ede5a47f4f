"""Requests made into sessions: a part of them at a time, all of whose sessions are in it. Pure, but for what waits.

What becomes of a request says replay/importers/logs/logged_requests.py. A line is put together of texts rather than of
objects, which halves what an import takes; tests hold it to what an encoder makes of the objects.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from replay.assembly.requests.edge_texts import edge_texts, ms_texts
from replay.assembly.requests.kept import Part, read_part
from replay.assembly.requests.latest import latest_before
from replay.assembly.requests.spilled import Spilled
from replay.assembly.requests.types import FIRST, HEAD, NOTHING, Ints, Rows, SessionRule
from replay.trace.edges.concurrent import EdgeCounts
from replay.trace.file.rules import MOST_STEPS

LONG_US = 24 * 3_600 * 1_000_000
"""A step that took longer is doubted."""

_STEPS_IN_PIECE = 1 << 14
_BETWEEN = "\n"
# Of a step: its id, a half of its text, its edges in three pieces, its time, and the other half.
_PARTS = ("", "", "", "", "", ',"at_ms":', "", "")


class Run(msgspec.Struct, frozen=True):
    """Where the sessions of a part lie, by their starts: their heads, and their texts with a line break before each.

    sessions: how many they are. clients: how many these have, each of them; most_clients: the most that one has.
    firsts: the first request of each client, as FIRST, where some requests have names; else different_clients says how
    many clients the run has, of which no other one has any. counts: of their edges.
    """

    heads_at: int
    texts_at: int
    sessions: int
    clients: int
    most_clients: int
    different_clients: int
    firsts: Rows
    counts: EdgeCounts


def run_of(rule: SessionRule, are_named: bool, spilled: Spilled, part: Part) -> Run:
    """The sessions of a part, which wait where its requests do. are_named: whether some requests have names."""
    rows, texts = _read(spilled, part)
    order = np.lexsort((rows["place"], rows["start_us"], rows["key"]))
    begins = _begins(rows[order], rule)
    lengths = np.diff(begins, append=len(rows))
    firsts = rows[order[begins]]
    by_start = np.lexsort((firsts["place"], firsts["start_us"]))
    places = order[_spans(begins[by_start], lengths[by_start])]
    rows, lengths = rows[places], lengths[by_start]
    begins = np.cumsum(lengths) - lengths
    counts = EdgeCounts()
    steps = _steps(rows, np.repeat(begins, lengths), texts, places, rule.resolution_us, counts)
    heads = np.empty(len(begins), HEAD)
    for name in ("start_us", "place", "key", "client", "agent"):
        heads[name] = rows[name][begins]
    heads["steps"] = lengths
    heads["size_bytes"] = _sizes(steps)
    heads["is_long"] = np.maximum.reduceat(rows["took_us"], begins) > LONG_US
    heads["first"], different_clients = _first_sessions(heads["client"])
    clients = _clients(rows, begins, lengths)
    return Run(
        heads_at=spilled.put(heads.tobytes()),
        texts_at=spilled.put_pieces(steps, sum(map(len, steps))),
        sessions=len(heads),
        clients=int(clients.sum()),
        most_clients=int(clients.max()),
        different_clients=different_clients,
        firsts=firsts_of(rows if are_named else rows[:0]),
        counts=counts,
    )


def _read(spilled: Spilled, part: Part) -> tuple[Rows, list[str]]:
    """The requests of a part, and two texts for each."""
    rows, text = read_part(spilled, part)
    # As many characters as bytes, whatever these say.
    return rows, text.decode("latin-1").split("\n")


def _spans(begins: Ints, lengths: Ints) -> Ints:
    """The places from each of these beginnings on, as many as its length says."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(begins - ends + lengths, lengths)


def _steps(
    rows: Rows, firsts: Ints, texts: Sequence[str], places: Ints, resolution_us: int, counts: EdgeCounts
) -> list[bytes]:
    """The JSON of all steps, in pieces: a line break before each session, and commas between its steps.

    firsts: where the first step of its session is. texts: two for each request. places: of the requests among these.
    """
    starts_us = rows["start_us"] - rows["start_us"][firsts]
    numbers = np.arange(1, len(rows) + 1) - firsts
    edges = edge_texts(starts_us, rows["took_us"], numbers, resolution_us, counts)
    openings = ["", *(f'{"," if n > 1 else _BETWEEN}{{"id":"{n}",' for n in range(1, int(numbers.max()) + 1))]
    befores, behinds = texts[::2], texts[1::2]
    pieces = []
    for begin in range(0, len(rows), _STEPS_IN_PIECE):
        these = slice(begin, begin + _STEPS_IN_PIECE)
        at = places[these].tolist()
        parts = [*_PARTS] * len(at)
        parts[0 :: len(_PARTS)] = map(openings.__getitem__, numbers[these].tolist())
        parts[1 :: len(_PARTS)] = map(befores.__getitem__, at)
        for n, texts_of_edges in enumerate(edges, 2):
            parts[n :: len(_PARTS)] = texts_of_edges[these]
        parts[6 :: len(_PARTS)] = ms_texts(starts_us[these])
        parts[7 :: len(_PARTS)] = map(behinds.__getitem__, at)
        pieces.append("".join(parts).encode("latin-1"))
    return pieces


def _sizes(pieces: Sequence[bytes]) -> Ints:
    """How long each session is in these, with the line break before it."""
    breaks, size = [], 0
    for piece in pieces:
        breaks.append(np.flatnonzero(np.frombuffer(piece, np.uint8) == ord(_BETWEEN)) + size)
        size += len(piece)
    sizes: Ints = np.diff(np.concatenate([*breaks, [size]]))
    return sizes


def _first_sessions(clients: Ints) -> tuple[Ints, int]:
    """Which of these sessions is the first of each one's client, and how many clients there are."""
    _, firsts, of_session = np.unique(clients, return_index=True, return_inverse=True)
    return firsts[of_session], len(firsts)


def firsts_of(requests: Rows) -> Rows:
    """The first of these requests of each client. requests: ROW or FIRST."""
    order = np.lexsort((requests["place"], requests["start_us"], requests["client"]))
    clients = requests["client"][order]
    order = order[np.concatenate([[True], clients[1:] != clients[:-1]])[: len(order)]]
    firsts = np.empty(len(order), FIRST)
    for name in ("client", "start_us", "place"):
        firsts[name] = requests[name][order]
    return firsts


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


def keys_of(clients: Ints, names: Ints) -> Ints:
    """What is equal for all requests of a session. clients: digests. names: digests, or NOTHING: odd."""
    return np.where(names == NOTHING, clients & ~1, names)


def name_of(key: int) -> int | None:
    """The digest of the name of a session that has one of its own."""
    return key if key & 1 else None
