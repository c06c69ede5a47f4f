"""Edges for calls of which only the times are known: who waited for whom, and for how long.

Pure. A lane is one agent: it makes its calls one after the other, and may spawn sub-agents, which are lanes of
their own, nested as deep as they come. What is inferred, in order of time:

- A call follows the call before it in its lane: `delay_ms` after its end. If that one was still running, the
  call follows its first byte, where that had come, or else its start; and the next call that starts after the
  overtaken one has ended waits for that end as well.
- A call whose duration is unknown (an aborted stream) is followed from its start, with the recorded delay,
  and from its end, with none: so the distance is kept, and nobody overtakes.
- A sub-agent's first call follows the call that spawned it: the last one of the parent's lane that started at
  or before the spawn.
- The parent's next call waits for the last calls of the sub-agents that had ended when it started, and overlaps
  the others. It then does not wait for the spawning call as such: the sub-agents do that for it.
- Recordings round their times. An end that lies after a start by less than the lane's resolution counts as
  before it; the delay is then 0, and the clamp is counted.

Delays are the residuals against a walk of the graph with the recorded durations, and so is what counts as
ended, so clamped edges do not add up: walked again, every step starts within the resolution of its recorded
start, and never before it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from replay.trace.types import Anchor, Edge


class Call(msgspec.Struct):
    """One recorded call. start_ms: from the session's start; took_ms and ttft_ms: None where unknown.

    edges and walked_ms (its start in the walk) are what inference adds.
    """

    id: str
    start_ms: float
    took_ms: float | None
    ttft_ms: float | None = None
    payload: Any = None
    edges: list[Edge] = []
    walked_ms: float = 0.0

    @property
    def end_ms(self) -> float:
        return self.start_ms + (self.took_ms or 0.0)

    @property
    def walked_end_ms(self) -> float:
        return self.walked_ms + (self.took_ms or 0.0)


class Lane(msgspec.Struct):
    """One agent. spawned_ms: None for the session's own agent. end_ms: recorded end, where known.

    resolution_ms: of the start times in this lane. entries need not be in order.
    """

    entries: "Sequence[Call | Lane]"
    resolution_ms: float
    spawned_ms: float | None = None
    end_ms: float | None = None


class Tally(msgspec.Struct):
    """How often each rule was applied."""

    clamped: int = 0
    overlapping: int = 0
    joins: int = 0
    overlapped_subagents: int = 0
    most_clamped_ms: float = 0.0

    def add(self, other: "Tally") -> None:
        """Add what another one counted."""
        self.clamped += other.clamped
        self.overlapping += other.overlapping
        self.joins += other.joins
        self.overlapped_subagents += other.overlapped_subagents
        self.most_clamped_ms = max(self.most_clamped_ms, other.most_clamped_ms)


class _Open(msgspec.Struct):
    """Calls whose end nobody waits for yet: one overtaken call, or what a sub-agent ended with.

    end_ms: the later of the end in the walk and the recorded one. resolution_ms: of the starts behind it.
    covers: the call that the sub-agent itself waited for to its end; None for an overtaken call.
    """

    tails: list[Call]
    end_ms: float
    resolution_ms: float
    is_subagent: bool = False
    covers: Call | None = None


def infer_edges(lane: Lane, tally: Tally) -> list[Call]:
    """All calls of the lane and the lanes in it, in order of start, with their edges set."""
    calls: list[Call] = []
    _walk(lane, None, lane.resolution_ms, calls, tally)
    calls.sort(key=lambda call: call.start_ms)
    return calls


def _order(entry: Call | Lane) -> tuple[float, bool]:
    """By time; at the same time calls come first, so that a call can spawn a sub-agent at once."""
    if isinstance(entry, Lane):
        return entry.spawned_ms or 0.0, True
    return entry.start_ms, False


def _walk(
    lane: Lane, spawner: Call | None, spawner_resolution_ms: float, calls: list[Call], tally: Tally
) -> list[_Open]:
    """Set the edges in one lane and append its calls; returns what is left open at its end."""
    previous: Call | None = None
    waiting: list[_Open] = []
    for entry in sorted(lane.entries, key=_order):
        source = previous or spawner
        if isinstance(entry, Lane):
            first = len(calls)
            left = _walk(entry, source, lane.resolution_ms, calls, tally)
            if left:
                tails = [tail for item in left for tail in item.tails]
                end_ms = max(entry.end_ms or 0.0, *(item.end_ms for item in left))
                item_resolution_ms = max(item.resolution_ms for item in left)
                waited = source is not None and any(
                    edge.step == source.id and edge.anchor == "end" for edge in calls[first].edges
                )
                waiting.append(_Open(tails, end_ms, item_resolution_ms, True, source if waited else None))
            continue
        resolution_ms = lane.resolution_ms if previous else max(lane.resolution_ms, spawner_resolution_ms)
        joined = [item for item in waiting if _has_ended(item, entry, resolution_ms)]
        waiting = [item for item in waiting if not _has_ended(item, entry, resolution_ms)]
        tally.joins += sum(item.is_subagent for item in joined)
        tally.overlapped_subagents += sum(item.is_subagent for item in waiting)
        due: list[tuple[Edge, float]] = []
        if source is not None:
            is_running = source.took_ms is not None and source.walked_end_ms - entry.start_ms >= resolution_ms
            if is_running:
                due.append(_alongside(source, entry))
                tally.overlapping += 1
                if source is previous:
                    waiting.append(_Open([source], source.walked_end_ms, resolution_ms))
            elif not any(item.covers is source for item in joined):
                due += _after(source, entry, tally)
        for item in joined:
            for tail in item.tails:
                due += _after(tail, entry, tally)
        entry.edges = [edge for edge, _ in due]
        entry.walked_ms = max((at_ms for _, at_ms in due), default=entry.start_ms)
        calls.append(entry)
        previous = entry
    if previous is not None:
        waiting.append(_Open([previous], previous.walked_end_ms, lane.resolution_ms))
    return waiting


def _has_ended(item: _Open, entry: Call, resolution_ms: float) -> bool:
    return item.end_ms - entry.start_ms < max(resolution_ms, item.resolution_ms)


def _edge(source: Call, anchor: Anchor, anchor_ms: float, entry: Call) -> tuple[Edge, float]:
    """The edge with the residual delay, to the nearest microsecond, and when it makes the entry due."""
    delay_ms = max(0.0, round(entry.start_ms - anchor_ms, 3))
    return Edge(source.id, anchor, delay_ms), anchor_ms + delay_ms


def _after(source: Call, entry: Call, tally: Tally) -> list[tuple[Edge, float]]:
    if source.took_ms is None:
        return [_edge(source, "start", source.walked_ms, entry), (Edge(source.id), source.walked_ms)]
    late_ms = source.walked_end_ms - entry.start_ms
    if late_ms > 0.0005:  # half a microsecond: beyond what rounding delays can leave
        tally.clamped += 1
        tally.most_clamped_ms = max(tally.most_clamped_ms, late_ms)
    return [_edge(source, "end", source.walked_end_ms, entry)]


def _alongside(source: Call, entry: Call) -> tuple[Edge, float]:
    if source.ttft_ms is not None and source.walked_ms + source.ttft_ms <= entry.start_ms:
        return _edge(source, "first_byte", source.walked_ms + source.ttft_ms, entry)
    return _edge(source, "start", source.walked_ms, entry)
