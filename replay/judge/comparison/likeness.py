"""Whether one side answered less than the other: with no body, or with where else to ask. Pure.

Both count as ok where the recording does not say otherwise, and take next to no time. The same steps of the same trace
are answered alike by targets that do the same work; so the shares of such answers are held to each other for each kind
and name of steps. They differ if they do by a tenth and by four standard errors of the difference of two shares, which
chance does to one name in fifteen thousand.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from replay.judge.comparison.pair import Side
from replay.results.columns import Columns, Flags
from replay.results.types import SIMULATED
from replay.words.phrases import counted

_LEAST_APART, _DEVIATIONS = 0.1, 4.0
# What matters to a figure of all steps.
_LEAST_SHARE = 0.05
_NOT_MODIFIED = 304

Name = tuple[str, str]
Share = tuple[int, int]
"""So many of so many."""


class AnsweredLess(NamedTuple):
    """label: the side that did. said: how, and how often."""

    label: str
    said: str

    def __str__(self) -> str:
        return f"{self.said}: the two need not do the same work"


def answered_less(a: Side, b: Side) -> AnsweredLess | None:
    """The side of which so many more answers have nothing in them that the figures may show this alone."""
    if a.is_recording or any(SIMULATED in run.summary.notes for run in (*a.runs, *b.runs)):
        return None
    for is_nothing, how in ((_has_no_body, "had no body"), (_leads_elsewhere, "were redirects (3xx)")):
        ours, theirs = _by_name(a, is_nothing), _by_name(b, is_nothing)
        for (less, more), (label, other) in (((ours, theirs), ("b", "a")), ((theirs, ours), ("a", "b"))):
            names = [name for name in more.keys() & less.keys() if _are_apart(more[name], less[name])]
            n, of = _sum_of(more, names)
            was, of_other = _sum_of(less, names)
            if n - was * of / max(1, of_other) > _LEAST_SHARE * _sum_of(more, list(more))[1]:
                said = (
                    f"{n:,} of {counted(of, 'answer')} of {label} {how}, and {was:,} of {of_other:,} of {other} "
                    "to the same steps"
                )
                return AnsweredLess(label, said)
    return None


def _has_no_body(columns: Columns) -> Flags:
    has_none: Flags = (columns.response_bytes == 0) & (columns.status >= 200) & (columns.status < 300)
    return has_none


def _leads_elsewhere(columns: Columns) -> Flags:
    leads: Flags = (columns.status >= 300) & (columns.status < 400) & (columns.status != _NOT_MODIFIED)
    return leads


def _by_name(side: Side, is_nothing: Callable[[Columns], Flags]) -> dict[Name, Share]:
    """Of the steps of each kind and name that were answered: how many with nothing, and how many in all."""
    found: dict[Name, Share] = {}
    for run in side.runs:
        columns = run.columns
        codes, size = columns.series[columns.ok], len(columns.series_names)
        of = np.bincount(codes, minlength=size).tolist()
        n = np.bincount(codes, weights=is_nothing(columns)[columns.ok], minlength=size).tolist()
        for name, of_n, of_all in zip(columns.series_names, n, of, strict=True):
            before = found.get(name, (0, 0))
            found[name] = before[0] + int(of_n), before[1] + of_all
    return found


def _are_apart(more: Share, less: Share) -> bool:
    if not more[1] or not less[1]:
        return False
    apart = more[0] / more[1] - less[0] / less[1]
    pooled = (more[0] + less[0]) / (more[1] + less[1])
    error = (pooled * (1 - pooled) * (1 / more[1] + 1 / less[1])) ** 0.5
    return apart > _LEAST_APART and apart > _DEVIATIONS * error


def _sum_of(shares: Mapping[Name, Share], names: Sequence[Name]) -> Share:
    return sum(shares[name][0] for name in names), sum(shares[name][1] for name in names)
