"""Agents' requests of the `dynamo` format: request traces that NVIDIA Dynamo writes, JSON Lines, an event a line.

The format is schema `dynamo.request.trace.v1` of ai-dynamo/dynamo, `lib/llm/src/request_trace/types.rs`; an event
may stand in a line's field `event`. What becomes what:

- A `request_end` event becomes an `llm` step: `request_received_ms` its start (or else the event's time minus
  `total_time_ms`), `total_time_ms` its duration (or else until the event), `ttft_ms` its first byte, its token
  counts, and `replay.input_sequence_hashes` its prefix blocks, renumbered in order of their first occurrence.
- `tool_start`, `tool_end` and `tool_error` events with one `tool_call_id` become a `tool` step, named by their
  `tool_class`. Neither the tool's name nor its arguments are recorded. Tool calls that are only named in
  `finish_reason_metadata` have no times, so they are no steps: their time is in the delays on the edges.
- Events with the same `agent_context.session_id` are one agent. One with a `parent_session_id` is a sub-agent of
  that session, spawned when its first call begins. A request without a session is a session of its own.
- Edges are inferred as replay/assembly/agent_runs.py says. Calls are taken to be streamed unless `stream`
  is False.
- Sessions start at their recorded times, to the ms; `arrivals` lays them out anew.

Events stand in order of their ends and sessions may interleave, so memory holds the calls.
"""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.assembly.agent_runs import RESOLUTION_MS, Run, RunBuilder, imported_runs
from replay.assembly.recorded_sessions import Counts
from replay.assembly.types import ImportOptions, ImportResult
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.rows import read_all_rows
from replay.trace.edges.inference import Call, Lane
from replay.trace.errors import TraceError, shown
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.types import LlmCall

SCHEMA = "dynamo.request.trace.v1"

_TOOL_EVENTS = ("tool_start", "tool_end", "tool_error")
_FAILED = ("error", "failed", "cancelled", "canceled", "timeout")
_LATEST_MS = 9_000_000_000_000  # in the year 2255; in ns it still fits an int64
_DEEPEST = 20


class _Context(msgspec.Struct, gc=False):
    session_id: str | None = None
    parent_session_id: str | None = None


class _Replay(msgspec.Struct, gc=False):
    trace_block_size: int | None = None
    input_length: int | None = None
    input_sequence_hashes: list[int] = []


class _ToolCall(msgspec.Struct, gc=False):
    id: str | None = None


class _Finish(msgspec.Struct, gc=False):
    tool_calls: list[_ToolCall] = []


class _Request(msgspec.Struct, gc=False):
    request_id: str | None = None
    x_request_id: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    request_received_ms: int | None = None
    ttft_ms: float | None = None
    total_time_ms: float | None = None
    replay: _Replay | None = None
    finish_reason_metadata: _Finish | None = None


class _Tool(msgspec.Struct, gc=False):
    tool_call_id: str | None = None
    tool_class: str | None = None
    started_at_unix_ms: int | None = None
    ended_at_unix_ms: int | None = None
    status: str | None = None
    duration_ms: float | None = None
    error_type: str | None = None


class _Event(msgspec.Struct, gc=False):
    """An event; what is not listed here is not used."""

    schema: str | None = None
    event_type: str | None = None
    event_time_unix_ms: int | None = None
    agent_context: _Context | None = None
    request: _Request | None = None
    tool: _Tool | None = None


class _Line(_Event, gc=False):
    """A line: an event, or an object around one."""

    event: _Event | None = None


class _ModelCall(msgspec.Struct, gc=False):
    start_ns: int
    end_ns: int | None
    first_byte_ns: int | None
    request: _Request
    prefix: "array[int]"


class _ToolUse(msgspec.Struct, gc=False):
    name: str
    start_ns: int | None = None
    end_ns: int | None = None
    error: str | None = None


class _Agent(msgspec.Struct, gc=False):
    """One session of the recording, which may be a sub-agent of another."""

    id: str
    parent_id: str | None = None
    calls: list[_ModelCall] = []
    tools: dict[str, _ToolUse] = {}


class Dynamo:
    """The importer; see the head of this module."""

    name = "dynamo"
    describe = "NVIDIA Dynamo's request traces with agents and tools, JSON Lines"

    def sniff(self, first_bytes: bytes) -> bool:
        return SCHEMA.encode() in first_bytes.split(b"\n", 1)[0]

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        counts = Counts(damage=Damage(is_refused=options.strict))
        reading = _Reading(counts)
        for place, line in read_all_rows(input_files(paths, ".jsonl"), _Line, counts.damage):
            reading.add(line.event or line, place)
        groups = _with_subagents(reading.agents)

        def load(unit: int, counts: Counts) -> Run | None:
            return _run(groups[unit], options, counts)

        has_subagents = any(len(group) > 1 for group in groups)
        explained = ("A sub-agent is spawned when its first call begins.",) if has_subagents else ()
        return imported_runs(self.name, paths, options, len(groups), load, explained, counts)


class _Reading:
    """Sorts the events by agent."""

    def __init__(self, counts: Counts) -> None:
        self._agents: dict[str, _Agent] = {}
        self._alone: list[_Agent] = []
        self._block_ids: dict[int, int] = {}
        self._counts = counts

    @property
    def agents(self) -> list[_Agent]:
        return [*self._agents.values(), *self._alone]

    def add(self, event: _Event, place: str) -> None:
        if event.schema != SCHEMA:
            found = "no schema" if event.schema is None else f"the schema {shown(event.schema)}"
            raise TraceError(f"{place}: has {found}. Only {SCHEMA} can be read.")
        at_ms = _time_ms(event.event_time_unix_ms, "event_time_unix_ms", place)
        if event.event_type == "request_end" and event.request is not None:
            self._agent(event, event.request).calls.append(self._model_call(event.request, at_ms, place))
        elif event.event_type in _TOOL_EVENTS and event.tool is not None:
            self._add_tool(event, event.tool, at_ms, place)
        else:
            self._counts.drop("event(s) of other types")

    def _agent(self, event: _Event, request: _Request | None) -> _Agent:
        context = event.agent_context
        if context is None or context.session_id is None:
            name = (request.request_id if request is not None else None) or f"r{len(self._alone) + 1}"
            self._alone.append(_Agent(name, None, [], {}))
            return self._alone[-1]
        agent = self._agents.get(context.session_id)
        if agent is None:
            agent = self._agents[context.session_id] = _Agent(context.session_id, None, [], {})
        agent.parent_id = agent.parent_id or context.parent_session_id
        return agent

    def _model_call(self, request: _Request, at_ms: int | None, place: str) -> _ModelCall:
        received_ms = _time_ms(request.request_received_ms, "request.request_received_ms", place)
        took_ms = _positive(request.total_time_ms)
        end_ns = None if at_ms is None else at_ms * 1_000_000
        if received_ms is not None:
            start_ns = received_ms * 1_000_000
            end_ns = end_ns if took_ms is None else start_ns + round(took_ms * 1e6)
        elif at_ms is not None:
            start_ns = at_ms * 1_000_000 - round((took_ms or 0.0) * 1e6)
        else:
            raise TraceError(f"{place}: has neither request.request_received_ms nor event_time_unix_ms.")
        ttft_ms = _positive(request.ttft_ms)
        first_byte_ns = None if ttft_ms is None else start_ns + round(ttft_ms * 1e6)
        finish = request.finish_reason_metadata
        if finish is not None:
            self._counts.drop(
                "tool call(s) in finish_reason_metadata: they have no times", len(finish.tool_calls)
            )
            request.finish_reason_metadata = None
        replay = request.replay
        prefix = array("I")
        if replay is not None:
            ids = self._block_ids
            prefix.extend(ids.setdefault(value, len(ids)) for value in replay.input_sequence_hashes)
            replay.input_sequence_hashes = []
        return _ModelCall(start_ns, end_ns, first_byte_ns, request, prefix)

    def _add_tool(self, event: _Event, tool: _Tool, at_ms: int | None, place: str) -> None:
        if event.agent_context is None or event.agent_context.session_id is None or tool.tool_call_id is None:
            self._counts.drop("tool event(s) without a session or id")
            return
        started_ms = _time_ms(tool.started_at_unix_ms, "tool.started_at_unix_ms", place)
        ended_ms = _time_ms(tool.ended_at_unix_ms, "tool.ended_at_unix_ms", place)
        took_ms = _positive(tool.duration_ms)
        if event.event_type == "tool_start":
            started_ms = started_ms if started_ms is not None else at_ms
        else:
            ended_ms = ended_ms if ended_ms is not None else at_ms
        tools = self._agent(event, None).tools
        use = tools.get(tool.tool_call_id)
        if use is None:
            use = tools[tool.tool_call_id] = _ToolUse(tool.tool_class or "")
        if started_ms is not None:
            use.start_ns = started_ms * 1_000_000
        if ended_ms is not None:
            use.end_ns = ended_ms * 1_000_000
            if use.start_ns is None and took_ms is not None:
                use.start_ns = use.end_ns - round(took_ms * 1e6)
        if tool.status in _FAILED or event.event_type == "tool_error":
            use.error = tool.error_type or tool.status or "true"


def _time_ms(value: int | None, field: str, place: str) -> int | None:
    if value is not None and not 0 <= value <= _LATEST_MS:
        raise TraceError(f"{place}: {field} {value} is not a time in ms since 1970.")
    return value


def _positive(value: float | None) -> float | None:
    return value if value is not None and 0.0 <= value <= _LATEST_MS else None


def _with_subagents(agents: Sequence[_Agent]) -> list[list[tuple[_Agent, int]]]:
    """Each session with its sub-agents, as (agent, index of its parent in the list); a parent comes first."""
    by_id: dict[str, _Agent] = {}
    for agent in agents:
        by_id.setdefault(agent.id, agent)
    first_of_circle = _first_of_circles(agents, by_id)
    children: dict[int, list[_Agent]] = {}
    roots: list[_Agent] = []
    for agent in agents:
        parent = by_id.get(agent.parent_id or "")
        if parent is None or id(agent) in first_of_circle:
            roots.append(agent)
        else:
            children.setdefault(id(parent), []).append(agent)
    groups: list[list[tuple[_Agent, int]]] = []
    for root in roots:
        group = [(root, 0)]
        depths = [0]
        for index, (agent, _) in enumerate(group):  # grows as it goes
            for child in children.get(id(agent), ()):
                parent_index = index if depths[index] < _DEEPEST else 0
                group.append((child, parent_index))
                depths.append(depths[parent_index] + 1)
        groups.append(group)
    return groups


def _first_of_circles(agents: Sequence[_Agent], by_id: dict[str, _Agent]) -> set[int]:
    """Where agents name one another as parents in a circle: one of them, which then has none."""
    found: set[int] = set()
    done: set[int] = set()
    for agent in agents:
        path: dict[int, None] = {}
        current: _Agent | None = agent
        while current is not None and id(current) not in done and id(current) not in path:
            path[id(current)] = None
            current = by_id.get(current.parent_id or "")
        if current is not None and id(current) in path:
            found.add(id(current))
        done.update(path)
    return found


def _run(group: Sequence[tuple[_Agent, int]], options: ImportOptions, counts: Counts) -> Run | None:
    starts = [call.start_ns for agent, _ in group for call in agent.calls]
    starts += [
        tool.start_ns for agent, _ in group for tool in agent.tools.values() if tool.start_ns is not None
    ]
    if not starts:
        counts.drop("session(s) without a call")
        return None
    builder = RunBuilder(min(starts), counts)
    lanes: list[Lane] = []
    entries_of: list[list[Call | Lane]] = []
    for n, (agent, _) in enumerate(group):
        entries: list[Call | Lane] = list(_entries(agent, n, builder, options, counts))
        entries_of.append(entries)
        lanes.append(Lane(entries, RESOLUTION_MS))
    for n in range(len(group) - 1, 0, -1):  # children first, so that a lane begins with the first call below it
        if entries_of[n]:
            counts.subagents += 1
            lanes[n].spawned_ms = min(
                entry.start_ms if isinstance(entry, Call) else entry.spawned_ms or 0.0
                for entry in entries_of[n]
            )
            entries_of[group[n][1]].append(lanes[n])
    return Run(group[0][0].id, min(starts), lanes[0])


def _entries(
    agent: _Agent, number: int, builder: RunBuilder, options: ImportOptions, counts: Counts
) -> Iterator[Call | Lane]:
    prefix = f"s{number}." if number else ""
    told = {"agent": agent.id if number else None}
    name = "subagent" if number else "main"
    for n, call in enumerate(sorted(agent.calls, key=lambda call: call.start_ns), 1):
        request, replay = call.request, call.request.replay or _Replay()
        block = options.block_size or replay.trace_block_size
        llm = LlmCall(
            input_tokens=request.input_tokens if request.input_tokens is not None else replay.input_length or 0,
            output_tokens=request.output_tokens or 0,
            model=request.model,
            stream=options.stream,
            prefix=tuple(call.prefix),
            prefix_block_tokens=min(max(block, 1), MOST_TOKENS) if call.prefix and block is not None else None,
        )
        cached = None if request.cached_tokens is None else str(request.cached_tokens)
        attributes = {**told, "request": request.x_request_id, "cached_input_tokens": cached}
        yield builder.model_call(
            f"{prefix}{n}", name, call.start_ns, call.end_ns, call.first_byte_ns, llm, attributes
        )
    for n, tool in enumerate(agent.tools.values(), 1):
        if tool.start_ns is None:
            counts.drop("tool call(s) without a start")
            continue
        attributes = {**told, "error": tool.error}
        yield builder.tool_call(f"{prefix}t{n}", tool.name, tool.start_ns, tool.end_ns, None, attributes)
