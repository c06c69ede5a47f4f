"""What importers of agents' logs have in common: model calls and the tools that they call, made into sessions.

An agent is a lane of model calls, one after the other. Each of its tool calls is a lane of its own beside them,
as a sub-agent is, and so replay/trace/edges/inference.py gives the edges: a tool that starts while the model
still streams follows the model's first byte, or else its start; one that starts later follows its end. The next
model call waits for the tools that had ended when it started, and then thinks for as long as after the last one,
whichever is the last: the time that an early result lay waiting for a later one is no think time.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from replay.assembly.call_steps import model_step, tool_step
from replay.assembly.recorded_sessions import Counts, RecordedSession, imported_sessions
from replay.assembly.types import ImportOptions, ImportResult
from replay.reading.timestamps import ms_between
from replay.trace.edges.inference import Call, Lane, infer_edges
from replay.trace.types import Edge, LlmCall, Step

RESOLUTION_MS = 1.0


class Run(msgspec.Struct):
    """One agent's session as it was logged. zero_ns: the Unix time that the times in the lane count from."""

    id: str
    zero_ns: int
    lane: Lane
    attributes: dict[str, str] = {}


# The run in the unit of this number (a file, a session), adding to the counts; None where it has no calls.
LoadRun = Callable[[int, Counts], Run | None]


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
        step = model_step(name, start_ns, end_ns, first_byte_ns, llm, attributes)
        return self._call(step_id, start_ns, step)

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
        step, is_left_out = tool_step(name, start_ns, end_ns, arguments, attributes)
        self._counts.drop("arguments of a tool call that are not a JSON object of up to 64 KiB", is_left_out)
        call = self._call(step_id, start_ns, step)
        return Lane([call], RESOLUTION_MS, call.start_ms, None if call.took_ms is None else call.end_ms)

    def _call(self, step_id: str, start_ns: int, step: Step) -> Call:
        step.id = step_id
        self._counts.add(step)
        ttft_ms = None if step.recorded is None else step.recorded.ttft_ms
        return Call(step_id, self.ms(start_ns), step.took_ms, ttft_ms, step)


def imported_runs(
    format_name: str,
    paths: Sequence[Path],
    options: ImportOptions,
    units: int,
    load_run: LoadRun,
    explained: Sequence[str] = (),
    counted: Counts | None = None,
) -> ImportResult:
    """A trace of the runs in all units. counted: while they were found. Raises TraceError where there is no call."""

    def load(unit: int, counts: Counts) -> RecordedSession | None:
        run = load_run(unit, counts)
        if run is None:
            return None
        calls = infer_edges(run.lane, counts.tally)
        start_ns = run.zero_ns + round(calls[0].start_ms * 1e6)
        return RecordedSession(run.id, start_ns, _steps(calls), run.attributes)

    return imported_sessions(
        format_name, paths, options, units, load, RESOLUTION_MS, explained, counted=counted
    )


def _steps(calls: Sequence[Call]) -> list[Step]:
    known = {call.id for call in calls if call.took_ms is not None}
    steps: list[Step] = []
    for call in calls:
        step: Step = call.payload
        step.after = _with_one_think_time(call.edges, known)
        step.at_ms = round(call.start_ms - calls[0].start_ms, 3)
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
