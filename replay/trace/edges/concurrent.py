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
from typing import NamedTuple

import msgspec

from replay.trace.types import Edge

MOST_JOINED = 32

UNKNOWN_US = -1
"""How long a call took that has no recorded end."""


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

    def include(self, other: "EdgeCounts") -> None:
        """Add what was counted of other requests."""
        self.followed += other.followed
        self.joins += other.joins
        self.overlapping += other.overlapping
        self.clamped += other.clamped
        self.most_clamped_us = max(self.most_clamped_us, other.most_clamped_us)


class Waits(NamedTuple):
    """What each call waited for, by its place. parents: the places of those that it follows, the first first.

    think_us: from the last known end of these to its start. walked_us: when a walk of the graph starts it.
    """

    parents: list[Sequence[int]]
    think_us: list[int]
    walked_us: list[int]


def concurrent_edges(calls: Sequence[Timed], resolution_us: int, counts: EdgeCounts) -> list[tuple[Edge, ...]]:
    """The edges of each call. calls: in order of start. resolution_us: at least 1."""
    if len(calls) == 1:  # most clients of a large log send one request
        return [()]
    starts_us = [call.start_us for call in calls]
    tooks_us = [UNKNOWN_US if call.took_us is None else call.took_us for call in calls]
    waits = concurrent_waits(starts_us, tooks_us, resolution_us, counts)
    edges: list[tuple[Edge, ...]] = []
    for start_us, parents, think_us in zip(starts_us, waits.parents, waits.think_us, strict=True):
        found: list[Edge] = []
        for n in parents:
            if tooks_us[n] == UNKNOWN_US:
                delay_us = start_us - waits.walked_us[n]
                found += (Edge(calls[n].id, "start", delay_us / 1_000), Edge(calls[n].id))
            else:
                found.append(Edge(calls[n].id, "end", think_us / 1_000))
        edges.append(tuple(found))
    return edges


def concurrent_waits(
    starts_us: Sequence[int], tooks_us: Sequence[int], resolution_us: int, counts: EdgeCounts
) -> Waits:
    """The same in numbers, for logs of millions of requests. starts_us: ascending. tooks_us: UNKNOWN_US where unknown.

    This runs for every request of a log. Most follow the one before them alone, which is told without the heap: it
    halves what a log takes here.
    """
    followed: list[Sequence[int]] = []
    thinks_us: list[int] = []
    walked_us: list[int] = []
    followed_before: list[int] = []  # by call: how many had ended when it started, so how many it waited for
    running: list[tuple[int, int]] = []  # heap of when a call counts as ended, and its place
    alone_us: int | None = None  # when the call before counts as ended, where nothing else runs
    # Those that nothing that ended follows: how many ended before, and their place.
    ended: deque[tuple[int, int]] = deque()
    n_ended = n_followed = joins = overlapping = 0
    for place, start_us in enumerate(starts_us):
        if alone_us is not None and alone_us <= start_us:
            ended.clear()
            ended.append((n_ended, place - 1))
            n_ended += 1
        else:
            if alone_us is not None:
                running.append((alone_us, place - 1))
            while running and running[0][0] <= start_us:
                _, n = heapq.heappop(running)
                while ended and ended[0][0] < followed_before[n]:
                    ended.popleft()
                ended.append((n_ended, n))
                n_ended += 1
            overlapping += bool(running)
        parents: Sequence[int]
        think_us, due_us = 0, start_us
        if len(ended) == 1:
            n = ended[0][1]
            parents = (n,)
            n_followed += 1
            took_us = tooks_us[n]
            if took_us == UNKNOWN_US:
                think_us = start_us
            else:
                due_us = walked_us[n] + took_us
                if due_us < start_us:
                    think_us, due_us = start_us - due_us, start_us
        elif ended:
            parents = sorted([n for _, n in (ended if len(ended) <= MOST_JOINED else _last(ended))])
            n_followed += 1
            joins += 1
            think_us, due_us = _joined(parents, start_us, tooks_us, walked_us)
        else:
            parents = ()
        if due_us > start_us:
            counts.clamped += 1
            counts.most_clamped_us = max(counts.most_clamped_us, due_us - start_us)
        followed.append(parents)
        thinks_us.append(think_us)
        took_us = tooks_us[place]
        counts_as_ended_us = (due_us + took_us if took_us > 0 else due_us) - resolution_us + 1
        if counts_as_ended_us < start_us + resolution_us:
            counts_as_ended_us = start_us + resolution_us
        if running:
            heapq.heappush(running, (counts_as_ended_us, place))
            alone_us = None
        else:
            alone_us = counts_as_ended_us
        walked_us.append(due_us)
        followed_before.append(n_ended)
    counts.followed += n_followed
    counts.joins += joins
    counts.overlapping += overlapping
    return Waits(followed, thinks_us, walked_us)


def _joined(
    parents: Sequence[int], start_us: int, tooks_us: Sequence[int], walked_us: Sequence[int]
) -> tuple[int, int]:
    """The think time behind several calls, and when they make the next one due."""
    latest_us: int | None = None  # the last known end
    is_any_unknown = False
    for n in parents:
        took_us = tooks_us[n]
        if took_us == UNKNOWN_US:
            is_any_unknown = True
        elif latest_us is None or walked_us[n] + took_us > latest_us:
            latest_us = walked_us[n] + took_us
    if latest_us is None:
        return max(0, start_us), start_us
    think_us = start_us - latest_us if latest_us < start_us else 0
    due_us = latest_us + think_us
    return think_us, start_us if is_any_unknown and due_us < start_us else due_us


def _last(ended: "deque[tuple[int, int]]") -> list[tuple[int, int]]:
    """Up to MOST_JOINED from the end, without a look at the others."""
    return [ended[-k] for k in range(1, min(len(ended), MOST_JOINED) + 1)]
