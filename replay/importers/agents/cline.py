"""Coding agents' sessions of the `cline` format: the messages that Cline shows, and Roo Code and Kilo Code likewise.

A task has a folder of its own, with `ui_messages.json` in it, a JSON array; `cline --json` prints the same messages, a
line each. Each has the time `ts` at which it was begun, and is told by its `say` or `ask`. The layout is that of their
source. What becomes what:

- `api_req_started` is an `llm` step that starts then. Its text has the tokens of the whole call. The first message
  after it (reasoning, text, a tool) is the first byte. The call ends at the message after its last own one: what is
  done next comes when the answer is complete. Where the user is next, who may take an hour, that is unknown, and the
  call ends where its last message began.
- A message `tool`, `command`, `browser_action` or `use_mcp_server` is a `tool` step. A command, and what the user was
  asked for, goes from its message to the one after it, or to the last of its output, approval included. What needs no
  approval is done when the answer is complete, up to the message after.
- A call that failed or that the user broke off (`cancelReason`) is one with `error`, as long as it went on.
- Cached tokens are part of `tokensIn` or not, by who wrote it: in Cline's messages by the provider, in those of Roo
  Code and Kilo Code (which say `apiProtocol`) since November 2025, where the count allows it.
- Condensing is recorded by its end only: dropped and counted. `deleted_api_reqs` sums up what was taken back.
- Edges are inferred as replay/assembly/agent_runs.py says. Texts, outputs and images are not imported.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from replay.assembly.agent_runs import Run, RunBuilder, imported_runs
from replay.assembly.prompt_blocks import SessionPrompts
from replay.assembly.recorded_sessions import Counts
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.agents.logged_turns import LoggedTool, Turn, TurnsBuilder
from replay.importers.agents.turn_logs import token_count
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.json_items import Item, read_all_items
from replay.reading.timestamps import epoch_ns
from replay.trace.errors import TraceError

_MESSAGE = re.compile(
    rb'\{(?=[^{}]{0,2000}"ts"\s{0,4}:\s{0,4}\d{13}\b)(?=[^{}]{0,2000}"type"\s{0,4}:\s{0,4}"(?:say|ask)")'
    rb'(?=[^{}]{0,2000}"(?:say|ask)"\s{0,4}:\s{0,4}"[a-z_]{2,40}")'
).match
# `cline --json` begins with a line of its own.
_FIRST_LINES = 3
_REQUEST = "api_req_started"
_TOOLS = frozenset(
    {"tool", "command", "browser_action", "browser_action_launch", "use_mcp_server", "use_mcp_tool"}
)
_ANSWERED = frozenset({"reasoning", "text", "completion_result", "followup", "plan_mode_respond"})
_OUTPUTS = frozenset(
    {"command_output", "browser_action_result", "mcp_server_response", "mcp_server_request_started"}
)
_BY_USER = frozenset({"task", "user_feedback", "user_feedback_diff", "resume_task", "resume_completed_task"})
_CONDENSED = frozenset({"condense_context", "condense"})
# What Cline puts behind a command that needs approval.
_ASKING = "REQ_APP"
# Tools whose content the model wrote; that of others is what they found.
_WRITING = frozenset(
    {"newFileCreated", "editedExistingFile", "appliedDiff", "insertContent", "searchAndReplace"}
)
# Cline's providers whose tokensIn is the whole prompt.
_WHOLE_PROMPT = frozenset(
    {"openai", "litellm", "doubao", "fireworks", "hicap", "lmstudio", "qwen", "xai", "zai"}
)
_EXPLAINED = (
    "A model call starts where its request was shown, and ends at the message after its last one.",
    "A tool that asks, and a command, goes from its message to the last of its output, approval included; another is "
    "done when the answer that calls it is complete.",
)


class _Message(msgspec.Struct, gc=False):
    """kind: its say or ask. turn: that it begins. tool: that it calls."""

    at_ns: int
    kind: str
    is_ask: bool
    turn: Turn | None = None
    tool: LoggedTool | None = None


class Cline:
    """The importer; see the head of this module."""

    name = "cline"
    describe = "messages of Cline, Roo Code and Kilo Code (ui_messages.json), a file each"

    def sniff(self, first_bytes: bytes) -> bool:
        text = first_bytes.lstrip(b"\xef\xbb\xbf \t\r\n[")
        return any(
            _MESSAGE(line) is not None for line in (text, *text.split(b"\n", _FIRST_LINES)[1:_FIRST_LINES])
        )

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        counts = Counts(damage=Damage(is_refused=options.strict))
        tasks: list[list[Turn]] = []
        seen: dict[tuple[int, str | None], int] = {}
        for n, messages in enumerate(_messages(input_files(paths, "ui_messages.json"), counts)):
            walk = _Walk()
            for message in sorted(messages, key=lambda each: each.at_ns):
                walk.take(message)
            turns = walk.turns
            new = [turn for turn in turns if seen.setdefault((turn.start_ns, turn.model), n) == n]
            counts.drop("model call(s) that another task has, too", len(turns) - len(new))
            if new:
                tasks.append(new)

        def load(unit: int, counts: Counts) -> Run:
            turns = tasks[unit]
            zero_ns = turns[0].start_ns
            prompts = SessionPrompts(unit, options.block_size)
            builder = TurnsBuilder(RunBuilder(zero_ns, counts), {"": turns}, prompts, options.stream, counts)
            return Run("", zero_ns, builder.lane(), {"agent": self.name})

        return imported_runs(self.name, paths, options, len(tasks), load, _EXPLAINED, counts)


def _messages(files: Sequence[Path], counts: Counts) -> Iterable[list[_Message]]:
    """Those of each file."""
    found: dict[int, list[_Message]] = {}
    for n, item in read_all_items(files, (), counts.damage):
        try:
            _take(item, found.setdefault(n, []), counts)
        except TraceError as error:
            counts.damage.lose(error)
    return found.values()


def _take(item: Item, messages: list[_Message], counts: Counts) -> None:
    """Add one message, or what is new in one that was shown before, as `cline --json` prints it."""
    type_ = item.plain("type")
    kind = item.plain(type_) if type_ in ("say", "ask") else None
    if kind is None:
        return
    at_ns = epoch_ns(item.plain("ts") or "")
    if at_ns is None:
        raise item.error("ts", "not a time in milliseconds since 1970")
    if kind in _CONDENSED:
        counts.drop("compaction(s), of which only the end is recorded")
    message = _Message(at_ns, kind, type_ == "ask")
    if kind == _REQUEST:
        message.turn = _turn(item, at_ns)
    elif kind in _TOOLS:
        message.tool = _tool(item, kind, at_ns)
    before = messages[-1] if messages else None
    if before is not None and (before.at_ns, before.kind, before.is_ask) == (at_ns, kind, message.is_ask):
        if kind not in _OUTPUTS:
            messages[-1] = message
        return
    if kind == _REQUEST:
        again = (one for one in reversed(messages) if one.kind == _REQUEST)
        shown = next(again, None)
        if shown is not None and shown.at_ns == at_ns:
            shown.turn = message.turn
            return
    messages.append(message)


def _turn(item: Item, at_ns: int) -> Turn:
    told = item.parsed("text")
    model = item.inner("modelInfo")
    name = None if model is None else model.plain("modelId")
    turn = Turn(at_ns, at_ns, model=name, is_error=told is not None and told.plain("cancelReason") is not None)
    if told is None or told.raw("tokensIn") is None:
        return turn
    given, output = token_count(told, "tokensIn"), token_count(told, "tokensOut")
    read, written = token_count(told, "cacheReads"), token_count(told, "cacheWrites")
    provider = None if model is None else model.plain("providerId")
    is_whole = provider in _WHOLE_PROMPT or told.plain("apiProtocol") is not None
    inputs = given if is_whole and given >= read + written else given + read + written
    if inputs or output:
        turn.tokens = (inputs, read, output)
    return turn


def _tool(item: Item, kind: str, at_ns: int) -> LoggedTool:
    told = item.parsed("text") if kind != "command" else None
    if told is None:
        arguments = msgspec.json.encode({kind: (item.plain("text") or "").removesuffix(_ASKING)})
        return LoggedTool(kind, at_ns, arguments=arguments)
    server = told.plain("serverName")
    if server is not None:
        name = f"mcp__{server}__{told.plain('toolName') or 'tool'}"
        arguments = (told.text("arguments") or "{}").encode()
        return LoggedTool(name, at_ns, arguments=arguments)
    name = told.plain("tool") or kind
    left_out = () if name in _WRITING else ("content",)
    return LoggedTool(name, at_ns, arguments=told.only([each for each in told.names() if each not in left_out]))


class _Walk:
    """Goes through a task's messages in order of time, and tells when answers and tools were complete."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        # While the answer of the last call may go on; the tool that is done when it is complete; one that goes on.
        self._is_answering = False
        self._quick: LoggedTool | None = None
        self._running: LoggedTool | None = None

    def take(self, message: _Message) -> None:
        at_ns, tool = message.at_ns, message.tool
        is_quick = tool is not None and message.kind == "tool" and not message.is_ask and self._quick is None
        if self._is_answering and (message.kind in _ANSWERED or is_quick):
            self._show(at_ns)
            if tool is not None:
                self.turns[-1].tools.append(tool)
                self._quick = tool
            return
        if self._is_answering:
            self._complete(self.turns[-1].end_ns if message.kind in _BY_USER else at_ns)
        if self._running is not None:
            self._running.end_ns = at_ns
            self._running = self._running if message.kind in _OUTPUTS else None
        if message.turn is not None:
            self.turns.append(message.turn)
            self._is_answering, self._running = True, None
        elif self.turns and tool is not None:
            self.turns[-1].tools.append(tool)
            self._running = tool

    def _show(self, at_ns: int) -> None:
        turn = self.turns[-1]
        turn.first_ns = turn.first_ns or at_ns
        turn.end_ns = at_ns

    def _complete(self, at_ns: int) -> None:
        self.turns[-1].end_ns = at_ns
        self._is_answering = False
        if self._quick is not None:
            self._quick.start_ns = self._quick.end_ns = at_ns
            self._quick = None
