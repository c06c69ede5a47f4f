"""The work of one instance's requests: who ends when, as they share its processors. Pure, on any clock.

A job is an amount of work, in ns of one vCPU. With "processor" sharing every job under way gets the same share,
min(1, vcpu / jobs) of a vCPU: one job never runs on two. With "slots" every job gets a vCPU of its own, whatever
else is under way: a request that waits for someone else's service rather than for this instance's CPU.

Since all jobs run at one rate, each has ended when the work that a job could have had since the beginning
reaches a mark that is known when it is added (the virtual time of Parekh and Gallager, A generalized processor
sharing approach to flow control, IEEE/ACM Transactions on Networking 1993). So a job costs O(log n), not O(n).
"""

import heapq
import math
from collections.abc import Hashable
from typing import Generic, TypeVar

from replay.planes.types import Sharing

Job = TypeVar("Job", bound=Hashable)

# Marks are floats: what is nearer than this is the same instant. A busy period's marks are exact to less than
# this for 2^52 ns, 52 days.
_SAME_NS = 0.5


class SharedWork(Generic[Job]):
    """The jobs of one instance. Instants must not go backwards from one call to the next."""

    def __init__(self, vcpu: float = 1.0, sharing: Sharing = "processor") -> None:
        if not vcpu > 0:
            raise ValueError(f"vcpu must be above 0, not {vcpu:g}")
        self._vcpu = vcpu
        self._is_shared = sharing == "processor"
        self._marks: dict[Job, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Job]] = []
        self._ended: list[tuple[Job, int]] = []
        self._order = 0
        self._reached = 0.0  # work that each job could have had since the busy period began
        self._origin_ns = 0  # when that was
        self._at_ns = 0.0  # from the origin to the latest instant that is accounted for

    def __repr__(self) -> str:
        return f"<SharedWork {len(self._marks)} jobs on {self._vcpu:g} vCPU>"

    def __len__(self) -> int:
        """Jobs under way."""
        return len(self._marks)

    @property
    def vcpu(self) -> float:
        return self._vcpu

    @property
    def rate(self) -> float:
        """What part of a vCPU each job gets now."""
        if not self._is_shared:
            return 1.0 if self._vcpu else 0.0
        return min(1.0, self._vcpu / max(1, len(self._marks)))

    def set_vcpu(self, vcpu: float, now_ns: int) -> None:
        """Go on with so many vCPUs; with 0 every job stands still, with "slots" too."""
        if not vcpu >= 0:
            raise ValueError(f"vcpu must not be negative, not {vcpu:g}")
        self._advance(now_ns)
        self._vcpu = vcpu

    def add(self, job: Job, work_ns: float, now_ns: int) -> None:
        """Begin a job. Raises ValueError if it is under way, or its work is negative."""
        self._advance(now_ns)
        if job in self._marks:
            raise ValueError(f"job {job!r} is under way already")
        if not work_ns >= 0:
            raise ValueError(f"work_ns must not be negative, not {work_ns}")
        if not self._marks:
            self._origin_ns, self._at_ns, self._reached = now_ns, 0.0, 0.0
            self._heap.clear()
        self._order += 1
        mark = self._reached + work_ns
        self._marks[job] = mark, self._order
        heapq.heappush(self._heap, (mark, self._order, job))

    def leave(self, job: Job, now_ns: int) -> bool:
        """Give a job up; returns whether it was there, under way or ended and not yet taken out."""
        self._advance(now_ns)
        left = [ended for ended in self._ended if ended[0] != job]
        was_there = self._marks.pop(job, None) is not None or len(left) < len(self._ended)
        self._ended = left
        return was_there

    def next_end_ns(self) -> int | None:
        """The instant, rounded up, at which the next job ends if nothing else happens; None: there is none."""
        if self._ended:
            return self._ended[0][1]
        end = self._next_end()
        return None if end is None else self._origin_ns + math.ceil(end)

    def finished(self, now_ns: int) -> list[Job]:
        """Take out the jobs that have ended by now, in the order of their ends."""
        self._advance(now_ns)
        ended, self._ended = self._ended, []
        return [job for job, _ in ended]

    def _next_end(self) -> float | None:
        """When the next job ends, from the origin."""
        heap, marks = self._heap, self._marks
        while heap and marks.get(heap[0][2]) != heap[0][:2]:
            heapq.heappop(heap)
        if not heap or not self.rate:
            return None
        return self._at_ns + max(0.0, heap[0][0] - self._reached) / self.rate

    def _advance(self, now_ns: int) -> None:
        """Account for the time until now: a job that ends on the way leaves more for the others."""
        now = float(now_ns - self._origin_ns)
        while (end := self._next_end()) is not None and end <= now + _SAME_NS:
            # An end within the same instant is that instant, so time stays in order.
            self._reached = max(self._reached, self._heap[0][0])
            self._at_ns = max(self._at_ns, end)
            _, _, job = heapq.heappop(self._heap)
            del self._marks[job]
            self._ended.append((job, min(self._origin_ns + math.ceil(end), now_ns)))
        if now > self._at_ns:
            self._reached += (now - self._at_ns) * self.rate
            self._at_ns = now
