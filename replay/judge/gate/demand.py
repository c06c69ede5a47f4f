"""What a run asked of its target in some seconds of it, so that a pause of the trace is no rate of the target. Pure."""

from collections import deque
from typing import NamedTuple

_NS = 1_000_000_000
# A target that was busy for less of the time than this answered what there was to answer.
_BUSY_RATIO = 0.5


class _Look(NamedTuple):
    at_ns: int
    sent: int
    in_flight: int


class Demand:
    """Told now and then how many requests of the steps that a rule is of were sent so far, and how many are in flight.

    longest_s: how far back it is asked. late_s: how old that may be when it is told, as of workers.
    """

    def __init__(self, longest_s: float, late_s: float = 0.0) -> None:
        self._late_s = late_s
        self._longest_ns = int(longest_s * _NS)
        self._looks: deque[_Look] = deque()

    def __repr__(self) -> str:
        return f"<Demand of {len(self._looks)} looks>"

    def look(self, at_ns: int, sent: int, in_flight: int) -> None:
        """at_ns: of any clock that only goes on."""
        self._looks.append(_Look(at_ns, sent, in_flight))
        while self._looks[0].at_ns < at_ns - self._longest_ns:
            self._looks.popleft()

    def explains(self, rate_rps: float, window_s: float, until_ns: int) -> bool:
        """Whether the target answered fewer a second than this, in so many seconds until then, because it was asked for
        no more: fewer were sent or in flight, and most of the time none was.
        """
        # What is told late may be of before the window; a part of it is left in any case.
        late_s = min(self._late_s, window_s / 2)
        from_ns = until_ns - int((window_s - late_s) * _NS)
        looks = [look for look in self._looks if from_ns <= look.at_ns <= until_ns]
        if not looks:
            return False
        asked = looks[-1].sent - looks[0].sent + looks[0].in_flight
        busy = sum(look.in_flight > 0 for look in looks) / len(looks)
        return asked / window_s < rate_rps and busy < _BUSY_RATIO
