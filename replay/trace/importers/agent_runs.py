"""What importers of agents' logs have in common: model calls and the tools that they call, made into sessions.

An agent is a lane of model calls, one after the other. Each of its tool calls is a lane of its own beside them,
as a sub-agent is, and so replay/trace/importers/inference.py gives the edges: a tool that starts while the model
still streams follows the model's first byte, or else its start; one that starts later follows its end. The next
model call waits for the tools that had ended when it started, and then thinks for as long as after the last one,
whichever is the last: the time that an early result lay waiting for a later one is no think time.

Logs are read twice, one session at a time: memory holds the session at hand.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.trace.arrivals import parse_arrivals
from replay.trace.errors import TraceError, shown_path
from replay.trace.importers.inference import Call, Lane, Tally, infer_edges
from replay.trace.importers.inputs import trace_name
from replay.trace.importers.timestamps import ms_between
from replay.trace.importers.tool_requests import tool_request
from replay.trace.importers.types import ImportOptions, ImportResult
from replay.trace.rules import MOST_TOKENS
from replay.trace.types import FORMAT, VERSION, Edge, Header, LlmCall, Recorded, Session, Step

LONGEST_TEXT = 200
RESOLUTION_MS = 1.0


class Counts(msgspec.Struct):
    """What was found, inferred and dropped. inferred, dropped: how often, by what it was, in words."""

    sessions: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    subagents: int = 0
    unknown_durations: int = 0
    inferred: dict[str, int] = {}
    dropped: dict[str, int] = {}

    def infer(self, what: str, n: int = 1) -> None:
        if n:
            self.inferred[what] = self.inferred.get(what, 0) + n

    def drop(self, what: str, n: int = 1) -> None:
        if n:
            self.dropped[what] = self.dropped.get(what, 0) + n


class Run(msgspec.Struct):
    """One agent's session as it was logged. zero_ns: the Unix time that the times in the lane count from."""

    id: str
    zero_ns: int
    lane: Lane
    attributes: dict[str, str] = {}


# The run in the unit of this number (a file, a session), adding to the counts; None where it has no calls.
Load = Callable[[int, Counts], Run | None]


class RunBuilder:
    """Makes the calls of one run out of Unix times in ns."""

    def __init__(self, zero_ns: int, counts: Counts) -> None:
        self.zero_ns = zero_ns
        self._counts = counts

    def ms(self, at_ns: int) -> float:
        return ms_between(self.zero_ns, at_ns)

    def model_call(
        self,
        step_id: str,
        name: str,
        start_ns: int,
        end_ns: int | None,
        first_byte_ns: int | None,
        llm: LlmCall,
        attributes: dict[str, str | None],
    ) -> Call:
        """A model call; an end or first byte before its start is unknown."""
        took_ms = self._took_ms(start_ns, end_ns)
        self._counts.model_calls += 1
        ttft_ms = None
        if first_byte_ns is not None and took_ms is not None and start_ns <= first_byte_ns:
            ttft_ms = min(ms_between(start_ns, first_byte_ns), took_ms)
        llm.input_tokens = min(max(llm.input_tokens, 0), MOST_TOKENS)
        llm.output_tokens = min(max(llm.output_tokens, 0), MOST_TOKENS)
        llm.model = (llm.model or "")[:LONGEST_TEXT] or None
        step = Step(
            id=step_id,
            kind="llm",
            name=name[:LONGEST_TEXT] or "model",
            took_ms=took_ms,
            llm=llm,
            recorded=None if ttft_ms is None else Recorded(ttft_ms=ttft_ms),
            attributes=_bounded(attributes),
        )
        return Call(step_id, self.ms(start_ns), took_ms, ttft_ms, step)

    def tool_call(
        self,
        step_id: str,
        name: str,
        start_ns: int,
        end_ns: int | None,
        arguments: bytes | str | None,
        attributes: dict[str, str | None],
    ) -> Lane:
        """A tool call, as a lane beside the model calls."""
        took_ms = self._took_ms(start_ns, end_ns)
        self._counts.tool_calls += 1
        request, is_left_out = tool_request(name, arguments)
        self._counts.drop("arguments of a tool call that are no JSON object of up to 64 KiB", is_left_out)
        step = Step(
            id=step_id,
            kind="tool",
            name=name[:LONGEST_TEXT] or "unnamed",
            took_ms=took_ms,
            request=request,
            attributes=_bounded(attributes),
        )
        start_ms = self.ms(start_ns)
        end_ms = None if took_ms is None else start_ms + took_ms
        return Lane([Call(step_id, start_ms, took_ms, payload=step)], RESOLUTION_MS, start_ms, end_ms)

    def _took_ms(self, start_ns: int, end_ns: int | None) -> float | None:
        is_known = end_ns is not None and end_ns >= start_ns
        self._counts.unknown_durations += not is_known
        return ms_between(start_ns, end_ns) if end_ns is not None and is_known else None


def imported_runs(
    format_name: str,
    paths: Sequence[Path],
    options: ImportOptions,
    units: int,
    load: Load,
    explained: Sequence[str] = (),
) -> ImportResult:
    """A trace of the runs in all units, in order of start. explained: what the format leaves open, for people.

    Raises TraceError where there is no call at all.
    """
    counts, tally = Counts(), Tally()
    starts: list[tuple[int, int]] = []
    for unit in range(units):
        run = load(unit, counts)
        if run is not None:
            first_ms = min(call.start_ms for call in infer_edges(run.lane, tally))
            starts.append((run.zero_ns + round(first_ms * 1e6), unit))
    if not starts:
        raise TraceError(f"{shown_path(paths[0])}: no model or tool calls.")
    counts.sessions = len(starts)
    starts.sort()
    arrivals = None if options.arrivals is None else parse_arrivals(options.arrivals)

    def sessions() -> Iterator[Session]:
        ids: set[str] = set()
        first_ns = starts[0][0]
        chosen = None if arrivals is None else arrivals.starts_ms(options.seed)
        for start_ns, unit in starts:
            run = load(unit, Counts())
            if run is not None:
                start_ms = ms_between(first_ns, start_ns) if chosen is None else next(chosen)
                yield Session(_unique(run.id, ids), start_ms, _steps(run.lane), _bounded(run.attributes))

    inferred: dict[str, Any] = {
        "format": format_name,
        "first_unix_ns": starts[0][0],
        "arrivals": options.arrivals or "recorded",
        **msgspec.to_builtins(counts),
        **msgspec.to_builtins(tally),
    }
    header = Header(
        format=FORMAT,
        version=VERSION,
        name=options.name or trace_name(paths),
        source=f"{format_name}: {counts.sessions} session(s)",
        resolution_ms=RESOLUTION_MS,
        attributes={"import": inferred},
    )
    return ImportResult(header, sessions, (*_notes(counts, tally, options), *explained))


def _steps(lane: Lane) -> list[Step]:
    calls = infer_edges(lane, Tally())
    zero_ms = calls[0].start_ms
    known = {call.id for call in calls if call.took_ms is not None}
    steps: list[Step] = []
    for call in calls:
        step: Step = call.payload
        step.after = _with_one_think_time(call.edges, known)
        step.at_ms = round(call.start_ms - zero_ms, 3)
        steps.append(step)
    return steps


def _with_one_think_time(edges: Sequence[Edge], known: set[str]) -> tuple[Edge, ...]:
    """The edges with the delay after the last end on all ends. known: the calls whose end was recorded.

    When every call takes what was recorded, the step is due when it was.
    """
    joined = [edge.delay_ms for edge in edges if edge.anchor == "end" and edge.step in known]
    if len(joined) < 2:
        return tuple(edges)
    think_ms = min(joined)
    return tuple(
        Edge(edge.step, edge.anchor, think_ms) if edge.anchor == "end" and edge.step in known else edge
        for edge in edges
    )


def _unique(name: str, ids: set[str]) -> str:
    name = name[:LONGEST_TEXT] or "session"
    unique, n = name, 1
    while unique in ids:
        n += 1
        unique = f"{name}~{n}"
    ids.add(unique)
    return unique


def _bounded(attributes: "dict[str, str | None] | dict[str, str]") -> dict[str, str]:
    return {key: value[:LONGEST_TEXT] for key, value in attributes.items() if value}


def _notes(counts: Counts, tally: Tally, options: ImportOptions) -> Iterator[str]:
    subagents = f", {counts.subagents} sub-agent(s)" if counts.subagents else ""
    yield (
        f"{counts.sessions} session(s): {counts.model_calls} model call(s), {counts.tool_calls} tool call(s)"
        f"{subagents}."
    )
    if options.arrivals is not None:
        seed = f", seed {options.seed}" if options.arrivals.startswith("poisson") else ""
        yield f"Sessions do not start as recorded, but by --arrivals {options.arrivals}{seed}."
    if counts.tool_calls:
        yield "How tools were called is not recorded: each call became a POST /tools/NAME."
    if tally.overlapping:
        yield f"{tally.overlapping} call(s) start while the model still answers, and follow its first byte or start."
    if counts.unknown_durations:
        yield f"{counts.unknown_durations} call(s) have no recorded end, so no duration."
    for what, n in counts.inferred.items():
        yield f"Inferred: {n} {what}."
    for what, n in counts.dropped.items():
        yield f"Dropped: {n} {what}."
