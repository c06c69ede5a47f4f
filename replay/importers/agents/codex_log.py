"""What Codex's logs say that its agents did: their model calls, with the tools that these called.

The logs are JSON Lines, of no documented format. How they are read is told in replay/importers/agents/codex.py.
"""

import re
from pathlib import Path

import msgspec

from replay.assembly.recorded_sessions import Counts
from replay.reading.damage import Damage
from replay.reading.inputs import decoded
from replay.reading.rows import read_rows
from replay.reading.timestamps import unix_ns
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.model_calls import MOST_HELD, CarriedImage, images_in

_TOOL_CALLS = ("function_call", "custom_tool_call", "local_shell_call")
# Tools of the agent's own that ask about servers; it tells of them as of the servers' tools.
_ABOUT_SERVERS = ("list_mcp_resources", "list_mcp_resource_templates", "read_mcp_resource")
_OF_SERVER, _UNDERSCORES = "mcp__", re.compile("_{2,}")
_MCP_CALL = "mcp_tool_call"
_IMAGE = b'"input_image"'
_MCP_EVENTS = ("mcp_tool_call_begin", "mcp_tool_call_end")
_PROVIDERS_TOOLS = ("web_search_call", "image_generation_call")
_OUTPUT_EVENTS = ("agent_message", "agent_reasoning")
# Where a turn begins or ends; the first name of each is that of older versions.
_TURN_EVENTS = ("task_started", "turn_started", "task_complete", "turn_complete", "turn_aborted")
# A log that repeats another's history does so in a moment, each answer with all its lines.
_HISTORY_NS = 1_000_000_000
_AT_ONCE_NS = 5_000_000
_MOST_S = 1 << 33
_VERSION = re.compile(r"0\.(?P<minor>\d{1,4})\.", re.ASCII).match
_TELLS_BEFORE_TOOLS = 47
_READ = ("session_meta", "turn_context", "response_item", "event_msg", "compacted", "token_usage_record")


class _Record(msgspec.Struct, gc=False):
    timestamp: str | None = None
    type: str | None = None
    payload: msgspec.Raw = msgspec.Raw(b"")


class _Kind(msgspec.Struct, gc=False):
    type: str | None = None
    role: str | None = None


class Meta(msgspec.Struct, gc=False):
    """A log's first line: the session it is of. source: a text, or an object that names the parent session."""

    id: str | None = None
    forked_from_id: str | None = None
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


class _Compacted(msgspec.Struct, gc=False):
    message: str | None = None


class Usage(msgspec.Struct, gc=False):
    """Tokens of one model call; cached ones are part of the input."""

    input_tokens: int = 0
    cached_input_tokens: int | None = None
    output_tokens: int = 0


class _UsageInfo(msgspec.Struct, gc=False):
    last_token_usage: Usage | None = None
    total_token_usage: Usage | None = None


class _TokenCount(msgspec.Struct, gc=False):
    info: _UsageInfo | None = None


class _UsageRecord(msgspec.Struct, gc=False):
    """Written when an answer is complete; its token count comes behind the tools that it called."""

    usage: Usage | None = None
    thread_token_usage: Usage | None = None


class _Item(msgspec.Struct, gc=False):
    """A tool call or its output. arguments: JSON in a text; input: a text; action: an object.

    namespace: mcp__SERVER, where newer logs tell that apart from the tool's name.
    """

    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"")
    input: msgspec.Raw = msgspec.Raw(b"")
    action: msgspec.Raw = msgspec.Raw(b"")


class _Elapsed(msgspec.Struct, gc=False):
    secs: int = 0
    nanos: int = 0


class _ServerCall(msgspec.Struct, gc=False):
    """A call of an MCP server's tool. arguments: an object, or JSON in a text."""

    server: str | None = None
    tool: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"")


class _ServerItem(_ServerCall, gc=False):
    """Such a call as an item."""

    id: str | None = None
    call_id: str | None = None


class _ServerEvent(msgspec.Struct, gc=False):
    """Such a call as it begins, or as it has ended: its duration is then known."""

    call_id: str | None = None
    invocation: _ServerCall | None = None
    duration: msgspec.Raw = msgspec.Raw(b"")


class ToolUse(msgspec.Struct):
    """One tool call. arguments: JSON. end_ns: when its output was logged. is_inner: a tool made it while it ran."""

    name: str
    arguments: bytes | None
    start_ns: int
    end_ns: int | None = None
    is_inner: bool = False


class ModelCall(msgspec.Struct):
    """One answer of the model.

    first_ns: its first output. last_ns: when its tokens were told, where that was before its tools had ended, or else
    its last output.
    """

    start_ns: int
    first_ns: int
    last_ns: int
    model: str | None
    usage: Usage | None = None
    tools: list[ToolUse] = []
    is_compaction: bool = False
    images: list[CarriedImage] = []


def meta_of(file: Path) -> Meta:
    """The log's first line, where it tells of the session; empty where it cannot be read, which comes up later."""
    try:
        for n, record in read_rows(file, _Record, Damage()):
            if record.type == "session_meta":
                return decoded(bytes(record.payload), Meta, f"{shown_path(file)}, line {n}, payload")
            break
    except TraceError:
        pass
    return Meta()


def parent_id_of(meta: Meta) -> str | None:
    """The session that a sub-agent belongs to; None for the user's own sessions."""
    try:
        source = msgspec.json.decode(meta.source or b"{}", type=_Source)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None  # a text, such as "cli", for the user's own sessions
    spawn = source.subagent.thread_spawn if source.subagent is not None else None
    return None if spawn is None else spawn.parent_thread_id


def read_log(file: Path, counts: Counts) -> "Log":
    """The model calls of one file. Raises TraceError."""
    for has_usage in (True, False):
        found = Counts(damage=Damage(is_refused=counts.damage.is_refused))
        log = Log(file, found, has_usage)
        # A file most of which cannot be read is no better for being read otherwise.
        if log.saw_usage or found.damage.is_mostly_damaged:
            break
    counts.include(found)
    return log


class Log:
    """One file's model calls with their tools.

    has_usage: whether answers end at their token counts; in logs without these, at the next input.
    """

    def __init__(self, file: Path, counts: Counts, has_usage: bool) -> None:
        self.meta = Meta()
        self._has_meta = False
        self._repeats = self._is_compacted = False
        self._begun_ns: int | None = None
        self.id = file.stem
        self.calls: list[ModelCall] = []
        self._counts = counts
        self._model: str | None = None
        self._open: ModelCall | None = None
        self._input_ns: int | None = None
        self._total: Usage | None = None
        self._tools: dict[str, ToolUse] = {}
        self._images: list[CarriedImage] = []
        self._has_usage = has_usage
        self.saw_usage = False
        self._has_input_since = False
        # The answer of which the tokens were told before any of its items was written, as versions around 0.50 do it:
        # they write an answer with its tools and their outputs at once when all have ended.
        self._unwritten: ModelCall | None = None
        self._has_items = self._has_records = False
        for n, record in read_rows(file, _Record, counts.damage):
            if record.type in _READ:
                try:
                    self._add(record, f"{shown_path(file)}, line {n}")
                except TraceError as error:
                    counts.damage.lose(error)
        self._close()
        self._drop_history()
        self._doubt_ends()

    def _drop_history(self) -> None:
        """Leave out the calls that a fork's log repeats of its origin: written at once, when the fork began."""
        if not self._repeats or self._begun_ns is None:
            return
        kept = len(self.calls)
        for n, call in enumerate(self.calls):
            is_at_once = call.last_ns - call.start_ns <= _AT_ONCE_NS
            if call.last_ns > self._begun_ns + _HISTORY_NS or not is_at_once:
                kept = n
                break
        self._counts.drop("model call(s) of history that the log of a fork repeats", kept)
        del self.calls[:kept]

    def _doubt_ends(self) -> None:
        """Say what it makes of times that a version ran tools before it told that an answer was complete."""
        version = _VERSION(self.meta.cli_version or "")
        if version is not None and int(version["minor"]) < _TELLS_BEFORE_TOOLS:
            self._counts.infer(
                f"model call(s) took as long as the tools that they called, too: Codex before 0.{_TELLS_BEFORE_TOOLS} "
                "does not tell these apart",
                sum(bool(call.tools) for call in self.calls),
            )

    def _add(self, record: _Record, place: str) -> None:
        inside = f"{place}, payload"
        payload = bytes(record.payload) or b"{}"
        if record.type == "session_meta":
            if not self._has_meta:  # a fork's log repeats that of its origin below its own
                self.meta = decoded(payload, Meta, inside)
                self.id = self.meta.id or self.id
                self._has_meta = True
                self._repeats = self.meta.forked_from_id is not None or parent_id_of(self.meta) is not None
                self._begun_ns = unix_ns(record.timestamp or "")
            else:
                self._repeats = True
            return
        if record.type == "turn_context":
            self._model = decoded(payload, _Turn, inside).model or self._model
            at_ns = unix_ns(record.timestamp or "")
            if self._is_compacted and at_ns is not None:
                self._input(at_ns)
            return
        if record.timestamp is None:
            self._counts.drop("line(s) without a timestamp")
            return
        at_ns = unix_ns(record.timestamp)
        if at_ns is None:
            what = f"timestamp: {shown(record.timestamp)} is not a time like 2026-03-21T10:05:59.326Z."
            raise TraceError(f"{place}: {what}")
        if record.type == "compacted":
            self._compact(decoded(payload, _Compacted, inside).message or "", at_ns)
            return
        if record.type == "token_usage_record":
            told = decoded(payload, _UsageRecord, inside)
            self._has_records = True
            self._count_tokens(_UsageInfo(told.usage, told.thread_token_usage), at_ns)
            return
        kind = decoded(payload, _Kind, inside)
        if record.type == "response_item" and _IMAGE in payload:
            self._images += _images(payload)
        if record.type == "event_msg":
            if kind.type == "token_count":
                self._count_tokens(decoded(payload, _TokenCount, inside).info, at_ns)
            elif kind.type in _TURN_EVENTS:
                self._close()
                self._input(at_ns)
            elif kind.type == "user_message":
                self._input(at_ns)
            elif kind.type in _OUTPUT_EVENTS:
                self._output(at_ns)
            elif kind.type in _MCP_EVENTS:
                self._hear_of_server(decoded(payload, _ServerEvent, inside), at_ns, kind.type == _MCP_EVENTS[1])
        elif kind.type == "message":
            if kind.role == "assistant":
                self._item(at_ns)
            else:
                self._input(at_ns)
        elif kind.type == "reasoning":
            self._item(at_ns)
        elif kind.type in _TOOL_CALLS:
            item = decoded(payload, _Item, inside)
            name = _name_in_namespace(item) or (kind.type or "").removesuffix("_call")
            self._begin_tool(item.call_id, ToolUse(name, _arguments(item), at_ns))
        elif kind.type == _MCP_CALL:
            call = decoded(payload, _ServerItem, inside)
            name = _servers_tool(call) or _MCP_CALL.removesuffix("_call")
            self._begin_tool(call.call_id or call.id, ToolUse(name, _text_or_json(call.arguments), at_ns))
        elif kind.type in _PROVIDERS_TOOLS:
            self._item(at_ns)
            self._counts.drop("tool call(s) that the model's provider ran itself")
        elif kind.type is not None and kind.type.endswith("_output"):
            self._end_tool(decoded(payload, _Item, inside), at_ns)

    def _compact(self, summary: str, at_ns: int) -> None:
        """The agent has had its history summarised: a call of its own, from the last input to here."""
        self._close()
        before = self.calls[-1] if self.calls else None
        start_ns = max(self._input_ns or 0, before.last_ns if before is not None else 0) or at_ns
        usage = None if before is None else before.usage
        tokens = Usage(
            0 if usage is None else usage.input_tokens + usage.output_tokens, None, len(summary) // 4
        )
        self._counts.infer("compaction(s) are model calls, of the tokens of the call before them")
        call = ModelCall(min(start_ns, at_ns), at_ns, at_ns, self._model, tokens, [], is_compaction=True)
        call.images, self._images = self._images[-MOST_HELD:], []
        self.calls.append(call)
        self._input(at_ns)
        self._is_compacted = True

    def _input(self, at_ns: int) -> None:
        self._input_ns = at_ns
        self._has_input_since = True
        self._unwritten = None

    def _item(self, at_ns: int) -> ModelCall:
        """The call that an item of an answer is of."""
        if self._open is None and self._unwritten is not None:
            if not self.calls or self.calls[-1] is not self._unwritten:
                self.calls.append(self._unwritten)
            return self._unwritten
        call = self._output(at_ns)
        self._has_items = True
        return call

    def _output(self, at_ns: int) -> ModelCall:
        if self._open is not None and self._has_input_since and not self._has_usage:
            self._close()
        call = self._open
        if call is None:
            call = self._open = self._begun(at_ns)
            self._is_compacted = self._has_items = False
            self._unwritten = None
        self._has_input_since = False
        call.last_ns = max(call.last_ns, at_ns)
        return call

    def _begun(self, at_ns: int) -> ModelCall:
        start_ns = self._input_ns
        if start_ns is None or start_ns > at_ns:
            start_ns = at_ns
        before = self.calls[-1] if self.calls else None
        if before is not None and start_ns < before.last_ns <= at_ns:
            start_ns = before.last_ns
        return ModelCall(start_ns, at_ns, at_ns, self._model, tools=[], images=self._images[-MOST_HELD:])

    def _count_tokens(self, info: _UsageInfo | None, at_ns: int) -> None:
        if info is None or info.last_token_usage is None:
            return
        is_repeated = info.total_token_usage is not None and info.total_token_usage == self._total
        self._total = info.total_token_usage
        self.saw_usage = True
        if is_repeated:
            return
        call = self._open
        if call is None:
            if not self._has_records:
                self._unwritten = self._begun(at_ns)
                self._unwritten.usage = info.last_token_usage
            return
        call.usage = info.last_token_usage
        if not self._has_input_since:
            call.last_ns = max(call.last_ns, at_ns)
        self._close()
        self._unwritten = None if self._has_items else call

    def _close(self) -> None:
        if self._open is not None:
            self._counts.infer("model call(s) without a token count have 0 tokens", self._open.usage is None)
            self.calls.append(self._open)
            self._open = None

    def _begin_tool(self, call_id: str | None, tool: ToolUse) -> None:
        call = self._item(tool.start_ns)
        if call is self._unwritten:
            tool.start_ns = call.last_ns
        if call_id is not None and call_id in self._tools:
            self._counts.drop("tool call(s) that occur twice")
            return
        if call_id is not None:
            self._tools[call_id] = tool
        call.tools.append(tool)

    def _hear_of_server(self, event: _ServerEvent, at_ns: int, has_ended: bool) -> None:
        """A call of an MCP server's tool: of a tool that the model asked for, or one that such a tool made."""
        called = event.invocation or _ServerCall()
        name = _servers_tool(called)
        known = self._tools.get(event.call_id or "")
        if known is not None:
            if name is not None and known.name not in _ABOUT_SERVERS:
                known.name = name
                known.arguments = known.arguments or _text_or_json(called.arguments)
            if has_ended and known.is_inner and known.end_ns is None:
                known.end_ns = at_ns
            return
        call = self._open or (self.calls[-1] if self.calls else None)
        if name is None or call is None:
            self._counts.drop("call(s) of MCP servers that name no tool, or that no model call came before")
            return
        start_ns = max(at_ns - (_ns(event.duration) if has_ended else 0), call.start_ns)
        tool = ToolUse(
            name, _text_or_json(called.arguments), start_ns, at_ns if has_ended else None, is_inner=True
        )
        if event.call_id is not None:
            self._tools[event.call_id] = tool
        call.tools.append(tool)

    def _end_tool(self, item: _Item, at_ns: int) -> None:
        tool = self._tools.get(item.call_id or "")
        self._input_ns, self._has_input_since = at_ns, True
        if tool is None or tool.end_ns is not None:
            self._counts.drop("tool result(s) without a tool call")
            return
        tool.end_ns = at_ns


def _images(payload: bytes) -> list[CarriedImage]:
    """The images in a message, and in what a tool gave back."""
    try:
        return list(images_in(msgspec.json.decode(payload)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []


def _arguments(item: _Item) -> bytes | None:
    """The tool's arguments as JSON; a text that is none as an object that holds it."""
    if item.arguments:
        return _text_or_json(item.arguments)
    raw = bytes(item.input) or bytes(item.action)
    text = _text_or_json(msgspec.Raw(raw))
    return msgspec.json.encode({"input": text.decode()}) if text is not None and raw.startswith(b'"') else text


def _text_or_json(value: msgspec.Raw) -> bytes | None:
    """What stands in a text, or else the JSON itself; None where there is nothing, or nothing that can be read."""
    raw = bytes(value)
    if not raw.startswith(b'"'):
        return None if raw in (b"", b"null") else raw
    try:
        return msgspec.json.decode(raw, type=str).encode()
    except (msgspec.MsgspecError, UnicodeError):
        return None


def _ns(duration: msgspec.Raw) -> int:
    """0 where it is not told as seconds and nanoseconds."""
    try:
        told = msgspec.json.decode(duration or b"{}", type=_Elapsed)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return 0
    return min(max(told.secs, 0), _MOST_S) * 1_000_000_000 + min(max(told.nanos, 0), 999_999_999)


def _name_in_namespace(item: _Item) -> str | None:
    """The tool's name; that of an MCP server's tool with its server, as in logs that have both in one."""
    namespace, name = item.namespace or "", item.name
    if not name or not namespace.startswith(_OF_SERVER) or name.startswith(_OF_SERVER):
        return name
    return _servers_tool(_ServerCall(namespace.removeprefix(_OF_SERVER), name)) or name


def _servers_tool(call: _ServerCall) -> str | None:
    """mcp__SERVER__TOOL, in which the server's name holds no two underscores in a row; None where one is not told."""
    server = _UNDERSCORES.sub("_", call.server or "").strip("_")
    return f"{_OF_SERVER}{server}__{call.tool}" if server and call.tool else None
