"""Lines of steps.jsonl as columns: whatever sums a run up or judges it reads these, a block at a time.

A block is made from records of the audit trail, or read from a cache of it; both give the same columns, and so the same
figures. What a line lacks is ABSENT in a column of numbers, NaN in one of milliseconds, and -1 among codes of texts. A
column with one value throughout takes no memory (its stride is 0), so a table may not be written to.
"""

import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from replay.results.histogram import Int64s
from replay.results.types import TRANSIENT_STATUSES, StepRecord

Codes = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
"""Numbers of rows, or of what their codes stand for."""
Floats = npt.NDArray[np.float64]

ABSENT = -(1 << 62)
"""Stands for a number that is not there."""

TEXTS = (
    "session",
    "step",
    "kind",
    "name",
    "target",
    "outcome",
    "layout",
    "error",
    "phase",
    "check",
    "why",
    "connection",
    "grpc_status",
    "instance",
    "attributes",
)
NUMBERS = (
    "intended_ns",
    "sent_ns",
    "first_byte_ns",
    "first_token_ns",
    "last_token_ns",
    "end_ns",
    "attempt",
    "status",
    "request_bytes",
    "response_bytes",
    "tokens",
    "input_tokens",
    "output_tokens",
    "hidden_tokens",
    "messages",
    "close_code",
    "connect_ns",
    "tls_ns",
    "dns_ns",
    "waited_ns",
    "recorded_status",
    "recorded_input_tokens",
    "recorded_output_tokens",
    "recorded_bytes",
)
MILLISECONDS = ("recorded_ms", "recorded_at_ms", "recorded_ttft_ms")
FLAGS = (
    "final",
    "handshake",
    "stream",
    "streamed",
    "censored",
    "warmup",
    "recorded_stream",
    "made_up",
    "emptied",
    "withheld",
)
COLD = "cold"
"""1, 0, or -1 where the target did not say."""

Made = tuple[npt.NDArray[Any], list[str]]
"""A column, and its texts."""

# Pairs of kinds and names that a table is made for though there are fewer lines.
_FEW_PAIRS = 1 << 16
# One pass over the records for each field is faster than one for all: it makes no object of its own.
_GETTERS = {name: attrgetter(name) for name in (*TEXTS, *NUMBERS, *MILLISECONDS, *FLAGS, COLD)}


class Table:
    """Some lines, in order of writing. Each column is made when it is first asked for.

    A column of texts is codes, -1 for none, into its texts, which are in order of first appearance. attributes are
    texts too: the object as JSON.
    """

    __slots__ = ("_columns", "_make", "_texts", "n")

    def __init__(self, n: int, make: Callable[[str], Made]) -> None:
        self.n = n
        self._make = make
        self._columns: dict[str, npt.NDArray[Any]] = {}
        self._texts: dict[str, list[str]] = {}

    def __repr__(self) -> str:
        return f"<Table {self.n} lines>"

    def _column(self, name: str) -> npt.NDArray[Any]:
        if name not in self._columns:
            self._columns[name], self._texts[name] = self._make(name)
        return self._columns[name]

    def texts(self, name: str) -> list[str]:
        """What the codes of a column of texts stand for."""
        self._column(name)
        return self._texts[name]

    def counted(self, name: str, rows: npt.NDArray[Any]) -> Iterator[tuple[str | None, int]]:
        """Of a column of texts, how often each is among these rows; rows: flags, or which ones."""
        texts = self.texts(name)
        for code, times in enumerate(np.bincount(self._column(name)[rows] + 1).tolist(), -1):
            if times:
                yield None if code < 0 else texts[code], times

    def codes(self, name: str) -> Codes:
        """Of a column of texts."""
        found: Codes = self._column(name)
        return found

    def numbers(self, name: str) -> Int64s:
        found: Int64s = self._column(name)
        return found

    def milliseconds(self, name: str) -> Floats:
        found: Floats = self._column(name)
        return found

    def flags(self, name: str) -> Flags:
        found: Flags = self._column(name)
        return found

    def cold(self) -> Codes:
        found: Codes = self._column(COLD)
        return found

    def has(self, name: str) -> Flags:
        """Of a column of numbers or texts, where there is a value."""
        column = self._column(name)
        found: Flags = column != ABSENT if name in NUMBERS else column >= 0
        return found

    def equals(self, name: str, value: str) -> Flags:
        """Where a text is this one."""
        texts = self.texts(name)
        found: Flags = self._column(name) == (texts.index(value) if value in texts else -2)
        return found


def table_of(records: Sequence[StepRecord]) -> Table:
    """These records as a table."""

    return Table(len(records), lambda name: column_of(name, list(map(_GETTERS[name], records))))


def column_of(name: str, values: list[Any]) -> Made:
    """These values, or None, of a field of the records as the column that a table has of them."""
    if name in TEXTS:
        return _coded(_as_json(values) if name == "attributes" else values)
    return _column(values, *_KINDS[name]), []


def _is_one(values: list[Any]) -> bool:
    """Whether they are all the same; told quickly where they are not."""
    first = values[0]
    return first == values[-1] and first == values[len(values) // 2] and values.count(first) == len(values)


def constant(value: Any, n: int, kind: Any) -> npt.NDArray[Any]:
    """n times the same, in the memory of one."""
    return np.broadcast_to(np.array(value, kind), (n,))


def _coded(values: list[str | None]) -> tuple[Codes, list[str]]:
    if not values:
        return np.empty(0, np.int32), []
    if _is_one(values):
        only = values[0]
        return constant(-1 if only is None else 0, len(values), np.int32), [] if only is None else [only]
    known: dict[str | None, int] = dict.fromkeys(values, -1)
    texts = [text for text in known if text is not None]
    if len(texts) == len(values):
        return np.arange(len(values), dtype=np.int32), texts
    for code, text in enumerate(texts):
        known[text] = code
    return np.frombuffer(array("i", map(known.__getitem__, values)), np.int32), texts


def _as_json(values: list[dict[str, str] | None]) -> list[str | None]:
    if not any(values):
        return [None] * len(values)
    encode = msgspec.json.Encoder(order="deterministic").encode
    return [None if value is None else encode(value).decode() for value in values]


def _column(
    values: list[Any], kind: Any, none: Any, make: Callable[[list[Any]], npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    """The values, or in their place what stands for None."""
    if values and _is_one(values):
        return constant(none if values[0] is None else values[0], len(values), kind)
    if none is not None and None in values:
        values = [none if value is None else value for value in values]
    return make(values)


def as_int64s(values: Sequence[int]) -> Int64s:
    """These numbers as an array."""
    # Three times as fast as an array of them.
    return np.frombuffer(struct.pack(f"{len(values)}q", *values), np.int64)


def _floats(values: list[float]) -> Floats:
    return np.array(values, np.float64)


def _flags(values: list[bool]) -> Flags:
    return np.frombuffer(bytes(values), np.bool_)


def _tri_state(values: list[int]) -> Codes:
    return np.array(values, np.int32)


_Make = Callable[[list[Any]], npt.NDArray[Any]]
# Of each column its type, what stands for None, and how it is made of other values.
_KINDS: dict[str, tuple[Any, Any, _Make]] = {
    **dict.fromkeys(NUMBERS, (np.int64, ABSENT, as_int64s)),
    **dict.fromkeys(MILLISECONDS, (np.float64, np.nan, _floats)),
    **dict.fromkeys(FLAGS, (np.bool_, None, _flags)),
    COLD: (np.int32, -1, _tri_state),
}


def paired(
    first: Codes, second: Codes, first_texts: Sequence[str], second_texts: Sequence[str]
) -> tuple[Codes, list[tuple[str, str]]]:
    """Two columns of texts as one of their pairs, with the pairs that there are."""
    width = len(second_texts) or 1
    pairs = first.astype(np.int64) * width + second
    possible = len(first_texts) * width
    if possible <= max(len(pairs), _FEW_PAIRS):
        # A place for each that there may be: nothing is sorted.
        is_there = np.zeros(possible, np.bool_)
        is_there[pairs] = True
        found = np.flatnonzero(is_there)
        code_of = np.zeros(possible, np.int32)
        code_of[found] = np.arange(len(found), dtype=np.int32)
        codes = code_of[pairs]
    else:
        found, inverse = np.unique(pairs, return_inverse=True)
        codes = inverse.astype(np.int32)
    return codes, [(first_texts[pair // width], second_texts[pair % width]) for pair in found.tolist()]


class Names:
    """Texts as small integers, in order of first appearance; -1 stands for none."""

    def __init__(self) -> None:
        self._codes: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def __contains__(self, value: Any) -> bool:
        return value in self._codes

    def __repr__(self) -> str:
        return f"<Names {len(self)}>"

    @property
    def values(self) -> list[Any]:
        """The texts, by their codes."""
        return list(self._codes)

    def code(self, value: Any) -> int:
        return -1 if value is None else self._codes.setdefault(value, len(self._codes))

    def recoded(self, codes: Codes, texts: Sequence[Any]) -> Codes:
        """Codes into these texts as codes of ours, which texts get in the order in which they appear."""
        return looked_up(self.recoding(codes, texts), codes)

    def recoding(self, codes: Codes, texts: Sequence[Any]) -> Codes:
        """What each of these texts is among ours, and -1 at the end for none: of those that are among the codes."""
        ours = np.full(len(texts) + 1, -1, np.int32)
        seen, put = first_seen(codes, len(texts)), self._codes
        # Sessions are many: this is a call for each of a run's.
        ours[seen] = [put.setdefault(texts[code], len(put)) for code in seen]
        return ours


def looked_up(values: npt.NDArray[Any], codes: Codes) -> npt.NDArray[Any]:
    """The value at each code, the last one at -1; of one code throughout in the memory of one."""
    if len(codes) and codes.strides == (0,):
        return constant(values[codes[0]], len(codes), values.dtype)
    return values[codes]


def first_seen(codes: Codes, n: int) -> list[int]:
    """The codes among these, each once, in order of first appearance, without -1. All are below n."""
    if codes.strides == (0,):
        codes = codes[:1]
    first = np.full(n + 1, len(codes), np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    seen = np.flatnonzero(first[:n] < len(codes))
    order: list[int] = seen[np.argsort(first[:n][seen], kind="stable")].tolist()
    return order


def are_transient(status: Int64s) -> Flags:
    """Which recorded statuses say nothing of what the answer should be; see is_transient."""
    return (status >= 500) | np.isin(status, TRANSIENT_STATUSES)
