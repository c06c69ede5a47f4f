"""The audit trail as columns: every step's last attempt as a row of arrays, for whoever judges a run."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from replay.results.histogram import Int64s
from replay.results.record import ReadTally
from replay.results.tables.reading import read_tables
from replay.results.tables.table import (
    ABSENT,
    Floats,
    Names,
    Table,
    constant,
    first_seen,
    looked_up,
    paired,
    table_of,
)
from replay.results.tables.table import Codes as Codes
from replay.results.tables.table import Flags as Flags
from replay.results.tables.table import Rows as Rows
from replay.results.types import INTERRUPTED, StepRecord

ABSENT_NS = ABSENT
"""Stands for an instant or a duration that was not measured."""
REFUSED = (429, 503, 529)
"""The statuses of a target that sheds load; 529 is that of model APIs that are overloaded."""
REFUSED_CALLS = ("RESOURCE_EXHAUSTED", "UNAVAILABLE")
"""How gRPC calls end that are refused for it (https://grpc.io/docs/guides/status-codes/)."""


class Columns(NamedTuple):
    """One row for the last attempt of every step that was tried, in order of writing; waits are left out.

    ok: answered, and as expected. answered: a whole response came, whether or not it was the expected one.

    session, series, error, instance: codes into the lists of the same name (series: (kind, name)). Instants are ns from
    the run's start, ABSENT_NS where there is none. cold: 1, 0, or -1 where the target did not say. attempts: tries of
    the step, the last one included; redirects that led to one are none. sent_before: those before the last one that
    were sent, none of them on a connection that had been closed. refused: the last try was answered as REFUSED or
    REFUSED_CALLS say. refused_before: how many of the others were; None where that is not known. retried_ns: from the
    first try's intended time to the last one's sending, 0 for one try without a redirect. makespan_ns: of each session,
    from its first intended time to its last end, waits included, ABSENT_NS where that is not known. cut: of each
    session, whether a step of it was left unsent, or interrupted, so that its makespan is only the least that it can
    be. unsent: steps that were not sent, which have no row, by reason.

    What follows unreadable is None where it is not known; `numbers` and `flags` give it as a column all the same.
    recorded_*: of the same step in the recording. stream, streamed: a stream was asked for, and came. emptied: its
    answer had no body, where the recorded one had one.
    recorded_at_ns counts from the session's start. check: codes into checks, the names of expectations not met.
    why: codes into whys, sentences on what failed.
    other_ok, other_tokens: of a side of a pair, whether the other one answered the step, and the tokens that both have
    of it at least; None where there is no other.
    """

    sessions: list[str]
    series_names: list[tuple[str, str]]
    errors: list[str]
    instances: list[str]
    session: Codes
    series: Codes
    step: list[str]
    ok: Flags
    error: Codes
    status: Codes
    intended_ns: Int64s
    sent_ns: Int64s
    first_byte_ns: Int64s
    first_token_ns: Int64s
    end_ns: Int64s
    request_bytes: Int64s
    response_bytes: Int64s
    tokens: Int64s
    connect_ns: Int64s
    tls_ns: Int64s
    dns_ns: Int64s
    new_connection: Flags
    instance: Codes
    cold: Codes
    censored: Flags
    warmup: Flags
    answered: Flags
    attempts: Codes
    sent_before: Codes
    retried_ns: Int64s
    makespan_ns: Int64s
    unsent: dict[str, int]
    unreadable: int
    last_token_ns: Int64s | None = None
    input_tokens: Int64s | None = None
    output_tokens: Int64s | None = None
    hidden_tokens: Int64s | None = None
    recorded_ns: Int64s | None = None
    recorded_at_ns: Int64s | None = None
    recorded_ttft_ns: Int64s | None = None
    recorded_status: Int64s | None = None
    recorded_bytes: Int64s | None = None
    recorded_input_tokens: Int64s | None = None
    recorded_output_tokens: Int64s | None = None
    stream: Flags | None = None
    streamed: Flags | None = None
    recorded_stream: Flags | None = None
    made_up: Flags | None = None
    emptied: Flags | None = None
    checks: list[str] | None = None
    check: Codes | None = None
    whys: list[str] | None = None
    why: Codes | None = None
    cut: Flags | None = None
    other_ok: Flags | None = None
    other_tokens: Int64s | None = None
    refused_before: Codes | None = None
    refused: Flags | None = None

    @property
    def n(self) -> int:
        return len(self.session)

    @property
    def written_tokens(self) -> Int64s:
        """The tokens of each step's answer: as its own usage counts them, else the events that brought any; ABSENT_NS
        where neither tells.
        """
        told = self.numbers("output_tokens")
        return np.where(told == ABSENT_NS, self.tokens, told)

    @property
    def shown_ns(self) -> Int64s:
        """When each step's answer began to be there: its first token; of one that was asked for as a stream and was
        answered whole, or without a token, its end. ABSENT_NS of all others, and of failures without a token.
        """
        is_whole = self.ok & self.flags("stream") & (self.first_token_ns == ABSENT_NS)
        return np.where(is_whole, self.end_ns, self.first_token_ns)

    @property
    def cut_sessions(self) -> Flags:
        """Of each session, whether it was cut off before its end without a failure."""
        found = np.zeros(len(self.sessions), np.bool_) if self.cut is None else self.cut.copy()
        found[self.session[~self.ok]] = False
        return found

    def where(self, rows: Flags) -> "Columns":
        """These rows alone; sessions keep their codes and their makespans. Of all rows nothing is copied."""
        if rows.all():
            return self
        taken = _picker(rows)
        of_rows: dict[str, Any] = {
            name: taken(value)
            for name, value in zip(self._fields, self, strict=True)
            if isinstance(value, np.ndarray) and name not in ("makespan_ns", "cut")
        }
        steps = [step for step, is_there in zip(self.step, rows.tolist(), strict=True) if is_there]
        return self._replace(step=steps, **of_rows)

    def numbers(self, name: str) -> Int64s:
        """A column of numbers that older runs lack: all ABSENT_NS there."""
        found: Int64s | None = getattr(self, name)
        return np.full(self.n, ABSENT_NS, np.int64) if found is None else found

    def flags(self, name: str) -> Flags:
        """A column of flags that older runs lack: all False there."""
        found: Flags | None = getattr(self, name)
        return np.zeros(self.n, np.bool_) if found is None else found


_NUMBERS = (
    "intended_ns",
    "sent_ns",
    "first_byte_ns",
    "first_token_ns",
    "end_ns",
    "request_bytes",
    "response_bytes",
    "tokens",
    "connect_ns",
    "tls_ns",
    "dns_ns",
    "last_token_ns",
    "input_tokens",
    "output_tokens",
    "hidden_tokens",
    "recorded_status",
    "recorded_bytes",
    "recorded_input_tokens",
    "recorded_output_tokens",
)
_MILLISECONDS = {
    "recorded_ns": "recorded_ms",
    "recorded_at_ns": "recorded_at_ms",
    "recorded_ttft_ns": "recorded_ttft_ms",
}
_FLAGS = ("censored", "warmup", "stream", "streamed", "recorded_stream", "made_up", "emptied")


def read_columns(run_dir: Path) -> Columns:
    """The steps of a run. An empty table where nothing was recorded. Raises RunDirError for what is no record."""
    tally = ReadTally()
    gathered = Gathering()
    for table in read_tables(run_dir, tally, keeps=True):
        gathered.add(table)
    return gathered.columns(tally.unreadable)


def columns_of(blocks: Iterable[list[StepRecord]]) -> Columns:
    """The records as columns. Attempts that an interrupted run did not wait for are left out."""
    gathered = Gathering()
    for records in blocks:
        gathered.add(table_of(records))
    return gathered.columns()


class Gathering:
    """Puts the columns of a run together, a block of its lines at a time."""

    def __init__(self) -> None:
        self._names = {name: Names() for name in ("session", "series", "error", "instance", "check", "why")}
        self._growing: dict[str, _Growing] = {}
        self._steps: list[str] = []
        self._step_names: dict[str, str] = {}
        self._unsent: Counter[str] = Counter()
        self._earlier: dict[tuple[str, str], int] = {}
        self._hops: Counter[tuple[str, str]] = Counter()
        self._sent_before: Counter[tuple[str, str]] = Counter()
        self._refused_before: Counter[tuple[str, str]] = Counter()
        self._cut: set[str] = set()
        self._first_ns = np.empty(0, np.int64)
        self._last_ns = np.empty(0, np.int64)

    def add(self, table: Table) -> None:
        """More lines, in order of writing."""
        own = table.flags("handshake")
        sent, ended = table.has("sent_ns"), table.has("end_ns") & table.has("intended_ns") & ~own
        final, unsent = table.flags("final"), table.equals("outcome", "unsent")
        interrupted, ok = table.equals("error", INTERRUPTED), table.equals("outcome", "ok")
        sessions = self._add_sessions(table, ended)
        self._add_cut(table, unsent, interrupted & ~own)
        rows = final & ~unsent & ended & ~interrupted & (sent | table.equals("outcome", "failed"))
        taken = _picker(rows)
        for name in _NUMBERS:
            self._put(name, taken(table.numbers(name)))
        for name, in_ms in _MILLISECONDS.items():
            self._put(name, _mapped(taken(table.milliseconds(in_ms)), _as_ns))
        for name in _FLAGS:
            self._put(name, taken(table.flags(name)))
        self._put("session", looked_up(sessions, taken(table.codes("session"))))
        for name in ("error", "instance", "check", "why"):
            self._put(name, self._names[name].recoded(taken(table.codes(name)), table.texts(name)))
        self._put("series", self._series(taken(table.codes("kind")), taken(table.codes("name")), table))
        self._put("status", _mapped(taken(table.numbers("status")), _as_status))
        self._put("cold", taken(table.cold()))
        self._put("ok", taken(ok))
        self._put("new_connection", taken(table.equals("connection", "new")))
        self._put("answered", taken(ok | (table.has("status") & ~table.has("phase"))))
        self._add_steps(table, np.flatnonzero(rows))
        earlier = ~final & ~own & ~unsent & ~table.equals("error", "stale")
        again = rows & (table.numbers("attempt") != 1)
        n = int(np.count_nonzero(rows))
        attempts = _mapped(taken(table.numbers("attempt")), lambda column: column.astype(np.int32))
        sent_before: Codes = constant(0, n, np.int32)
        refused_before: Codes = constant(0, n, np.int32)
        retried: Int64s = constant(0, n, np.int64)
        if again.any() or earlier.any():
            before = self._before(table, earlier, again, ok)
            retried, sent_before = before.retried_ns[rows], before.sent[rows]
            refused_before = before.refused[rows]
            if before.hops[rows].any():
                attempts = attempts - before.hops[rows]
        self._put("attempts", attempts)
        self._put("sent_before", sent_before)
        self._put("refused_before", refused_before)
        self._put("refused", taken(_were_refused(table)))
        self._put("retried_ns", retried)

    def columns(self, unreadable: int = 0) -> Columns:
        """All that was gathered; nothing can be added any more."""
        if not self._growing:
            self.add(table_of([]))
        sessions = self._names["session"].values
        of_rows: dict[str, Any] = {name: column.values() for name, column in self._growing.items()}
        return Columns(
            sessions=sessions,
            series_names=self._names["series"].values,
            errors=self._names["error"].values,
            instances=self._names["instance"].values,
            checks=self._names["check"].values,
            whys=self._names["why"].values,
            step=self._steps,
            cut=np.array([session in self._cut for session in sessions], np.bool_),
            makespan_ns=self._last_ns - self._first_ns,
            unsent=dict(self._unsent),
            unreadable=unreadable,
            **of_rows,
        )

    def _put(self, name: str, values: npt.NDArray[Any]) -> None:
        self._growing.setdefault(name, _Growing(values.dtype)).add(values)

    def _add_sessions(self, table: Table, ended: Flags) -> Codes:
        """From when to when each session went on, waits and further attempts included. What the table's codes of those
        are among ours (see Names.recoding).
        """
        taken = _picker(ended)
        codes = taken(table.codes("session"))
        ours = self._names["session"].recoding(codes, table.texts("session"))
        codes = looked_up(ours, codes)
        new = len(self._names["session"]) - len(self._first_ns)
        self._first_ns = np.concatenate([self._first_ns, np.full(new, np.iinfo(np.int64).max)])
        self._last_ns = np.concatenate([self._last_ns, np.full(new, np.iinfo(np.int64).min)])
        np.minimum.at(self._first_ns, codes, taken(table.numbers("intended_ns")))
        np.maximum.at(self._last_ns, codes, taken(table.numbers("end_ns")))
        return ours

    def _add_cut(self, table: Table, unsent: Flags, interrupted: Flags) -> None:
        sessions = table.texts("session")
        for code in first_seen(table.codes("session")[unsent | interrupted], len(sessions)):
            self._cut.add(sessions[code])
        for reason, times in table.counted("error", unsent):
            self._unsent[reason or "unknown"] += times

    def _before(self, table: Table, earlier: Flags, again: Flags, ok: Flags) -> "_Before":
        """Line by line, as few are."""
        sent, intended = table.numbers("sent_ns"), table.numbers("intended_ns")
        sessions, steps = table.codes("session"), table.codes("step")
        was_sent = table.has("sent_ns")
        refused = _were_refused(table)
        found = _Before(np.zeros(table.n, np.int64), *(np.zeros(table.n, np.int32) for _ in range(3)))
        for row in np.flatnonzero(earlier | again).tolist():
            step = table.texts("session")[sessions[row]], table.texts("step")[steps[row]]
            due_ns = max(0, int(intended[row]))
            if earlier[row]:
                self._earlier.setdefault(step, due_ns)
                if ok[row]:
                    self._hops[step] += 1
                elif was_sent[row]:
                    self._sent_before[step] += 1
                    if refused[row]:
                        self._refused_before[step] += 1
            else:
                since_ns = self._earlier.pop(step, due_ns)
                found.retried_ns[row] = sent[row] - since_ns if was_sent[row] else 0
                found.hops[row] = self._hops.pop(step, 0)
                found.sent[row] = self._sent_before.pop(step, 0)
                found.refused[row] = self._refused_before.pop(step, 0)
        return found

    def _add_steps(self, table: Table, rows: Rows) -> None:
        texts, known = table.texts("step"), self._step_names
        shared = [known.setdefault(text, text) for text in texts] if len(texts) < len(rows) / 2 else texts
        self._steps.extend(map(shared.__getitem__, table.codes("step")[rows].tolist()))

    def _series(self, kinds: Codes, names: Codes, table: Table) -> Codes:
        pairs, texts = paired(kinds, names, table.texts("kind"), table.texts("name"))
        return self._names["series"].recoded(pairs, texts)


class _Before(NamedTuple):
    """Of each line what came before it in its step. retried_ns: since when the step was due until this was sent, 0 if
    it was not. hops: redirects that led to it. sent: tries before it that were sent; refused: of those, the ones
    that the target refused for its load.
    """

    retried_ns: Int64s
    hops: Codes
    sent: Codes
    refused: Codes


def _picker(rows: Flags) -> Callable[[npt.NDArray[Any]], Any]:
    """Takes these rows of a column, and the column itself where they are all of it."""
    if rows.all():
        return lambda column: column
    n = int(np.count_nonzero(rows))
    return lambda column: constant(column[0], n, column.dtype) if column.strides == (0,) else column[rows]


def _were_refused(table: Table) -> Flags:
    refused: Flags = np.isin(table.numbers("status"), REFUSED)
    for ending in REFUSED_CALLS:
        refused |= table.equals("grpc_status", ending)
    return refused


def _mapped(
    column: npt.NDArray[Any], change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    """The column changed, value by value; what is one value throughout stays so."""
    if len(column) and column.strides == (0,):
        (value,) = change(column[:1])
        return constant(value, len(column), type(value))
    return change(column)


def _as_ns(milliseconds: Floats) -> Int64s:
    known = ~np.isnan(milliseconds)
    return np.where(known, np.rint(np.where(known, milliseconds, 0.0) * 1_000_000), ABSENT_NS).astype(np.int64)


def _as_status(status: Int64s) -> Codes:
    return np.where(status == ABSENT_NS, 0, status).astype(np.int32)


class _Growing:
    """A column as it grows: of one value throughout in no memory, of others where it is.

    To gather parts and to join them would take twice the memory.
    """

    __slots__ = ("_data", "_kind", "_n", "_one")

    def __init__(self, kind: np.dtype[Any]) -> None:
        self._kind = kind
        self._data = bytearray()
        self._n = 0
        self._one: Any = 0

    def add(self, values: npt.NDArray[Any]) -> None:
        if not len(values):
            return
        one = values[0].item()
        if values.strides == (0,) and not self._data and (not self._n or one == self._one):
            self._one = one
        else:
            if not self._data:
                self._data += np.full(self._n, self._one, self._kind).tobytes()
            self._data += values.tobytes()
        self._n += len(values)

    def values(self) -> npt.NDArray[Any]:
        if not self._data:
            return constant(self._one, self._n, self._kind)
        return np.frombuffer(self._data, self._kind)
