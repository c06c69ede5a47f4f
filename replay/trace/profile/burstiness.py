"""How unevenly events arrive: dispersion of counts, peak to mean, and variation of gaps."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Counts = Sequence[int] | npt.NDArray[np.int64]


def dispersion(counts: Counts, slots: int) -> float | None:
    """Index of dispersion: variance over mean of the counts in windows of so many slots each.

    1 for a Poisson process, 0 for even spacing; above 1 is bursty. A last window that is cut short is left out.
    None for fewer than two whole windows, or no events in them. Source: Cox and Lewis, The Statistical Analysis of
    Series of Events, ch. 4; the population variance is used.
    """
    sums = _windows(counts, slots)
    mean = float(sums.mean()) if len(sums) >= 2 else 0.0
    return float(sums.var()) / mean if mean else None


def peak_to_mean(counts: Counts, slots: int) -> float | None:
    """The fullest window over the mean window; None as for dispersion."""
    sums = _windows(counts, slots)
    mean = float(sums.mean()) if len(sums) >= 2 else 0.0
    return float(sums.max()) / mean if mean else None


def _windows(counts: Counts, slots: int) -> np.ndarray:
    whole = len(counts) // slots
    sums: np.ndarray = np.asarray(counts[: whole * slots], dtype=np.float64).reshape(whole, slots).sum(axis=1)
    return sums


class Gaps:
    """Mean and coefficient of variation of the gaps between instants given in order, in flat memory (Welford)."""

    __slots__ = ("_last_ms", "_mean_ms", "_n", "_squares")

    def __init__(self) -> None:
        self._last_ms: float | None = None
        self._n = 0
        self._mean_ms = self._squares = 0.0

    def add(self, at_ms: float) -> None:
        if self._last_ms is not None:
            gap_ms = at_ms - self._last_ms
            self._n += 1
            away = gap_ms - self._mean_ms
            self._mean_ms += away / self._n
            self._squares += away * (gap_ms - self._mean_ms)
        self._last_ms = at_ms

    def cv(self) -> float | None:
        """Standard deviation over mean: 1 for Poisson, 0 for even spacing. None for fewer than two gaps."""
        if self._n < 2 or self._mean_ms <= 0:
            return None
        return math.sqrt(self._squares / self._n) / self._mean_ms
