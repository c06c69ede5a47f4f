"""Model requests of the `mooncake` format: JSON Lines, one request a line.

The format is that of kvcache-ai/Mooncake `FAST25-release/traces/`, with the extension that ai-dynamo/aiperf
makes to it. What becomes what:

- A row becomes a session of one `llm` step: `timestamp` ms its start, `input_length` and `output_length` its
  tokens, `hash_ids` its prefix blocks of 512 tokens (`block_size` says otherwise). The recording has neither
  durations nor whether calls were streamed: steps are streamed unless `stream` is False.
- Rows with the same `session_id` become the steps of one session, in order of timestamp, then of line: each
  follows the one before it, `delay` ms after its end, or else, as ends are unknown, from its start by the
  difference of the timestamps and not before its end.
- Rows with a `chat_id` are Qwen-Bailian's (alibaba-edu/qwen-bailian-usagetraces-anon): `timestamp` is s, a block is 16
  tokens, and those that name one another by `parent_chat_id` are one session.
- More prefix blocks than a prompt fills, in most rows, show that a block is smaller than is assumed: refused, unless
  `block_size` was chosen.
- Times count from the first timestamp. Rows that are out of order are sorted.
- The resolution is the greatest common divisor of the timestamps, and no finer than 1 ms.

Memory stays flat for rows in order and without session ids; otherwise the rows are held and sorted.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.assembly.types import DEFAULT_BLOCK_SIZE, ImportOptions, ImportResult
from replay.reading.damage import Damage
from replay.reading.inputs import input_files, trace_name
from replay.reading.rows import read_rows
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.rules import LONGEST_MS
from replay.trace.types import FORMAT, VERSION, Edge, Header, LlmCall, Session, Step
from replay.words.numbers import exact, milliseconds, seconds
from replay.words.phrases import counted

BAILIAN_BLOCK_SIZE = 16
# Unix time in ms of the year 2286; the format's own traces begin at 0.
_LATEST_MS = 1e13


class _Row(msgspec.Struct, gc=False):
    """A line; what is not listed here is not used."""

    timestamp: float | None = None
    input_length: int | None = None
    output_length: int | None = None
    hash_ids: list[int] | None = None
    session_id: str | int | None = None
    delay: float | None = None
    model: str | None = None
    chat_id: int | str | None = None
    parent_chat_id: int | str | None = None


class _Chats:
    """The chats of Qwen-Bailian: rows in the terms of this format."""

    def __init__(self) -> None:
        self._roots: dict[str, str] = {}

    def row(self, row: _Row) -> _Row:
        if row.chat_id is None:
            return row
        chat = str(row.chat_id)
        root = self._roots[chat] = self._roots.get(str(row.parent_chat_id), chat)
        row.session_id = root
        row.timestamp = None if row.timestamp is None else row.timestamp * 1_000.0
        return row


class _Survey(msgspec.Struct):
    """What the first pass finds."""

    rows: int = 0
    timed: int = 0
    first_ms: float = math.inf
    last_ms: float = 0.0
    gcd_us: int = 0
    in_order: bool = True
    has_sessions: bool = False
    chats: int = 0
    too_many_blocks: int = 0
    without_length: int = 0
    dropped_without_time: int = 0
    damage: Damage = msgspec.field(default_factory=Damage)


class Mooncake:
    """The importer; see the head of this module."""

    name = "mooncake"
    describe = "model requests with timestamps and prefix blocks, JSON Lines"

    def sniff(self, first_bytes: bytes) -> bool:
        first_line = first_bytes.split(b"\n", 1)[0]
        return b'"timestamp"' in first_line and (b'"input_length"' in first_line or b'"hash_ids"' in first_line)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = input_files(paths, ".jsonl")
        if options.arrivals is not None:
            raise TraceError(
                "the mooncake format records when requests arrive, so --arrivals does not apply. Leave it out."
            )
        survey = _survey(files, options)
        survey.damage.refuse_most()
        if not survey.timed:
            raise TraceError(f"{shown_path(paths[0])}: no rows with a timestamp.")
        resolution_ms = max(1.0, survey.gcd_us / 1_000.0) if survey.gcd_us else 1.0
        default = BAILIAN_BLOCK_SIZE if survey.chats * 2 > survey.rows else DEFAULT_BLOCK_SIZE
        block_size = options.block_size or default
        if (
            options.block_size is None
            and default == DEFAULT_BLOCK_SIZE
            and survey.too_many_blocks * 2 > survey.rows
        ):
            what = f"{survey.too_many_blocks} of {counted(survey.rows, 'row')} have more blocks than their prompts fill"
            text = f"so that a block is not {DEFAULT_BLOCK_SIZE} tokens. Say how many with --block-size."
            raise TraceError(f"{shown_path(paths[0])}: {what}, {text}")
        held = None
        if survey.has_sessions or not survey.in_order:
            held = list(_held(files, options, survey, block_size))
        inferred: dict[str, Any] = {
            "format": self.name,
            "block_size": block_size,
            "stream": options.stream,
            "rows": survey.rows,
            **survey.damage.told(),
            "sorted": not survey.in_order,
            "grouped_by_session_id": survey.has_sessions,
            "without_length": survey.without_length,
            "dropped_without_time": survey.dropped_without_time,
            "first_timestamp_ms": survey.first_ms,
        }
        header = Header(
            format=FORMAT,
            version=VERSION,
            name=options.name or trace_name(paths),
            source=f"{self.name}: {counted(survey.rows, 'row')}",
            resolution_ms=resolution_ms,
            attributes={"import": inferred},
        )

        def sessions() -> Iterator[Session]:
            return iter(held) if held is not None else _streamed(files, options, survey, block_size)

        return ImportResult(header, sessions, tuple(_notes(survey, options, block_size, resolution_ms)))


def _rows(files: Sequence[Path], damage: Damage) -> Iterator[tuple[Path, int, _Row]]:
    chats = _Chats()

    def read(file: Path) -> Iterator[tuple[Path, int, _Row]]:
        for line, row in read_rows(file, _Row, damage):
            yield file, line, chats.row(row)

    return damage.of_files(files, read)


def _survey(files: Sequence[Path], options: ImportOptions) -> _Survey:
    survey = _Survey(damage=Damage(is_refused=options.strict))
    block_size = options.block_size or DEFAULT_BLOCK_SIZE
    timed_sessions: set[str | int] = set()
    for file, line, row in _rows(files, survey.damage):
        survey.rows += 1
        survey.chats += row.chat_id is not None
        blocks = len(row.hash_ids or ())
        survey.too_many_blocks += (
            row.input_length is not None and (blocks - 1) * block_size >= row.input_length > 0
        )
        survey.without_length += row.input_length is None
        if row.session_id is not None:
            survey.has_sessions = True
        if row.timestamp is None:
            if row.session_id is None or row.session_id not in timed_sessions:
                survey.dropped_without_time += 1
            continue
        if row.timestamp < 0:
            raise TraceError(f"{shown_path(file)}, line {line}: timestamp {exact(row.timestamp)} is negative.")
        if row.timestamp > _LATEST_MS:
            raise TraceError(
                f"{shown_path(file)}, line {line}: timestamp {exact(row.timestamp)} is too large for a time; "
                "it must be in milliseconds."
            )
        if row.session_id is not None:
            timed_sessions.add(row.session_id)
        survey.timed += 1
        survey.in_order = survey.in_order and row.timestamp >= survey.last_ms
        survey.first_ms = min(survey.first_ms, row.timestamp)
        survey.last_ms = max(survey.last_ms, row.timestamp)
        survey.gcd_us = math.gcd(survey.gcd_us, round(row.timestamp * 1_000.0))
    if survey.timed and survey.last_ms - survey.first_ms > LONGEST_MS:
        raise TraceError(f"{shown_path(files[0])}: its first and last row are more than 31 years apart.")
    return survey


def _streamed(
    files: Sequence[Path], options: ImportOptions, survey: _Survey, block_size: int
) -> Iterator[Session]:
    n = 0
    for _, _, row in _rows(files, Damage()):
        if row.timestamp is not None:
            n += 1
            step = _step("1", row, options, block_size)
            yield Session(f"r{n}", round(row.timestamp - survey.first_ms, 3), [step])


def _held(files: Sequence[Path], options: ImportOptions, survey: _Survey, block_size: int) -> Iterator[Session]:
    groups: dict[str, list[_Row]] = {}
    for n, (_, _, row) in enumerate(_rows(files, Damage()), 1):
        if row.session_id is None:
            if row.timestamp is not None:
                groups[f"r{n}"] = [row]
        elif f"s{row.session_id}" in groups or row.timestamp is not None:
            groups.setdefault(f"s{row.session_id}", []).append(row)
    sessions: list[Session] = []
    for name, rows in groups.items():
        sessions.append(_session(name, rows, options, survey, block_size))
    sessions.sort(key=lambda session: session.start_ms)
    yield from sessions


def _session(
    name: str, rows: Sequence[_Row], options: ImportOptions, survey: _Survey, block_size: int
) -> Session:
    """The rows of one session as a chain; a row without a timestamp stays behind the row above it."""
    start_ms = rows[0].timestamp or 0.0
    session = Session(name, round(start_ms - survey.first_ms, 3), [])
    at_ms = start_ms
    for n, row in enumerate(rows, 1):
        step = _step(str(n), row, options, block_size)
        earlier_ms = at_ms
        if row.timestamp is not None:
            at_ms = max(at_ms, row.timestamp)
        elif row.delay is not None:
            at_ms += max(0.0, row.delay)
        step.at_ms = round(at_ms - start_ms, 3)
        if n > 1:
            before = str(n - 1)
            if row.delay is not None:
                step.after = (Edge(before, "end", max(0.0, row.delay)),)
            else:
                step.after = (Edge(before, "start", round(at_ms - earlier_ms, 3)), Edge(before))
        session.steps.append(step)
    return session


def _step(name: str, row: _Row, options: ImportOptions, block_size: int) -> Step:
    return Step(
        id=name,
        kind="llm",
        name="request",
        llm=LlmCall(
            input_tokens=row.input_length or 0,
            output_tokens=row.output_length or 0,
            model=row.model,
            stream=options.stream,
            prefix=tuple(row.hash_ids or ()),
            prefix_block_tokens=block_size if row.hash_ids else None,
        ),
    )


def _notes(survey: _Survey, options: ImportOptions, block_size: int, resolution_ms: float) -> Iterator[str]:
    yield f"{survey.rows} model calls over {seconds((survey.last_ms - survey.first_ms) / 1_000.0)}."
    yield f"Start times are recorded to {milliseconds(resolution_ms)}. Durations are not recorded."
    streamed = "are streamed" if options.stream else "are not streamed"
    yield f"Not recorded, and assumed: calls {streamed}; a prefix block is {block_size} tokens."
    yield from survey.damage.notes()
    if survey.chats:
        yield f"{survey.chats} row(s) are Qwen-Bailian's: times are s, and chats that name one another are a session."
    if not survey.in_order:
        yield "The rows were out of order, and were sorted."
    if survey.has_sessions:
        yield "Rows with the same session_id were made one session: each call follows the one before it."
    if survey.without_length:
        yield f"{survey.without_length} row(s) have no input_length, and count 0 input tokens."
    if survey.dropped_without_time:
        yield f"Dropped: {survey.dropped_without_time} row(s) without a timestamp."
