"""Stalls: stretches in which no answer ended though it should have; see replay/judge/tail/causes.py for the test.

A long run may have thousands of gaps to be looked at, and millions of steps of which only those under way then count:
which these are is found for all gaps at once.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from replay.judge.statistics.ranks import ranks
from replay.judge.statistics.sample import Floats
from replay.results.columns import Columns, Flags, Rows
from replay.results.histogram import Int64s

_TEST = 0.01
_LEAST_STEPS = 20
_LEAST_OVERDUE = 3
_STALL_RATIO = 3.0
_LEAST_STALL_NS = 20_000_000
_NEARLY_ALL = 0.8
# A stall makes those that it holds up alike, too, but these are few of all.
_ALIKE = 0.1
# Pairs of a gap and a step under way that are held at once.
_MOST_PAIRS = 1 << 21


class Stall(NamedTuple):
    """No answer ended between these instants, though many were due. is_ours: nothing was sent either."""

    from_ns: int
    to_ns: int
    is_ours: bool


def find_stalls(
    columns: Columns, sent: Flags, warm: Flags, service_ms: Floats, usual_ms: Floats
) -> list[Stall]:
    """Where nothing ended though it should have. warm: steps that no cold start held up. usual_ms: the median service
    time of each step's kind and name.
    """
    ended = sent & columns.answered & ~columns.censored
    if np.count_nonzero(ended) < _LEAST_STEPS:
        return []
    ends = np.sort(columns.end_ns[ended])
    gaps = np.diff(ends)
    least_ns = max(float(_LEAST_STALL_NS), _STALL_RATIO * 1e6 * float(np.median(service_ms[ended])))
    long = np.flatnonzero(gaps > least_ns)
    if not len(long):
        return []
    until = ends[long + 1]
    begun, over = (np.searchsorted(np.sort(times[sent]), until) for times in (columns.sent_ns, columns.end_ns))
    long = long[begun - over >= _LEAST_OVERDUE]
    by_chance = _Chance(columns, sent, service_ms, len(gaps))
    found: list[int] = []
    for at, held in _under_way(columns, warm, ends[long + 1]):
        from_ns, to_ns = int(ends[long[at]]), int(ends[long[at] + 1])
        elapsed_ms = (to_ns - columns.sent_ns[held]) / 1e6
        was_due = elapsed_ms > usual_ms[held]
        overdue = elapsed_ms > 2 * usual_ms[held]
        if np.count_nonzero(overdue) < max(_LEAST_OVERDUE, _NEARLY_ALL * np.count_nonzero(was_due)):
            continue
        # What is common in the run is no stall, such as slow calls that wait for nobody.
        if to_ns - from_ns < _STALL_RATIO * 1e6 * float(usual_ms[held[overdue]].max()):
            continue
        before_ms = np.maximum(0, from_ns - columns.sent_ns[held]) / 1e6
        if by_chance.is_none(held, before_ms, elapsed_ms):
            found.append(at)
    stalls = long[np.array(found, np.intp)]
    return _told_apart(columns, sent, ends[stalls], ends[stalls + 1])


class _Chance:
    """Whether no step ended for so long by chance: the product, over all that were under way, of how rarely those of
    their kind and name that took as long before take so long, over all gaps. That some of many steps take long is no
    stall: these had outlasted the others before the gap began. Times are put in order when they are first asked for.
    """

    def __init__(self, columns: Columns, sent: Flags, service_ms: Floats, gaps: int) -> None:
        self._series, self._session = columns.series, columns.session
        self._sent, self._service_ms = sent, service_ms
        self._gaps = gaps
        self._are_alike = alike_in_sessions(columns, sent, service_ms) > _ALIKE
        self._ordered: dict[int, Floats] = {}

    def is_none(self, rows: Rows, before_ms: Floats, elapsed_ms: Floats) -> bool:
        """before_ms, elapsed_ms: how long each was under way when the gap began, and when it ended."""
        told = np.arange(len(rows))
        if self._are_alike:
            # What makes one step of a session slow does it to those beside it: the one that was sent first tells.
            in_turn = np.argsort(-elapsed_ms, kind="stable")
            told = in_turn[np.unique(self._session[rows[in_turn]], return_index=True)[1]]
        log_chance = np.log(self._gaps)
        codes = self._series[rows]
        for code in np.unique(codes[told]).tolist():
            values, own = self._of(code), told[codes[told] == code]
            rarely = len(values) - np.searchsorted(values, elapsed_ms[own])
            as_long = len(values) - np.searchsorted(values, before_ms[own])
            if not rarely.all():
                return True
            log_chance += np.log(rarely / as_long).sum()
        return bool(log_chance < np.log(_TEST))

    def _of(self, code: int) -> Floats:
        if code not in self._ordered:
            self._ordered[code] = np.sort(self._service_ms[self._sent & (self._series == code)])
        return self._ordered[code]


def alike_in_sessions(columns: Columns, sent: Flags, service_ms: Floats) -> float:
    """How much of what service times differ by within a kind and name is between sessions, -1..1: the intraclass
    correlation of their ranks (one-way analysis of variance; Donner 1986, "A review of inference procedures for the
    intraclass correlation coefficient", International Statistical Review 54). 0 where sessions have one step each.
    """
    ranked = np.zeros(columns.n)
    for code in np.unique(columns.series[sent]).tolist():
        own = sent & (columns.series == code)
        ranked[own] = ranks(service_ms[own]) / np.count_nonzero(own) - 0.5
    _, session = np.unique(columns.session[sent], return_inverse=True)
    values, sizes = ranked[sent], np.bincount(session)
    n, m = len(values), len(sizes)
    if not 1 < m < n:
        return 0.0
    sums = np.bincount(session, weights=values)
    between = float((sums**2 / sizes).sum() - sums.sum() ** 2 / n) / (m - 1)
    within = float((values**2).sum() - (sums**2 / sizes).sum()) / (n - m)
    usual_size = (n - float((sizes**2).sum()) / n) / (m - 1)
    spread = between + (usual_size - 1) * within
    return (between - within) / spread if spread > 0 else 0.0


def _under_way(columns: Columns, rows: Flags, instants: Int64s) -> Iterator[tuple[int, Rows]]:
    """Which of these rows were sent before each instant, and ended at it or later. instants: in order."""
    first, last = (
        np.searchsorted(instants, times, side="right").astype(np.int32)
        for times in (columns.sent_ns, columns.end_ns)
    )
    chosen = np.flatnonzero(rows & (first < last))
    first, last = first[chosen], last[chosen]
    change = np.zeros(len(instants) + 1, np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, last, -1)
    held = np.cumsum(change)[:-1]
    part = (np.cumsum(held) - held) // _MOST_PAIRS
    for n in np.unique(part):
        begin, end = np.searchsorted(part, (n, n + 1)).tolist()
        inside = np.flatnonzero((first < end) & (last > begin))
        low, high = np.maximum(first[inside], begin), np.minimum(last[inside], end)
        times = high - low
        instant = np.repeat(low - np.cumsum(times) + times, times) + np.arange(times.sum())
        order = np.argsort(instant, kind="stable")
        of_pair = chosen[np.repeat(inside, times)[order]]
        stops = np.cumsum(held[begin:end])
        for at in range(begin, end):
            yield at, of_pair[stops[at - begin] - held[at] : stops[at - begin]]


def _told_apart(columns: Columns, sent: Flags, from_ns: Int64s, to_ns: Int64s) -> list[Stall]:
    """These stalls, in order, with whose they are: ours, if steps that were due meanwhile were not sent either."""
    if not len(from_ns):
        return []
    at = np.searchsorted(from_ns, columns.intended_ns) - 1
    due = (at >= 0) & (columns.intended_ns < to_ns[at])
    late = due & sent & (columns.sent_ns >= to_ns[at])
    n_due, n_late = (np.bincount(at[rows], minlength=len(from_ns)) for rows in (due, late))
    ours = n_late >= np.maximum(1, _NEARLY_ALL * n_due)
    return [Stall(*stall) for stall in zip(from_ns.tolist(), to_ns.tolist(), ours.tolist(), strict=True)]


def held_up(columns: Columns, sent: Flags, stalls: Sequence[Stall]) -> Iterator[tuple[str, Rows, Floats]]:
    """What stalls took of which steps, in ms, by the cause that they are: each step's first stalls first."""
    if not stalls:
        return
    from_ns, to_ns = (
        np.array([getattr(stall, name) for stall in stalls], np.int64) for name in ("from_ns", "to_ns")
    )
    are_ours = np.array([stall.is_ours for stall in stalls], np.bool_)
    at = np.searchsorted(to_ns, columns.sent_ns, side="right")
    last = np.searchsorted(from_ns, columns.end_ns)
    rows = np.flatnonzero(sent & (at < last))
    at, last = at[rows], last[rows]
    while len(rows):
        within = np.minimum(columns.end_ns[rows], to_ns[at]) - np.maximum(columns.sent_ns[rows], from_ns[at])
        within_ms = np.maximum(0, within) / 1e6
        for name, own in (("dispatch_lag", are_ours[at]), ("pause", ~are_ours[at])):
            if own.any():
                yield name, rows[own], within_ms[own]
        at += 1
        more = at < last
        rows, at, last = rows[more], at[more], last[more]
