"""Differences of two samples, by resampling and by re-labelling whole sessions.

Sessions are what is independent, so sessions are drawn, with all their steps (the cluster bootstrap: Davison and
Hinkley, Bootstrap Methods and their Application, sec. 3.8). Where both sides replayed the same sessions, a session is
drawn for both at once, and what it has in common on both sides cancels. The spread of the drawn differences gives
the interval (percentile method).

Whether there is a difference at all is asked of re-labelling (Fisher's randomisation test): if the two targets are
alike, each session's two outcomes might as well be exchanged; how many of the exchanges show a difference as large?
That p-value is exact whatever the distribution, also for a p99.9 that few sessions make.

Values may be infinite (a failed step). They are drawn as one value far beyond all others, so that ranks and labels mean
what they should; a bound of an interval that such a value makes is infinite.

A quantile of a re-weighted sample needs only the order statistics near it, and how many values of each session lie
below them; that is what makes thousands of draws of a million steps a matter of seconds.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from replay.judge.sample import Floats, Sample
from replay.results.columns import Codes

REPLICATES = 2_000
_CHUNK_CELLS = 4_000_000
_MARGIN = 1.3
_WINDOW_LEAST = 64
_FAILED = 1e15
_AMONG_FAILURES = _FAILED / 10


class Resampling(NamedTuple):
    """How two samples are drawn again. sessions_a, sessions_b: how many codes their clusters have; where is_paired,
    the same code is the same session on both sides.
    """

    sessions_a: int
    sessions_b: int
    is_paired: bool
    replicates: int = REPLICATES
    seed: int = 1


class Resampled(NamedTuple):
    """delta: b minus a, as observed; 0 where both are infinite. bootstrap: as drawn again, shape (replicates,); draws
    without a value on one side are left out. p_value: of the re-labelling.
    """

    a: float
    b: float
    delta: float
    bootstrap: Floats
    p_value: float

    def interval(self, confidence: float) -> tuple[float, float]:
        """The percentile interval of the difference."""
        tail = (1 - confidence) / 2
        low, high = np.quantile(self.bootstrap, [tail, 1 - tail])
        return _unbounded(float(low)), _unbounded(float(high))

    @property
    def spread(self) -> float | None:
        """The standard error of the difference; None where failures make some draws infinite."""
        if (np.abs(self.bootstrap) > _AMONG_FAILURES).any():
            return None
        return float(self.bootstrap.std())


class _Weights(NamedTuple):
    """How often each session counts, in the two sides of a draw: shapes (draws, sessions_a), (draws, sessions_b)."""

    a_from_a: Floats
    a_from_b: Floats | None
    b_from_a: Floats | None
    b_from_b: Floats


def quantile_differences(
    resampling: Resampling, a: Sample, b: Sample, qs: Sequence[float]
) -> list[Resampled | None]:
    """The difference of each quantile; None where a side has no values."""
    if not a.n or not b.n:
        return [None] * len(qs)
    a, b = _drawable(a), _drawable(b)
    only_a, only_b = _Ordered(a, resampling.sessions_a), _Ordered(b, resampling.sessions_b)
    pooled = _Ordered(
        Sample(
            np.concatenate([a.values, b.values]),
            np.concatenate([a.cluster, b.cluster + resampling.sessions_a]).astype(np.int32),
        ),
        resampling.sessions_a + resampling.sessions_b,
    )
    drawn: list[list[Floats]] = [[] for _ in qs]
    swapped: list[list[Floats]] = [[] for _ in qs]
    for w in _drawn(resampling):
        for q, parts in zip(qs, drawn, strict=True):
            parts.append(only_b.quantiles(w.b_from_b, q) - only_a.quantiles(w.a_from_a, q))
    for w in _relabelled(resampling):
        ours, theirs = _both(w.a_from_a, w.a_from_b), _both(w.b_from_a, w.b_from_b)
        for q, parts in zip(qs, swapped, strict=True):
            parts.append(pooled.quantiles(theirs, q) - pooled.quantiles(ours, q))
    return [
        _resampled(only_a.quantile(q), only_b.quantile(q), draws, exchanged)
        for q, draws, exchanged in zip(qs, drawn, swapped, strict=True)
    ]


def mean_difference(resampling: Resampling, a: Sample, b: Sample) -> Resampled | None:
    """The difference of the means (of hits as 0 and 1: of the shares); None where a side has no values."""
    if not a.n or not b.n:
        return None
    sums_a, sizes_a = _sums(a, resampling.sessions_a)
    sums_b, sizes_b = _sums(b, resampling.sessions_b)
    drawn, swapped = [], []
    with np.errstate(invalid="ignore", divide="ignore"):
        for w in _drawn(resampling):
            drawn.append(
                (w.b_from_b @ sums_b) / (w.b_from_b @ sizes_b) - (w.a_from_a @ sums_a) / (w.a_from_a @ sizes_a)
            )
        for w in _relabelled(resampling):
            assert w.a_from_b is not None
            assert w.b_from_a is not None
            theirs = (w.b_from_a @ sums_a + w.b_from_b @ sums_b) / (w.b_from_a @ sizes_a + w.b_from_b @ sizes_b)
            ours = (w.a_from_a @ sums_a + w.a_from_b @ sums_b) / (w.a_from_a @ sizes_a + w.a_from_b @ sizes_b)
            swapped.append(theirs - ours)
    return _resampled(float(sums_a.sum() / a.n), float(sums_b.sum() / b.n), drawn, swapped)


def _drawable(sample: Sample) -> Sample:
    return sample._replace(values=np.where(np.isinf(sample.values), _FAILED, sample.values))


def _unbounded(value: float) -> float:
    """Infinite, where it comes of failures."""
    return value if abs(value) < _AMONG_FAILURES else float(np.copysign(np.inf, value))


def _resampled(a: float, b: float, drawn: list[Floats], swapped: list[Floats]) -> Resampled | None:
    delta = b - a
    bootstrap = np.concatenate(drawn)
    relabelled = np.concatenate(swapped)
    bootstrap, relabelled = bootstrap[~np.isnan(bootstrap)], relabelled[~np.isnan(relabelled)]
    if not len(bootstrap):
        return None
    # A hair less than the observed one, so that re-labellings which give the same figure by another sum count.
    as_large = np.count_nonzero(np.abs(relabelled) >= abs(delta) * (1 - 1e-12))
    p_value = (1 + float(as_large)) / (1 + len(relabelled))
    return Resampled(_unbounded(a), _unbounded(b), _unbounded(delta), bootstrap, p_value)


def _sums(sample: Sample, sessions: int) -> tuple[Floats, Floats]:
    sums = np.bincount(sample.cluster, weights=sample.values, minlength=sessions).astype(np.float64)
    return sums, np.bincount(sample.cluster, minlength=sessions).astype(np.float64)


def _both(of_a: Floats | None, of_b: Floats | None) -> Floats:
    assert of_a is not None
    assert of_b is not None
    return np.concatenate([of_a, of_b], axis=1)


def _chunks(resampling: Resampling) -> Iterator[int]:
    """How many draws to hold at once."""
    left = resampling.replicates
    size = max(1, _CHUNK_CELLS // max(1, resampling.sessions_a + resampling.sessions_b))
    while left:
        yield min(size, left)
        left -= min(size, left)


def _drawn(resampling: Resampling) -> Iterator[_Weights]:
    """Sessions drawn with replacement, as many as there are."""
    rng = np.random.default_rng(resampling.seed)
    for draws in _chunks(resampling):
        of_a = _multinomial(rng, draws, resampling.sessions_a)
        of_b = of_a if resampling.is_paired else _multinomial(rng, draws, resampling.sessions_b)
        yield _Weights(of_a, None, None, of_b)


def _multinomial(rng: np.random.Generator, draws: int, sessions: int) -> Floats:
    picked = rng.integers(sessions, size=(draws, sessions))
    picked += np.arange(draws)[:, None] * sessions
    return np.bincount(picked.ravel(), minlength=draws * sessions).reshape(draws, sessions).astype(np.float64)


def _relabelled(resampling: Resampling) -> Iterator[_Weights]:
    """Paired: each session's two sides exchanged or not. Else: all sessions dealt out again."""
    rng = np.random.default_rng(resampling.seed + 1)
    for draws in _chunks(resampling):
        if resampling.is_paired:
            swap = rng.integers(2, size=(draws, resampling.sessions_a)).astype(np.float64)
            yield _Weights(1 - swap, swap, swap, 1 - swap)
        else:
            both = resampling.sessions_a + resampling.sessions_b
            dealt = np.argsort(rng.random((draws, both)), axis=1) < resampling.sessions_a
            is_a = dealt.astype(np.float64)
            of_a, of_b = is_a[:, : resampling.sessions_a], is_a[:, resampling.sessions_a :]
            yield _Weights(of_a, of_b, 1 - of_a, 1 - of_b)


class _Ordered:
    """A sample in order, ready for quantiles under weights of its sessions."""

    def __init__(self, sample: Sample, sessions: int) -> None:
        order = np.argsort(sample.values, kind="stable")
        self._values = sample.values[order]
        self._cluster: Codes = sample.cluster[order]
        self._sizes = np.bincount(sample.cluster, minlength=sessions).astype(np.float64)
        self._sessions = sessions

    def quantile(self, q: float) -> float:
        n = len(self._values)
        return float(self._values[min(n - 1, max(0, int(np.ceil(q * n - 1e-9)) - 1))])

    def quantiles(self, weights: Floats, q: float) -> Floats:
        """The q quantile under each row of weights; NaN where a row leaves no value."""
        n = len(self._values)
        totals = weights @ self._sizes
        targets = q * totals - 1e-6
        middle = int(q * n)
        # How far each draw's quantile lies from the middle, in values, which weigh one on average.
        off = weights @ np.bincount(self._cluster[:middle], minlength=self._sessions) - targets
        low = max(0, middle - int(_MARGIN * max(0.0, float(off.max()))) - _WINDOW_LEAST)
        high = min(n, middle + int(_MARGIN * max(0.0, -float(off.min()))) + _WINDOW_LEAST)
        below = weights @ np.bincount(self._cluster[:low], minlength=self._sessions)
        rows = max(1, _CHUNK_CELLS // (high - low))
        found = np.full(len(weights), np.nan)
        for start in range(0, len(weights), rows):
            part = slice(start, start + rows)
            heavier = below[part, None] + np.cumsum(weights[part][:, self._cluster[low:high]], axis=1)
            index = (heavier < targets[part, None]).sum(axis=1)
            beyond = (index == high - low) | ((index == 0) & (below[part] >= targets[part]) & (low > 0))
            found[part] = self._values[low + np.minimum(index, high - low - 1)]
            for row in np.flatnonzero(beyond):
                found[start + row] = self._whole(weights[start + row], targets[start + row])
        found[totals <= 0] = np.nan
        return found

    def _whole(self, weights: Floats, target: float) -> float:
        """Where the window was too narrow: the quantile by all values."""
        heavier = np.cumsum(weights[self._cluster])
        return float(self._values[min(len(heavier) - 1, int(np.searchsorted(heavier, target)))])
