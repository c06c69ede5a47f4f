"""Coding agents' sessions of the `qwen-code` format: the chats that Qwen Code keeps, a file a session.

The records are linked as those of Claude Code are, and their messages are Gemini's: `parts`, of a `user` or a `model`.
What becomes what:

- A record of type `assistant` is an `llm` step: it was written when the answer was complete, which is its end, and
  began at the last input before it, what the user wrote or a tool answered. Its `usageMetadata` has the tokens; those
  of thoughts count as output.
- A part `functionCall` becomes a `tool` step with its arguments, from the answer to the `tool_result` of its id, the
  user's approval included.
- A record that another log has, too, is history: dropped and counted.
- First bytes are not recorded. Calls are taken to be streamed unless `stream` is False.
- Edges are inferred as replay/assembly/agent_runs.py says. Texts and results are not imported.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from replay.assembly.recorded_sessions import Counts
from replay.assembly.tool_requests import as_arguments
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.agents.logged_turns import LoggedTool, Turn
from replay.importers.agents.turn_logs import Seen, TurnLog, imported_turns, token_count
from replay.reading.json_items import Item
from replay.reading.timestamps import unix_ns

_HAS_PARTS = re.compile(rb'"message"\s*:\s*\{[^{}\[\]]{0,200}"parts"\s*:\s*\[').search
_LINKED = (b'"sessionId"', b'"parentUuid"', b'"timestamp"')
_EXPLAINED = (
    "A model call starts at the input before it, and ends when its answer was written down.",
    "A tool's time is from the answer that called it to its result, approval included.",
)


class QwenCode:
    """The importer; see the head of this module."""

    name = "qwen-code"
    describe = "session logs of Qwen Code, JSON Lines, a file each"

    def sniff(self, first_bytes: bytes) -> bool:
        return all(key in first_bytes for key in _LINKED) and has_parts(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        return imported_turns(self.name, paths, options, _take, _EXPLAINED)


def has_parts(first_bytes: bytes) -> bool:
    """Whether messages are laid out as Gemini's are, which tells these logs from Claude Code's."""
    return _HAS_PARTS(first_bytes) is not None


def _take(record: Item, chat: TurnLog, seen: Seen, counts: Counts) -> None:
    kind, message = record.plain("type"), record.inner("message")
    if message is None or kind not in ("user", "assistant", "tool_result"):
        return
    if message.raw("parts") is None:
        raise record.error("message", "without parts, which those of Qwen Code have")
    at_ns = unix_ns(record.plain("timestamp") or "")
    if at_ns is None:
        raise record.error("timestamp", "not a time like 2026-01-01T00:00:00.000Z")
    chat.id = chat.id or record.plain("sessionId") or ""
    name = record.plain("uuid")
    if name is not None and seen(name):
        counts.drop("record(s) that another log has, too")
        return
    if kind == "assistant":
        _answered(record, message, chat, at_ns)
    for part in message.objects("parts"):
        answer = part.inner("functionResponse")
        tool = None if answer is None else chat.tools.get(answer.plain("id") or "")
        if tool is not None:
            told = record.inner("toolCallResult")
            tool.end_ns = at_ns
            tool.is_error = told is not None and told.plain("status") in ("error", "cancelled")
    chat.input_ns = at_ns


def _answered(record: Item, message: Item, chat: TurnLog, at_ns: int) -> None:
    usage = record.inner("usageMetadata")
    tokens = None
    if usage is not None:
        output = token_count(usage, "candidatesTokenCount") + token_count(usage, "thoughtsTokenCount")
        tokens = (token_count(usage, "promptTokenCount"), token_count(usage, "cachedContentTokenCount"), output)
    start_ns = at_ns if chat.input_ns is None else min(chat.input_ns, at_ns)
    turn = Turn(start_ns, at_ns, model=record.plain("model"), tokens=tokens)
    for part in message.objects("parts"):
        call = part.inner("functionCall")
        if call is not None:
            tool = LoggedTool(call.plain("name") or "", at_ns, arguments=as_arguments(call.raw("args")))
            chat.tools[call.plain("id") or ""] = tool
            turn.tools.append(tool)
    chat.turns.append(turn)
