"""Coding agents' sessions of the `opencode` format: what `opencode export` prints, a JSON document a session.

The layout is that of its SDK's types (release 1.19): `info` of the session, and `messages`, each with its `info` and
its `parts`. What becomes what:

- An assistant's message is one model call or several, each from a part `step-start` to its `step-finish`, which has its
  tokens. The first begins when the message was made, others at the end of the tools before them. It ends with the last
  of its texts and thoughts, or with the last tool that it called; the first of these stands for its first byte.
- A part `tool` becomes a `tool` step with its input, from `time.start` to `time.end` of its state.
- Tokens that a cache had or took count as input, and those of thoughts as output. A message that sums up the session
  (`summary`) is a model call named `compaction`.
- A sub-agent's session is exported by itself, and becomes a session of its own.
- Calls whose texts have times are streamed; others as `stream` says.
- Edges are inferred as replay/importers/agent_runs.py says.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.importers.agent_runs import RESOLUTION_MS, Run, RunBuilder, imported_runs
from replay.importers.prompt_blocks import SessionPrompts, add_prefix
from replay.importers.recorded_sessions import Counts
from replay.importers.types import ImportOptions, ImportResult
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.json_items import Item, read_all_items
from replay.trace.edges.inference import Call, Lane
from replay.trace.errors import TraceError
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.types import LlmCall

_KEYS = tuple(
    re.compile(pattern).search
    for pattern in (rb'"messages"\s*:', rb'"(?:sessionID|projectID)"\s*:', rb'"info"\s*:')
)
_LATEST_MS = 9e12
_EXPLAINED = (
    "A model call ends with the last of its texts and thoughts, or the last tool that it called: it may have gone on.",
    "A tool's time is as OpenCode states it, approval included.",
)


class _Tool(msgspec.Struct, gc=False):
    name: str
    start_ns: int
    end_ns: int | None
    arguments: bytes | None
    is_error: bool


class _Round(msgspec.Struct, gc=False):
    """One model call and its tools. tokens: of its input, what of that was cached, and its output."""

    start_ns: int
    name: str = "main"
    model: str | None = None
    first_ns: int | None = None
    end_ns: int | None = None
    tokens: tuple[int, int, int] | None = None
    tools: list[_Tool] = []
    is_seen: bool = False

    def spoke(self, start_ns: int | None, end_ns: int | None) -> None:
        """Take in a text, a thought, or the call of a tool."""
        for at_ns in (start_ns, end_ns):
            if at_ns is not None:
                self.is_seen = True
                self.first_ns = at_ns if self.first_ns is None else min(self.first_ns, at_ns)
                self.end_ns = at_ns if self.end_ns is None else max(self.end_ns, at_ns)

    @property
    def last_ns(self) -> int:
        """When it and its tools had ended, as far as is known."""
        ends = [tool.end_ns for tool in self.tools if tool.end_ns is not None]
        return max([self.start_ns, *ends, *([] if self.end_ns is None else [self.end_ns])])


class OpenCode:
    """The importer; see the head of this module."""

    name = "opencode"
    describe = "sessions of OpenCode, as `opencode export` prints them, a JSON document each"

    def sniff(self, first_bytes: bytes) -> bool:
        is_object = first_bytes.lstrip()[:1] == b"{"
        return is_object and all(search(first_bytes) for search in _KEYS) and b'"parts"' in first_bytes

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        counts = Counts(damage=Damage(is_refused=options.strict))
        sessions: dict[str, list[_Round]] = {}
        seen: set[str] = set()
        for _, item in read_all_items(input_files(paths, ".json*"), ("messages",), counts.damage):
            try:
                _take(item, sessions, seen, counts)
            except TraceError as error:
                counts.damage.lose(error)
        units = [unit for unit in sessions.items() if unit[1]]

        def load(unit: int, counts: Counts) -> Run:
            name, rounds = units[unit]
            return _run(name, rounds, SessionPrompts(unit, options.block_size), options, counts)

        return imported_runs(self.name, paths, options, len(units), load, _EXPLAINED, counts)


def _take(item: Item, sessions: dict[str, list[_Round]], seen: set[str], counts: Counts) -> None:
    info = item.inner("info")
    if info is None or info.plain("role") != "assistant":
        return
    name = info.plain("id")
    if name is not None and name in seen:
        counts.drop("message(s) that another export has, too")
        return
    seen.add(name or "")
    rounds = list(_rounds(item, info))
    sessions.setdefault(info.plain("sessionID") or "", []).extend(rounds)


def _rounds(item: Item, info: Item) -> Iterator[_Round]:
    times = info.inner("time")
    created_ns, completed_ns = _ns(times, "created"), _ns(times, "completed")
    if created_ns is None:
        raise info.error("time", "no time at which the message was made")
    name = "compaction" if info.raw("summary") == b"true" else "main"
    model = info.plain("modelID")
    found = _Round(created_ns, name, model)
    made: list[_Round] = [found]
    for part in item.objects("parts"):
        kind = part.plain("type")
        if kind == "step-start" and found.is_seen:
            found = _Round(found.last_ns, name, model)
            made.append(found)
        elif kind == "step-finish":
            found.is_seen = True
            found.tokens = _tokens(part.inner("tokens")) or found.tokens
        elif kind in ("text", "reasoning"):
            told = part.inner("time")
            found.spoke(_ns(told, "start"), _ns(told, "end"))
        elif kind == "tool":
            _take_tool(part, found)
    if len(made) > 1 and not made[-1].is_seen:
        made.pop()
    last = made[-1]
    if last.tokens is None and len(made) == 1:
        last.tokens = _tokens(info.inner("tokens"))
    if not last.tools and completed_ns is not None and completed_ns >= last.start_ns:
        last.end_ns = completed_ns
    yield from made


def _take_tool(part: Item, found: _Round) -> None:
    state = part.inner("state")
    times = None if state is None else state.inner("time")
    start_ns = _ns(times, "start")
    if state is None or start_ns is None:
        return
    found.spoke(start_ns, None)
    end_ns, is_error = _ns(times, "end"), state.plain("status") == "error"
    found.tools = [
        *found.tools,
        _Tool(part.plain("tool") or "", start_ns, end_ns, state.raw("input"), is_error),
    ]


def _ns(times: Item | None, name: str) -> int | None:
    ms = None if times is None else times.value(float, name)
    return None if ms is None or not 0 <= ms < _LATEST_MS else round(ms * 1e6)


def _tokens(told: Item | None) -> tuple[int, int, int] | None:
    if told is None:
        return None
    cache = told.inner("cache")
    cached, written = _count(cache, "read"), _count(cache, "write")
    return _count(told, "input") + cached + written, cached, _count(told, "output") + _count(told, "reasoning")


def _count(told: Item | None, name: str) -> int:
    found = None if told is None else told.value(float, name)
    return int(min(max(found or 0.0, 0.0), MOST_TOKENS))


def _run(
    name: str, rounds: Sequence[_Round], prompts: SessionPrompts, options: ImportOptions, counts: Counts
) -> Run:
    rounds = sorted(rounds, key=lambda each: each.start_ns)
    builder = RunBuilder(rounds[0].start_ns, counts)
    entries: list[Call | Lane] = []
    for n, each in enumerate(rounds, 1):
        tokens = each.tokens or (0, 0, 0)
        counts.drop("count(s) of tokens, which are not recorded", each.tokens is None)
        llm = LlmCall(tokens[0], tokens[2], each.model, options.stream or each.first_ns is not None)
        add_prefix(llm, "", tokens[1], prompts, counts)
        entries.append(
            builder.model_call(str(n), each.name, each.start_ns, each.end_ns, each.first_ns, llm, {})
        )
        for k, tool in enumerate(each.tools, 1):
            failed = {"error": "true" if tool.is_error else None}
            entries.append(
                builder.tool_call(f"{n}.{k}", tool.name, tool.start_ns, tool.end_ns, tool.arguments, failed)
            )
    return Run(name, rounds[0].start_ns, Lane(entries, RESOLUTION_MS), {"agent": "opencode"})
