"""The steps that both sides tried: where one side was asked for others, its figures are of other steps. Pure.

A step after one that failed may never be sent, or one that came too late; if those are the slow ones, the side that
left them out looks quick. So what is concluded has to hold of the steps that both tried, too; of a mean, which is of
answers, of those that both answered.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Side
from replay.results.columns import Columns, Flags
from replay.results.evidence import Evidence
from replay.words.phrases import were

# Runs that have less in common are of other sessions, and none of them is another's step left out.
_LEAST_COMMON = 0.5

_Key = tuple[str, str]


class Common(NamedTuple):
    """Both sides with the steps that both tried. only_a, only_b: how many one of them tried alone."""

    a: Side
    b: Side
    only_a: int
    only_b: int

    def __str__(self) -> str:
        alone = ((self.only_a, "a"), (self.only_b, "b"))
        tried = [f"{were(n, 'step')} tried at {label} alone" for n, label in alone if n]
        return " and ".join(tried) or "some steps failed on one side alone"


def common_steps(a: Side, b: Side, metric: Metric) -> Common | None:
    """None where both sides tried the same steps, or none can be put beside another's."""
    if a.is_recording or metric.measure == "makespan" or len(a.runs) != len(b.runs):
        return None
    is_of_answers = metric.statistic == "mean"
    runs_a, runs_b, only_a, only_b, is_other = [], [], 0, 0, False
    for run_a, run_b in zip(a.runs, b.runs, strict=True):
        of_a, of_b = run_a.columns, run_b.columns
        if not _are_apart(of_a, of_b, is_of_answers):
            runs_a.append(run_a)
            runs_b.append(run_b)
            continue
        keys_a, keys_b = _keys(of_a), _keys(of_b)
        both = set(keys_a) & set(keys_b)
        if len(both) < _LEAST_COMMON * max(len(keys_a), len(keys_b)):
            return None
        only_a += len(keys_a) - len(both)
        only_b += len(keys_b) - len(both)
        if is_of_answers:
            both -= {key for keys, of in ((keys_a, of_a), (keys_b, of_b)) for key in _failed(keys, of)}
        runs_a.append(_of(run_a, keys_a, both))
        runs_b.append(_of(run_b, keys_b, both))
        is_other = True
    if not is_other:
        return None
    return Common(a._replace(runs=runs_a), b._replace(runs=runs_b), only_a, only_b)


def _are_apart(a: Columns, b: Columns, is_of_answers: bool) -> bool:
    if is_of_answers and not (a.ok.all() and b.ok.all()):
        return True
    return _by_name(a) != _by_name(b)


def _by_name(columns: Columns) -> Counter[tuple[str, str]]:
    counts = np.bincount(columns.series, minlength=len(columns.series_names)).tolist()
    return Counter({name: n for name, n in zip(columns.series_names, counts, strict=True) if n})


def _keys(columns: Columns) -> list[_Key]:
    sessions = columns.sessions
    return [(sessions[code], step) for code, step in zip(columns.session.tolist(), columns.step, strict=True)]


def _failed(keys: Sequence[_Key], columns: Columns) -> list[_Key]:
    return [key for key, is_ok in zip(keys, columns.ok.tolist(), strict=True) if not is_ok]


def _of(run: Evidence, keys: Sequence[_Key], both: set[_Key]) -> Evidence:
    rows: Flags = np.fromiter((key in both for key in keys), np.bool_, len(keys))
    return Evidence(run.summary, run.columns.where(rows), run.name)
