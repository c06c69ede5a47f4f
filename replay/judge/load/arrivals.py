"""How the load of a trace is spread over its time: where it is densest, and what a part of it comes to.

A level of load is short beside most traces, and what it plays of one decides what it shows. Played from the beginning,
a trace whose first hour is a night's has levels that reach its morning only at loads at which that comes all at once.
So where load varies beyond chance, levels begin where their length of the trace has the most requests: what holds there
holds in all the rest.

Chance is what sessions have that come independently of one another (a Poisson process): the requests of so many of
them, X each, have the variance n E[X^2] (Ross, Introduction to Probability Models, compound Poisson processes). The
densest and the sparsest window of each of several lengths are held to that, Bonferroni over windows and lengths. Pure.
"""

from math import log
from typing import Self

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

# The largest of n standard normals is above the square root of twice the log of n / _CHANCE with less than _CHANCE.
_CHANCE = 0.001
# Fewer sessions in a window of the mean load show nothing; of less variation than this nobody need be told.
_FEWEST = 40
_VARIES = 1.2


class Arrivals:
    """The sessions of a trace that is played over and over, and their requests, at the pace of the recording.

    starts_s: when each begins, ascending. requests: how many each sends. gap_s: from the last to the first of the next
    lap.
    """

    def __init__(self, starts_s: _Floats, requests: _Floats, gap_s: float) -> None:
        self._starts_s, self._requests = starts_s, requests
        self._sums = np.concatenate(([0.0], np.cumsum(requests)))
        self.period_s = float(starts_s[-1] - starts_s[0]) + gap_s
        self.mean_rps = float(self._sums[-1]) / self.period_s
        self.varies = self._is_uneven()
        """Whether its load varies beyond chance, and by so much that it matters where a level begins."""
        self._densest: dict[float, int] = {}

    def __repr__(self) -> str:
        return f"<Arrivals of {len(self._starts_s)} sessions, {self.mean_rps:.4g} requests a second>"

    @classmethod
    def of(cls, starts_ms: list[float], requests: list[int], gap_ms: float) -> Self:
        return cls(np.array(starts_ms) / 1000, np.array(requests, np.float64), gap_ms / 1000)

    def densest(self, length_s: float) -> int:
        """The session from which on so much of the trace has the most requests; the first where load does not vary."""
        if not self.varies or length_s >= self.period_s:
            return 0
        if length_s not in self._densest:
            self._densest[length_s] = int(np.argmax(self._in_windows(length_s)))
        return self._densest[length_s]

    def requests_in(self, first: int, from_s: float, to_s: float) -> float:
        """Of the sessions that begin in this part of the laps, counted in time from the session of this place on."""
        return self._until(first, to_s) - self._until(first, from_s)

    def _until(self, first: int, to_s: float) -> float:
        at_s = float(self._starts_s[first] - self._starts_s[0]) + to_s
        laps, rest_s = divmod(at_s, self.period_s)
        place = int(np.searchsorted(self._starts_s, self._starts_s[0] + rest_s - 1e-9))
        return float(laps * self._sums[-1] + self._sums[place])

    def _in_windows(self, length_s: float) -> _Floats:
        """The requests of each session and of all that begin within so long after it, laps included."""
        ends_s = self._starts_s - self._starts_s[0] + length_s - 1e-9
        laps, rest_s = np.divmod(ends_s, self.period_s)
        places = np.searchsorted(self._starts_s, self._starts_s[0] + rest_s)
        found: _Floats = laps * self._sums[-1] + self._sums[places] - self._sums[:-1]
        return found

    def _is_uneven(self) -> bool:
        n = len(self._starts_s)
        parts = [2**k for k in range(1, 40) if n / 2**k >= _FEWEST]
        square = float((self._requests**2).mean()) if n else 0.0
        for windows in parts:
            expected = float(self._sums[-1]) / windows
            found = self._in_windows(self.period_s / windows)
            least, most = float(found.min()), float(found.max())
            bound = (2 * log(2 * windows * len(parts) / _CHANCE)) ** 0.5 * (n / windows * square) ** 0.5
            is_busy = most > _VARIES * expected and most - expected > bound
            if is_busy or (_VARIES * least < expected and expected - least > bound):
                return True
        return False
