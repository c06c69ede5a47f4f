"""Coding agents' sessions of the `opencode` format: what `opencode export` prints, or OpenCode's database.

The layout is that of its SDK's types (release 1.19): `info` of the session, and `messages`, each with its `info` and
its `parts`, which the database (`opencode.db`) has in tables of these names. What becomes what:

- An assistant's message is one model call or several, each from a part `step-start` to its `step-finish`, which has its
  tokens. The first begins when the message was made, others at the end of the tools before them. It ends with the last
  of its texts and thoughts, or with the last tool that it called; the first of these stands for its first byte.
- A part `tool` becomes a `tool` step with its input, from `time.start` to `time.end` of its state.
- Tokens that a cache had or took count as input, and those of thoughts as output. A message that sums up the session
  (`summary`) is a model call named `compaction`.
- A sub-agent's session is exported by itself, and stands in the place of the tool that set it to work, where both are
  imported.
- Calls whose texts have times are streamed; others as `stream` says.
- Edges are inferred as replay/assembly/agent_runs.py says.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.assembly.agent_runs import Run, RunBuilder, imported_runs
from replay.assembly.prompt_blocks import SessionPrompts
from replay.assembly.recorded_sessions import Counts
from replay.assembly.tool_requests import as_arguments
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.agents.logged_turns import LoggedTool, Turn, TurnsBuilder
from replay.importers.agents.turn_logs import token_count
from replay.reading.damage import Damage
from replay.reading.databases import MAGIC, table_rows
from replay.reading.inputs import first_bytes, input_files
from replay.reading.json_items import Item, read_items
from replay.trace.errors import TraceError, shown, shown_path

_KEYS = tuple(
    re.compile(pattern).search
    for pattern in (rb'"messages"\s*:', rb'"(?:sessionID|projectID)"\s*:', rb'"info"\s*:')
)
_TABLES = tuple(
    re.compile(pattern).search for pattern in (rb"CREATE TABLE \W?message\W", rb"CREATE TABLE \W?part\W")
)
_SUFFIX = ".[jd][sb]*"  # .json and .db
_LATEST_MS = 9e12
_EXPLAINED = (
    "A model call ends with the last of its texts and thoughts, or the last tool that it called: it may have gone on.",
    "A tool's time is as OpenCode states it, approval included.",
)


class _Round(msgspec.Struct, gc=False):
    """One model call and its tools. is_seen: whether any of it was."""

    turn: Turn
    is_seen: bool = False

    def spoke(self, start_ns: int | None, end_ns: int | None) -> None:
        """Take in a text, a thought, or the call of a tool."""
        turn = self.turn
        for at_ns in (start_ns, end_ns):
            if at_ns is not None:
                self.is_seen = True
                turn.first_ns = at_ns if turn.first_ns is None else min(turn.first_ns, at_ns)
                turn.end_ns = max(turn.end_ns, at_ns) if turn.is_end_known else at_ns
                turn.is_end_known = True

    @property
    def last_ns(self) -> int:
        """When it and its tools had ended, as far as is known."""
        ends = [tool.end_ns for tool in self.turn.tools if tool.end_ns is not None]
        return max([self.turn.start_ns, self.turn.end_ns, *ends])


class OpenCode:
    """The importer; see the head of this module."""

    name = "opencode"
    describe = "sessions of OpenCode, as `opencode export` prints them, or its opencode.db"

    def sniff(self, first_bytes: bytes) -> bool:
        if first_bytes.startswith(MAGIC):
            return all(search(first_bytes) for search in _TABLES)
        is_object = first_bytes.lstrip()[:1] == b"{"
        return is_object and all(search(first_bytes) for search in _KEYS) and b'"parts"' in first_bytes

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        counts = Counts(damage=Damage(is_refused=options.strict))
        found: dict[str, list[Turn]] = {}
        seen: set[str] = set()
        files = input_files(paths, _SUFFIX)
        for item in counts.damage.of_files(files, lambda file: _items(file, counts.damage)):
            try:
                _take(item, found, seen, counts)
            except TraceError as error:
                counts.damage.lose(error)
        for turns in found.values():
            turns.sort(key=lambda turn: turn.start_ns)
        sessions = [unit for unit in _with_agents(found).items() if any(unit[1].values())]

        def load(unit: int, counts: Counts) -> Run:
            name, agents = sessions[unit]
            zero_ns = min(turn.start_ns for turns in agents.values() for turn in turns)
            prompts = SessionPrompts(unit, options.block_size)
            builder = TurnsBuilder(RunBuilder(zero_ns, counts), agents, prompts, options.stream, counts)
            return Run(name, zero_ns, builder.lane(), {"agent": self.name})

        return imported_runs(self.name, paths, options, len(sessions), load, _EXPLAINED, counts)


def _items(file: Path, damage: Damage) -> Iterator[Item]:
    """The messages in a file, with their parts."""
    if not first_bytes(file, len(MAGIC)).startswith(MAGIC):
        yield from read_items(file, ("messages",), damage)
        return
    parts = table_rows(file, "part", ("message_id", "data"), "message_id, id")
    each = next(parts, None)
    for name, session, data in table_rows(file, "message", ("id", "session_id", "data"), "id"):
        held: list[msgspec.Raw] = []
        # Of any type may be what a column holds, though OpenCode writes texts.
        while each is not None and (not isinstance(each[0], str) or each[0] <= str(name)):
            if each[0] == name and (part := _raw(each[1])) is not None:
                held.append(part)
            each = next(parts, None)
        damage.lines += 1
        place = f"{shown_path(file)}, message {shown(str(name))}"
        try:
            told = Item.of(str(data).encode("utf-8", "replace"), place)
            info = {key: msgspec.Raw(told.raw(key) or b"null") for key in told.names()}
            whole = msgspec.json.encode({"info": {**info, "id": name, "sessionID": session}, "parts": held})
            yield Item.of(whole, place)
        except TraceError as error:
            damage.lose(error)


def _raw(data: Any) -> msgspec.Raw | None:
    """A part; None where it is no JSON."""
    text = str(data).encode("utf-8", "replace")
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        return None
    return msgspec.Raw(text)


def _take(item: Item, sessions: dict[str, list[Turn]], seen: set[str], counts: Counts) -> None:
    info = item.inner("info")
    if info is None or info.plain("role") != "assistant":
        return
    name = info.plain("id")
    if name is not None and name in seen:
        counts.drop("message(s) that another export has, too")
        return
    seen.add(name or "")
    turns = list(_turns(item, info))
    sessions.setdefault(info.plain("sessionID") or "", []).extend(turns)


def _turns(item: Item, info: Item) -> Iterator[Turn]:
    times = info.inner("time")
    created_ns, completed_ns = _ns(times, "created"), _ns(times, "completed")
    if created_ns is None:
        raise info.error("time", "no time at which the message was made")
    name = "compaction" if info.raw("summary") == b"true" else "main"
    model = info.plain("modelID")
    found = _begun(created_ns, name, model)
    made: list[_Round] = [found]
    for part in item.objects("parts"):
        kind = part.plain("type")
        if kind == "step-start" and found.is_seen:
            found = _begun(found.last_ns, name, model)
            made.append(found)
        elif kind == "step-finish":
            found.is_seen = True
            found.turn.tokens = _tokens(part.inner("tokens")) or found.turn.tokens
        elif kind in ("text", "reasoning"):
            told = part.inner("time")
            found.spoke(_ns(told, "start"), _ns(told, "end"))
        elif kind == "tool":
            _take_tool(part, found)
    if len(made) > 1 and not made[-1].is_seen:
        made.pop()
    last = made[-1].turn
    if last.tokens is None and len(made) == 1:
        last.tokens = _tokens(info.inner("tokens"))
    # What OpenCode does when an answer is there, taking a snapshot for one, comes before it is completed.
    if not last.is_end_known and completed_ns is not None and completed_ns >= last.start_ns:
        last.end_ns, last.is_end_known = completed_ns, True
    return (each.turn for each in made)


def _begun(start_ns: int, name: str, model: str | None) -> _Round:
    return _Round(Turn(start_ns, start_ns, name, model, tools=[], is_end_known=False))


def _take_tool(part: Item, found: _Round) -> None:
    state = part.inner("state")
    times = None if state is None else state.inner("time")
    start_ns = _ns(times, "start")
    if state is None or start_ns is None:
        return
    found.spoke(start_ns, None)
    told = state.inner("metadata")
    found.turn.tools.append(
        LoggedTool(
            part.plain("tool") or "",
            start_ns,
            _ns(times, "end"),
            as_arguments(state.raw("input")),
            state.plain("status") == "error",
            None if told is None else told.plain("sessionId"),
        )
    )


def _ns(times: Item | None, name: str) -> int | None:
    ms = None if times is None else times.value(float, name)
    return None if ms is None or not 0 <= ms < _LATEST_MS else round(ms * 1e6)


def _tokens(told: Item | None) -> tuple[int, int, int] | None:
    if told is None:
        return None
    cache = told.inner("cache")
    cached, written = (0 if cache is None else token_count(cache, name) for name in ("read", "write"))
    output = token_count(told, "output") + token_count(told, "reasoning")
    return token_count(told, "input") + cached + written, cached, output


def _with_agents(found: Mapping[str, Sequence[Turn]]) -> dict[str, dict[str, Sequence[Turn]]]:
    """Each session that no tool of another set to work, with the turns of its agents by their ids; its own under ""."""
    spawned = {tool.agent for turns in found.values() for turn in turns for tool in turn.tools}
    sessions: dict[str, dict[str, Sequence[Turn]]] = {}
    placed: set[str] = set()
    # Those that set each other to work, which only a damaged export says, come last.
    for key in sorted(found, key=lambda key: key in spawned):
        if key in placed:
            continue
        agents, waiting = sessions.setdefault(key, {}), [key]
        while waiting:
            each = waiting.pop()
            if each in found and each not in placed:
                placed.add(each)
                agents["" if each == key else each] = found[each]
                waiting += [tool.agent for turn in found[each] for tool in turn.tools if tool.agent is not None]
    return sessions
