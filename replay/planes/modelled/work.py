"""The work of one instance's requests: who ends when, as they share its processors. Pure, on any clock.

A job is a time, in ns: how long it takes with all the CPU that it can use. What it can use is its share of a vCPU,
1 at most, for one job never runs on two; the rest of its time it waits for somebody else, in between. With "processor"
sharing the vCPUs are divided max-min fairly: where all shares together are no more than there is, every job has its
own; else each has min(share, level), with the level at which nothing is left. So a job that mostly waits is slowed only
once the others leave it less than the little that it needs. With "slots" every job has what it can use, whatever else
is under way: a request that waits for someone else's service rather than for this instance's CPU.

Since all jobs of one share run at one rate, each has ended when the time that such a job could have had since the
beginning reaches a mark that is known when it is added (the virtual time of Parekh and Gallager, A generalized
processor sharing approach to flow control, IEEE/ACM Transactions on Networking 1993; there is one for each share). So a
job costs O(log n) and the number of different shares, not O(n).
"""

import heapq
import math
from collections.abc import Hashable
from typing import Generic, TypeVar

from replay.planes.modelled.types import Sharing
from replay.words.numbers import exact

Job = TypeVar("Job", bound=Hashable)

# Marks are floats: what is nearer than this is the same instant. A busy period's marks are exact to less than
# this for 2^52 ns, 52 days.
_SAME_NS = 0.5


class _Alike(Generic[Job]):
    """The jobs of one share. reached: the time that each could have had since the busy period began. rate: how fast
    that grows, 1 where they have all that they can use.
    """

    __slots__ = ("heap", "jobs", "rate", "reached", "share")

    def __init__(self, share: float) -> None:
        self.share = share
        self.heap: list[tuple[float, int, Job]] = []
        self.jobs = 0
        self.reached = 0.0
        self.rate = 1.0


class SharedWork(Generic[Job]):
    """The jobs of one instance. Instants must not go backwards from one call to the next."""

    def __init__(self, vcpu: float = 1.0, sharing: Sharing = "processor") -> None:
        if not vcpu > 0:
            raise ValueError(f"vcpu must be above 0, not {exact(vcpu)}")
        self._vcpu = vcpu
        self._is_shared = sharing == "processor"
        self._marks: dict[Job, tuple[float, int, _Alike[Job]]] = {}
        self._alike: dict[float, _Alike[Job]] = {}  # by share, the smallest first
        self._ended: list[tuple[Job, int]] = []
        self._order = 0
        self._origin_ns = 0  # when the busy period began
        self._at_ns = 0.0  # from the origin to the latest instant that is accounted for
        self._used = 0.0

    def __repr__(self) -> str:
        return f"<SharedWork {len(self._marks)} jobs on {self._vcpu:g} vCPU>"

    def __len__(self) -> int:
        """Jobs under way."""
        return len(self._marks)

    @property
    def vcpu(self) -> float:
        return self._vcpu

    @property
    def used(self) -> float:
        """How many vCPUs the jobs use together, as of the latest call; with "slots" it does not matter, and is 0."""
        return self._used

    def set_vcpu(self, vcpu: float, now_ns: int) -> None:
        """Go on with so many vCPUs; with 0 every job stands still, with "slots" too."""
        if not vcpu >= 0:
            raise ValueError(f"vcpu must not be negative, not {exact(vcpu)}")
        self._advance(now_ns)
        self._vcpu = vcpu
        self._divide()

    def add(self, job: Job, time_ns: float, now_ns: int, share: float = 1.0) -> None:
        """Begin a job. Raises ValueError if it is under way, its time is negative, or its share is not in (0, 1]."""
        self._advance(now_ns)
        if job in self._marks:
            raise ValueError(f"job {job!r} is under way already")
        if not time_ns >= 0:
            raise ValueError(f"time_ns must not be negative, not {time_ns}")
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {exact(share)}")
        if not self._marks:
            self._origin_ns, self._at_ns = now_ns, 0.0
            self._alike.clear()
        alike = self._alike.get(share)
        if alike is None:
            alike = _Alike(share)
            self._alike = dict(sorted([*self._alike.items(), (share, alike)]))
        self._order += 1
        mark = alike.reached + time_ns
        self._marks[job] = mark, self._order, alike
        heapq.heappush(alike.heap, (mark, self._order, job))
        alike.jobs += 1
        self._divide()

    def leave(self, job: Job, now_ns: int) -> bool:
        """Give a job up; returns whether it was there, under way or ended and not yet taken out."""
        self._advance(now_ns)
        left = [ended for ended in self._ended if ended[0] != job]
        was_there = len(left) < len(self._ended)
        self._ended = left
        if (mark := self._marks.pop(job, None)) is not None:
            mark[2].jobs -= 1
            self._divide()
            was_there = True
        return was_there

    def next_end_ns(self) -> int | None:
        """The instant, rounded up, at which the next job ends if nothing else happens; None: there is none."""
        if self._ended:
            return self._ended[0][1]
        alike, end = self._next_end()
        return None if alike is None else self._origin_ns + math.ceil(end)

    def finished(self, now_ns: int) -> list[Job]:
        """Take out the jobs that have ended by now, in the order of their ends."""
        self._advance(now_ns)
        ended, self._ended = self._ended, []
        return [job for job, _ in ended]

    def _divide(self) -> None:
        """Give every share its rate, the smallest first: all that it can use, or a fair part of what is left."""
        if not self._is_shared:
            for alike in self._alike.values():
                alike.rate = 1.0 if self._vcpu else 0.0
            return
        left, jobs = self._vcpu, len(self._marks)
        for alike in self._alike.values():
            if not alike.jobs:
                continue
            alike.rate = min(1.0, left / jobs / alike.share)
            left -= alike.jobs * alike.share * alike.rate
            jobs -= alike.jobs
        self._used = self._vcpu - left if self._marks else 0.0

    def _next_end(self) -> tuple[_Alike[Job] | None, float]:
        """Whose job ends next, and when, from the origin."""
        first, first_end, first_order = None, 0.0, 0
        for alike in self._alike.values():
            heap, marks = alike.heap, self._marks
            while heap and ((mark := marks.get(heap[0][2])) is None or mark[1] != heap[0][1]):
                heapq.heappop(heap)
            if not heap or not alike.rate:
                continue
            end = self._at_ns + max(0.0, heap[0][0] - alike.reached) / alike.rate
            if first is None or end < first_end or (end == first_end and heap[0][1] < first_order):
                first, first_end, first_order = alike, end, heap[0][1]
        return first, first_end

    def _advance(self, now_ns: int) -> None:
        """Account for the time until now: a job that ends on the way leaves more for the others."""
        now = float(now_ns - self._origin_ns)
        while True:
            alike, end = self._next_end()
            if alike is None or end > now + _SAME_NS:
                break
            # An end within the same instant is that instant, so time stays in order.
            self._pass(end)
            alike.reached = max(alike.reached, alike.heap[0][0])
            _, _, job = heapq.heappop(alike.heap)
            del self._marks[job]
            alike.jobs -= 1
            self._divide()
            self._ended.append((job, min(self._origin_ns + math.ceil(end), now_ns)))
        self._pass(now)

    def _pass(self, at_ns: float) -> None:
        """Let time pass in which nobody comes or goes."""
        passed = at_ns - self._at_ns
        if passed > 0:
            for alike in self._alike.values():
                alike.reached += passed * alike.rate
            self._at_ns = at_ns
