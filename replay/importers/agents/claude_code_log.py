"""What Claude Code's logs say that its agents did: their model calls, with the tools that these called.

The logs are JSON Lines, of no documented format. How they are read is told in replay/importers/agents/claude_code.py.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.assembly.recorded_sessions import Counts
from replay.reading.damage import Damage
from replay.reading.inputs import decoded
from replay.reading.rows import read_rows, without_halves
from replay.reading.timestamps import unix_ns
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.model_calls import CarriedImage, images_in

# The agent that is no sub-agent.
MAIN = ""

# The agent that summarises the session's own history.
COMPACTION = "acompact"

_NOT_A_MODEL = "<synthetic>"
_IMAGE = b'"image"'
_HISTORY = "record(s) of history that a resumed or forked session repeats"
_BYTES_A_TOKEN = 4
_UNFINISHED_RATIO = 3


class _Record(msgspec.Struct, gc=False):
    """A line; what is not listed here is not used. message, tool_use_result: of many shapes, read when needed."""

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
    text: str | None = None
    thinking: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"")
    tool_use_id: str | None = None
    is_error: bool | None = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    content: str | list[_Block] | None = None
    parts: list[object] | None = None
    usage: _Usage | None = None
    stop_reason: str | None = None


class _SpawnResult(msgspec.Struct, gc=False):
    agent_id: str | None = msgspec.field(default=None, name="agentId")


class ToolUse(msgspec.Struct):
    """One tool call. arguments: JSON. end_ns: when its result was logged. spawned: the agent that its result names."""

    id: str
    name: str
    arguments: bytes
    start_ns: int
    end_ns: int | None = None
    is_error: bool = False
    spawned: str | None = None


class ModelCall(msgspec.Struct):
    """One answer of the model. first_ns, last_ns: its first and its last record. said_bytes: of its text and arguments.

    is_compaction: whether the agent had its own history summarised.
    """

    first_ns: int
    last_ns: int
    model: str | None = None
    stop: str | None = None
    input_tokens: int = 0
    cached_tokens: int | None = None
    output_tokens: int = 0
    tools: list[ToolUse] = []
    said_bytes: int = 0
    is_compaction: bool = False


class AgentLog(msgspec.Struct):
    """What one agent did: the session's own, or one sub-agent.

    began_ns: its first record. calls: by message id. inputs_ns: its prompts and tool results, in no order. images:
    those in them, with the same times.
    """

    began_ns: int
    calls: dict[str, ModelCall] = {}
    inputs_ns: list[int] = []
    images: list[tuple[int, CarriedImage]] = []


def session_id_of(file: Path) -> str | None:
    """What the first record that names a session says; None where the file cannot be read, which comes up later."""
    try:
        for _, record in read_rows(file, _Record, Damage()):
            if record.session_id is not None:
                return record.session_id
    except TraceError:
        return None
    return file.stem


class SessionLog:
    """One session, out of its own file and those of its sub-agents. agents: by id, the session's own as MAIN."""

    def __init__(self, files: Sequence[Path], counts: Counts, history: frozenset[str] = frozenset()) -> None:
        self.id = ""
        self._history = history
        self._file_of: dict[str, Path] = {}
        self._file = files[0]
        self.version = ""
        self.agents: dict[str, AgentLog] = {}
        self._counts = counts
        self._agent_of: dict[str, str] = {}
        self._tools: dict[str, ToolUse] = {}
        for file in files:
            self._file = file
            for n, record in read_rows(file, _Record, counts.damage):
                self.id = self.id or record.session_id or ""
                if record.type in ("user", "assistant"):
                    try:
                        self._add(record, f"{shown_path(file)}, line {n}")
                    except TraceError as error:
                        counts.damage.lose(error)
        self.id = self.id or files[0].name.split(".")[0]

    def _add(self, record: _Record, place: str) -> None:
        if record.uuid is not None and record.uuid in self._agent_of:
            self._counts.drop("record(s) that occur twice")
            return
        if record.uuid is not None and record.uuid in self._history:
            self._counts.drop(_HISTORY)
            return
        if record.timestamp is None:
            self._counts.drop("record(s) without a timestamp")
            return
        at_ns = unix_ns(record.timestamp)
        if at_ns is None:
            what = f"timestamp: {shown(record.timestamp)} is not a time like 2026-06-01T05:40:20.151Z."
            raise TraceError(f"{place}: {what}")
        message = decoded(bytes(record.message) or b"{}", _Message, f"{place}, message")
        if message.parts is not None and message.content is None:
            raise TraceError(f"{place}, message: has parts, as Qwen Code's have, and no content.")
        if message.id is not None and (
            message.id in self._history or self._file_of.setdefault(message.id, self._file) != self._file
        ):
            self._counts.drop(_HISTORY)
            return
        key = self._key(record)
        agent = self.agents.setdefault(key, AgentLog(at_ns, {}, [], []))
        agent.began_ns = min(agent.began_ns, at_ns)
        self.version = record.version or self.version
        blocks = message.content if isinstance(message.content, list) else []
        if record.type == "user":
            agent.inputs_ns.append(at_ns)
            if _IMAGE in bytes(record.message):
                agent.images += ((at_ns, image) for image in _images(record.message))
            for block in blocks:
                if block.type == "tool_result":
                    self._end_tool(block, at_ns, record.tool_use_result)
        elif record.is_api_error or message.model == _NOT_A_MODEL:
            self._counts.drop("answer(s) that are the program's own, such as errors")
        else:
            self._add_output(agent, record, message, blocks, at_ns)

    def _key(self, record: _Record) -> str:
        """The agent that a record belongs to: by its id, or as the record before it."""
        if not record.is_sidechain or (record.agent_id or "").startswith(COMPACTION):
            key = MAIN  # which waits while it is summarised
        elif record.agent_id:
            key = record.agent_id
        else:
            before = self._agent_of.get(record.parent_uuid or "", MAIN)
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
        self, agent: AgentLog, record: _Record, message: _Message, blocks: Sequence[_Block], at_ns: int
    ) -> None:
        key = message.id or record.uuid or f"at {at_ns}"
        call = agent.calls.get(key)
        if call is None:
            call = agent.calls[key] = ModelCall(at_ns, at_ns, tools=[])
        call.first_ns = min(call.first_ns, at_ns)
        call.last_ns = max(call.last_ns, at_ns)
        call.is_compaction = call.is_compaction or (record.agent_id or "").startswith(COMPACTION)
        call.said_bytes += _said_bytes(message)
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
                tool = ToolUse(tool_id, block.name or "", without_halves(bytes(block.input)), at_ns)
                self._tools[tool_id] = tool
                call.tools.append(tool)


def _images(message: msgspec.Raw) -> list[CarriedImage]:
    """The images in a prompt, and in results of tools."""
    try:
        return list(images_in(msgspec.json.decode(message)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []


def _said_bytes(message: _Message) -> int:
    """How much of an answer's text, thoughts and arguments a record holds."""
    if not isinstance(message.content, list):
        return len((message.content or "").encode("utf-8", "replace"))
    texts = (text for block in message.content for text in (block.text, block.thinking) if text)
    return sum(len(text.encode("utf-8", "replace")) for text in texts) + sum(
        len(bytes(block.input)) for block in message.content
    )


def estimate_output(call: ModelCall, counts: Counts) -> None:
    """Set a count that was written while the answer still came, so that its text is far longer, by the text."""
    estimate = round(call.said_bytes / _BYTES_A_TOKEN)
    if estimate > _UNFINISHED_RATIO * max(call.output_tokens, 1):
        call.output_tokens = estimate
        counts.infer("model call(s) whose count of output tokens was not finished, estimated from their text")


class _Id(msgspec.Struct, gc=False):
    id: str | None = None


class _Identity(msgspec.Struct, gc=False):
    """What tells a record from others, and where it was copied from."""

    uuid: str | None = None
    timestamp: str | None = None
    forked_from: msgspec.Raw = msgspec.field(default=msgspec.Raw(b""), name="forkedFrom")
    message: _Id | None = None


def repeated_history(units: Sequence[Sequence[Path]]) -> list[frozenset[str]]:
    """Of each session, the ids of its records and answers that another one holds as its own.

    A session that was resumed or forked begins with a copy of the other one, which ended before it, or which it names.
    """
    found: list[tuple[bool, str, int, set[str], set[str]]] = []
    for n, files in enumerate(units):
        answers: set[str] = set()
        records: set[str] = set()
        last, is_fork = "", False
        for file in files:
            try:
                for _, record in read_rows(file, _Identity, Damage()):
                    last = max(last, record.timestamp or "")
                    is_fork = is_fork or bool(record.forked_from)
                    records.update(filter(None, (record.uuid,)))
                    answers.update(filter(None, (record.message.id if record.message else None,)))
            except TraceError:
                continue  # which comes up later
        found.append((is_fork, last, n, answers, records))
    known_answers: set[str] = set()
    known_records: set[str] = set()
    history = [frozenset[str]()] * len(units)
    for _, _, n, answers, records in sorted(found, key=lambda each: each[:3]):
        repeated = answers & known_answers
        history[n] = frozenset(repeated | (records & known_records if repeated else set()))
        known_answers |= answers
        known_records |= records
    return history


def with_starts(agent: AgentLog, counts: Counts) -> Iterator[tuple[ModelCall, int]]:
    """The model calls in order, each with its start."""
    inputs_ns = sorted(agent.inputs_ns)
    before: ModelCall | None = None
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
