"""Edges for requests of one client that may overlap, of which only the times are known: who waited for whom.

Pure. What is inferred, in order of the starts:

- A request follows those that had ended when it started, except those that another one of these follows. So it
  joins what ran side by side, and what ran side by side does not follow one another. From the last of these ends
  to its start is think time, which stands on all of these edges.
- A request that follows none begins by itself, at its recorded time.
- Requests that start within the recording's resolution of one another are siblings: no clock could tell that one
  waited for the other, so none does.
- A request of unknown duration is followed from its start, with the recorded delay, and from its end, with none.
- A request follows the 32 that ended last, where there are more. The others it is taken to have waited for too.

Recordings round their times. An end that lies after a start by less than the resolution counts as before it; the
delay is then 0, and counted as clamped. Delays are the residuals against a walk of the graph with the recorded
durations, so that clamped edges do not add up: walked again, every request starts within the resolution of its
recorded start, and never before it.
"""

import heapq
from collections import deque
from collections.abc import Sequence

import msgspec

from replay.trace.types import Edge

MOST_JOINED = 32


class Timed(msgspec.Struct, frozen=True, gc=False):
    """When one request began and how long it took. took_us: None where unknown."""

    id: str
    start_us: int
    took_us: int | None


class EdgeCounts(msgspec.Struct):
    """How often each rule was applied. overlapping: requests that began while another one ran, or within the
    resolution of its start."""

    followed: int = 0
    joins: int = 0
    overlapping: int = 0
    clamped: int = 0
    most_clamped_us: int = 0


def concurrent_edges(calls: Sequence[Timed], resolution_us: int, counts: EdgeCounts) -> list[tuple[Edge, ...]]:
    """The edges of each call. calls: in order of start. resolution_us: at least 1."""
    if len(calls) == 1:  # most clients of a large log send one request
        return [()]
    edges: list[tuple[Edge, ...]] = []
    walked_us: list[int] = []
    followed_before: list[int] = []  # by call: how many had ended when it started, so how many it waited for
    running: list[tuple[int, int]] = []  # heap of when a call counts as ended, and its number
    ended: deque[tuple[int, int]] = (
        deque()
    )  # those that nothing that ended follows: how many ended before, number
    n_ended = 0
    for call in calls:
        while running and running[0][0] <= call.start_us:
            _, n = heapq.heappop(running)
            while ended and ended[0][0] < followed_before[n]:
                ended.popleft()
            ended.append((n_ended, n))
            n_ended += 1
        parents = sorted(n for _, n in _last(ended)) if ended else []
        found, at_us = _edges(call, parents, calls, walked_us, counts)
        counts.followed += bool(parents)
        counts.joins += len(parents) > 1
        counts.overlapping += bool(running)
        edges.append(found)
        end_us = at_us + (call.took_us or 0)
        counts_as_ended_us = max(end_us - resolution_us + 1, call.start_us + resolution_us)
        heapq.heappush(running, (counts_as_ended_us, len(walked_us)))
        walked_us.append(at_us)
        followed_before.append(n_ended)
    return edges


def _edges(
    call: Timed, parents: Sequence[int], calls: Sequence[Timed], walked_us: Sequence[int], counts: EdgeCounts
) -> tuple[tuple[Edge, ...], int]:
    """The edges from these calls, and when they make the call due."""
    if not parents:
        return (), call.start_us
    last_us = max(
        (walked_us[n] + (calls[n].took_us or 0) for n in parents if calls[n].took_us is not None), default=0
    )
    think_us = max(0, call.start_us - last_us)
    found: list[Edge] = []
    due_us = 0
    for n in parents:
        parent = calls[n]
        if parent.took_us is None:
            delay_us = call.start_us - walked_us[n]
            found += (Edge(parent.id, "start", delay_us / 1_000), Edge(parent.id))
            due_us = max(due_us, walked_us[n] + delay_us)
        else:
            found.append(Edge(parent.id, "end", think_us / 1_000))
            due_us = max(due_us, walked_us[n] + parent.took_us + think_us)
    if due_us > call.start_us:
        counts.clamped += 1
        counts.most_clamped_us = max(counts.most_clamped_us, due_us - call.start_us)
    return tuple(found), due_us


def _last(ended: "deque[tuple[int, int]]") -> list[tuple[int, int]]:
    """Up to MOST_JOINED from the end, without a look at the others."""
    return [ended[-k] for k in range(1, min(len(ended), MOST_JOINED) + 1)]
