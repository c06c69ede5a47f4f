"""Sessions of the `codex` format: the JSON Lines logs ("rollouts") that the coding agent Codex keeps, one a session.

The logs are no documented format; this reads what versions from 0.30 on write: lines of `timestamp`, `type` and
`payload`. What becomes what:

- A model call is an `llm` step. It starts at the last input (a user's or developer's message, or a tool's result)
  before its first output, and ends at its `token_count` event, which holds its tokens; an interrupted one has none
  and ends at its last output. An item is written once it is complete, so the first output stands for the first
  byte: an upper bound. The model is that of the turn. Its prompt's prefix blocks are inferred from the cached
  tokens as replay/trace/importers/prompt_blocks.py says.
- A `function_call`, `custom_tool_call` or `local_shell_call` item becomes a `tool` step, from its line to the line
  with its output. What the user took to approve it counts as the tool's time. Arguments are kept as
  replay/trace/importers/tool_requests.py says. Web searches ran at the model's provider: they are no steps.
- A log that names a parent among the files is a sub-agent of that session: a lane that is spawned at its first
  model call.
- Edges are inferred as replay/trace/importers/agent_runs.py says. All other lines, and texts, are not imported.
- Sessions start at their recorded times, to the ms; `arrivals` lays them out anew.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.importers.agent_runs import RESOLUTION_MS, Run, RunBuilder, imported_runs
from replay.trace.importers.inference import Call, Lane
from replay.trace.importers.inputs import decoded, input_files
from replay.trace.importers.log_records import read_records
from replay.trace.importers.prompt_blocks import SessionPrompts, add_prefix
from replay.trace.importers.recorded_sessions import Counts
from replay.trace.importers.timestamps import unix_ns
from replay.trace.importers.types import ImportOptions, ImportResult
from replay.trace.types import LlmCall

_TOOL_CALLS = ("function_call", "custom_tool_call", "local_shell_call")
_PROVIDERS_TOOLS = ("web_search_call", "image_generation_call")
_OUTPUT_EVENTS = ("agent_message", "agent_reasoning")
_INPUT_EVENTS = ("user_message", "task_started")
_READ = ("session_meta", "turn_context", "response_item", "event_msg")


class _Record(msgspec.Struct, gc=False):
    timestamp: str | None = None
    type: str | None = None
    payload: msgspec.Raw = msgspec.Raw(b"")


class _Kind(msgspec.Struct, gc=False):
    type: str | None = None
    role: str | None = None


class _Meta(msgspec.Struct, gc=False):
    id: str | None = None
    cli_version: str | None = None
    source: msgspec.Raw = msgspec.Raw(b"")


class _Spawn(msgspec.Struct, gc=False):
    parent_thread_id: str | None = None


class _SubagentSource(msgspec.Struct, gc=False):
    thread_spawn: _Spawn | None = None


class _Source(msgspec.Struct, gc=False):
    subagent: _SubagentSource | None = None


class _Turn(msgspec.Struct, gc=False):
    model: str | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int = 0
    cached_input_tokens: int | None = None
    output_tokens: int = 0


class _UsageInfo(msgspec.Struct, gc=False):
    last_token_usage: _Usage | None = None
    total_token_usage: _Usage | None = None


class _TokenCount(msgspec.Struct, gc=False):
    info: _UsageInfo | None = None


class _Item(msgspec.Struct, gc=False):
    """A tool call or its output. arguments: JSON in a text; input: a text; action: an object."""

    call_id: str | None = None
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"")
    input: msgspec.Raw = msgspec.Raw(b"")
    action: msgspec.Raw = msgspec.Raw(b"")


class _ToolUse(msgspec.Struct):
    name: str
    arguments: bytes | None
    start_ns: int
    end_ns: int | None = None


class _ModelCall(msgspec.Struct):
    start_ns: int
    first_ns: int
    last_ns: int
    model: str | None
    usage: _Usage | None = None
    tools: list[_ToolUse] = []


class Codex:
    """The importer; see the head of this module."""

    name = "codex"
    describe = "Codex's own session logs (rollouts), JSON Lines; a file or a folder of them"

    def sniff(self, first_bytes: bytes) -> bool:
        first_line = first_bytes.split(b"\n", 1)[0]
        kinds = (b'"session_meta"', b'"response_item"', b'"event_msg"')
        return b'"payload"' in first_line and any(kind in first_line for kind in kinds)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        units = _units(input_files(paths, ".jsonl"))

        def load(unit: int, counts: Counts) -> Run | None:
            logs = [_read_log(file, counts) for file in units[unit]]
            return _run(logs, SessionPrompts(unit, options.block_size), options, counts)

        explained = (
            "A model call starts at the input before it; its first byte is the end of its first item of output, an "
            "upper bound.",
            "A tool's start is when its call was logged, so approval by the user counts as the tool's time.",
        )
        return imported_runs(self.name, paths, options, len(units), load, explained)


def _units(files: Sequence[Path]) -> list[list[Path]]:
    """The files of each session, its own first, then those of its sub-agents, however deep."""
    metas = {file: _meta(file) for file in files}
    file_of = {meta.id: file for file, meta in metas.items() if meta.id}
    units: dict[Path, list[Path]] = {file: [file] for file in files}
    for file in files:
        root, seen = file, {file}
        while (parent := file_of.get(_parent_id(metas[root]) or "")) is not None and parent not in seen:
            root = parent
            seen.add(root)
        if root != file and _parent_id(metas[root]) not in file_of:
            units[root].append(file)
            del units[file]
    return list(units.values())


def _meta(file: Path) -> _Meta:
    """The log's first line, where it tells of the session; empty where it cannot be read, which comes up later."""
    try:
        for n, record in read_records(file, _Record):
            if record.type == "session_meta":
                return decoded(bytes(record.payload), _Meta, f"{shown_path(file)}, line {n}, payload")
            break
    except TraceError:
        pass
    return _Meta()


def _parent_id(meta: _Meta) -> str | None:
    try:
        source = msgspec.json.decode(meta.source or b"{}", type=_Source)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None  # a text, such as "cli", for the user's own sessions
    spawn = source.subagent.thread_spawn if source.subagent is not None else None
    return None if spawn is None else spawn.parent_thread_id


def _read_log(file: Path, counts: Counts) -> "_Log":
    before = msgspec.structs.replace(counts, inferred=dict(counts.inferred), dropped=dict(counts.dropped))
    log = _Log(file, counts, has_usage=True)
    if log.saw_usage:
        return log
    counts.inferred, counts.dropped = before.inferred, before.dropped
    return _Log(file, counts, has_usage=False)


class _Log:
    """One file's model calls with their tools.

    has_usage: whether answers end at their token counts; in logs without these, at the next input.
    """

    def __init__(self, file: Path, counts: Counts, has_usage: bool) -> None:
        self.meta = _Meta()
        self._has_meta = False
        self.id = file.stem
        self.calls: list[_ModelCall] = []
        self._counts = counts
        self._model: str | None = None
        self._open: _ModelCall | None = None
        self._input_ns: int | None = None
        self._total: _Usage | None = None
        self._tools: dict[str, _ToolUse] = {}
        self._has_usage = has_usage
        self.saw_usage = False
        self._has_input_since = False
        for n, record in read_records(file, _Record):
            if record.type in _READ:
                self._add(record, f"{shown_path(file)}, line {n}")
        self._close()

    def _add(self, record: _Record, place: str) -> None:
        inside = f"{place}, payload"
        payload = bytes(record.payload) or b"{}"
        if record.type == "session_meta":
            if not self._has_meta:  # a fork's log repeats that of its origin below its own
                self.meta = decoded(payload, _Meta, inside)
                self.id = self.meta.id or self.id
                self._has_meta = True
            return
        if record.type == "turn_context":
            self._model = decoded(payload, _Turn, inside).model or self._model
            return
        if record.timestamp is None:
            self._counts.drop("line(s) without a timestamp")
            return
        at_ns = unix_ns(record.timestamp)
        if at_ns is None:
            what = f"timestamp: {shown(record.timestamp)} is not a time like 2026-03-21T10:05:59.326Z."
            raise TraceError(f"{place}: {what}")
        kind = decoded(payload, _Kind, inside)
        if record.type == "event_msg":
            if kind.type == "token_count":
                self._count_tokens(decoded(payload, _TokenCount, inside).info, at_ns)
            elif kind.type in _INPUT_EVENTS:
                self._input(at_ns, ends_call=True)
            elif kind.type in _OUTPUT_EVENTS:
                self._output(at_ns)
        elif kind.type == "message":
            if kind.role == "assistant":
                self._output(at_ns)
            else:
                self._input(at_ns, ends_call=True)
        elif kind.type == "reasoning":
            self._output(at_ns)
        elif kind.type in _TOOL_CALLS:
            self._begin_tool(decoded(payload, _Item, inside), kind.type or "", at_ns)
        elif kind.type in _PROVIDERS_TOOLS:
            self._output(at_ns)
            self._counts.drop("tool call(s) that the model's provider ran itself")
        elif kind.type is not None and kind.type.endswith("_output"):
            self._end_tool(decoded(payload, _Item, inside), at_ns)

    def _input(self, at_ns: int, ends_call: bool) -> None:
        """ends_call: whether a model call that is open was interrupted by this."""
        if ends_call:
            self._close()
        self._input_ns = at_ns
        self._has_input_since = True

    def _output(self, at_ns: int) -> _ModelCall:
        if self._open is not None and self._has_input_since and not self._has_usage:
            self._close()
        call = self._open
        if call is None:
            start_ns = self._input_ns
            if start_ns is None or start_ns > at_ns:
                start_ns = at_ns
            before = self.calls[-1] if self.calls else None
            if before is not None and start_ns < before.last_ns <= at_ns:
                start_ns = before.last_ns
            call = self._open = _ModelCall(start_ns, at_ns, at_ns, self._model, tools=[])
            self._has_input_since = False
        call.last_ns = max(call.last_ns, at_ns)
        return call

    def _count_tokens(self, info: _UsageInfo | None, at_ns: int) -> None:
        if info is None or info.last_token_usage is None:
            return
        is_repeated = info.total_token_usage is not None and info.total_token_usage == self._total
        self._total = info.total_token_usage
        self.saw_usage = True
        if self._open is None or is_repeated:
            return
        self._open.usage = info.last_token_usage
        self._open.last_ns = max(self._open.last_ns, at_ns)
        self._close()

    def _close(self) -> None:
        if self._open is not None:
            self._counts.infer("model call(s) without a token count have 0 tokens", self._open.usage is None)
            self.calls.append(self._open)
            self._open = None

    def _begin_tool(self, item: _Item, kind: str, at_ns: int) -> None:
        call = self._output(at_ns)
        tool = _ToolUse(item.name or kind.removesuffix("_call"), _arguments(item), at_ns)
        if item.call_id is not None and item.call_id in self._tools:
            self._counts.drop("tool call(s) that occur twice")
            return
        if item.call_id is not None:
            self._tools[item.call_id] = tool
        call.tools.append(tool)

    def _end_tool(self, item: _Item, at_ns: int) -> None:
        tool = self._tools.get(item.call_id or "")
        self._input(at_ns, ends_call=False)
        if tool is None or tool.end_ns is not None:
            self._counts.drop("tool result(s) without a tool call")
            return
        tool.end_ns = at_ns


def _arguments(item: _Item) -> bytes | None:
    """The tool's arguments as JSON; a text that is none as an object that holds it."""
    raw = bytes(item.arguments) or bytes(item.input) or bytes(item.action)
    if not raw.startswith(b'"'):
        return raw or None
    try:
        text = msgspec.json.decode(raw, type=str)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return text.encode() if item.arguments else msgspec.json.encode({"input": text})


def _run(logs: Sequence[_Log], prompts: SessionPrompts, options: ImportOptions, counts: Counts) -> Run | None:
    logs = [log for log in logs if log.calls]
    if not logs:
        counts.drop("session(s) without a model call")
        return None
    zero_ns = min(call.start_ns for log in logs for call in log.calls)
    builder = RunBuilder(zero_ns, counts)
    entries: list[Call | Lane] = list(_entries(logs[0], builder, prompts, options, counts, "", "main"))
    for n, log in enumerate(logs[1:], 1):
        counts.subagents += 1
        inner = list(_entries(log, builder, prompts, options, counts, f"a{n}.", "subagent"))
        entries.append(Lane(inner, RESOLUTION_MS, builder.ms(min(call.start_ns for call in log.calls))))
    meta = logs[0].meta
    attributes = {"agent": Codex.name, "version": meta.cli_version or ""}
    return Run(logs[0].id, zero_ns, Lane(entries, RESOLUTION_MS), attributes)


def _entries(
    log: _Log,
    builder: RunBuilder,
    prompts: SessionPrompts,
    options: ImportOptions,
    counts: Counts,
    prefix: str,
    name: str,
) -> Iterator[Call | Lane]:
    agent = {"agent": log.id if prefix else None}
    for n, call in enumerate(log.calls, 1):
        usage = call.usage or _Usage()
        llm = LlmCall(usage.input_tokens, usage.output_tokens, call.model, options.stream)
        add_prefix(llm, prefix, usage.cached_input_tokens, prompts, counts)
        cached = None if usage.cached_input_tokens is None else str(usage.cached_input_tokens)
        attributes = {**agent, "cached_input_tokens": cached}
        place = f"{prefix}{n}"
        yield builder.model_call(place, name, call.start_ns, call.last_ns, call.first_ns, llm, attributes)
        for k, tool in enumerate(call.tools, 1):
            yield builder.tool_call(
                f"{place}.{k}", tool.name, tool.start_ns, tool.end_ns, tool.arguments, agent
            )
