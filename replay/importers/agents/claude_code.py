"""Sessions of the `claude-code` format: the JSON Lines logs that the coding agent Claude Code keeps, one a session.

The logs are no documented format; this reads what versions up to 2.1 write. What becomes what:

- The `assistant` records with one message id are one model call: an `llm` step. It starts at the last input (a
  `user` record: a prompt or a tool's result) before its first record, or where there is none since the call
  before it began, at that call's end. It ends at its last record. A record is written once a block of output is
  complete, so the first one stands for the first byte: an upper bound. Tokens are those of `usage`, with what was
  read from and written to the prompt cache counted as input; from what was read its prefix blocks are inferred, as
  replay/assembly/prompt_blocks.py says.
- A `tool_use` block becomes a `tool` step, from its record to the record with its `tool_result`. What the user
  took to approve it counts as the tool's time. Arguments are kept as replay/assembly/tool_requests.py says.
- What a resumed or forked session, or a forked sub-agent, repeats of another is no work: records and answers whose ids
  stand in the session that ended first are dropped and counted.
- When the agent has its own history summarised (`agent-acompact-ID.jsonl`), that is a model call of its own.
- Images in prompts and in results of tools go with each later call of their agent, by type and size, as the agent sends
  them again: the latest hundred of those that its prompt has room for. A summary of the history ends that.
- A count of output tokens that was written while the answer still came is set by its text, at four bytes a token.
- A sub-agent is a lane of its own, whose spawn and end are those of the tool call that started it. That call
  makes no step of its own. Sub-agents are found as sidechains in the session's file, and in the files that the
  agent keeps for them: `agent-ID.jsonl` beside it or in `SESSION/subagents/`. One whose tool call is not found
  by its id belongs to the last `Task` or `Agent` call that ran when it began, or else begins by itself.
- Edges are inferred as replay/assembly/agent_runs.py says. All other records, and texts, are not imported.
- Sessions start at their recorded times, to the ms; `arrivals` lays them out anew.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.assembly.agent_runs import RESOLUTION_MS, Run, RunBuilder, imported_runs
from replay.assembly.prompt_blocks import SessionPrompts, add_prefix
from replay.assembly.recorded_sessions import Counts
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.agents.claude_code_log import (
    MAIN,
    AgentLog,
    SessionLog,
    ToolUse,
    estimate_output,
    repeated_history,
    session_id_of,
    with_starts,
)
from replay.importers.agents.qwen_code import has_parts
from replay.reading.inputs import input_files
from replay.trace.edges.inference import Call, Lane
from replay.trace.model_calls import as_images, images_held
from replay.trace.types import LlmCall

_SPAWNERS = ("Task", "Agent")
_DEEPEST = 20
_AGENT_FILE = "agent-"
_AGAIN = "model call(s) carry the images that came before them, by type and size"


class _SpawnInput(msgspec.Struct, gc=False):
    subagent_type: str | None = None


class ClaudeCode:
    """The importer; see the head of this module."""

    name = "claude-code"
    describe = "Claude Code's own session logs, JSON Lines; a file or a folder of them"

    def sniff(self, first_bytes: bytes) -> bool:
        is_linked = b'"parentUuid"' in first_bytes or b'"leafUuid"' in first_bytes
        return is_linked and b'"sessionId"' in first_bytes and not has_parts(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        units = _units(input_files(paths, ".jsonl"))
        history = repeated_history(units) if len(units) > 1 else [frozenset[str]()]

        def load(unit: int, counts: Counts) -> Run | None:
            log = SessionLog(units[unit], counts, history[unit])
            return _run(log, SessionPrompts(unit, options.block_size), options, counts)

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
        below = file.parent / file.name.split(".")[0] / "subagents"
        if below.is_dir():
            agents.update(dict.fromkeys(sorted(below.rglob(f"{_AGENT_FILE}*.jsonl*"))))
    by_id = {session_id_of(unit[0]): unit for unit in sessions.values()} if agents else {}
    alone: list[list[Path]] = []
    for file in agents:
        unit = by_id.get(session_id_of(file))
        if unit is None:
            alone.append([file])
        else:
            unit.append(file)
    return [*sessions.values(), *alone]


def _run(log: SessionLog, prompts: SessionPrompts, options: ImportOptions, counts: Counts) -> Run | None:
    """The session as a run; None where it has no model call."""
    agents = {key: agent for key, agent in log.agents.items() if agent.calls}
    empty = [key for key in log.agents if key not in agents and key != MAIN]
    counts.drop("sub-agent(s) without a model call", len(empty))
    if not agents:
        counts.drop("session(s) without a model call")
        return None
    zero_ns = min(agent.began_ns for agent in agents.values())
    assembly = _Assembly(agents, RunBuilder(zero_ns, counts), prompts, counts, options)
    return Run(log.id, zero_ns, assembly.lane(), {"agent": ClaudeCode.name, "version": log.version})


class _Assembly:
    """Makes lanes of the agents of one session, each below the tool call that spawned it."""

    def __init__(
        self,
        agents: dict[str, AgentLog],
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
        self._left = dict.fromkeys(key for key in agents if key != MAIN)

    def lane(self) -> Lane:
        entries: list[Call | Lane] = []
        if MAIN in self._agents:
            entries += self._entries(MAIN, "", "main", 0)
        # What is left was spawned by no call that is known: it begins by itself.
        n = 0
        while self._left:
            key = next(iter(self._left))
            n += 1
            entries.append(self._subagent(key, None, f"a{n}.", "subagent", 1))
        return Lane(entries, RESOLUTION_MS)

    def _subagent(self, key: str, tool: ToolUse | None, prefix: str, name: str, depth: int) -> Lane:
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
        told = {"agent": None if key == MAIN else key}
        entries: list[Call | Lane] = []
        images = sorted(agent.images, key=lambda image: image[0])
        for n, (call, start_ns) in enumerate(with_starts(agent, self._counts), 1):
            estimate_output(call, self._counts)
            llm = LlmCall(call.input_tokens, call.output_tokens, call.model, self._options.stream)
            sent = [image for at_ns, image in images if at_ns <= call.first_ns]
            llm.images = as_images(images_held(sent, call.input_tokens), self._prompts.image_id)
            self._counts.infer(_AGAIN, bool(llm.images))
            if call.is_compaction:
                # What is summarised is sent no more.
                images = [image for image in images if image[0] > call.first_ns]
            add_prefix(llm, key, call.cached_tokens, self._prompts, self._counts)
            cached = None if call.cached_tokens is None else str(call.cached_tokens)
            attributes = {**told, "stop": call.stop, "cached_input_tokens": cached}
            place, called = f"{prefix}{n}", "compaction" if call.is_compaction else name
            entries.append(
                self._builder.model_call(place, called, start_ns, call.last_ns, call.first_ns, llm, attributes)
            )
            for k, tool in enumerate(call.tools, 1):
                entries += self._tool(tool, f"{place}.{k}", told, depth)
        return entries

    def _tool(self, tool: ToolUse, place: str, told: dict[str, str | None], depth: int) -> Iterator[Lane]:
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


def _subagent_name(tool: ToolUse) -> str:
    try:
        return msgspec.json.decode(tool.arguments, type=_SpawnInput).subagent_type or "subagent"
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return "subagent"


def _spawned_by(agents: dict[str, AgentLog], counts: Counts) -> dict[str, list[str]]:
    """Which sub-agents each tool call spawned, by the call's id."""
    spawned: dict[str, list[str]] = {}
    named: set[str] = set()
    spawners: list[ToolUse] = []
    for key, agent in agents.items():
        for call in agent.calls.values():
            for tool in call.tools:
                if tool.spawned in agents and tool.spawned not in (MAIN, key) and tool.spawned not in named:
                    named.add(tool.spawned)
                    spawned[tool.id] = [tool.spawned]
                elif tool.name in _SPAWNERS and key == MAIN:
                    spawners.append(tool)
    spawners.sort(key=lambda tool: tool.start_ns)
    starts = [tool.start_ns for tool in spawners]
    free = set(range(len(spawners)))
    for key in sorted(agents, key=lambda key: agents[key].began_ns):
        if key == MAIN or key in named:
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
