"""The steps that both sides tried: where one side was asked for others, its figures are of other steps. Pure.

A step after one that failed may never be sent, or one that came too late; if those are the slow ones, the side that
left them out looks quick. So what is concluded has to hold of the steps that both tried, too; of a mean, which is of
answers, of those that both answered. Which steps they are decides, and not how many: sides that each left out as many
of one name may have left out the quick ones here and the slow ones there.
"""

from collections import defaultdict
from itertools import count
from typing import NamedTuple

import numpy as np

from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Side
from replay.results.columns import Columns, Flags
from replay.results.evidence import Evidence
from replay.results.histogram import Int64s
from replay.words.phrases import were

# Runs that have less in common are of other sessions, and none of them is another's step left out.
_LEAST_COMMON = 0.5


class BothTried(NamedTuple):
    """Both sides with the steps that both tried. only_a, only_b: how many one of them tried alone."""

    a: Side
    b: Side
    only_a: int
    only_b: int

    def __str__(self) -> str:
        alone = ((self.only_a, "a"), (self.only_b, "b"))
        tried = [f"{were(n, 'step')} tried at {label} alone" for n, label in alone if n]
        return " and ".join(tried) or "some steps failed on one side alone"


def both_tried(a: Side, b: Side, metric: Metric) -> BothTried | None:
    """None where both sides tried the same steps, or none can be put beside another's."""
    if a.is_recording or metric.measure == "makespan" or len(a.runs) != len(b.runs):
        return None
    is_of_answers = metric.statistic == "mean"
    runs_a, runs_b, only_a, only_b, is_other = [], [], 0, 0, False
    for run_a, run_b in zip(a.runs, b.runs, strict=True):
        of_a, of_b = run_a.columns, run_b.columns
        are_answered = of_a.ok.all() and of_b.ok.all()
        if (are_answered or not is_of_answers) and _tried_all_alike(run_a, run_b):
            runs_a.append(run_a)
            runs_b.append(run_b)
            continue
        keys_a, keys_b = _keys(of_a, of_b)
        rows_a, rows_b = np.isin(keys_a, keys_b), np.isin(keys_b, keys_a)
        if np.count_nonzero(rows_a) < _LEAST_COMMON * max(of_a.n, of_b.n):
            return None
        only_a += int(np.count_nonzero(~rows_a))
        only_b += int(np.count_nonzero(~rows_b))
        is_other |= not (rows_a.all() and rows_b.all())
        if is_of_answers:
            rows_a = of_a.ok & np.isin(keys_a, keys_b[of_b.ok])
            rows_b = of_b.ok & np.isin(keys_b, keys_a[of_a.ok])
            is_other |= not (np.array_equal(rows_a, of_a.ok) and np.array_equal(rows_b, of_b.ok))
        runs_a.append(_of(run_a, rows_a))
        runs_b.append(_of(run_b, rows_b))
    if not is_other:
        return None
    return BothTried(a._replace(runs=runs_a), b._replace(runs=runs_b), only_a, only_b)


def _tried_all_alike(a: Evidence, b: Evidence) -> bool:
    """Whether both tried all that was planned of the same sessions, which spares a look at each step."""
    facts = [(run.summary.trace.sha256, run.columns.n, run.summary.counts.waits) for run in (a, b)]
    are_all = all(run.columns.n + run.summary.counts.waits == run.summary.counts.steps for run in (a, b))
    return are_all and facts[0] == facts[1] and set(a.columns.sessions) == set(b.columns.sessions)


def _keys(a: Columns, b: Columns) -> tuple[Int64s, Int64s]:
    """Which step each row is, as numbers: one number is one step of one session, on both sides."""
    sessions: defaultdict[str, int] = defaultdict(count().__next__)
    steps: defaultdict[str, int] = defaultdict(count().__next__)
    session_of = [np.array([sessions[name] for name in of.sessions], np.int64)[of.session] for of in (a, b)]
    step_of = [np.fromiter(map(steps.__getitem__, of.step), np.int64, of.n) for of in (a, b)]
    keys_a, keys_b = (session * len(steps) + step for session, step in zip(session_of, step_of, strict=True))
    return keys_a, keys_b


def _of(run: Evidence, rows: Flags) -> Evidence:
    return Evidence(run.summary, run.columns.where(rows), run.name)
