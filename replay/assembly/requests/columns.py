"""Requests of many lines at once, a column for each thing that is known of them. Pure.

A column of texts becomes one of values by a table of those that came before: the same few come again and again, and are
then found without a call.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from replay.reading.blocks import Block

OddLine = tuple[int, bytes]
"""A line to be read by itself, and its number."""

ODD_NS = -(2**62)
"""The time of a line that has none."""

_FEWEST = 4
_MOST_KNOWN = 1 << 16
_LONGEST_KNOWN = 1 << 10

_Value = TypeVar("_Value")


_Text = str | float | tuple[str | None, ...] | None


class Known(dict[_Text, _Value], Generic[_Value]):
    """What texts, numbers or several texts mean, found once. means: of one of them; pure.

    It forgets all where it is full.
    """

    def __init__(self, means: Callable[[Any], _Value], most: int = _MOST_KNOWN) -> None:
        super().__init__()
        self._means = means
        self._most = most

    def __missing__(self, text: _Text) -> _Value:
        value = self._means(text)
        if _length(text) <= _LONGEST_KNOWN:
            if len(self) >= self._most:
                self.clear()
            self[text] = value
        return value

    def of(self, texts: Sequence[str | float] | Sequence[str | None]) -> list[_Value]:
        """The values of a column."""
        return list(map(self.__getitem__, texts))


def _length(text: _Text) -> int:
    if isinstance(text, tuple):
        return sum(map(len, filter(None, text)))
    return len(text) if isinstance(text, str) else 0


class Counted(msgspec.Struct, frozen=True):
    """Where requests depart from their lines. first: the place of the first that does."""

    what: str
    n: int
    first: int


class Columns(msgspec.Struct):
    """Requests of lines that follow one another, none of which is odd.

    stamps_ns: their times; is_end: whether these are their ends. tooks_us: how long they took; UNKNOWN_US: unknown.
    addresses: digests of those of their clients. agents: what these call themselves. hosts: where they went.
    texts: as replay/assembly/requests/kept.py takes them. sessions: their names, where they have some; empty where
    none has. inferred, dropped: counted.
    """

    stamps_ns: Sequence[int]
    tooks_us: Sequence[int]
    is_end: bool
    addresses: Sequence[int]
    agents: Sequence[str | None]
    texts: Sequence[str]
    hosts: Sequence[str] = ()
    sessions: Sequence[str | None] = ()
    inferred: list[Counted] = []
    dropped: list[Counted] = []


def counted(what: str, is_so: Sequence[bool]) -> list[Counted]:
    """How many of these are so; nothing where none is."""
    n = sum(is_so)
    return [Counted(what, n, is_so.index(True))] if n else []


def counted_but(what: str, texts: Sequence[str], nothing: Sequence[str]) -> list[Counted]:
    """How many of these texts say something; nothing where none does."""
    n = len(texts) - sum(map(texts.count, nothing))
    return [Counted(what, n, next(at for at, text in enumerate(texts) if text not in nothing))] if n else []


def pieces(
    block: Block, is_odd: Sequence[bool], columns: Callable[[int, int], Columns]
) -> Iterator[Columns | OddLine]:
    """A block's lines in their order. is_odd: which are to be read alone. columns: what those of a span say.

    A few between two odd ones are read alone, too.
    """
    if True not in is_odd:
        yield columns(0, len(is_odd))
        return
    lines = block.data.split(b"\n")
    begin = 0
    for at in (*(n for n, odd in enumerate(is_odd) if odd), len(is_odd)):
        if at - begin >= _FEWEST:
            yield columns(begin, at)
            begin = at
        yield from ((block.first + n, lines[n] + b"\n") for n in range(begin, min(at + 1, len(is_odd))))
        begin = at + 1


def odd_lines(block: Block) -> Iterator[OddLine]:
    """All lines of a block, to be read one by one."""
    for n, line in enumerate(block.data.split(b"\n")[:-1], block.first):
        yield n, line + b"\n"
