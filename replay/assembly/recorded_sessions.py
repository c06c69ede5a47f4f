"""Sessions that were recorded with the times of their calls, laid out as a trace in order of their starts.

They are read twice, one session at a time: once to count and to find their order, once to convert them.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.assembly.call_steps import LONGEST_TEXT, bounded
from replay.assembly.types import ImportOptions, ImportResult
from replay.reading.damage import Damage
from replay.reading.departures import Departures
from replay.reading.inputs import trace_name
from replay.reading.timestamps import ms_between
from replay.trace.arrivals import parse_arrivals
from replay.trace.edges.inference import Tally
from replay.trace.errors import TraceError, shown_path
from replay.trace.types import FORMAT, VERSION, Header, Session, Step
from replay.words.numbers import milliseconds

_AS_MESSAGES = (
    "call(s) of tools named mcp__SERVER__TOOL became messages to MCP servers, which a target takes at its [mcp] path; "
    '[[routes]] with kind = "mcp" and name = "mcp__SERVER__*" lead to servers elsewhere'
)
_AS_UNCARRIED_MESSAGES = (
    "MCP call(s) whose HTTP request is not recorded became messages to MCP servers, which a target takes at its [mcp] "
    'path; where there are several servers, [[routes]] with kind = "mcp" and a name lead to each'
)


class Counts(Departures):
    """What was found, inferred and dropped."""

    sessions: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    subagents: int = 0
    unknown_durations: int = 0
    tally: Tally = msgspec.field(default_factory=Tally)
    damage: Damage = msgspec.field(default_factory=Damage)

    def add(self, step: Step) -> None:
        """Count a call."""
        self.model_calls += step.kind == "llm"
        self.tool_calls += step.kind == "tool"
        if step.mcp is not None:
            self.infer(_AS_MESSAGES if step.name.startswith("mcp__") else _AS_UNCARRIED_MESSAGES)
        self.unknown_durations += step.took_ms is None

    def add_all(self, other: "Counts") -> None:
        """Add what another one counted, calls included."""
        self.include(other)
        self.sessions += other.sessions
        self.model_calls += other.model_calls
        self.tool_calls += other.tool_calls
        self.subagents += other.subagents
        self.unknown_durations += other.unknown_durations
        self.tally.add(other.tally)

    def include(self, other: "Counts") -> None:
        """Add what else was inferred, dropped and damaged."""
        for what, n in other.inferred.items():
            self.infer(what, n)
        for what, n in other.dropped.items():
            self.drop(what, n)
        self.damage.include(other.damage)


class RecordedSession(msgspec.Struct):
    """A session before it has its place in the trace.

    id: "" for one that is numbered. start_ns: Unix time of its first step.
    """

    id: str
    start_ns: int
    steps: list[Step]
    attributes: dict[str, str] = {}


# The session in the unit of this number (a file, a group of spans), adding to the counts; None if it has no calls.
Load = Callable[[int, Counts], RecordedSession | None]


def imported_sessions(
    format_name: str,
    paths: Sequence[Path],
    options: ImportOptions,
    units: int,
    load: Load,
    resolution_ms: float,
    explained: Sequence[str] = (),
    *,
    counted: Counts | None = None,
    makes_up_tools: bool = True,
) -> ImportResult:
    """A trace of the sessions in all units. explained: what the format leaves open, for people.

    counted: while the units were found. makes_up_tools: whether the requests of tool calls are never recorded, so
    that people are told. Raises TraceError where there is no call at all, or most lines are damaged.
    """
    counts = counted or Counts(damage=Damage(is_refused=options.strict))
    counts.damage.is_refused = options.strict
    starts: list[tuple[int, int]] = []
    for unit in range(units):
        counts.damage.files += 1
        found_here = Counts(damage=Damage(is_refused=options.strict))
        try:
            session = load(unit, found_here)
        except TraceError as error:
            if units == 1:
                raise
            counts.damage.lose_file(error)
            continue
        counts.add_all(found_here)
        if session is not None:
            starts.append((session.start_ns, unit))
    counts.damage.refuse_most()
    if not starts:
        raise TraceError(f"{shown_path(paths[0])}: no model or tool calls.")
    counts.sessions = len(starts)
    starts.sort()
    arrivals = None if options.arrivals is None else parse_arrivals(options.arrivals)

    def sessions() -> Iterator[Session]:
        ids: set[str] = set()
        first_ns = starts[0][0]
        chosen = None if arrivals is None else arrivals.starts_ms(options.seed)
        for n, (start_ns, unit) in enumerate(starts, 1):
            session = load(unit, Counts())
            if session is not None:
                start_ms = ms_between(first_ns, start_ns) if chosen is None else next(chosen)
                attributes = bounded(session.attributes)
                yield Session(_unique(session.id or f"s{n}", ids), start_ms, session.steps, attributes)

    found = msgspec.to_builtins(counts)
    del found["damage"]
    inferred: dict[str, Any] = {
        "format": format_name,
        "first_unix_ns": starts[0][0],
        "arrivals": options.arrivals or "recorded",
        **counts.damage.told(),
        **found.pop("tally"),
        **found,
    }
    header = Header(
        format=FORMAT,
        version=VERSION,
        name=options.name or trace_name(paths),
        source=f"{format_name}: {counts.sessions} session(s)",
        resolution_ms=resolution_ms,
        attributes={"import": inferred},
    )
    notes = _notes(counts, options, resolution_ms, makes_up_tools)
    return ImportResult(header, sessions, (*notes, *explained))


def _unique(name: str, ids: set[str]) -> str:
    name = name[:LONGEST_TEXT]
    unique, n = name, 1
    while unique in ids:
        n += 1
        unique = f"{name}~{n}"
    ids.add(unique)
    return unique


def _notes(counts: Counts, options: ImportOptions, resolution_ms: float, makes_up_tools: bool) -> Iterator[str]:
    subagents = f", {counts.subagents} sub-agent(s)" if counts.subagents else ""
    yield (
        f"{counts.sessions} session(s): {counts.model_calls} model call(s), {counts.tool_calls} tool call(s)"
        f"{subagents}."
    )
    yield f"Times are recorded to {milliseconds(resolution_ms)}."
    if options.arrivals is not None:
        seed = f", seed {options.seed}" if options.arrivals.startswith("poisson") else ""
        yield f"Sessions do not start as recorded, but by --arrivals {options.arrivals}{seed}."
    if counts.tool_calls and makes_up_tools:
        yield "How tools were called is not recorded: each call became a POST /tools/NAME."
    tally = counts.tally
    if tally.overlapping:
        yield f"{tally.overlapping} call(s) start while the model still answers, and follow its first byte or start."
    if tally.clamped:
        yield (
            f"{tally.clamped} call(s) were recorded as starting up to {milliseconds(tally.most_clamped_ms)} before "
            "the end of what came in front, within the resolution: no pause is left between the two."
        )
    if counts.unknown_durations:
        yield f"{counts.unknown_durations} call(s) have no recorded end, so no duration."
    yield from counts.damage.notes()
    yield from counts.notes()
