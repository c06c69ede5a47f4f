"""Model requests of the `burstgpt` format: CSV or Parquet, one request a row.

The format is that of HPMLL/BurstGPT `data/`. What becomes what:

- A row becomes an `llm` step: `Timestamp` s its start, `Model` its model, `Request tokens` and `Response tokens`
  its tokens, `Log Type` its name. `Elapsed time` s, which newer files have, is its whole duration; it is unknown
  in older files. Whether calls were streamed is not recorded: they are unless `stream` is False.
- Rows with the same `Session ID` become one session, in order of time, with edges as
  replay/trace/edges/inference.py infers them; a row without one becomes a session of its own.
- A row without response tokens is a call that failed, as the data set's authors say. It is kept, and counted.
- Times count from the first start; rows that are out of order are sorted. The resolution is the coarsest power
  of ten that divides all starts.

Memory holds 64 bytes a row.
"""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.assembly.starts import Starts, refuse_arrivals
from replay.assembly.types import ImportOptions, ImportResult
from replay.reading.csv_rows import Row
from replay.reading.damage import Damage
from replay.reading.inputs import input_files, trace_name
from replay.reading.table_rows import names_columns, take_rows
from replay.trace.edges.inference import Call, Lane, Tally, infer_edges
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.types import FORMAT, VERSION, Header, LlmCall, Session, Step
from replay.words.numbers import exact, milliseconds, seconds
from replay.words.phrases import counted

_COLUMNS = ("timestamp", "model", "request tokens", "response tokens")
_TICK_NS = 1_000
_TICKS_A_SECOND = 1_000_000
_LONGEST_S = 1e9
_LONGEST_NAME = 200
_UNKNOWN = -1


class _Calls:
    """The rows, by column; names and session ids are numbered in order of their first row."""

    def __init__(self) -> None:
        self.starts = Starts(_TICK_NS)
        self.took = array("q")
        self.inputs = array("q")
        self.outputs = array("q")
        self.models = array("q")
        self.names = array("q")
        self.sessions = array("q")
        self.index_of: dict[str, int] = {}
        self.session_of: dict[str, int] = {}
        self.failed = 0
        self.unknown_durations = 0

    def add(self, row: Row) -> None:
        """Raises TraceError for a row that says what cannot be."""
        if not row.text("timestamp"):
            raise row.error("timestamp", "not a number of seconds")
        start, took = _ticks(row, "timestamp"), _ticks(row, "elapsed time")
        read, written = (row.count(column, MOST_TOKENS) for column in ("request tokens", "response tokens"))
        self.starts.add(start or 0)
        self.took.append(_UNKNOWN if took is None else took)
        self.unknown_durations += took is None
        self.inputs.append(read or 0)
        self.outputs.append(written or 0)
        self.failed += self.outputs[-1] == 0
        for column, kept in (("model", self.models), ("log type", self.names)):
            text = row.text(column)[:_LONGEST_NAME]
            kept.append(self.index_of.setdefault(text, len(self.index_of)))
        session = row.text("session id")[:_LONGEST_NAME]
        self.sessions.append(self.session_of.setdefault(session, len(self.session_of)) if session else _UNKNOWN)


class BurstGpt:
    """The importer; see the head of this module."""

    name = "burstgpt"
    describe = (
        "BurstGPT's model requests, CSV or Parquet: start, tokens and, in newer files, sessions and durations"
    )

    def sniff(self, first_bytes: bytes) -> bool:
        return names_columns(first_bytes, _COLUMNS)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = input_files(paths, ".csv")
        refuse_arrivals(self.name, options)
        damage = Damage(is_refused=options.strict)
        calls, tally = _Calls(), Tally()
        take_rows(files, _COLUMNS, damage, calls.add)
        starts = calls.starts
        if not starts:
            raise TraceError(f"{shown_path(paths[0])}: no rows below the header.")
        sessions = sum(1 for _ in _sessions(calls, options, tally))
        inferred: dict[str, Any] = {
            "format": self.name,
            "stream": options.stream,
            "rows": len(starts),
            **damage.told(),
            "sessions_by_id": len(calls.session_of),
            "failed": calls.failed,
            "unknown_durations": calls.unknown_durations,
            "sorted": not starts.is_sorted,
            "first_timestamp_s": starts.first_ns / 1e9,
            **msgspec.to_builtins(tally),
        }
        header = Header(
            format=FORMAT,
            version=VERSION,
            name=options.name or trace_name(paths),
            source=f"{self.name}: {counted(len(starts), 'row')}",
            resolution_ms=starts.resolution_ms,
            attributes={"import": inferred},
        )
        notes = (*_notes(calls, options, sessions), *damage.notes())
        return ImportResult(header, lambda: _sessions(calls, options, Tally()), notes)


def _ticks(row: Row, column: str) -> int | None:
    seconds = row.number(column)
    if seconds is not None and seconds > _LONGEST_S:
        raise row.error(column, f"not a number of seconds from 0 to {exact(_LONGEST_S)}")
    return None if seconds is None else round(seconds * _TICKS_A_SECOND)


def _sessions(calls: _Calls, options: ImportOptions, tally: Tally) -> Iterator[Session]:
    order = calls.starts.order
    rows_of: dict[int, list[int]] = {}
    for row in order:
        if calls.sessions[row] != _UNKNOWN:
            rows_of.setdefault(calls.sessions[row], []).append(row)
    ids = list(calls.session_of)
    texts = list(calls.index_of)
    for row in order:
        session = calls.sessions[row]
        start_ms = calls.starts.ms(row)
        if session == _UNKNOWN:
            yield Session(f"r{row + 1}", start_ms, [_step(calls, row, "1", 0.0, texts, options)])
        elif session in rows_of:
            found: list[Call] = []
            for n, each in enumerate(rows_of.pop(session), 1):
                at_ms = round(calls.starts.ms(each) - start_ms, 3)
                step = _step(calls, each, str(n), at_ms, texts, options)
                found.append(Call(step.id, at_ms, step.took_ms, payload=step))
            lane = Lane(found, calls.starts.resolution_ms)
            yield Session(f"s{ids[session]}", start_ms, [_linked(call) for call in infer_edges(lane, tally)])


def _step(
    calls: _Calls, row: int, name: str, at_ms: float, texts: Sequence[str], options: ImportOptions
) -> Step:
    took = calls.took[row]
    return Step(
        id=name,
        kind="llm",
        name=texts[calls.names[row]] or "request",
        at_ms=at_ms,
        took_ms=None if took == _UNKNOWN else took * _TICK_NS / 1e6,
        llm=LlmCall(
            input_tokens=calls.inputs[row],
            output_tokens=calls.outputs[row],
            model=texts[calls.models[row]] or None,
            stream=options.stream,
        ),
    )


def _linked(call: Call) -> Step:
    step: Step = call.payload
    step.after = tuple(call.edges)
    return step


def _notes(calls: _Calls, options: ImportOptions, sessions: int) -> Iterator[str]:
    starts = calls.starts
    yield f"{len(starts)} model calls in {sessions} session(s) over {seconds(starts.span_s)}."
    yield f"Start times are recorded to {milliseconds(starts.resolution_ms)}."
    streamed = "are streamed" if options.stream else "are not streamed"
    yield f"Not recorded, and assumed: calls {streamed}."
    if calls.session_of:
        yield f"Rows with the same Session ID were made one session: {len(calls.session_of)} of them."
    if calls.unknown_durations:
        yield f"{calls.unknown_durations} call(s) have no recorded duration."
    if calls.failed:
        yield f"{calls.failed} call(s) have no response tokens, so they failed when recorded. They are kept."
    if not starts.is_sorted:
        yield "The rows were out of order, and were sorted."
