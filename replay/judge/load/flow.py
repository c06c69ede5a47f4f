"""Load over time: what was offered and answered, how much was in flight, and whether it was steady.

Warm-up is found, not guessed, by MSER-5 (White 1997, "An effective truncation heuristic for bias reduction in
simulation output"): means of five values each; what is cut from the start is what leaves the smallest standard error
of the mean of the rest. If that asks for more than half to be cut, the run has not settled. Whether times grow over
the rest is asked of the means of equal parts, by the test for a trend (replay/judge/statistics/trend.py), which allows
for neighbours that are alike: a queue that is short for a while, and long for a while, grows no more than by chance.
"""

from typing import NamedTuple

import numpy as np

from replay.judge.statistics.sample import Floats
from replay.judge.statistics.trend import find_trend
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.histogram import Int64s

_NS = 1_000_000_000
_BATCH = 5
_PARTS = 10
_GROWTH = 1.5
# Of the requests under way, one request in twenty finds more: a burst is in it, and its last few are not.
_AT_ONCE = 0.95
# Steps of one kind that tell how long it takes where hardly anything else is under way.
_CALM = 20


class Steadiness(NamedTuple):
    """from_ns: where the settled part begins, by intended time; None: it never settled. growth: the mean of the
    last third over that of the first; p_value: of no growth against growth.
    """

    from_ns: int | None
    growth: float | None
    p_value: float | None

    @property
    def grows(self) -> bool:
        """Whether response times rise without an end in sight: surely, and by more than half."""
        return self.p_value is not None and self.p_value < 0.01 and (self.growth or 0) > _GROWTH


class Flow(NamedTuple):
    """One stretch of a run. offered_rps: steps intended in it; achieved_rps: steps that were answered in it; ended_rps:
    those that ended in it, answered or failed; in_flight: mean number in flight; backlog: how many more were intended
    than ended in it; little_ratio: in_flight over rate x mean service time, about 1 by Little's law.
    """

    seconds: float
    offered_rps: float
    achieved_rps: float
    ended_rps: float
    in_flight: float
    peak_in_flight: int
    backlog: float
    little_ratio: float | None


def settled(intended_ns: Int64s, response_ns: Int64s) -> Steadiness:
    """Where a run settles, and whether its response times grow from there."""
    if not len(intended_ns):
        return Steadiness(None, None, None)
    order = np.argsort(intended_ns, kind="stable")
    times, values = intended_ns[order], response_ns[order].astype(np.float64)
    start = _mser(values)
    if start is None:
        return Steadiness(None, *_trend(values))
    return Steadiness(int(times[start]), *_trend(values[start:]))


def _mser(values: Floats) -> int | None:
    """The index from which values are settled; None if that would be beyond the middle."""
    m = len(values) // _BATCH
    if m < 4:
        return 0
    means = values[: m * _BATCH].reshape(m, _BATCH).mean(axis=1)
    # Sums over what is left after each cut, from the end.
    left = np.arange(m, 0, -1)
    sums, squares = np.cumsum(means[::-1])[::-1], np.cumsum(means[::-1] ** 2)[::-1]
    errors = (squares - sums**2 / left) / left**2
    # The last few would always win: their means can be alike by chance.
    best = int(np.argmin(errors[: max(1, m - 5)]))
    return best * _BATCH if best <= m // 2 else None


def _trend(values: Floats) -> tuple[float | None, float | None]:
    """Growth from the first to the last third, and the p-value of no growth against growth."""
    if len(values) < 3 * _PARTS:
        return None, None
    parts = np.array([part.mean() for part in np.array_split(values, _PARTS)])
    third = len(values) // 3
    first = float(values[:third].mean())
    growth = float(values[-third:].mean()) / first if first > 0 else None
    return growth, find_trend(np.arange(_PARTS, dtype=np.float64), parts).p_value_of_rise


def flow(columns: Columns, from_ns: int, to_ns: int) -> Flow:
    """What flowed between two instants of a run."""
    seconds = max(1e-9, (to_ns - from_ns) / _NS)
    sent = columns.sent_ns != ABSENT_NS
    intended, end = columns.intended_ns, columns.end_ns
    offered = int(np.count_nonzero((intended >= from_ns) & (intended < to_ns)))
    ended = (end >= from_ns) & (end < to_ns)
    answered = int(np.count_nonzero(ended & columns.ok))
    overlap = np.clip(np.minimum(end, to_ns) - np.maximum(columns.sent_ns, from_ns), 0, None)
    in_flight = float(overlap[sent].sum()) / (to_ns - from_ns) if to_ns > from_ns else 0.0
    service_s = float((end - columns.sent_ns)[sent & ended].mean()) / _NS if (sent & ended).any() else 0.0
    throughput = int(np.count_nonzero(sent & ended)) / seconds
    return Flow(
        seconds,
        offered / seconds,
        answered / seconds,
        int(np.count_nonzero(ended)) / seconds,
        in_flight,
        int(concurrency(columns, from_ns, to_ns, 1)[1].max(initial=0)),
        float(offered - int(np.count_nonzero(ended))),
        in_flight / (throughput * service_s) if throughput * service_s > 0 else None,
    )


def at_once(columns: Columns, rows: Flags | None = None, ends_ns: Int64s | None = None) -> float | None:
    """Requests under way, itself among them, that a request found when it was sent: one in twenty of these steps found
    more. None where none was sent. ends_ns: of all steps, where they are not to be taken for as long as they took.

    Unlike a mean over time it tells a burst from load that comes evenly: fifty calls of a fan-out find up to fifty,
    however long nothing happens before the next.
    """
    return _usual(columns, rows, _found(columns, ends_ns, np.zeros(columns.n, np.int64)))


def at_once_of_a_session(
    columns: Columns, rows: Flags | None = None, ends_ns: Int64s | None = None
) -> float | None:
    """As `at_once`, of the requests of its own session alone: what comes together however few sessions there are."""
    return _usual(columns, rows, _found(columns, ends_ns, columns.session.astype(np.int64)))


def ends_without_queue(columns: Columns) -> Int64s:
    """When each step would have ended had none waited for another: after no longer than the slowest of those twenty of
    its like that found the fewest requests under way.
    """
    found = _found(columns, None, np.zeros(columns.n, np.int64))
    sent = columns.sent_ns != ABSENT_NS
    ends_ns = columns.end_ns.copy()
    for series in np.unique(columns.series[sent]):
        of_it = np.flatnonzero(sent & (columns.series == series))
        calm = of_it[np.argsort(found[of_it], kind="stable")[:_CALM]]
        longest_ns = (columns.end_ns[calm] - columns.sent_ns[calm]).max()
        ends_ns[of_it] = np.minimum(ends_ns[of_it], columns.sent_ns[of_it] + longest_ns)
    return ends_ns


def _found(columns: Columns, ends_ns: Int64s | None, of: Int64s) -> Int64s:
    """How many requests of its own kind, itself among them, each step found under way; of: the kind of each."""
    sent = columns.sent_ns != ABSENT_NS
    starts, ends = columns.sent_ns[sent], (columns.end_ns if ends_ns is None else ends_ns)[sent]
    # One kind after another, each by itself.
    apart = of[sent] * (int(ends.max(initial=0)) + 1)
    order = np.argsort(starts + apart, kind="stable")
    found = np.zeros(columns.n, np.int64)
    over = np.searchsorted(np.sort(ends + apart), (starts + apart)[order], side="right")
    found[np.flatnonzero(sent)[order]] = np.arange(1, len(starts) + 1) - over
    return found


def _usual(columns: Columns, rows: Flags | None, found: Int64s) -> float | None:
    sent = columns.sent_ns != ABSENT_NS
    asked = sent if rows is None else sent & rows
    return float(np.quantile(found[asked], _AT_ONCE)) if asked.any() else None


def concurrency(columns: Columns, from_ns: int, to_ns: int, bins: int) -> tuple[Floats, Int64s]:
    """Requests under way in equal parts of a stretch: their mean and their most, shape (bins,)."""
    sent = columns.sent_ns != ABSENT_NS
    starts, ends = np.sort(columns.sent_ns[sent]), np.sort(columns.end_ns[sent])
    edges = np.linspace(from_ns, to_ns, bins + 1)
    width = max(1.0, (to_ns - from_ns) / bins)
    overlap_before = np.array([_time_before(starts, edge) - _time_before(ends, edge) for edge in edges])
    means = np.diff(overlap_before) / width
    level = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")
    at_edge = np.searchsorted(starts, edges, side="right") - np.searchsorted(ends, edges, side="right")
    part = np.clip(((starts - from_ns) / width).astype(np.int64), -1, bins)
    most = at_edge[:-1].astype(np.int64)
    for index in range(bins):
        inside = level[part == index]
        if len(inside):
            most[index] = max(most[index], int(inside.max()))
    return means, most


def _time_before(instants: Int64s, edge: float) -> float:
    """The sum over all instants before the edge of how long before it they were."""
    count = int(np.searchsorted(instants, edge))
    return count * edge - float(instants[:count].sum(dtype=np.float64))
