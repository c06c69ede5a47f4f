"""The steps that both sides tried: where one side was asked for others, its figures are of other steps. Pure.

A step after one that failed may never be sent, or one that came too late; if those are the slow ones, the side that
left them out looks quick. So what is concluded has to hold of the steps that both tried, too; of a mean, which is of
answers, of those that both answered. Which steps they are decides, and not how many: sides that each left out as many
of one name may have left out the quick ones here and the slow ones there.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import numpy as np

from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Side
from replay.judge.types import Mode
from replay.results.columns import Columns, Flags
from replay.results.evidence import Evidence
from replay.results.histogram import Int64s
from replay.words.phrases import were

# Runs of their own that have less in common are of other sessions, and none of them is another's step left out.
_LEAST_COMMON_UNPAIRED = 0.5


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


class InCommon(NamedTuple):
    """Both sides with the steps that both tried, and with those that both answered. None where these are all that each
    tried, or answered, or where none can be put beside another's.
    """

    tried: BothTried | None = None
    answered: BothTried | None = None

    def of(self, metric: Metric) -> BothTried | None:
        """What a figure has to hold of, too. Makespans are of sessions, which say themselves where they were cut."""
        if metric.measure == "makespan":
            return None
        return self.answered if metric.statistic == "mean" else self.tried


def in_common(a: Side, b: Side, mode: Mode) -> InCommon:
    """Run by run. Sides of which each has sessions of its own, as of an interleaved run, have no step in common."""
    if a.is_recording or mode == "interleaved" or len(a.runs) != len(b.runs):
        return InCommon()
    least = _LEAST_COMMON_UNPAIRED if mode == "unpaired" else 0.0
    rows = []
    for runs in zip(a.runs, b.runs, strict=True):
        of_runs = _rows_of(*runs, least)
        if of_runs is None:
            return InCommon()
        rows.append(of_runs)
    only_a = sum(int(np.count_nonzero(~one.tried_a)) for one in rows)
    only_b = sum(int(np.count_nonzero(~one.tried_b)) for one in rows)
    tried = answered = None
    if only_a or only_b:
        kept_a, kept_b = _kept(a, [one.tried_a for one in rows]), _kept(b, [one.tried_b for one in rows])
        tried = BothTried(kept_a, kept_b, only_a, only_b)
    if tried or not all(one.are_answered_alike for one in rows):
        kept_a, kept_b = _kept(a, [one.answered_a for one in rows]), _kept(b, [one.answered_b for one in rows])
        answered = BothTried(kept_a, kept_b, only_a, only_b)
    return InCommon(tried, answered)


class _Rows(NamedTuple):
    """Of two runs, the rows of the steps that both tried, and of those that both answered."""

    tried_a: Flags
    tried_b: Flags
    answered_a: Flags
    answered_b: Flags
    are_answered_alike: bool


def _rows_of(run_a: Evidence, run_b: Evidence, least: float) -> _Rows | None:
    """None where they have nothing in common, or less than this part of the longer one's steps."""
    a, b = run_a.columns, run_b.columns
    if a.ok.all() and b.ok.all() and _tried_all_alike(run_a, run_b):
        return _Rows(a.ok, b.ok, a.ok, b.ok, are_answered_alike=True)
    keys_a, keys_b = _keys(a, b)
    tried_a, tried_b = np.isin(keys_a, keys_b), np.isin(keys_b, keys_a)
    common = np.count_nonzero(tried_a)
    if not common or common < least * max(a.n, b.n):
        return None
    answered_a, answered_b = a.ok & np.isin(keys_a, keys_b[b.ok]), b.ok & np.isin(keys_b, keys_a[a.ok])
    are_alike = np.array_equal(answered_a, a.ok) and np.array_equal(answered_b, b.ok)
    return _Rows(tried_a, tried_b, answered_a, answered_b, are_alike)


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


def _kept(side: Side, rows: Sequence[Flags]) -> Side:
    runs = [
        Evidence(run.summary, run.columns.where(of_run), run.name)
        for run, of_run in zip(side.runs, rows, strict=True)
    ]
    return side._replace(runs=runs)
