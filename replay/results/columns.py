"""The audit trail as columns: every step's last attempt as a row of arrays, for whoever judges a run."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from replay.results.histogram import Int64s
from replay.results.record import ReadTally, read_blocks
from replay.results.types import INTERRUPTED, STEPS_FILE, StepRecord

Codes = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

ABSENT_NS = -(1 << 62)
"""Stands for an instant or a duration that was not measured."""


class Names:
    """Texts as small integers, in order of first appearance; -1 stands for none."""

    def __init__(self, known: Iterable[Any] = ()) -> None:
        self.values: list[Any] = list(known)
        self._codes = {value: code for code, value in enumerate(self.values)}

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<Names {len(self.values)}>"

    def code(self, value: Any) -> int:
        if value is None:
            return -1
        code = self._codes.get(value)
        if code is None:
            code = self._codes[value] = len(self.values)
            self.values.append(value)
        return code

    def find(self, value: Any) -> int:
        """The code of a text that may not be there: -1 then."""
        return self._codes.get(value, -1)


class Columns(NamedTuple):
    """One row for the last attempt of every step that was tried, in order of writing; waits are left out.

    ok: answered, and as expected. answered: a whole response came, whether or not it was the expected one.

    session, series, error, instance: codes into the lists of the same name (series: (kind, name)). Instants are
    ns from the run's start, ABSENT_NS where there is none. cold: 1, 0, or -1 where the target did not say.
    attempts: tries of the step, the last one included. retried_ns: from the first try's intended time to the
    last one's sending, 0 for one try. makespan_ns: of each session, from its first intended time to its last end,
    waits included, ABSENT_NS where that is not known. cut: of each session, whether a step of it was left unsent, or
    interrupted, so that its makespan is only the least that it can be. unsent: steps that were not sent, which have
    no row, by reason.

    What follows unreadable is None where it is not known; `numbers` and `flags` give it as a column all the same.
    recorded_*: of the same step in the recording. stream, streamed: a stream was asked for, and came.
    recorded_at_ns counts from the session's start. check: codes into checks, the names of expectations not met.
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
    retried_ns: Int64s
    makespan_ns: Int64s
    unsent: dict[str, int]
    unreadable: int
    last_token_ns: Int64s | None = None
    input_tokens: Int64s | None = None
    output_tokens: Int64s | None = None
    recorded_ns: Int64s | None = None
    recorded_at_ns: Int64s | None = None
    recorded_ttft_ns: Int64s | None = None
    recorded_status: Int64s | None = None
    recorded_input_tokens: Int64s | None = None
    recorded_output_tokens: Int64s | None = None
    stream: Flags | None = None
    streamed: Flags | None = None
    recorded_stream: Flags | None = None
    made_up: Flags | None = None
    checks: list[str] | None = None
    check: Codes | None = None
    cut: Flags | None = None
    other_ok: Flags | None = None
    other_tokens: Int64s | None = None

    @property
    def n(self) -> int:
        return len(self.session)

    @property
    def cut_sessions(self) -> Flags:
        """Of each session, whether it was cut off before its end without a failure."""
        found = np.zeros(len(self.sessions), np.bool_) if self.cut is None else self.cut.copy()
        found[self.session[~self.ok]] = False
        return found

    def where(self, rows: Flags) -> "Columns":
        """These rows alone; sessions keep their codes and their makespans."""
        of_rows: dict[str, Any] = {
            name: value[rows]
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
    "recorded_status",
    "recorded_input_tokens",
    "recorded_output_tokens",
)
_MILLISECONDS = {
    "recorded_ns": "recorded_ms",
    "recorded_at_ns": "recorded_at_ms",
    "recorded_ttft_ns": "recorded_ttft_ms",
}
_FLAGS = ("censored", "warmup", "stream", "streamed", "recorded_stream", "made_up")


def read_columns(run_dir: Path) -> Columns:
    """The steps of a run. An empty table where nothing was recorded."""
    path = run_dir / STEPS_FILE
    tally = ReadTally()
    return columns_of(read_blocks(path, tally) if path.exists() else [], tally)


def columns_of(blocks: Iterable[list[StepRecord]], tally: ReadTally | None = None) -> Columns:
    """The records as columns. Attempts that an interrupted run did not wait for are left out."""
    sessions, series, errors, instances, checks = Names(), Names(), Names(), Names(), Names()
    numbers: dict[str, list[Int64s]] = {name: [] for name in (*_NUMBERS, *_MILLISECONDS)}
    codes: dict[str, list[Codes]] = {
        name: [] for name in ("session", "series", "error", "status", "instance", "cold", "check")
    }
    flags: dict[str, list[Flags]] = {name: [] for name in ("ok", "new_connection", "answered", *_FLAGS)}
    steps: list[str] = []
    tries: list[Codes] = []
    retried: list[Int64s] = []
    unsent: dict[str, int] = {}
    earlier: dict[tuple[str, str], int] = {}
    cut: set[str] = set()
    first_ns: list[int] = []
    last_ns: list[int] = []
    for records in blocks:
        rows = []
        for record in records:
            if record.end_ns is not None and record.intended_ns is not None:
                code = sessions.code(record.session)
                if code == len(first_ns):
                    first_ns.append(record.intended_ns)
                    last_ns.append(record.end_ns)
                else:
                    first_ns[code] = min(first_ns[code], record.intended_ns)
                    last_ns[code] = max(last_ns[code], record.end_ns)
            if record.outcome == "unsent" or record.error == INTERRUPTED:
                cut.add(record.session)
            if record.outcome == "unsent":
                reason = record.error or "unknown"
                unsent[reason] = unsent.get(reason, 0) + 1
            elif not record.final:
                if record.error != "stale":
                    earlier.setdefault((record.session, record.step), record.intended_ns or 0)
            elif (
                record.end_ns is not None
                and record.intended_ns is not None
                and record.error != INTERRUPTED
                and (record.sent_ns is not None or record.outcome == "failed")
            ):
                rows.append(record)
        for name in _NUMBERS:
            values = [getattr(row, name) for row in rows]
            numbers[name].append(
                np.array([ABSENT_NS if value is None else value for value in values], np.int64)
            )
        for name, in_ms in _MILLISECONDS.items():
            times = [getattr(row, in_ms) for row in rows]
            numbers[name].append(
                np.array([ABSENT_NS if ms is None else round(ms * 1_000_000) for ms in times], np.int64)
            )
        for name in _FLAGS:
            flags[name].append(np.array([getattr(row, name) for row in rows], np.bool_))
        codes["session"].append(np.array([sessions.code(row.session) for row in rows], np.int32))
        codes["series"].append(np.array([series.code((row.kind, row.name)) for row in rows], np.int32))
        codes["error"].append(np.array([errors.code(row.error) for row in rows], np.int32))
        codes["instance"].append(np.array([instances.code(row.instance) for row in rows], np.int32))
        codes["check"].append(np.array([checks.code(row.check) for row in rows], np.int32))
        codes["status"].append(np.array([row.status or 0 for row in rows], np.int32))
        codes["cold"].append(np.array([-1 if row.cold is None else int(row.cold) for row in rows], np.int32))
        flags["ok"].append(np.array([row.outcome == "ok" for row in rows], np.bool_))
        flags["new_connection"].append(np.array([row.connection == "new" for row in rows], np.bool_))
        flags["answered"].append(
            np.array(
                [row.outcome == "ok" or (row.status is not None and row.phase is None) for row in rows],
                np.bool_,
            )
        )
        tries.append(np.array([row.attempt for row in rows], np.int32))
        retried.append(
            np.array(
                [
                    0
                    if row.attempt == 1 or row.sent_ns is None
                    else row.sent_ns - earlier.pop((row.session, row.step), row.intended_ns or 0)
                    for row in rows
                ],
                np.int64,
            )
        )
        steps += [row.step for row in rows]
    return Columns(
        sessions=sessions.values,
        series_names=series.values,
        errors=errors.values,
        instances=instances.values,
        checks=checks.values,
        step=steps,
        attempts=_joined(tries, np.int32),
        retried_ns=_joined(retried, np.int64),
        cut=np.array([session in cut for session in sessions.values], np.bool_),
        makespan_ns=np.array(last_ns, np.int64) - np.array(first_ns, np.int64),
        unsent=unsent,
        unreadable=0 if tally is None else tally.unreadable,
        **{name: _joined(parts, np.int64) for name, parts in numbers.items()},
        **{name: _joined(code_parts, np.int32) for name, code_parts in codes.items()},
        **{name: _joined(flag_parts, np.bool_) for name, flag_parts in flags.items()},
    )


def _joined(parts: list[Any], kind: Any) -> Any:
    return np.concatenate(parts) if parts else np.empty(0, kind)
