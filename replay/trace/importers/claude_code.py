"""Sessions of the `claude-code` format: the JSON Lines logs that the coding agent Claude Code keeps, one a session.

The logs are no documented format; this reads what versions up to 2.1 write. What becomes what:

- The `assistant` records with one message id are one model call: an `llm` step. It starts at the last input (a
  `user` record: a prompt or a tool's result) before its first record, or where there is none since the call
  before it began, at that call's end. It ends at its last record. A record is written once a block of output is
  complete, so the first one stands for the first byte: an upper bound. Tokens are those of `usage`, with what was
  read from and written to the prompt cache counted as input; from what was read its prefix blocks are inferred, as
  replay/trace/importers/prompt_blocks.py says.
- A `tool_use` block becomes a `tool` step, from its record to the record with its `tool_result`. What the user
  took to approve it counts as the tool's time. Arguments are kept as replay/trace/importers/tool_requests.py says.
- A sub-agent is a lane of its own, whose spawn and end are those of the tool call that started it. That call
  makes no step of its own. Sub-agents are found as sidechains in the session's file, and in the files that the
  agent keeps for them: `agent-ID.jsonl` beside it or in `SESSION/subagents/`. One whose tool call is not found
  by its id belongs to the last `Task` or `Agent` call that ran when it began, or else begins by itself.
- Edges are inferred as replay/trace/importers/agent_runs.py says. All other records, and texts, are not imported.
- Sessions start at their recorded times, to the ms; `arrivals` lays them out anew.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.importers.agent_runs import RESOLUTION_MS, Run, RunBuilder, imported_runs
from replay.trace.importers.inference import Call, Lane
from replay.trace.importers.inputs import decoded, input_files
from replay.trace.importers.log_records import read_records, without_halves
from replay.trace.importers.prompt_blocks import SessionPrompts, add_prefix
from replay.trace.importers.recorded_sessions import Counts
from replay.trace.importers.timestamps import unix_ns
from replay.trace.importers.types import ImportOptions, ImportResult
from replay.trace.types import LlmCall

_MAIN = ""
_SPAWNERS = ("Task", "Agent")
_DEEPEST = 20
_NOT_A_MODEL = "<synthetic>"
_AGENT_FILE = "agent-"
_COMPACTION_FILE = "agent-acompact-"  # the agent summarising itself; it repeats the session's records


class _Record(msgspec.Struct, gc=False):
    """A line; what is not listed here is not used. message, toolUseResult: of many shapes, read when needed."""

    type: str | None = None
    timestamp: str | None = None
    uuid: str | None = None
    parent_uuid: str | None = msgspec.field(default=None, name="parentUuid")
    session_id: str | None = msgspec.field(default=None, name="sessionId")
    is_sidechain: bool | None = msgspec.field(default=None, name="isSidechain")
    agent_id: str | None = msgspec.field(default=None, name="agentId")
    is_api_error: bool | None = msgspec.field(default=None, name="isApiErrorMessage")
    version: str | None = None
    message: msgspec.Raw = msgspec.Raw(b"")
    tool_use_result: msgspec.Raw = msgspec.field(default=msgspec.Raw(b""), name="toolUseResult")


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None


class _Block(msgspec.Struct, gc=False):
    type: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"")
    tool_use_id: str | None = None
    is_error: bool | None = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    content: str | list[_Block] | None = None
    usage: _Usage | None = None
    stop_reason: str | None = None


class _SpawnResult(msgspec.Struct, gc=False):
    agent_id: str | None = msgspec.field(default=None, name="agentId")


class _SpawnInput(msgspec.Struct, gc=False):
    subagent_type: str | None = None


class _ToolUse(msgspec.Struct):
    """end_ns: when its result was logged. spawned: the agent that its result names."""

    id: str
    name: str
    arguments: bytes
    start_ns: int
    end_ns: int | None = None
    is_error: bool = False
    spawned: str | None = None


class _ModelCall(msgspec.Struct):
    first_ns: int
    last_ns: int
    model: str | None = None
    stop: str | None = None
    input_tokens: int = 0
    cached_tokens: int | None = None
    output_tokens: int = 0
    tools: list[_ToolUse] = []


class _AgentLog(msgspec.Struct):
    """What one agent did: the session's own, or one sub-agent. began_ns: its first record."""

    began_ns: int
    calls: dict[str, _ModelCall] = {}
    inputs_ns: list[int] = []


class ClaudeCode:
    """The importer; see the head of this module."""

    name = "claude-code"
    describe = "Claude Code's own session logs, JSON Lines; a file or a folder of them"

    def sniff(self, first_bytes: bytes) -> bool:
        return b'"sessionId"' in first_bytes and (
            b'"parentUuid"' in first_bytes or b'"leafUuid"' in first_bytes
        )

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        units = _units(input_files(paths, ".jsonl"))

        def load(unit: int, counts: Counts) -> Run | None:
            session = _Session(counts)
            for file in units[unit]:
                session.read(file)
            return session.run(units[unit][0].stem, SessionPrompts(unit, options.block_size), options)

        explained = (
            "A model call starts at the input before it; its first byte is the end of its first block of output, an "
            "upper bound.",
            "A tool's start is when its call was logged, so approval by the user counts as the tool's time.",
        )
        return imported_runs(self.name, paths, options, len(units), load, explained)


def _units(files: Sequence[Path]) -> list[list[Path]]:
    """The files of each session, its own first; files of sub-agents whose session is not there stand alone."""
    agents: dict[Path, None] = {}
    sessions: dict[str, list[Path]] = {}
    for file in files:
        if file.name.startswith(_AGENT_FILE):
            agents[file] = None
            continue
        sessions[str(file)] = [file]
        below = file.with_suffix("") / "subagents"
        if below.is_dir():
            agents.update(dict.fromkeys(sorted(below.rglob(f"{_AGENT_FILE}*.jsonl"))))
    by_id = {_session_id(unit[0]): unit for unit in sessions.values()} if agents else {}
    alone: list[list[Path]] = []
    for file in agents:
        if file.name.startswith(_COMPACTION_FILE):
            continue
        unit = by_id.get(_session_id(file))
        if unit is None:
            alone.append([file])
        else:
            unit.append(file)
    return [*sessions.values(), *alone]


def _session_id(file: Path) -> str | None:
    """What the first record that names a session says; None where the file cannot be read, which comes up later."""
    try:
        for _, record in read_records(file, _Record):
            if record.session_id is not None:
                return record.session_id
    except TraceError:
        return None
    return file.stem


class _Session:
    """Collects the records of one session, then makes a run of them."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._agents: dict[str, _AgentLog] = {}
        self._agent_of: dict[str, str] = {}
        self._tools: dict[str, _ToolUse] = {}
        self._version = ""

    def read(self, file: Path) -> None:
        for n, record in read_records(file, _Record):
            if record.type in ("user", "assistant"):
                self._add(record, f"{shown_path(file)}, line {n}")

    def _add(self, record: _Record, place: str) -> None:
        if record.uuid is not None and record.uuid in self._agent_of:
            self._counts.drop("record(s) that occur twice")
            return
        if record.timestamp is None:
            self._counts.drop("record(s) without a timestamp")
            return
        at_ns = unix_ns(record.timestamp)
        if at_ns is None:
            what = f"timestamp: {shown(record.timestamp)} is not a time like 2026-06-01T05:40:20.151Z."
            raise TraceError(f"{place}: {what}")
        message = decoded(bytes(record.message) or b"{}", _Message, f"{place}, message")
        key = self._key(record)
        agent = self._agents.setdefault(key, _AgentLog(at_ns, {}, []))
        agent.began_ns = min(agent.began_ns, at_ns)
        self._version = record.version or self._version
        blocks = message.content if isinstance(message.content, list) else []
        if record.type == "user":
            agent.inputs_ns.append(at_ns)
            for block in blocks:
                if block.type == "tool_result":
                    self._end_tool(block, at_ns, record.tool_use_result)
        elif record.is_api_error or message.model == _NOT_A_MODEL:
            self._counts.drop("answer(s) that are the program's own, such as errors")
        else:
            self._add_output(agent, record, message, blocks, at_ns)

    def _key(self, record: _Record) -> str:
        """The agent that a record belongs to: by its id, or as the record before it."""
        if not record.is_sidechain:
            key = _MAIN
        elif record.agent_id:
            key = record.agent_id
        else:
            before = self._agent_of.get(record.parent_uuid or "", _MAIN)
            key = before or f"sidechain {record.uuid}"
        if record.uuid is not None:
            self._agent_of[record.uuid] = key
        return key

    def _end_tool(self, block: _Block, at_ns: int, result: msgspec.Raw) -> None:
        tool = self._tools.get(block.tool_use_id or "")
        if tool is None or tool.end_ns is not None:
            self._counts.drop("tool result(s) without a tool call")
            return
        tool.end_ns = at_ns
        tool.is_error = bool(block.is_error)
        if result:
            try:
                tool.spawned = msgspec.json.decode(result, type=_SpawnResult).agent_id
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                tool.spawned = None  # results have many shapes; most name no agent

    def _add_output(
        self, agent: _AgentLog, record: _Record, message: _Message, blocks: Sequence[_Block], at_ns: int
    ) -> None:
        key = message.id or record.uuid or f"at {at_ns}"
        call = agent.calls.get(key)
        if call is None:
            call = agent.calls[key] = _ModelCall(at_ns, at_ns, tools=[])
        call.first_ns = min(call.first_ns, at_ns)
        call.last_ns = max(call.last_ns, at_ns)
        call.model = message.model or call.model
        call.stop = message.stop_reason or call.stop
        usage = message.usage
        if usage is not None:
            cached = usage.cache_read_input_tokens
            total = (usage.input_tokens or 0) + (usage.cache_creation_input_tokens or 0) + (cached or 0)
            # While an answer streams, its records hold what had been counted by then.
            call.input_tokens = max(call.input_tokens, total)
            call.output_tokens = max(call.output_tokens, usage.output_tokens or 0)
            call.cached_tokens = cached if cached is not None else call.cached_tokens
        for block in blocks:
            if block.type == "tool_use":
                tool_id = block.id or f"{key} {len(call.tools)}"
                if tool_id in self._tools:
                    self._counts.drop("tool call(s) that occur twice")
                    continue
                tool = _ToolUse(tool_id, block.name or "", without_halves(bytes(block.input)), at_ns)
                self._tools[tool_id] = tool
                call.tools.append(tool)

    def run(self, name: str, prompts: SessionPrompts, options: ImportOptions) -> Run | None:
        """The session as a run; None where it has no model call."""
        agents = {key: agent for key, agent in self._agents.items() if agent.calls}
        empty = [key for key in self._agents if key not in agents and key != _MAIN]
        self._counts.drop("sub-agent(s) without a model call", len(empty))
        if not agents:
            self._counts.drop("session(s) without a model call")
            return None
        zero_ns = min(agent.began_ns for agent in agents.values())
        assembly = _Assembly(agents, RunBuilder(zero_ns, self._counts), prompts, self._counts, options)
        return Run(name, zero_ns, assembly.lane(), {"agent": ClaudeCode.name, "version": self._version})


class _Assembly:
    """Makes lanes of the agents of one session, each below the tool call that spawned it."""

    def __init__(
        self,
        agents: dict[str, _AgentLog],
        builder: RunBuilder,
        prompts: SessionPrompts,
        counts: Counts,
        options: ImportOptions,
    ) -> None:
        self._agents = agents
        self._builder = builder
        self._prompts = prompts
        self._counts = counts
        self._options = options
        self._spawned_by = _spawned_by(agents, counts)
        self._left = dict.fromkeys(key for key in agents if key != _MAIN)

    def lane(self) -> Lane:
        entries: list[Call | Lane] = []
        if _MAIN in self._agents:
            entries += self._entries(_MAIN, "", "main", 0)
        # What is left was spawned by no call that is known: it begins by itself.
        n = 0
        while self._left:
            key = next(iter(self._left))
            n += 1
            entries.append(self._subagent(key, None, f"a{n}.", "subagent", 1))
        return Lane(entries, RESOLUTION_MS)

    def _subagent(self, key: str, tool: _ToolUse | None, prefix: str, name: str, depth: int) -> Lane:
        del self._left[key]
        self._counts.subagents += 1
        entries = self._entries(key, prefix, name, depth)
        spawned_ms = self._builder.ms(self._agents[key].began_ns if tool is None else tool.start_ns)
        # Nothing that a sub-agent does comes before its spawn, whatever the clocks said.
        spawned_ms = min(spawned_ms, *(_began_ms(entry) for entry in entries))
        end_ms = None if tool is None or tool.end_ns is None else self._builder.ms(tool.end_ns)
        return Lane(entries, RESOLUTION_MS, spawned_ms, end_ms)

    def _entries(self, key: str, prefix: str, name: str, depth: int) -> list[Call | Lane]:
        agent = self._agents[key]
        told = {"agent": None if key == _MAIN else key}
        entries: list[Call | Lane] = []
        for n, (call, start_ns) in enumerate(_with_starts(agent, self._counts), 1):
            llm = LlmCall(call.input_tokens, call.output_tokens, call.model, self._options.stream)
            add_prefix(llm, key, call.cached_tokens, self._prompts, self._counts)
            cached = None if call.cached_tokens is None else str(call.cached_tokens)
            attributes = {**told, "stop": call.stop, "cached_input_tokens": cached}
            place = f"{prefix}{n}"
            entries.append(
                self._builder.model_call(place, name, start_ns, call.last_ns, call.first_ns, llm, attributes)
            )
            for k, tool in enumerate(call.tools, 1):
                entries += self._tool(tool, f"{place}.{k}", told, depth)
        return entries

    def _tool(self, tool: _ToolUse, place: str, told: dict[str, str | None], depth: int) -> Iterator[Lane]:
        """The tool call, or the sub-agents that it stands for."""
        spawned = [key for key in self._spawned_by.get(tool.id, ()) if key in self._left and depth < _DEEPEST]
        for n, key in enumerate(spawned):
            if key in self._left:
                suffix = f"~{n + 1}" if n else ""
                yield self._subagent(key, tool, f"{place}{suffix}.", _subagent_name(tool), depth + 1)
        if not spawned:
            attributes = {**told, "error": "true" if tool.is_error else None}
            yield self._builder.tool_call(
                place, tool.name, tool.start_ns, tool.end_ns, tool.arguments or None, attributes
            )


def _began_ms(entry: Call | Lane) -> float:
    return entry.start_ms if isinstance(entry, Call) else entry.spawned_ms or 0.0


def _subagent_name(tool: _ToolUse) -> str:
    try:
        return msgspec.json.decode(tool.arguments, type=_SpawnInput).subagent_type or "subagent"
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return "subagent"


def _spawned_by(agents: dict[str, _AgentLog], counts: Counts) -> dict[str, list[str]]:
    """Which sub-agents each tool call spawned, by the call's id."""
    spawned: dict[str, list[str]] = {}
    named: set[str] = set()
    spawners: list[_ToolUse] = []
    for key, agent in agents.items():
        for call in agent.calls.values():
            for tool in call.tools:
                if tool.spawned in agents and tool.spawned not in (_MAIN, key) and tool.spawned not in named:
                    named.add(tool.spawned)
                    spawned[tool.id] = [tool.spawned]
                elif tool.name in _SPAWNERS and key == _MAIN:
                    spawners.append(tool)
    spawners.sort(key=lambda tool: tool.start_ns)
    starts = [tool.start_ns for tool in spawners]
    free = set(range(len(spawners)))
    for key in sorted(agents, key=lambda key: agents[key].began_ns):
        if key == _MAIN or key in named:
            continue
        began_ns = agents[key].began_ns
        for index in range(bisect_right(starts, began_ns) - 1, -1, -1):
            tool = spawners[index]
            if index in free and (tool.end_ns is None or began_ns <= tool.end_ns):
                free.remove(index)
                spawned.setdefault(tool.id, []).append(key)
                counts.infer("sub-agent(s) belong to the tool call that ran when they began")
                break
        else:
            counts.infer("sub-agent(s) without a known tool call begin by themselves")
    return spawned


def _with_starts(agent: _AgentLog, counts: Counts) -> Iterator[tuple[_ModelCall, int]]:
    """The model calls in order, each with its start."""
    inputs_ns = sorted(agent.inputs_ns)
    before: _ModelCall | None = None
    for call in sorted(agent.calls.values(), key=lambda call: call.first_ns):
        index = bisect_right(inputs_ns, call.first_ns)
        input_ns = inputs_ns[index - 1] if index else None
        end_ns = before.last_ns if before is not None and before.last_ns <= call.first_ns else None
        if input_ns is not None and (before is None or input_ns >= before.first_ns):
            start_ns = input_ns if end_ns is None else max(input_ns, end_ns)
        elif end_ns is not None:
            counts.infer("model call(s) without input of their own start at the end of the one before")
            start_ns = end_ns
        else:
            counts.infer("model call(s) without a recorded input start at their first output")
            start_ns = call.first_ns
        yield call, start_ns
        before = call
