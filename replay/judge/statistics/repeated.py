"""A quantile of values each of which repeats a known one, as a run repeats its recording, step by step.

The known values stay what they are; only what is added to each varies from run to run. So a value tells nothing of
how far others of its kind lie, and many copies of one recorded step are no news about the recording: what is
uncertain is how many values end up on the other side of the quantile than their known ones would have. Values in
order of the known ones are taken as strata of neighbours (collapsed strata: Cochran 1977, Sampling Techniques,
sec. 5A.12), whose squared differences give the variance of that number; the quantile is then bounded by the order
statistics so many ranks away (Woodruff 1952, "Confidence intervals for medians and other position measures", JASA 47).
Where no value has changed sides, one in two might have. Coverage is simulated in
tests/judge/statistics/test_repeated.py.
"""

from math import ceil, inf, isinf

import numpy as np

from replay.judge.statistics.dependence import Floats, dependence, longest
from replay.judge.statistics.distributions import student_quantile
from replay.judge.statistics.sample import LEAST_STRETCHES, Sample, in_time

_UNSEEN = 0.5
_LEAST_DF = 5.0


class Repeated:
    """The q quantile of the values of `sample`, each of which repeats the one in `known` at its place.

    known: shape (n,), finite; sample: of as many values, infinite for failures, with the time of each.
    """

    def __init__(self, known: Floats, sample: Sample, q: float) -> None:
        assert sample.at is not None
        values = sample.values
        n = sample.n
        self._ordered = sample.ordered
        self._rank = min(n - 1, max(0, ceil(q * n - 1e-9) - 1))
        self.quantile = float(self._ordered[self._rank])
        self.known_quantile = float(np.sort(known)[self._rank])
        beyond = values > self.quantile if not isinf(self.quantile) else np.isinf(values)
        by_known = np.lexsort((sample.at, known))
        changes = float(np.count_nonzero(np.diff(beyond[by_known].astype(np.int8)))) / 2
        # What was added, not how long steps are, says how much neighbours in time have in common.
        added = Sample(values - known, sample.cluster, sample.at)
        moved = beyond.astype(np.float64) - (known > self.known_quantile)
        tied = longest([in_time(added, np.isinf(values)), dependence(moved[added.by_time])])
        tau, window = (tied.tau, tied.window) if tied.is_significant else (1.0, 1.0)
        self.stretches = n / tau
        self._df = max(_LEAST_DF, n / window)
        self._ranks_apart = ((changes + _UNSEEN) * tau) ** 0.5

    def __repr__(self) -> str:
        return f"<Repeated, known to {self._ranks_apart:.3g} ranks>"

    @property
    def is_known(self) -> bool:
        """Whether the run is long enough, for how long its steps depend on one another, to have shown the worst."""
        return self.stretches >= LEAST_STRETCHES

    def interval(self, confidence: float) -> tuple[float, float]:
        """Of the quantile; infinite on a side that too few values lie beyond."""
        away = self._away(confidence)
        return self._at(self._rank - away, -inf), self._at(self._rank + away, inf)

    def times_needed(self, confidence: float) -> int:
        """How many times as many values would have enough of them beyond the quantile, and before it."""
        fewer = min(self._rank, len(self._ordered) - 1 - self._rank)
        return ceil(self._away(confidence) / max(1, fewer))

    def _away(self, confidence: float) -> float:
        return float(student_quantile((1 + confidence) / 2, self._df) * self._ranks_apart)

    def _at(self, rank: float, outside: float) -> float:
        if rank < 0 or rank > len(self._ordered) - 1:
            return outside
        low, high = float(self._ordered[int(rank)]), float(self._ordered[ceil(rank)])
        # Between an answer and a failure there is nothing.
        return high if isinf(high) else low + (rank - int(rank)) * (high - low)
