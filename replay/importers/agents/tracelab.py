"""Coding agents' rounds of the `tracelab` format: JSON Lines, one model round and its tool calls a line.

The format is that of uw-syfi/TraceLab `round_trace.jsonl`, sanitized or derived. What becomes what:

- Rounds with the same `session_id` become one session.
- A round becomes an `llm` step. It starts at the last of its `timing_events` that is input (a user message or a
  tool result) before its first output, and ends at its last event. Its first output stands for the first byte:
  a block of output is logged once it is complete, so that time is an upper bound.
- Its prompt's prefix blocks are inferred from `prefix_tokens` as replay/assembly/prompt_blocks.py says.
- Each of its `tools` becomes a `tool` step, from `emitted_at` to `result_at`. The time of the call block is all
  that is known of a tool's start, so waiting for approval counts as the tool's. Arguments are not recorded.
- Edges are inferred as replay/assembly/agent_runs.py says. Calls are taken to be streamed unless `stream`
  is False.
- Sessions start at their recorded times, to the ms; `arrivals` lays them out anew.

Lines of one session may stand anywhere in the input, so memory holds the rounds.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from replay.assembly.agent_runs import RESOLUTION_MS, Run, RunBuilder, imported_runs
from replay.assembly.prompt_blocks import SessionPrompts, add_prefix
from replay.assembly.recorded_sessions import Counts
from replay.assembly.types import ImportOptions, ImportResult
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.rows import read_all_rows
from replay.reading.timestamps import unix_ns
from replay.trace.edges.inference import Call, Lane
from replay.trace.errors import TraceError, shown
from replay.trace.types import LlmCall

_INPUTS = ("user_message", "tool_result")
_NO_OUTPUT = "usage_report"


class _Event(msgspec.Struct, gc=False):
    event_type: str
    timestamp: str


class _Tool(msgspec.Struct, gc=False):
    tool_name: str | None = None
    emitted_at: str | None = None
    result_at: str | None = None
    is_error: bool | None = None


class _Line(msgspec.Struct, gc=False):
    """A line; what is not listed here is not used."""

    session_id: str
    timing_events: list[_Event]
    provider: str | None = None
    project: str | None = None
    round_id: str | None = None
    model: str | None = None
    input_tokens_total: int | None = None
    prefix_tokens: int | None = None
    output_tokens: int | None = None
    tools: list[_Tool] = []


class _ToolTimes(msgspec.Struct, gc=False):
    name: str
    start_ns: int
    end_ns: int | None
    is_error: bool


class _Round(msgspec.Struct, gc=False):
    """A line, with its times read."""

    line: _Line
    start_ns: int
    first_output_ns: int | None
    end_ns: int
    tools: list[_ToolTimes]


class TraceLab:
    """The importer; see the head of this module."""

    name = "tracelab"
    describe = "TraceLab's rounds of coding agents: model calls and their tools, JSON Lines"

    def sniff(self, first_bytes: bytes) -> bool:
        first_line = first_bytes.split(b"\n", 1)[0]
        return b'"timing_events"' in first_line and b'"session_id"' in first_line

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        rounds: dict[str, list[_Round]] = {}
        counts = Counts(damage=Damage(is_refused=options.strict))
        for place, line in read_all_rows(input_files(paths, ".jsonl"), _Line, counts.damage):
            try:
                found = _round(line, place, counts)
            except TraceError as error:
                counts.damage.lose(error)
                continue
            if found is not None:
                rounds.setdefault(line.session_id, []).append(found)
        sessions = list(rounds.values())

        def load(unit: int, counts: Counts) -> Run:
            return _run(sessions[unit], SessionPrompts(unit, options.block_size), options, counts)

        explained = (
            "A model call's first byte is the end of its first block of output: an upper bound.",
            "A tool's start is when its call was logged, so approval counts as the tool's time.",
        )
        return imported_runs(self.name, paths, options, len(sessions), load, explained, counts)


def _round(line: _Line, place: str, counts: Counts) -> _Round | None:
    events = [(_time(event.timestamp, place), event.event_type) for event in line.timing_events]
    events.sort(key=lambda event: event[0])
    outputs = [at_ns for at_ns, kind in events if kind not in _INPUTS]
    if not outputs:
        counts.drop("round(s) without output")
        return None
    before = [at_ns for at_ns, kind in events if kind in _INPUTS and at_ns <= outputs[0]]
    first_ns = next((at_ns for at_ns, kind in events if kind not in _INPUTS and kind != _NO_OUTPUT), None)
    tools: list[_ToolTimes] = []
    for tool in line.tools:
        if tool.emitted_at is None:
            counts.drop("tool call(s) without emitted_at")
            continue
        end_ns = None if tool.result_at is None else _time(tool.result_at, place)
        start_ns = _time(tool.emitted_at, place)
        tools.append(_ToolTimes(tool.tool_name or "", start_ns, end_ns, bool(tool.is_error)))
    line.timing_events, line.tools = [], []
    start_ns = before[-1] if before else outputs[0]
    return _Round(line, start_ns, first_ns, outputs[-1], tools)


def _time(text: str, place: str) -> int:
    at_ns = unix_ns(text)
    if at_ns is None:
        raise TraceError(f"{place}: {shown(text)} is not a time like 2026-06-01T05:40:20.151Z.")
    return at_ns


def _run(rounds: Sequence[_Round], prompts: SessionPrompts, options: ImportOptions, counts: Counts) -> Run:
    rounds = sorted(rounds, key=lambda each: each.start_ns)
    builder = RunBuilder(rounds[0].start_ns, counts)
    entries: list[Call | Lane] = []
    for n, each in enumerate(rounds, 1):
        line = each.line
        llm = LlmCall(line.input_tokens_total or 0, line.output_tokens or 0, line.model, options.stream)
        add_prefix(llm, "", line.prefix_tokens, prompts, counts)
        told = {"round": line.round_id, "cached_input_tokens": _shown_count(line.prefix_tokens)}
        entries.append(
            builder.model_call(str(n), "main", each.start_ns, each.end_ns, each.first_output_ns, llm, told)
        )
        for k, tool in enumerate(each.tools, 1):
            failed = {"error": "true" if tool.is_error else None}
            entries.append(builder.tool_call(f"{n}.{k}", tool.name, tool.start_ns, tool.end_ns, None, failed))
    first = rounds[0].line
    attributes = {"agent": first.provider or "", "project": first.project or ""}
    return Run(first.session_id, rounds[0].start_ns, Lane(entries, RESOLUTION_MS), attributes)


def _shown_count(tokens: int | None) -> str | None:
    return None if tokens is None else str(tokens)
