"""A run's clock, event loop and alarm in one virtual time: every look at the clock takes a microsecond."""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

US = 1_000
MS = 1_000_000
S = 1_000_000_000


class World:
    """Sleep takes until the alarm, and wake_late_ns longer; a turn of the loop takes four microseconds."""

    early_ns = 120_000

    def __init__(self, wake_late_ns: int = 60_000) -> None:
        self.now_ns = 0
        self._soon: deque[Callable[[], Any]] = deque()
        self._events: list[tuple[int, int, Callable[..., Any], tuple[Any, ...]]] = []
        self._numbers = count()
        self._alarm_ns: int | None = None
        self._wake: Callable[[], None] = lambda: None
        self._wake_late_ns = wake_late_ns

    def clock(self) -> int:
        self.now_ns += US
        return self.now_ns

    def call_soon(self, callback: Callable[[], Any]) -> None:
        self._soon.append(callback)

    def at(self, at_ns: int, callback: Callable[..., Any], *what: Any) -> None:
        """Something comes from outside at this instant, or as soon as the loop turns after it."""
        heappush(self._events, (at_ns, next(self._numbers), callback, what))

    def stall(self, at_ns: int, length_ns: int) -> None:
        """For so long nothing turns, from this instant on."""
        self.at(at_ns, lambda: setattr(self, "now_ns", self.now_ns + length_ns))

    def make_alarm(self, loop: Any, wake: Callable[[], None]) -> "World":
        self._wake = wake
        return self

    def set(self, at_ns: int) -> None:
        self._alarm_ns = at_ns

    def close(self) -> None:
        self._alarm_ns = None

    def run_until(self, end_ns: int, is_over: Callable[[], bool] = lambda: False) -> None:
        while self.now_ns < end_ns and not is_over():
            self.now_ns += 4 * US
            next_ns = self._events[0][0] if self._events else end_ns
            if self._events and next_ns <= self.now_ns:
                _, _, callback, what = heappop(self._events)
                callback(*what)
            elif self._soon:
                self._soon.popleft()()
            elif self._alarm_ns is not None and self._alarm_ns < next_ns:
                self.now_ns = max(self.now_ns, self._alarm_ns + self._wake_late_ns)
                self._alarm_ns = None
                self._wake()
            else:
                self.now_ns = max(self.now_ns, next_ns)
