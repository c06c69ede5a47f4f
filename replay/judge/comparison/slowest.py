"""Whether the slowest steps are all of one side, though no figure that was asked for is made of them. Pure.

What is rare changes no percentile below it: one step in five hundred that takes ten seconds leaves p99 where it was.
The largest values are then counted, up to the first of the other side. Where both are alike each of them is of either
side by chance, so that k in a row of one side are so with its share to the power of k (Rosenbaum 1954, "Tables for a
nonparametric test of location", Annals of Mathematical Statistics 25). Those of one moment, of which a pause makes
many at once, count once. A failure is infinitely slow, so that none of a side is slower than all of one that failed.
"""

import numpy as np

from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Pair
from replay.judge.types import Difference
from replay.results.selector import Selector
from replay.words.numbers import milliseconds
from replay.words.phrases import counted

_FAR_RATIO = 2.0
"""Slower than the slowest of the other side by less is no matter."""

_MOST_P = 0.05


def slowest_of_one_side(pair: Pair, main: Difference) -> str | None:
    """In a sentence, how many steps of one side were far slower than all of the other; None where that may be chance,
    or the verdict says which side is slower.
    """
    measure = main.series
    sides = pair.samples(Metric("p99", measure), Selector())
    finite = [np.isfinite(sample.values) for sample in sides]
    if not all(known.any() for known in finite):
        return None
    most = [float(sample.values[known].max()) for sample, known in zip(sides, finite, strict=True)]
    slow = int(np.argmax(most))
    if not finite[1 - slow].all():
        return None
    is_far = finite[slow] & (sides[slow].values > _FAR_RATIO * most[1 - slow])
    n, of = int(np.count_nonzero(is_far)), [sample.n for sample in sides]
    moments = len(np.unique(sides[slow].cluster[is_far]))
    is_said = main.verdict == ("b_faster", "a_faster")[slow]
    if not n or is_said or 2 * (of[slow] / sum(of)) ** moments >= _MOST_P:
        return None
    least = float(sides[slow].values[is_far].min())
    return (
        f"{counted(n, 'step')} of {'ab'[slow]} took {milliseconds(least)} or more, and none of {'ba'[slow]} more than "
        f"{milliseconds(most[1 - slow])}"
    )
