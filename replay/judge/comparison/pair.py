"""Two sides under common sessions: the values of each, as one draws them again or reads them alone."""

from collections.abc import Callable, Sequence
from math import ceil, isinf
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from replay.judge.comparison.metric import Metric
from replay.judge.measures.blocks import (
    LEAST_BLOCKS,
    are_enough,
    blocks_of,
    stretches_of,
    variance_shown_by,
)
from replay.judge.measures.metrics import measured, rows_of, sample_of
from replay.judge.measures.slo import SloWindow
from replay.judge.statistics.quantile import least_n
from replay.judge.statistics.resampling import Ordered, Resampling
from replay.judge.statistics.sample import Sample
from replay.judge.types import (
    Mode,
    Part,
)
from replay.results.columns import Codes, Columns
from replay.results.evidence import Evidence
from replay.results.selector import Selector
from replay.words.numbers import number
from replay.words.phrases import counted

T = TypeVar("T")

_ALL = SloWindow()


class Side(NamedTuple):
    """One target: its name, and its runs, in the order in which they were made. is_recording: it is what the other
    side repeats, step by step.
    """

    name: str
    runs: Sequence[Evidence]
    is_recording: bool = False


class Size(NamedTuple):
    """How many values there are, and how many of them failed."""

    n: int
    failed: int


_Key = tuple[Selector, str, str]
"""The steps, their measure, and which of its values: the same for all percentiles."""


class Pair:
    """Two sides with their sessions under common codes: that of the block of sessions to which each belongs.

    repeats: whether each step of b repeats the one of a at its place, which stays what it is: a recording's.
    """

    def __init__(self, a: Side, b: Side, mode: Mode) -> None:
        self.repeats = a.is_recording
        self.a = [run.columns for run in a.runs]
        self.b = [run.columns for run in b.runs]
        self.is_paired = mode in ("paired", "sequential")
        self.stretches = min(stretches_of(columns) for columns in (*self.a, *self.b))
        if self.is_paired:
            count, of = blocks_of([*self.a, *self.b], self.stretches)
            counts = count, count
            self._maps_a, self._maps_b = of[: len(self.a)], of[len(self.a) :]
        else:
            blocks_a, blocks_b = blocks_of(self.a, self.stretches), blocks_of(self.b, self.stretches)
            counts = blocks_a.n, blocks_b.n
            self._maps_a, self._maps_b = blocks_a.of, blocks_b.of
        named = [{session for columns in side for session in columns.sessions} for side in (self.a, self.b)]
        self.sessions = len(named[0] | named[1]) if self.is_paired else len(named[0]) + len(named[1])
        self.cut = int(sum(np.count_nonzero(columns.cut_sessions) for columns in (*self.a, *self.b)))
        shown = variance_shown_by(max(counts), self.stretches)
        self.resampling = Resampling(*counts, self.is_paired, variance_shown=shown)
        self._sizes: dict[_Key, tuple[Size, Size]] = {}
        self._ordered = _Last[tuple[Ordered, Ordered]]()
        self._alone = _Last[tuple[Sample, Sample]]()

    def sizes(self, metric: Metric, selector: Selector) -> tuple["Size", "Size"]:
        """How many values of the metric each side has."""
        key = _key(metric, selector)
        if key not in self._sizes:
            a, b = self.samples(metric, selector)
            self._sizes[key] = _size(a), _size(b)
        return self._sizes[key]

    def samples(self, metric: Metric, selector: Selector) -> tuple[Sample, Sample]:
        """Both sides' values of the metric, with common session codes."""
        return (
            _joined([values_of(c, metric, selector) for c in self.a], self._maps_a),
            _joined([values_of(c, metric, selector) for c in self.b], self._maps_b),
        )

    def ordered(self, metric: Metric, selector: Selector) -> tuple[Ordered, Ordered]:
        """The same in order, ready to be drawn again. All percentiles of a measure, one after the other, share it."""
        blocks = self.resampling.blocks_a, self.resampling.blocks_b
        return self._ordered.of(
            _key(metric, selector),
            lambda: (
                Ordered(_joined([values_of(c, metric, selector) for c in self.a], self._maps_a), blocks[0]),
                Ordered(_joined([values_of(c, metric, selector) for c in self.b], self._maps_b), blocks[1]),
            ),
        )

    def alone(self, metric: Metric, selector: Selector) -> tuple[Sample, Sample]:
        """Both sides' values of the metric, each with its own sessions and times."""
        return self._alone.of(
            _key(metric, selector),
            lambda: (
                _in_a_row([values_of(c, metric, selector) for c in self.a]),
                _in_a_row([values_of(c, metric, selector) for c in self.b]),
            ),
        )

    def are_enough(self, q: float | None, confidence: float) -> bool:
        """Whether there are blocks enough to draw again."""
        blocks = min(self.resampling.blocks_a, self.resampling.blocks_b)
        return are_enough(blocks, self.stretches, q, confidence)

    def why_few(self, q: float | None, confidence: float) -> str:
        """Why there are not, and how much more there would have to be."""
        if isinf(self.stretches):
            blocks = min(self.resampling.blocks_a, self.resampling.blocks_b)
            times = ceil(LEAST_BLOCKS / max(1, blocks))
            said = f"{counted(self.sessions, 'session')} cannot show how much sessions differ"
            return f"{said}: replay at {times} times the --scale"
        needed = max(2 * LEAST_BLOCKS, 0 if q is None else least_n(q, confidence))
        return (
            "each step depends on those before it for so long that the runs hold only "
            f"{number(self.stretches)} stretches that are independent of one another: {number(needed)} need a run "
            f"{number(needed / self.stretches, 2)} times as long (--repeat --duration), or a target and a machine with "
            "less of a queue"
        )


def values_of(columns: Columns, metric: Metric, selector: Selector) -> Sample:
    """A measure in ms, or hits as 0 and 1, with the run's own session codes."""
    rows = rows_of(columns, selector, _ALL)
    if metric.statistic == "errors":
        return sample_of(columns, (~columns.ok[rows]).astype(np.float64), rows)
    if metric.statistic == "cold":
        rows = rows & (columns.cold >= 0)
        return sample_of(columns, (columns.cold[rows] == 1).astype(np.float64), rows)
    part: Part = "answered" if metric.statistic == "mean" else "all"
    return measured(columns, metric.measure, rows, part).sample


def _key(metric: Metric, selector: Selector) -> _Key:
    return selector, metric.measure, "percentile" if metric.q is not None else metric.statistic


def _size(sample: Sample) -> Size:
    return Size(sample.n, int(np.count_nonzero(np.isinf(sample.values))))


class _Last(Generic[T]):
    """What was asked for last, found once: of a long run it is large."""

    def __init__(self) -> None:
        self._known: tuple[_Key, T] | None = None

    def of(self, key: _Key, find: Callable[[], T]) -> T:
        if self._known is None or self._known[0] != key:
            self._known = None
            self._known = key, find()
        return self._known[1]


def _joined(samples: Sequence[Sample], maps: Sequence[Codes]) -> Sample:
    if len(samples) == 1:
        return Sample(samples[0].values, maps[0][samples[0].cluster].astype(np.int32, copy=False))
    return Sample(
        np.concatenate([sample.values for sample in samples]),
        np.concatenate([codes[sample.cluster] for sample, codes in zip(samples, maps, strict=True)]).astype(
            np.int32
        ),
    )


def _in_a_row(samples: Sequence[Sample]) -> Sample:
    """Several runs of one side as one after the other."""
    if len(samples) == 1:
        return samples[0]
    clusters, ats, series = [], [], []
    cluster_from = at_from = series_from = 0
    for sample in samples:
        assert sample.at is not None
        clusters.append(sample.cluster + cluster_from)
        ats.append(sample.at.astype(np.int64) + at_from)
        kinds = np.zeros(sample.n, np.int32) if sample.series is None else sample.series
        series.append(kinds + series_from)
        cluster_from += int(sample.cluster.max(initial=-1)) + 1
        at_from += int(sample.at.max(initial=0)) + 1
        series_from += int(kinds.max(initial=-1)) + 1
    return Sample(
        np.concatenate([sample.values for sample in samples]),
        np.concatenate(clusters).astype(np.int32),
        np.concatenate(ats),
        np.concatenate(series).astype(np.int32),
    )
