"""When each step of a session would be sent and answered, and what that comes to: rates, and requests at once.

The same walker and the same knobs as in a run. A step is taken to last as long as it did in the recording,
whatever the speed, since a target does not answer faster because it is asked faster.
"""

from array import array
from collections import Counter
from heapq import heappop, heappush

import numpy as np

from replay.engine.walker import Pace, Walk, recorded_anchor_ms
from replay.results.forecast_types import ForecastSteps
from replay.results.rates import peak_in_flight
from replay.trace.types import Session, Step

# Of a trace of decades, slowed down: what an array holds.
_LAST_NS = (1 << 63) - 1
_NS = 1_000_000_000
_STARTED, _FIRST_BYTE, _ENDED = 0, 1, 2


class Timetable:
    """Requests by the time that they are sent at, in ns since the run's start, and by step."""

    def __init__(self) -> None:
        self._sent_ns, self._end_ns = array("q"), array("q")
        self._by_second: Counter[int] = Counter()
        self._by_step: Counter[tuple[str, str]] = Counter()

    def __repr__(self) -> str:
        return f"<Timetable of {self.requests} requests>"

    def add(self, step: Step, due_ns: int, end_ns: int) -> None:
        """A request that would be sent when it is due, and answered at its end."""
        self._sent_ns.append(min(due_ns, _LAST_NS))
        self._end_ns.append(min(end_ns, _LAST_NS))
        self._by_second[due_ns // _NS] += 1
        self._by_step[step.kind, step.name] += 1

    @property
    def requests(self) -> int:
        """How many there are."""
        return len(self._sent_ns)

    @property
    def peak_rps(self) -> float | None:
        """Requests in the busiest second; None without any."""
        return float(max(self._by_second.values())) if self._by_second else None

    @property
    def wall_s(self) -> float:
        """Time until the last answer."""
        return round(max(self._end_ns, default=0) / _NS, 3)

    def most_at_once(self) -> int:
        """The most requests in flight at one time."""
        return peak_in_flight(np.frombuffer(self._sent_ns, np.int64), np.frombuffer(self._end_ns, np.int64))

    def by_step(self) -> list[ForecastSteps]:
        """How many of each kind and name, the most frequent first."""
        return [ForecastSteps(kind, name, n) for (kind, name), n in self._by_step.most_common()]


def foreseen_steps(
    session: Session, pace: Pace, start_ns: int, is_recorded: bool
) -> list[tuple[Step, int, int]]:
    """Each step with its due time and its end, in ns, had the target answered as recorded."""
    steps = list(session.steps)
    walk = Walk(session, pace, start_ns, is_recorded)
    events: list[tuple[int, int, int]] = []
    for i, due_ns in walk.begin():
        heappush(events, (due_ns, _STARTED, i))
    foreseen: list[tuple[Step, int, int]] = []
    while events:
        at_ns, event, i = heappop(events)
        step = steps[i]
        if event == _STARTED:
            if step.is_wait:
                end_ns = at_ns + pace.offset_ns(step.took_ms or 0.0)
            else:
                end_ns = at_ns + int((step.took_ms or 0.0) * 1e6)
            foreseen.append((step, at_ns, end_ns))
            released = walk.started(i, at_ns)
            first_byte_ns = min(end_ns, at_ns + int(recorded_anchor_ms(step, "first_byte") * 1e6))
            heappush(events, (first_byte_ns, _FIRST_BYTE, i))
            heappush(events, (end_ns, _ENDED, i))
        elif event == _FIRST_BYTE:
            released = walk.first_byte(i, at_ns)
        else:
            released = walk.ended(i, at_ns)
        for child, due_ns in released:
            heappush(events, (due_ns, _STARTED, child))
    return foreseen


def recorded_span_ms(session: Session) -> float:
    """From the session's start to the end of its last step, as recorded."""
    return max((step.at_ms + (step.took_ms or 0.0) for step in session.steps), default=0.0)
