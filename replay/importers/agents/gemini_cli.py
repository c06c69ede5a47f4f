"""Coding agents' sessions of the `gemini-cli` format: the chats that Gemini CLI keeps, a file a session.

The layout is that of its source (release 0.61): JSON Lines of records, of which the first has `projectHash`, or one
JSON document with `messages`, as older releases wrote. A message that is written again takes the place of the one
before. What becomes what:

- A message of type `gemini` becomes an `llm` step. It is written when the answer was complete, which is its end; it
  began at the last input before it: what the user wrote, or the end of the tools. Tokens of thoughts count as output.
- Each of its `toolCalls` becomes a `tool` step, from the end of the answer to its `timestamp`, at which all calls of
  the message had ended: an upper bound, and the user's approval counts as the tool's time.
- What was rewound (`$rewindTo`) was work all the same. Sub-agents' files are sessions of their own.
- First bytes are not recorded. Calls are taken to be streamed unless `stream` is False.
- Edges are inferred as replay/assembly/agent_runs.py says.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from replay.assembly.agent_runs import RESOLUTION_MS, Run, RunBuilder, imported_runs
from replay.assembly.prompt_blocks import SessionPrompts, add_prefix
from replay.assembly.recorded_sessions import Counts
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.agents.turn_logs import token_count
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.json_items import Item, read_all_items
from replay.reading.timestamps import unix_ns
from replay.trace.edges.inference import Call, Lane
from replay.trace.errors import TraceError
from replay.trace.types import LlmCall

_KEYS = re.compile(
    rb'"sessionId"\s*:.{0,4000}"projectHash"\s*:|"projectHash"\s*:.{0,4000}"sessionId"\s*:', re.DOTALL
)
_EXPLAINED = (
    "A model call starts at the input before it, and ends when its answer was written down.",
    "A tool's time is from the answer that called it to the end of all that were called with it, approval included.",
)


class _Tool(msgspec.Struct, gc=False):
    id: str
    name: str
    end_ns: int | None
    arguments: bytes | None
    is_error: bool


class _Message(msgspec.Struct, gc=False):
    """kind: of the message. tokens: of its input, what of that was cached, and its output; None where unknown."""

    id: str
    kind: str
    at_ns: int
    model: str | None = None
    tokens: tuple[int, int, int] | None = None
    tools: list[_Tool] = []


class _Chat(msgspec.Struct):
    id: str = ""
    messages: dict[str, _Message] = {}


class GeminiCli:
    """The importer; see the head of this module."""

    name = "gemini-cli"
    describe = "session logs of Gemini CLI, JSON Lines or JSON, a file each"

    def sniff(self, first_bytes: bytes) -> bool:
        return first_bytes.lstrip()[:1] == b"{" and _KEYS.search(first_bytes) is not None

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        counts = Counts(damage=Damage(is_refused=options.strict))
        chats: list[_Chat] = []
        seen: dict[str, int] = {}
        read: dict[int, _Chat] = {}
        for n, item in read_all_items(input_files(paths, ".json*"), ("messages",), counts.damage):
            try:
                _take(item, read.setdefault(n, _Chat()))
            except TraceError as error:
                counts.damage.lose(error)
        for n, chat in read.items():
            repeated = [each for each in chat.messages if seen.setdefault(each, n) != n]
            for each in repeated:
                del chat.messages[each]
            counts.drop("message(s) that another log has, too", len(repeated))
            if any(message.kind == "gemini" for message in chat.messages.values()):
                chats.append(chat)

        def load(unit: int, counts: Counts) -> Run:
            return _run(chats[unit], SessionPrompts(unit, options.block_size), options, counts)

        return imported_runs(self.name, paths, options, len(chats), load, _EXPLAINED, counts)


def _take(item: Item, chat: _Chat) -> None:
    kind = item.plain("type")
    if kind is None:
        chat.id = item.plain("sessionId") or chat.id
        return
    if item.outer is not None:
        chat.id = item.outer.plain("sessionId") or chat.id
    if kind not in ("user", "gemini"):
        return
    at_ns = _time_ns(item)
    if at_ns is None:
        raise item.error("timestamp", "not a time like 2026-01-01T00:00:00.000Z")
    told = item.inner("tokens")
    tools = [
        _Tool(
            call.plain("id") or "",
            call.plain("name") or "",
            _time_ns(call),
            call.raw("args"),
            call.plain("status") in ("error", "cancelled"),
        )
        for call in item.objects("toolCalls")
    ]
    name = item.plain("id") or f"unnamed {len(chat.messages)}"
    message = _Message(name, kind, at_ns, item.plain("model"), None, tools)
    if told is not None:
        output = token_count(told, "output") + token_count(told, "thoughts")
        message.tokens = (token_count(told, "input"), token_count(told, "cached"), output)
    before = chat.messages.get(name)
    if before is not None:  # written anew when its tools had ended
        message.at_ns = min(at_ns, before.at_ns)
        message.tokens = message.tokens or before.tokens
    chat.messages[name] = message


def _time_ns(item: Item) -> int | None:
    return unix_ns(item.plain("timestamp") or "")


def _run(chat: _Chat, prompts: SessionPrompts, options: ImportOptions, counts: Counts) -> Run:
    messages = sorted(chat.messages.values(), key=lambda message: message.at_ns)
    builder = RunBuilder(messages[0].at_ns, counts)
    entries: list[Call | Lane] = []
    input_ns: int | None = None
    for n, message in enumerate(messages, 1):
        if message.kind == "user":
            input_ns = message.at_ns
            continue
        tokens = message.tokens or (0, 0, 0)
        counts.drop("count(s) of tokens, which are not recorded", message.tokens is None)
        llm = LlmCall(tokens[0], tokens[2], message.model, options.stream)
        add_prefix(llm, "", tokens[1], prompts, counts)
        start_ns = message.at_ns if input_ns is None else min(input_ns, message.at_ns)
        entries.append(builder.model_call(str(n), "main", start_ns, message.at_ns, None, llm, {}))
        for k, tool in enumerate(message.tools, 1):
            failed = {"error": "true" if tool.is_error else None}
            entries.append(
                builder.tool_call(f"{n}.{k}", tool.name, message.at_ns, tool.end_ns, tool.arguments, failed)
            )
        input_ns = max([message.at_ns, *(tool.end_ns for tool in message.tools if tool.end_ns is not None)])
    return Run(chat.id, messages[0].at_ns, Lane(entries, RESOLUTION_MS), {"agent": "gemini-cli"})
