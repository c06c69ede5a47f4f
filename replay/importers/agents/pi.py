"""Coding agents' sessions of the `pi` format: the logs of pi and of what is built on it (OpenClaw), a file a session.

The layout is that of version 3, and of the first one, whose entries have no id: JSON Lines, a `session` first, then
entries with a `timestamp`, of which a `message` has the message of a user, an assistant or a tool. What becomes what:

- An assistant's message is an `llm` step. Its own `timestamp` is when it was asked for (where it has none, the last
  input before it), and the entry's is when it was complete. Its `usage` has the tokens: those that a cache had or took
  are no part of `input`, and are added to it.
- A part `toolCall` becomes a `tool` step with its arguments, from the answer that called it to the entry of its
  `toolResult`, approval included.
- An entry that another log has, too, is the history that a fork copies: dropped and counted. So are compactions, of
  which only the end is recorded.
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
from replay.reading.timestamps import epoch_ns, unix_ns

# The first line: what the session is, in any order of its keys.
_BEGINS = re.compile(
    rb'\s*\{(?=[^\n]{0,4000}"type"\s*:\s*"session")(?=[^\n]{0,4000}"cwd"\s*:)(?=[^\n]{0,4000}"timestamp"\s*:)'
    rb'(?=[^\n]{0,4000}"(?:version|modelId)"\s*:)'
).match
_EXPLAINED = (
    "A model call goes from its message's own time to that of the entry, which was written when it was complete.",
    "A tool's time is from the answer that called it to its result, approval included.",
)


class Pi:
    """The importer; see the head of this module."""

    name = "pi"
    describe = "session logs of pi and OpenClaw, JSON Lines, a file each"

    def sniff(self, first_bytes: bytes) -> bool:
        return _BEGINS(first_bytes) is not None

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        return imported_turns(self.name, paths, options, _take, _EXPLAINED)


def _take(entry: Item, session: TurnLog, seen: Seen, counts: Counts) -> None:
    kind, name = entry.plain("type"), entry.plain("id") or ""
    if kind == "session":
        session.id = name or session.id
        return
    message = entry.inner("message")
    if kind == "compaction":
        counts.drop("compaction(s), of which only the end is recorded", not seen(name))
        return
    role = None if message is None else message.plain("role")
    if kind != "message" or message is None or role not in ("user", "assistant", "toolResult"):
        return
    at_ns = unix_ns(entry.plain("timestamp") or "")
    if at_ns is None:
        raise entry.error("timestamp", "not a time like 2026-01-01T00:00:00.000Z")
    if seen(f"{name} {role} {message.plain('toolCallId')} {at_ns}"):
        counts.drop("message(s) that another log has, too")
    elif role == "assistant":
        _answered(message, session, at_ns)
        session.input_ns = at_ns
    else:
        session.input_ns = at_ns
        tool = session.tools.get(message.plain("toolCallId") or "")
        if tool is None:
            counts.drop("tool result(s) without a tool call", role == "toolResult")
        else:
            tool.end_ns = at_ns
            tool.is_error = message.raw("isError") == b"true"


def _answered(message: Item, session: TurnLog, at_ns: int) -> None:
    told = message.plain("timestamp") or ""
    begun_ns = epoch_ns(told) or unix_ns(told) or session.input_ns
    usage = message.inner("usage")
    tokens = None
    if usage is not None:
        cached, taken = token_count(usage, "cacheRead"), token_count(usage, "cacheWrite")
        tokens = (token_count(usage, "input") + cached + taken, cached, token_count(usage, "output"))
    turn = Turn(min(begun_ns or at_ns, at_ns), at_ns, model=message.plain("model"), tokens=tokens)
    for part in message.objects("content"):
        if part.plain("type") == "toolCall":
            arguments = as_arguments(part.raw("arguments", "input"))
            tool = LoggedTool(part.plain("name") or "", at_ns, arguments=arguments)
            session.tools[part.plain("id") or ""] = tool
            turn.tools.append(tool)
    session.turns.append(turn)
