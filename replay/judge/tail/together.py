"""Whether steps came close together in a run: the shortest part of it in which most of them were due."""

from math import ceil
from typing import NamedTuple

import numpy as np

from replay.judge.statistics.distributions import at_least
from replay.results.columns import Columns, Flags, Rows

_MOST = 0.8
_TEST = 0.01
_LEAST_STEPS = 10
_LARGEST_PART = 0.5


class Part(NamedTuple):
    """steps: so many of those that were asked for were due in it. from_s, to_s: in s from the run's start.

    share: of all steps, how many were due in it, 0..1.
    """

    steps: int
    from_s: float
    to_s: float
    share: float


def part_of_most(columns: Columns, rows: Rows, counted: Flags) -> Part | None:
    """The shortest part of the run that has four fifths of these steps, by how many steps of all were due in it.

    None where it is more than half of the run, or chance might have put them there: the binomial probability of so many
    in a part as large is 0.01 or more, times as many parts as there are places to begin one (Bonferroni).
    """
    n = len(rows)
    if n < _LEAST_STEPS:
        return None
    all_ns = np.sort(columns.intended_ns[counted])
    own_ns = np.sort(columns.intended_ns[rows])
    most = ceil(_MOST * n)
    before = np.searchsorted(all_ns, own_ns, side="left")
    after = np.searchsorted(all_ns, own_ns, side="right")
    sizes = after[most - 1 :] - before[: n - most + 1]
    at = int(np.argmin(sizes))
    share = float(sizes[at]) / len(all_ns)
    if share > _LARGEST_PART or float(at_least(most, n, share)) * n >= _TEST:
        return None
    from_ns, to_ns = own_ns[at], own_ns[at + most - 1]
    return Part(most, float(from_ns) / 1e9, float(to_ns) / 1e9, share)
