"""What a cold start adds: by how much a step that woke the target took longer than a warm one of its kind and name.

A cold step waited for a whole boot if it found the target with nothing in flight: it asked for the instance, and no
other could come free sooner. All other cold steps came into a boot, or were served by another instance before theirs
was ready, so that they waited for a part: their median says nothing of a boot. Nor does a step after a failure, or at a
further try: the boot may have been asked for before.

Those that woke it are compared with warm steps that found it without others in flight as well, where there are enough
to bound their median, else with all that are warm of their kind and name; those may have queued, so that their normal
is then only known to lie above the least of them. Steps of kinds that have no warm ones are left out: a boot does not
ask for whom it is.

The estimate is the median of those differences. Its interval assumes no distribution: order statistics (Hahn and
Meeker, Statistical Intervals, ch. 5) of the differences from either end of the interval of each warm median, with half
of the doubt for those and half for these, shared out by Bonferroni over kinds and names. Coverage is simulated in
tests/judge/cold/test_added.py.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from replay.judge.statistics.quantile import quantile, quantile_interval
from replay.judge.statistics.sample import Floats, Sample
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.words.numbers import milliseconds
from replay.words.phrases import counted

_CONFIDENCE = 0.95


class Added(NamedTuple):
    """ms: the median of what was added; None where it is not known, and why says why. ci_ms: its interval at 95 %;
    None where there are too few. of: how many steps it is of.
    """

    ms: float | None
    ci_ms: tuple[float, float] | None = None
    of: int = 0
    why: str = ""


class Kind(NamedTuple):
    """Steps of one kind and name, in ms: those that woke the target, and warm ones, each with its session.

    is_alone: whether the warm ones, too, found the target without others in flight.
    """

    woke: Floats
    warm: Sample
    is_alone: bool


def added_in(columns: Columns, sent: Flags, is_cold: Flags) -> Added:
    """What a cold start adds in a run. sent: the steps that were answered well."""
    if not is_cold.any():
        return Added(None)
    alone = sent & found_idle(columns)
    woke, warm = alone & is_cold, sent & ~is_cold
    if not woke.any():
        return Added(
            None,
            why="no step is known to have waited for a whole boot: each came while others were in flight, "
            "or after a failure",
        )
    service_ms = (columns.end_ns - columns.sent_ns) / 1e6
    kinds = []
    for code in np.unique(columns.series[woke]):
        of_kind = columns.series == code
        if (of_kind & warm).any():
            kinds.append(_kind(columns, service_ms, of_kind & woke, of_kind & warm, alone))
    if not kinds:
        n, p50_ms = int(np.count_nonzero(woke)), quantile(np.sort(service_ms[woke]), 0.5)
        return Added(
            None,
            why=f"no warm step is of the kind and name of the {counted(n, 'step')} that woke the target, which took "
            f"{milliseconds(p50_ms)} in the median, their own work included",
        )
    return added_by(kinds)


def found_idle(columns: Columns) -> Flags:
    """The steps that were sent, at the first try, while no other was in flight, the last of those having gone well."""
    found = np.zeros(columns.n, np.bool_)
    rows = np.flatnonzero(columns.sent_ns != ABSENT_NS)
    rows = rows[np.argsort(columns.sent_ns[rows], kind="stable")]
    if not len(rows):
        return found
    end_ns = columns.end_ns[rows]
    busy_until_ns = np.maximum.accumulate(end_ns)
    ended_last = np.maximum.accumulate(np.where(end_ns >= busy_until_ns, np.arange(len(rows)), 0))
    was_well = columns.ok[rows][ended_last]
    is_idle = (columns.sent_ns[rows][1:] >= busy_until_ns[:-1]) & was_well[:-1]
    found[rows] = np.append(True, is_idle) & (columns.attempts[rows] <= 1)
    return found


def added_by(kinds: Sequence[Kind]) -> Added:
    """What a cold start adds, by steps of these kinds and names, each with at least one of either side."""
    doubt = (1 - _CONFIDENCE) / 2
    differences, least, most = [], [], []
    for woke, warm, is_alone in kinds:
        differences.append(woke - quantile(warm.ordered, 0.5))
        low, high = _bounds(warm, 1 - doubt / len(kinds))
        least.append(woke - high)
        most.append(woke - (low if is_alone else float(warm.ordered[0])))
    found = np.sort(np.concatenate(differences))
    n = len(found)
    ci_low, _ = _bounds(independent(np.concatenate(least)), 1 - doubt)
    _, ci_high = _bounds(independent(np.concatenate(most)), 1 - doubt)
    added_ms = quantile(found, 0.5)
    if np.isfinite(ci_low) and np.isfinite(ci_high):
        return Added(round(added_ms, 3), (round(ci_low, 3), round(ci_high, 3)), n)
    if added_ms <= 0:
        return Added(
            None,
            why=f"{counted(n, 'step')} that woke the target took no longer than warm ones of the same kind and name, "
            "and so few do not tell why",
        )
    return Added(round(added_ms, 3), None, n)


def _kind(columns: Columns, service_ms: Floats, woke: Flags, warm: Flags, alone: Flags) -> Kind:
    beside = independent(service_ms[warm & alone])
    if beside.n and np.isfinite(_bounds(beside, _CONFIDENCE)).all():
        return Kind(service_ms[woke], beside, True)
    _, sessions = np.unique(columns.session[warm], return_inverse=True)
    return Kind(service_ms[woke], Sample(service_ms[warm], sessions.astype(np.int32)), False)


def independent(values: Floats) -> Sample:
    """Values of which none depends on another."""
    return Sample(values, np.arange(len(values), dtype=np.int32))


def _bounds(sample: Sample, confidence: float) -> tuple[float, float]:
    """Of the median; infinite where there are too few values."""
    interval, _ = quantile_interval(sample, 0.5, confidence)
    low, high = interval
    return -np.inf if low is None else low, np.inf if high is None else high
