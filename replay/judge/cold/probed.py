"""By how long an answer takes, whether a probe found its target cold: the warm answers, and what they tell.

Warm answers vary, and some target pauses now and then. What takes about as long as warm answers do is taken for warm.
What is slower is asked for again after the same idle time, beside more warm answers: the target was cold if two probes
in a row took far longer than all of these, or so many were slow that chance does it to one of 1,000 idle times at most.
Where m of n warm answers are slow, it does it to C(m + k, k) of C(n + k, k) with k probes, as all orders are as likely:
three probes are enough where none of twenty is, and six where six of thirty are. Once an idle time has left it cold,
the middle between warm and cold answers parts the others, at once where no warm answer is beyond that.

A boot that is shorter than warm answers vary can be told by no such test: `told_from_ns` says from which on one is.
What it decides rightly is simulated in tests/judge/cold/test_probed.py.
"""

from collections.abc import Sequence
from math import comb
from typing import Literal

import numpy as np

_CONFIRMING_FAR, _MOST_CONFIRMING = 2, 8
_CHANCE = 0.001
_LEAST_ADDED_NS = 10_000_000
_RATIO = 1.5
_DEVIATIONS = 8

Told = Literal["warm", "cold", "again"]


class WarmAnswers:
    """What warm answers took, in ns."""

    def __init__(self) -> None:
        self.took_ns: list[int] = []

    def __repr__(self) -> str:
        return f"<WarmAnswers {len(self.took_ns)}>"

    def add(self, took_ns: Sequence[int]) -> None:
        self.took_ns += took_ns

    def is_far_slower(self, took_ns: int) -> bool:
        """Whether an answer took as long as no warm one does, whatever its own work was."""
        return took_ns > max(self._least_cold_ns, max(self.took_ns) + _DEVIATIONS * self._spread_ns)

    def tells(self, took_ns: Sequence[int], cold_ns: Sequence[int] = ()) -> Told:
        """What probes after the same idle time show, in turn. cold_ns: what probes took that were found cold before."""
        limit_ns = self._slow_ns
        if cold_ns:
            limit_ns = (limit_ns * max(limit_ns, min(cold_ns))) ** 0.5
        if took_ns[-1] <= limit_ns:
            return "warm"
        slow = sum(each > limit_ns for each in self.took_ns)
        if cold_ns and not slow:
            return "cold"
        is_far = len(took_ns) >= _CONFIRMING_FAR and all(map(self.is_far_slower, took_ns))
        if not is_far and self._chance(slow, len(took_ns)) > _CHANCE:
            return "again" if len(took_ns) < _MOST_CONFIRMING else "warm"
        return "cold" if float(np.median(took_ns)) >= self._least_cold_ns else "warm"

    def _chance(self, slow: int, probes: int) -> float:
        """How often so many probes are all slow where they are warm, given how many warm answers are."""
        return comb(slow + probes, probes) / comb(len(self.took_ns) + probes, probes)

    @property
    def told_from_ns(self) -> int:
        """What a boot must add at least to be told from a warm answer, however quick the one is that it adds to."""
        slow = sum(each > self._slow_ns for each in self.took_ns)
        # Where more are slow than that, no number of probes tells, and only what is slower than all of them does.
        is_lost = slow > len(self.took_ns) / 3
        usual_ns = max(self.took_ns) + _DEVIATIONS * self._spread_ns if is_lost else self._slow_ns
        return round(max(self._least_cold_ns, usual_ns) - min(self.took_ns))

    @property
    def _slow_ns(self) -> float:
        """Longer than that is slow: than every warm answer, or than all but those that are far from the others."""
        return min(max(self.took_ns), self._median_ns + _DEVIATIONS * self._spread_ns)

    @property
    def _least_cold_ns(self) -> float:
        """The least that is more than an answer like the others: so many times as long, and so much longer."""
        return max(_RATIO * self._median_ns, self._median_ns + _LEAST_ADDED_NS)

    @property
    def _median_ns(self) -> float:
        return float(np.median(self.took_ns))

    @property
    def _spread_ns(self) -> float:
        return float(np.median(np.abs(np.asarray(self.took_ns) - self._median_ns)))
