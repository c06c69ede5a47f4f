"""How long a step is tied to those before it: where steps wait behind one another, neighbours are alike.

The mean of n values in a row varies as that of n / tau independent ones would, where tau is the integrated
autocorrelation time, 1 + 2 (r1 + r2 + ...). It is summed over Geyer's initial monotone sequence (1992, "Practical
Markov chain Monte Carlo", Statistical Science 7): sums of neighbouring autocovariances, as long as they stay
positive, none larger than the one before. Long runs are first cut into equal bins, whose own variance holds what is
closer than a bin.

Autocovariances about a run's own mean are each too low by the variance of that mean; the sum is divided by what the
window leaves of the run, which takes that back. Still, a short run that was lucky shows neither the long waits nor
how long they last. So where the dependence is significant the upper end of its estimate is taken, two and a half
standard errors above it (a spectrum at zero has a relative one of (2 windows / n)^0.5; Priestley, Spectral Analysis
and Time Series, sec. 6.2), and it is read off the times themselves and off frequent hits as well as off the rare ones
that a figure is about. A drift alone is no dependence: where neighbours are not alike beside the straight line
through all, the run was slower at its end than at its start, and would be so again.

What comes of it from a queue of load 0.5 to one of 0.9 is simulated in tests/judge/test_queues.py.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from replay.results.columns import Codes, Flags

Floats = npt.NDArray[np.float64]

_BINS = 1024
_LEAST_N = 20
_ERRORS_ABOVE = 2.5
# A window that leaves less of the run than this has found no end of the dependence.
_LEAST_LEFT = 0.2
# As few independent stretches are in any run, whatever its dependence.
_FEWEST_STRETCHES = 4.0
_FREQUENT_SHARES = (0.5, 0.25, 0.1)
# One value in two hundred may be as large as it likes without hiding what the others do.
_CLIPPED_AT = 0.995
# Times in ms are good to less than a millionth of themselves; a mean of doubles is, to a billionth.
_ROUNDING = 1e-9


class Dependence(NamedTuple):
    """tau: as many neighbours tell as much as one independent value would. window: over so many values dependence was
    seen. is_significant: whether that is more than chance. Both count values, in order of time.
    """

    tau: float = 1.0
    window: float = 1.0
    is_significant: bool = False


INDEPENDENT = Dependence()


class Readings(NamedTuple):
    """How long times depend on those before them, as it is read off the times, clipped, and off whether they exceed
    levels that one in so many of them exceeds.
    """

    times: Dependence
    beyond: dict[float, Dependence]

    def frequent(self, rarest: float) -> list[Dependence]:
        """These, without levels that are exceeded more rarely than by this share."""
        return [self.times, *(found for share, found in self.beyond.items() if share > rarest)]


NO_READINGS = Readings(INDEPENDENT, {})


def longest(found: Iterable[Dependence]) -> Dependence:
    """The longest dependence of several."""
    return max(found, key=lambda one: one.tau, default=INDEPENDENT)


def readings_of(values: Floats, series: Codes | None = None) -> Readings:
    """How long these times, in order of time, depend on those before them.

    values: shape (n,), infinite for failures. series: where given, each value counts over the median of its series, so
    that a stretch of the run with more slow kinds of steps in it is no queue.
    """
    finite = np.isfinite(values)
    if values.strides == (0,) or not finite.any():
        return NO_READINGS
    level = values if finite.all() else np.where(finite, values, values[finite].max())
    # One kind alone has one median, which changes no autocorrelation.
    if series is not None and len(series) and series.min() < series.max():
        level = level / _usual(level, series)
    *marks, most = np.quantile(level, [*(1 - share for share in _FREQUENT_SHARES), _CLIPPED_AT])
    return Readings(
        dependence(np.minimum(level, most)),
        {share: dependence(level > mark) for share, mark in zip(_FREQUENT_SHARES, marks, strict=True)},
    )


def _usual(values: Floats, series: Codes) -> Floats:
    """The median of each value's series."""
    medians = np.ones(int(series.max(initial=0)) + 1)
    for code in np.flatnonzero(np.bincount(series)):
        medians[code] = max(float(np.median(values[series == code])), 1e-9)
    usual: Floats = medians[series]
    return usual


def dependence(series: Floats | Flags) -> Dependence:
    """How long values, in order of time, depend on those before them."""
    n = len(series)
    if n < _LEAST_N:
        return INDEPENDENT
    width = -(-n // _BINS)
    bins = n // width
    means = series[: bins * width].reshape(bins, width).mean(axis=1)
    variance = float(series.var())
    # Of equal times, what the rounding of their mean leaves.
    if variance <= (_ROUNDING * float(np.abs(series[0]))) ** 2:
        return INDEPENDENT
    found = _of_bins(means, variance, width, n)
    if not found.is_significant:
        return found
    drift = _straight_line(means)
    steady = _of_bins(means - drift, variance - float(drift.var()), width, n)
    return found if steady.is_significant else steady


def _straight_line(values: Floats) -> Floats:
    """The line through them, by least squares, about zero."""
    time = np.arange(len(values), dtype=np.float64) - (len(values) - 1) / 2
    line: Floats = time * float(time @ values) / float(time @ time)
    return line


def _of_bins(means: Floats, variance: float, width: int, n: int) -> Dependence:
    """Of n values with this variance, by the means of so many neighbours each."""
    if variance <= 0:
        return INDEPENDENT
    bins = len(means)
    covariances = _autocovariances(means)
    if covariances[0] <= 1e-12 * variance:
        return INDEPENDENT
    pairs = covariances[0 : bins - 1 : 2] + covariances[1:bins:2]
    negative = np.flatnonzero(pairs <= 0)
    kept = max(1, int(negative[0]) if len(negative) else len(pairs))
    lags = 2 * kept - 1
    window = float((2 * lags + 1) * width)
    left = 1 - (2 * lags + 1) / bins
    if left < _LEAST_LEFT:
        return Dependence(n / _FEWEST_STRETCHES, float(n), True)
    total = 2 * float(np.minimum.accumulate(pairs[:kept]).sum()) - float(covariances[0])
    tau = max(1.0, total * width / variance / left)
    error = (2 * window / n) ** 0.5
    if tau <= 1 + _ERRORS_ABOVE * error:
        return Dependence(tau, window, False)
    return Dependence(min(tau * (1 + _ERRORS_ABOVE * error), n / _FEWEST_STRETCHES), window, True)


def _autocovariances(values: Floats) -> Floats:
    """At every lag, by the fast Fourier transform."""
    n = len(values)
    spectrum = np.fft.rfft(values - values.mean(), 2 * n)
    found: Floats = np.fft.irfft(spectrum * np.conj(spectrum))[:n] / n
    return found
