"""Agents' sessions of the `freeinference` format: the FreeInference agentic trace, as JSON Lines or as its tables.

The format is that of HarvardMadSys/freeinference_agentic_trace, version 1, by its README and its schema: a session a
line, its requests within it, their tool calls within these, and a sub-agent's session within the call that started it;
or the same as rows of the tables `requests`, `tool_calls` and `sessions`, a folder of them. What becomes what:

- A request becomes an `llm` step, from `start_ms` to `end_ms`, `ttft_ms` its first byte, streamed as it says. Its
  tokens are the provider's (else its input's by role), its prefix blocks `block_ids`, of 16 tokens, as far as its input
  has so many.
- A tool call becomes a `tool` step: it begins when its request ended, and takes `latency_ms`, the wait until the next
  request, which the calls of one answer share. So it is an upper bound. Arguments are placeholders, and left out.
- Calls that ask the user (`Ask User`) are no steps: their time is think time. Those that start a sub-agent are its
  calls, where its session is there.
- Edges are inferred as replay/assembly/agent_runs.py says.
- Sessions start at their recorded times, to the ms; `arrivals` lays them out anew.

Rows of one session may stand anywhere in the input, so memory holds the calls.
"""

import re
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
from replay.trace.errors import TraceError
from replay.trace.types import LlmCall

_BLOCK_TOKENS = 16
_LATEST_MS = 9_000_000_000_000  # in the year 2255; in ns it still fits an int64
_DEEPEST = 20
_ASKS = "Ask User"
_STARTS_AGENT = "Subagent"
_FAILED = ("error", "denied", "timeout")
_TELLING_BYTES = 4096
_OF_SESSION = (b'"session_id"', b'"harness"')
_HAS_REQUESTS = re.compile(rb'"requests"\s*+:\s*+\[\s*+\{\s*+"step"\s*+:').search
_IS_ROW = re.compile(
    rb'\s*\{"session_id"\s*:\s*"[^"]*",\s*(?:"step"\s*:\s*\d+,\s*(?:"link_reason"|"call_index")|"user_id")\s*:'
).match
_IS_TABLE = re.compile(rb'"(?:step_trigger|parse_status|spawned_by_step)"\s*:').search


class _Tokens(msgspec.Struct, gc=False):
    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None


class _Tool(msgspec.Struct):
    """A tool call; what is not listed here is not used."""

    call_index: int | None = None
    name: str | None = None
    category: str | None = None
    outcome: str | None = None
    latency_ms: int | None = None
    subagent: "_Session | None" = None


class _Request(msgspec.Struct):
    step: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    ttft_ms: int | None = None
    model: str | None = None
    provider: str | None = None
    stream: bool | None = None
    provider_tokens: _Tokens | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cache_read_tokens: int | None = None
    role_tokens: dict[str, int | None] | None = None
    block_ids: list[int] | None = None
    tool_calls: list[_Tool] | None = None


class _Session(msgspec.Struct):
    session_id: str = ""
    week: str | None = None
    harness: str | None = None
    requests: list[_Request] | None = None


class _Row(_Request):
    """A line: a session, or a row of one of the tables."""

    session_id: str = ""
    week: str | None = None
    harness: str | None = None
    requests: list[_Request] | None = None
    parent_session_id: str | None = None
    call_index: int | None = None
    name: str | None = None
    category: str | None = None
    outcome: str | None = None
    latency_ms: int | None = None


class _Asked(msgspec.Struct):
    """A request, with its times read."""

    start_ns: int
    end_ns: int | None
    first_byte_ns: int | None
    llm: LlmCall
    attributes: dict[str, str | None]


class _Agent(msgspec.Struct):
    """A session of the recording, which may be a sub-agent's. tools: of each step."""

    id: str
    harness: str = ""
    parent_id: str | None = None
    requests: dict[int, _Asked] = {}
    tools: dict[int, dict[int, _Tool]] = {}


class FreeInference:
    """The importer; see the head of this module."""

    name = "freeinference"
    describe = "the FreeInference agentic trace, sessions as JSON Lines or its tables in Parquet"

    def sniff(self, first_bytes: bytes) -> bool:
        start = first_bytes[:_TELLING_BYTES]
        if all(key in start for key in _OF_SESSION) and _HAS_REQUESTS(start) is not None:
            return True
        return _IS_ROW(start) is not None and _IS_TABLE(start) is not None

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        counts = Counts(damage=Damage(is_refused=options.strict))
        found = _Found(options, counts)
        for place, row in read_all_rows(input_files(paths, ".jsonl"), _Row, counts.damage):
            try:
                found.add(row, place)
            except TraceError as error:
                counts.damage.lose(error)
        families = found.families()

        def load(unit: int, counts: Counts) -> Run | None:
            return _run(families[unit], counts)

        explained = (
            "A tool's time is the wait from its request's end to the next request, which calls of one answer share: an "
            "upper bound.",
        )
        return imported_runs(self.name, paths, options, len(families), load, explained, counts)


class _Found:
    """Sorts rows by agent."""

    def __init__(self, options: ImportOptions, counts: Counts) -> None:
        self._agents: dict[str, _Agent] = {}
        self._block_ids: dict[tuple[str, int], int] = {}
        self._options = options
        self._counts = counts

    def families(self) -> list[list[_Agent]]:
        """Each session with its sub-agents, a parent before its children."""
        children: dict[str, list[_Agent]] = {}
        roots: list[_Agent] = []
        for agent in self._agents.values():
            if agent.parent_id in self._agents and agent.parent_id != agent.id:
                children.setdefault(agent.parent_id, []).append(agent)
            else:
                roots.append(agent)
        families = []
        for root in roots:
            family = [root]
            for agent in family:  # grows as it goes
                family += children.pop(agent.id, ())
            families.append(family)
        # Those that name one another in a circle.
        return [*families, *([agent] for left in children.values() for agent in left)]

    def add(self, row: _Row, place: str) -> None:
        """Raises TraceError."""
        if not row.session_id:
            raise TraceError(f"{place}: has no session_id.")
        if row.requests is not None:
            session = _Session(row.session_id, row.week, row.harness, row.requests)
            self._add_session(session, None, row.week or "", place, 0)
            return
        agent = self._agent(row.session_id)
        if row.call_index is not None:
            tool = _Tool(row.call_index, row.name, row.category, row.outcome, row.latency_ms)
            agent.tools.setdefault(row.step or 0, {})[row.call_index] = tool
        elif row.step is not None:
            self._add_request(agent, row, row.week or "", place)
        else:
            agent.harness, agent.parent_id = row.harness or "", row.parent_session_id

    def _agent(self, session_id: str) -> _Agent:
        return self._agents.setdefault(session_id, _Agent(session_id, "", None, {}, {}))

    def _add_session(self, session: _Session, parent_id: str | None, week: str, place: str, depth: int) -> None:
        if depth > _DEEPEST:
            self._counts.drop("session(s) of sub-agents nested more than 20 deep")
            return
        agent = self._agent(session.session_id or f"{parent_id} {len(self._agents)}")
        agent.harness = session.harness or agent.harness
        agent.parent_id = parent_id
        for n, request in enumerate(session.requests or ()):
            request.step = n if request.step is None else request.step
            if not self._add_request(agent, request, week, place):
                continue
            for k, tool in enumerate(request.tool_calls or ()):
                agent.tools.setdefault(request.step, {})[k if tool.call_index is None else tool.call_index] = (
                    tool
                )
                if tool.subagent is not None:
                    self._add_session(tool.subagent, agent.id, week, place, depth + 1)
                    tool.subagent = _Session()

    def _add_request(self, agent: _Agent, request: _Request, week: str, place: str) -> bool:
        step, start_ms = request.step or 0, request.start_ms
        if start_ms is None or not 0 <= start_ms <= _LATEST_MS:
            raise TraceError(f"{place}: start_ms {start_ms} of step {step} is not a time in ms since 1970.")
        if step in agent.requests:
            self._counts.drop("request(s) of a session and step that occurred before")
            return False
        tokens = request.provider_tokens or _Tokens(
            request.prompt_tokens, request.completion_tokens, request.cache_read_tokens
        )
        by_role = sum(count for count in (request.role_tokens or {}).values() if count is not None)
        input_tokens = tokens.prompt if tokens.prompt is not None else by_role
        ids = self._block_ids
        blocks = (request.block_ids or [])[: max(input_tokens, 0) // _BLOCK_TOKENS]
        prefix = array("I", (ids.setdefault((week, block), len(ids)) for block in blocks))
        start_ns = start_ms * 1_000_000
        agent.requests[step] = _Asked(
            start_ns,
            _ns(request.end_ms),
            None if request.ttft_ms is None or request.ttft_ms < 0 else start_ns + request.ttft_ms * 1_000_000,
            LlmCall(
                input_tokens,
                tokens.completion or 0,
                request.model,
                self._options.stream if request.stream is None else request.stream,
                prefix=tuple(prefix),
                prefix_block_tokens=_BLOCK_TOKENS if prefix else None,
            ),
            {
                "provider": request.provider,
                "cached_input_tokens": None if tokens.cached is None else str(tokens.cached),
            },
        )
        return True


def _ns(ms: int | None) -> int | None:
    return ms * 1_000_000 if ms is not None and 0 <= ms <= _LATEST_MS else None


def _run(family: Sequence[_Agent], counts: Counts) -> Run | None:
    starts = [asked.start_ns for agent in family for asked in agent.requests.values()]
    if not starts:
        counts.drop("session(s) without a request")
        return None
    builder = RunBuilder(min(starts), counts)
    entries_of = {agent.id: list(_entries(agent, n, builder, counts)) for n, agent in enumerate(family)}
    lanes = {agent.id: Lane(entries_of[agent.id], RESOLUTION_MS) for agent in family}
    for agent in reversed(family[1:]):  # children first, so that a lane begins with the first call below it
        entries = entries_of[agent.id]
        if entries:
            counts.subagents += 1
            lane = lanes[agent.id]
            lane.spawned_ms = min(
                entry.start_ms if isinstance(entry, Call) else entry.spawned_ms or 0.0 for entry in entries
            )
            entries_of[agent.parent_id or ""].append(lane)
    root = family[0]
    return Run(root.id, min(starts), lanes[root.id], {"agent": root.harness} if root.harness else {})


def _entries(agent: _Agent, number: int, builder: RunBuilder, counts: Counts) -> Iterator[Call | Lane]:
    prefix = f"s{number}." if number else ""
    name = "subagent" if number else "main"
    told = {"agent": agent.id if number else None}
    for step, asked in sorted(agent.requests.items()):
        yield builder.model_call(
            f"{prefix}{step + 1}",
            name,
            asked.start_ns,
            asked.end_ns,
            asked.first_byte_ns,
            asked.llm,
            {**told, **asked.attributes},
        )
        for n, tool in sorted(agent.tools.get(step, {}).items()):
            if tool.category == _ASKS:
                counts.drop("question(s) to the user, whose time is think time")
            elif tool.subagent is not None or tool.category == _STARTS_AGENT:
                counts.infer("call(s) that start a sub-agent are its calls, or else think time")
            elif tool.latency_ms is None or tool.latency_ms < 0 or asked.end_ns is None:
                counts.drop("tool call(s) without a time")
            else:
                end_ns = asked.end_ns + tool.latency_ms * 1_000_000
                attributes = {**told, "error": tool.outcome if tool.outcome in _FAILED else None}
                yield builder.tool_call(
                    f"{prefix}{step + 1}.{n + 1}", tool.name or "", asked.end_ns, end_ns, None, attributes
                )
