"""Blocks of lines told: their requests wait where all do, and what else is known of them is handed over."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from replay.assembly.requests.collected import Collected, Collector
from replay.assembly.requests.columns import Columns, Counted, OddLine, odd_lines
from replay.assembly.requests.spilled import Spilled
from replay.assembly.requests.types import Ints, Rows
from replay.reading.blocks import Block, has_longer, parts_of, with_lines
from replay.trace.edges.concurrent import UNKNOWN_US

# More than objects fit in a line of 64 KiB.
PLACES_A_LINE = 1 << 16


class ReadsBlocks(Protocol):
    """What tells many lines of a format at once."""

    def pieces(self, block: Block) -> Iterator[Columns | OddLine]:
        """What the lines of a block say, in their order."""


# Makes one that tells sessions by what --session-by names.
TellsBlocks = Callable[[str | None], ReadsBlocks]


class Seen(msgspec.Struct, frozen=True):
    """What is known of lines that follow one another, but for their requests.

    stamps_ns: their times; is_end: whether these are their ends. with_duration, without_session: how many of them.
    hosts: how many went where. inferred, dropped: where they depart from their lines, the first first.
    """

    stamps_ns: Ints
    is_end: bool
    with_duration: int
    without_session: int
    hosts: dict[str, int]
    inferred: list[Counted]
    dropped: list[Counted]


class Told(msgspec.Struct, frozen=True):
    """A block. pieces: what is known of its lines, and those to be read alone, in order. collected: its requests.

    lines: how many it has. before: see Block.
    """

    pieces: list[Seen | OddLine]
    collected: Collected | None
    lines: int
    before: int


class Telling(NamedTuple):
    """How blocks are told. parts: their requests are kept in. longest_line_bytes: with a longer one, all are odd."""

    tells: TellsBlocks
    session_by: str | None
    parts: int
    longest_line_bytes: int


class _Teller:
    """Tells blocks in one process; it remembers what texts mean."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._reader = telling.tells(telling.session_by)
        self._collector = Collector()

    def told(self, spilled: Spilled, block: Block) -> Told:
        """What a block says. Raises TraceError where the disk takes no more, or its lines are gone."""
        block = with_lines(block)
        is_long = has_longer(block.data, self._telling.longest_line_bytes)
        pieces: list[Seen | OddLine] = []
        rows: list[Rows] = []
        texts: list[str] = []
        line = block.first
        parts = map(odd_lines if is_long else self._reader.pieces, parts_of(block))
        for piece in chain.from_iterable(parts):
            if isinstance(piece, Columns):
                stamps_ns, tooks_us = np.array(piece.stamps_ns, np.int64), np.array(piece.tooks_us, np.int64)
                rows.append(
                    self._collector.rows(
                        starts_us(stamps_ns, tooks_us, piece.is_end),
                        tooks_us,
                        np.arange(len(stamps_ns)) * PLACES_A_LINE + place_of(block.before + line),
                        piece.addresses,
                        piece.agents,
                        piece.sessions,
                    )
                )
                texts += piece.texts
                pieces.append(_seen(piece, stamps_ns, tooks_us))
                line += len(piece.texts)
            else:
                pieces.append(piece)
                line = piece[0] + 1
        if not rows:
            return Told(pieces, None, line - 1, block.before)
        return Told(
            pieces,
            self._collector.collected(spilled, self._telling.parts, np.concatenate(rows), texts),
            line - 1,
            block.before,
        )


def _seen(columns: Columns, stamps_ns: Ints, tooks_us: Ints) -> Seen:
    names = columns.sessions
    return Seen(
        stamps_ns=stamps_ns,
        is_end=columns.is_end,
        with_duration=int(np.count_nonzero(tooks_us != UNKNOWN_US)),
        without_session=names.count(None) if names else len(stamps_ns),
        hosts=dict(Counter(columns.hosts)),
        inferred=sorted(columns.inferred, key=lambda each: each.first),
        dropped=sorted(columns.dropped, key=lambda each: each.first),
    )


def starts_us(stamps_ns: Ints, tooks_us: Ints, is_end: bool) -> Ints:
    """When requests began. tooks_us: UNKNOWN_US where unknown: the stamp is then taken as the start."""
    if not is_end:
        return stamps_ns // 1_000
    return stamps_ns // 1_000 - np.where(tooks_us == UNKNOWN_US, 0, tooks_us)


def place_of(line: int) -> int:
    """The place of the first request in a line. line: one that comes later in the recording has more."""
    return line * PLACES_A_LINE


_tellers: "WeakKeyDictionary[Spilled, dict[Telling, _Teller]]" = WeakKeyDictionary()


def told(telling: Telling, spilled: Spilled, block: Block) -> Told:
    """What a block says. Raises TraceError where the disk takes no more, or its lines are gone."""
    tellers = _tellers.setdefault(spilled, {})
    if telling not in tellers:
        tellers[telling] = _Teller(telling)
    return tellers[telling].told(spilled, block)
