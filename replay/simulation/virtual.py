"""Virtual time: callbacks in the order of their instants, with nothing between them but the next one."""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class VirtualTime:
    """A clock, the turns of a loop, and an alarm, for one thread that never waits. now_ns: where it stands."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._soon: deque[Callable[[], Any]] = deque()
        self._heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._sequence = 0
        self._alarm: VirtualAlarm | None = None

    def __repr__(self) -> str:
        return f"<VirtualTime at {self.now_ns / 1e9:.3f} s, {len(self._heap)} ahead>"

    def now(self) -> int:
        return self.now_ns

    def call_soon(self, callback: Callable[[], Any]) -> None:
        self._soon.append(callback)

    def at(self, at_ns: int, callback: Callable[[Any], None], what: Any) -> None:
        """Call callback(what) at this instant; calls of one instant come in the order in which they were asked for."""
        self._sequence += 1
        heappush(self._heap, (at_ns, self._sequence, callback, what))

    def make_alarm(self, loop: Any, wake: Callable[[], None]) -> "VirtualAlarm":
        self._alarm = VirtualAlarm(wake)
        return self._alarm

    def run_until(self, is_over: Callable[[], bool]) -> None:
        """Go on until it is over; raises RuntimeError if nothing is left that could end it."""
        soon, heap = self._soon, self._heap
        while not is_over():
            if soon:
                soon.popleft()()
                continue
            alarm = self._alarm
            alarm_ns = alarm.at_ns if alarm is not None else 0
            if heap and (not alarm_ns or heap[0][0] <= alarm_ns):
                at_ns, _, callback, what = heappop(heap)
                self.now_ns = max(self.now_ns, at_ns)
                callback(what)
            elif alarm_ns and alarm is not None:
                self.now_ns = max(self.now_ns, alarm_ns)
                alarm.at_ns = 0
                alarm.wake()
            else:
                raise RuntimeError("virtual time has nothing left to do")


class VirtualAlarm:
    """An alarm that is never early nor late. at_ns: 0 where it is not set."""

    early_ns = 0

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.at_ns = 0

    def set(self, at_ns: int) -> None:
        self.at_ns = at_ns

    def close(self) -> None:
        self.at_ns = 0
