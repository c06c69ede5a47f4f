"""A plane under a virtual clock: arrivals, boots and services from lists and functions, everything recorded."""

import heapq
from collections.abc import Callable, Iterable

from replay.planes.core.plane import Plane
from replay.planes.core.types import (
    Boot,
    Decision,
    Drain,
    Lose,
    PlaneSpec,
    Refuse,
    RequestId,
    Start,
    Stop,
    TimeOut,
)

SECOND_NS = 1_000_000_000


class Simulation:
    """Drives a Plane by events alone. Times are seconds here; service_s and boot_s are asked at each start.

    clients: a closed loop; each sends its next request when the one before has ended.
    """

    def __init__(
        self,
        spec: PlaneSpec,
        *,
        arrivals_s: Iterable[float] = (),
        clients: int = 0,
        service_s: Callable[[Start], float] = lambda start: 1.0,
        boot_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.plane = Plane(spec)
        self._arrivals = iter(arrivals_s)
        self._closed = clients > 0
        self._service_s = service_s
        self._boot_s = boot_s
        self._heap: list[tuple[int, int, Callable[[int], list[Decision]]]] = []
        self._events = 0
        self._requests = 0
        self.now_ns = 0
        self.starts: list[Start] = []
        self.refused: list[Refuse] = []
        self.timed_out: list[TimeOut] = []
        self.lost: list[Lose] = []
        self.drained: list[Drain] = []
        self.boots_s: list[float] = []
        self.stops_s: list[float] = []
        self._carry_out(self.plane.start(0))
        for _ in range(clients):
            self._at(0, self._arrive)
        self._next_arrival()

    def run(self, until_s: float) -> "Simulation":
        """Go on until all that happens by until_s has happened."""
        until_ns = round(until_s * SECOND_NS)
        plane, heap = self.plane, self._heap
        while True:
            event_ns = heap[0][0] if heap else until_ns + 1
            wake_ns = plane.next_wake_ns
            if wake_ns is not None and wake_ns < event_ns:
                if wake_ns > until_ns:
                    break
                self.now_ns = wake_ns
                self._carry_out(plane.tick(wake_ns))
            elif event_ns <= until_ns:
                self.now_ns, _, event = heapq.heappop(heap)
                self._carry_out(event(self.now_ns))
            else:
                break
        self.now_ns = until_ns
        return self

    def arrive(self, at_s: float) -> None:
        """Let one more request come."""
        self._at(round(at_s * SECOND_NS), self._arrive)

    def deploy(self, at_s: float) -> None:
        """Let every instance of then be replaced."""
        self._at(round(at_s * SECOND_NS), self.plane.deploy)

    @property
    def instances(self) -> int:
        """Instances that boot or take requests."""
        census = self.plane.census()
        return census.booting + census.idle + census.busy

    def _at(self, at_ns: int, event: Callable[[int], list[Decision]]) -> None:
        self._events += 1
        heapq.heappush(self._heap, (at_ns, self._events, event))

    def _next_arrival(self) -> None:
        at_s = next(self._arrivals, None)
        if at_s is not None:
            self._at(round(at_s * SECOND_NS), self._arrive_and_go_on)

    def _arrive_and_go_on(self, at_ns: int) -> list[Decision]:
        self._next_arrival()
        return self._arrive(at_ns)

    def _arrive(self, at_ns: int) -> list[Decision]:
        self._requests += 1
        return self.plane.request_arrived(self._requests, at_ns)

    def _end(self, request: RequestId, at_ns: int) -> list[Decision]:
        decisions = self.plane.request_ended(request, at_ns)
        if self._closed:
            decisions += self._arrive(at_ns)
        return decisions

    def _carry_out(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Boot(instance=instance):
                    self.boots_s.append(self.now_ns / SECOND_NS)
                    ready_ns = self.now_ns + round(self._boot_s() * SECOND_NS)
                    self._at(ready_ns, lambda at_ns, i=instance: self.plane.instance_ready(i, at_ns))
                case Start(request=request):
                    self.starts.append(decision)
                    end_ns = self.now_ns + round(self._service_s(decision) * SECOND_NS)
                    self._at(end_ns, lambda at_ns, r=request: self._end(r, at_ns))
                case Refuse():
                    self.refused.append(decision)
                case TimeOut():
                    self.timed_out.append(decision)
                case Lose():
                    self.lost.append(decision)
                case Drain():
                    self.drained.append(decision)
                case Stop():
                    self.stops_s.append(self.now_ns / SECOND_NS)
