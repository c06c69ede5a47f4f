"""Differences of two samples, by drawing whole blocks of sessions again.

Blocks are what is independent, so blocks are drawn, with all their steps (the cluster bootstrap: Davison and Hinkley,
Bootstrap Methods and their Application, sec. 3.8). Where both sides replayed the same sessions, a block is drawn for
both at once, and what it has in common on both sides cancels.

The spread of the drawn differences gives the interval (percentile method), a little further out for few blocks:
Student's quantile in place of the normal one, and what drawing k of k blocks is too narrow by (Hesterberg 2015, "What
teachers should know about the bootstrap", American Statistician 69: expanded percentiles). The p-value is one minus
the confidence at which the interval just touches zero. So both are of *this figure*: two targets of the same p99 are
alike in it however their times are shaped. (Exchanging labels, as was done before, asks whether they are alike in
everything.) A zero that lies beyond what so many draws reach is looked for where their tail would be if it went on as a
normal one does; else no difference could be shown among many, however large, since each must then stand a level that
the draws do not resolve. That tests hold their level there, too, is simulated (docs/verdicts.md).

Values may be infinite (a failed step). They are drawn as one value far beyond all others, so that ranks mean what they
should; a bound of an interval that such a value makes is infinite.

A quantile of a re-weighted sample needs only the order statistics near it, and how many values of each session lie
below them; that is what makes thousands of draws of a million steps a matter of seconds.
"""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from replay.judge.statistics.distributions import normal_above, normal_quantile, student_above, student_quantile
from replay.judge.statistics.sample import Floats, Sample
from replay.results.columns import Codes

REPLICATES = 2_000
_CHUNK_CELLS = 4_000_000
_WINDOW_LEAST = 64
# To look up what a value weighs and to add it takes as long as to multiply and add so many weights of blocks.
_MULTIPLIED = 16
# Fewer would count twice that hits are rare, here and in how far the draws are spread.
_LEAST_TELLING = 8.0
# Draws that have a tail to go on from; and no tail is taken for none at all.
_RESOLVED = 100
_LEAST_REACH = 1e-3
_LEAST_P = 1e-6
_FAILED = 1e15
_AMONG_FAILURES = _FAILED / 10


class Resampling(NamedTuple):
    """How two samples are drawn again. blocks_a, blocks_b: how many codes their clusters have; where is_paired, the
    same code is the same sessions on both sides. variance_shown: how much of the variance such blocks show, 0..1; where
    they depend on one another, less than all (variance_shown_by of replay/judge/measures/blocks.py).
    """

    blocks_a: int
    blocks_b: int
    is_paired: bool
    replicates: int = REPLICATES
    seed: int = 1
    variance_shown: float = 1.0


class Resampled(NamedTuple):
    """delta: b minus a, as observed; 0 where both are infinite. bootstrap: as drawn again, shape (replicates,); draws
    without a value on one side are left out. blocks: how many there were to draw; fewer, where a few of them make
    most of the tail.
    """

    a: float
    b: float
    delta: float
    bootstrap: Floats
    blocks: float
    variance_shown: float = 1.0

    def interval(self, confidence: float) -> tuple[float, float]:
        """The expanded percentile interval of the difference."""
        if self.blocks < 2:
            return -np.inf, np.inf
        tail = normal_above(student_quantile((1 + confidence) / 2, self.blocks - 1) * self._expansion)
        low, high = np.quantile(self.bootstrap, [tail, 1 - tail])
        return _unbounded(float(low)), _unbounded(float(high))

    @property
    def p_value(self) -> float:
        """Of no difference against one, two-sided, by the same percentiles."""
        if self.blocks < 2:
            return 1.0
        k, draws = self.blocks, len(self.bootstrap)
        fewer = min(np.count_nonzero(self.bootstrap <= 0), np.count_nonzero(self.bootstrap >= 0))
        distance = -normal_quantile(min(0.5, (1 + fewer) / (1 + draws)))
        if not fewer:
            distance = max(distance, self._beyond)
        return max(_LEAST_P, 2 * student_above(distance / self._expansion, k - 1))

    @property
    def _beyond(self) -> float:
        """How many standard deviations zero lies off, by the normal tail through the second of the draws next to it."""
        draws = np.sort(self.bootstrap)
        if len(draws) < _RESOLVED:
            return 0.0
        centre = float(np.median(draws))
        reached = abs(centre - float(draws[1] if centre > 0 else draws[-2]))
        return -normal_quantile(2 / (1 + len(draws))) * abs(centre) / max(reached, _LEAST_REACH * abs(centre))

    @property
    def _expansion(self) -> float:
        """How many times too narrow the draws are."""
        return float((self.blocks / (self.blocks - 1) / self.variance_shown) ** 0.5)

    @property
    def spread(self) -> float | None:
        """The standard error of the difference; None where failures make some draws infinite."""
        if (np.abs(self.bootstrap) > _AMONG_FAILURES).any():
            return None
        return float(self.bootstrap.std()) * self._expansion if self.blocks > 1 else None


class _Weights(NamedTuple):
    """How often each block counts on the two sides of a draw: shapes (draws, blocks_a), (draws, blocks_b)."""

    a: Floats
    b: Floats


def quantile_differences(
    resampling: Resampling, a: Sample, b: Sample, qs: Sequence[float]
) -> list[Resampled | None]:
    """The difference of each quantile; None where a side has no values."""
    if not a.n or not b.n:
        return [None] * len(qs)
    return differences_of(resampling, Ordered(a, resampling.blocks_a), Ordered(b, resampling.blocks_b), qs)


def differences_of(
    resampling: Resampling, only_a: "Ordered", only_b: "Ordered", qs: Sequence[float]
) -> list[Resampled | None]:
    """The same of samples in order, neither of them empty."""
    drawn: list[list[Floats]] = [[] for _ in qs]
    for w in _drawn(resampling):
        for q, parts in zip(qs, drawn, strict=True):
            parts.append(only_b.quantiles(w.b, q) - only_a.quantiles(w.a, q))
    return [
        _resampled(
            only_a.quantile(q),
            only_b.quantile(q),
            draws,
            min(only_a.blocks_telling(q), only_b.blocks_telling(q)),
            resampling.variance_shown,
        )
        for q, draws in zip(qs, drawn, strict=True)
    ]


def mean_difference(resampling: Resampling, a: Sample, b: Sample) -> Resampled | None:
    """The difference of the means (of hits as 0 and 1: of the shares); None where a side has no values."""
    if not a.n or not b.n:
        return None
    sums_a, sizes_a = _sums(a, resampling.blocks_a)
    sums_b, sizes_b = _sums(b, resampling.blocks_b)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = [
            (w.b @ sums_b) / (w.b @ sizes_b) - (w.a @ sums_a) / (w.a @ sizes_a) for w in _drawn(resampling)
        ]
    mean_a, mean_b = float(sums_a.sum() / a.n), float(sums_b.sum() / b.n)
    telling = min(_telling(sums_a - mean_a * sizes_a), _telling(sums_b - mean_b * sizes_b))
    return _resampled(mean_a, mean_b, drawn, telling, resampling.variance_shown)


def _unbounded(value: float) -> float:
    """Infinite, where it comes of failures."""
    return value if abs(value) < _AMONG_FAILURES else float(np.copysign(np.inf, value))


def _telling(residuals: Floats) -> float:
    """As how many blocks of normal residuals these tell of their variance (Satterthwaite 1946, by fourth moments)."""
    blocks, squares = len(residuals), residuals**2
    total = float(squares.sum())
    if not total:
        return float(blocks)
    excess = float((squares**2).sum()) / total**2 - 1 / blocks
    return min(float(blocks), max(_LEAST_TELLING, 2 / excess)) if excess > 0 else float(blocks)


def _resampled(a: float, b: float, drawn: list[Floats], blocks: float, shown: float) -> Resampled | None:
    bootstrap = np.concatenate(drawn)
    bootstrap = bootstrap[~np.isnan(bootstrap)]
    if not len(bootstrap):
        return None
    return Resampled(_unbounded(a), _unbounded(b), _unbounded(b - a), bootstrap, blocks, shown)


def _sums(sample: Sample, blocks: int) -> tuple[Floats, Floats]:
    sums = np.bincount(sample.cluster, weights=sample.values, minlength=blocks).astype(np.float64)
    return sums, np.bincount(sample.cluster, minlength=blocks).astype(np.float64)


def _chunks(resampling: Resampling) -> Iterator[int]:
    """How many draws to hold at once."""
    left = resampling.replicates
    size = max(1, _CHUNK_CELLS // max(1, resampling.blocks_a + resampling.blocks_b))
    while left:
        yield min(size, left)
        left -= min(size, left)


def _drawn(resampling: Resampling) -> Iterator[_Weights]:
    """Blocks drawn with replacement, as many as there are."""
    rng = np.random.default_rng(resampling.seed)
    for draws in _chunks(resampling):
        of_a = _multinomial(rng, draws, resampling.blocks_a)
        of_b = of_a if resampling.is_paired else _multinomial(rng, draws, resampling.blocks_b)
        yield _Weights(of_a, of_b)


def _multinomial(rng: np.random.Generator, draws: int, sessions: int) -> Floats:
    picked = rng.integers(sessions, size=(draws, sessions))
    picked += np.arange(draws)[:, None] * sessions
    return np.bincount(picked.ravel(), minlength=draws * sessions).reshape(draws, sessions).astype(np.float64)


class Ordered:
    """A sample in order, ready for quantiles under weights of its blocks, of which there are so many."""

    def __init__(self, sample: Sample, blocks: int) -> None:
        infinite = np.isinf(sample.values)
        values = np.where(infinite, _FAILED, sample.values) if infinite.any() else sample.values
        order = np.argsort(values, kind="stable")
        self._values = values[order]
        self._cluster: Codes = sample.cluster[order]
        self._sizes = np.bincount(sample.cluster, minlength=blocks).astype(np.float64)
        self._blocks = blocks

    def quantile(self, q: float) -> float:
        n = len(self._values)
        return float(self._values[min(n - 1, max(0, int(np.ceil(q * n - 1e-9)) - 1))])

    def blocks_telling(self, q: float) -> float:
        """How many blocks tell of the q quantile: as many as bring their share of what lies beyond it."""
        n = len(self._values)
        beyond = self._cluster[min(n, int(np.ceil(q * n - 1e-9))) :]
        counts = np.bincount(beyond, minlength=self._blocks)
        residuals: Floats = counts - len(beyond) / n * self._sizes
        return _telling(residuals)

    def quantiles(self, weights: Floats, q: float) -> Floats:
        """The q quantile under each row of weights; NaN where a row leaves no value."""
        n = len(self._values)
        totals = weights @ self._sizes
        targets = q * totals - 1e-6
        middle = int(q * n)
        # How far each draw's quantile lies from the middle, in values, which weigh one on average.
        off = self._below(middle, weights) - targets
        low = max(0, middle - int(max(0.0, float(off.max()))) - _WINDOW_LEAST)
        high = min(n, middle + int(max(0.0, -float(off.min()))) + _WINDOW_LEAST)
        # They do where neighbours are of all blocks. Equal values stand in order of time, and so block by block.
        while low > 0 and (self._below(low, weights) >= targets)[totals > 0].any():
            low = max(0, middle - 2 * (middle - low))
        while high < n and (self._below(high, weights) < targets)[totals > 0].any():
            high = min(n, middle + 2 * (high - middle))
        below = self._below(low, weights)
        cells = self._cells(low, high)
        found = np.full(len(weights), np.nan)
        rows = max(1, _CHUNK_CELLS // max(cells.width, len(cells.counts)))
        for start in range(0, len(weights), rows):
            part = slice(start, start + rows)
            index = _reached(cells, weights[part], below[part], targets[part])
            found[part] = self._values[low + np.minimum(index, high - low - 1)]
        found[totals <= 0] = np.nan
        return found

    def _below(self, at: int, weights: Floats) -> Floats:
        """What the values before this one weigh in each draw."""
        below: Floats = weights @ np.bincount(self._cluster[:at], minlength=self._blocks)
        return below

    def _cells(self, low: int, high: int) -> "_Cells":
        """The blocks of the values between, in cells: as many as make a draw cheapest, and as there is room for."""
        blocks = self._cluster[low:high]
        n = len(blocks)
        width = max(ceil((n * self._blocks / _MULTIPLIED) ** 0.5), ceil(n * self._blocks / _CHUNK_CELLS))
        cells = ceil(n / width)
        of_each = np.arange(n) // width * self._blocks + blocks
        counts = np.bincount(of_each, minlength=cells * self._blocks).reshape(cells, self._blocks)
        return _Cells(blocks, width, counts.astype(np.float64))


class _Cells(NamedTuple):
    """The blocks of values in order, and in cells of so many of them (the last may have fewer) how many are of which
    block: shape (cells, blocks).
    """

    blocks: Codes
    width: int
    counts: Floats


def _reached(cells: _Cells, weights: Floats, below: Floats, targets: Floats) -> npt.NDArray[np.intp]:
    """How many values each draw has to go through, from what lies below them, until its target is reached.

    What is added up are whole numbers, so the order in which that is done changes nothing.
    """
    until = below[:, None] + np.cumsum(weights @ cells.counts.T, axis=1)
    cell = (until < targets[:, None]).sum(axis=1)
    at = np.minimum(cell, len(cells.counts) - 1)
    draws = np.arange(len(weights))
    before = np.where(at > 0, until[draws, at - 1], below)
    place = at[:, None] * cells.width + np.arange(cells.width)
    n = len(cells.blocks)
    inside = weights[draws[:, None], cells.blocks[np.minimum(place, n - 1)]]
    heavier = before[:, None] + np.cumsum(inside, axis=1)
    index: npt.NDArray[np.intp] = np.minimum(at * cells.width + (heavier < targets[:, None]).sum(axis=1), n)
    return index
