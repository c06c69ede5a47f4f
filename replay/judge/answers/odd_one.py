"""Who is the odd one out? Tests of whether a second target answers otherwise than a first one that is noisy itself.

The first target was asked twice. Where the second answers as the first does, the three answers to a step are
exchangeable (Fisher's argument for a randomisation test): whatever is random in them, each of the three is as likely as
any other to be the one that differs from two that agree. Three that all differ, as ids do, say nothing. So in the
sessions in which one is the odd one, the second is it with a chance of 1/3, and no more often than a binomial allows.

Only a share of the sessions may be asked again, but all of those in which first and second differ. Then a session in
which the second answer of the first is the odd one is seen more rarely, and the chance that the second target is it
rises to d / (2d + s), where d of the sessions that differ, and s of the others, were asked again. A session counts
once, for whoever is the odd one in most of its steps, since what is random for a session is so for all of its steps.

Where the first was not asked again, a weaker test is left (McNemar 1947): take the answer that is most frequent over
both sides together; of the steps to which only one side gives it, each side gives half.

Many aspects are tested. An aspect with so few odd ones that it could not be significant cannot be wrongly so either,
and is left out of the correction (Tarone 1990); those that are left are corrected by Holm (1979). How many odd ones
there are says nothing of whose they are, so choosing by it is no peeking.
"""

from collections.abc import Iterable, Sequence
from math import ceil, log
from typing import NamedTuple

from replay.judge.statistics.distributions import at_least


class Sign(NamedTuple):
    """One aspect's count. odd: sessions in which the second target is the odd one; of: in which one of them is.

    chance: that it is the second, if both answer alike. sides: 2 where the first being the odd one would count too.
    """

    odd: int
    of: int
    chance: float
    sides: int = 1


def chance_of_second(asked_of_differing: float, asked_of_others: float) -> float:
    """The largest chance that an odd one that was seen is the second target's, if both answer alike.

    asked_of_differing, asked_of_others: the shares of the sessions that were asked again, 0..1.
    """
    if not asked_of_differing:
        return 0.5
    return max(1 / 3, asked_of_differing / (2 * asked_of_differing + asked_of_others))


def p_value(sign: Sign) -> float:
    """Of the second target being the odd one at least so often."""
    return min(1.0, sign.sides * float(at_least(sign.odd, sign.of, sign.chance)))


def least_p_value(sign: Sign) -> float:
    """What the p-value would be if the second target were the odd one always."""
    return min(1.0, sign.sides * sign.chance**sign.of)


def adjusted(signs: Sequence[Sign], alpha: float) -> list[float]:
    """The p-values, corrected so that the chance of any below alpha is alpha, if the targets answer alike.

    Those that could not be significant are 1.
    """
    least = [least_p_value(sign) for sign in signs]
    tests = 1
    while sum(p <= alpha / tests for p in least) > tests:
        tests += 1
    tested = sorted((p_value(signs[n]), n) for n in range(len(signs)) if least[n] <= alpha / tests)
    found = [1.0] * len(signs)
    highest = 0.0
    for rank, (p, n) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        found[n] = highest
    return found


def odd_ones_needed(alpha: float, chance: float, tests: int) -> int:
    """How many odd ones, all of them the second's, would be significant among so many tests."""
    return max(1, ceil(log(alpha / max(1, tests)) / log(chance)))


def upper_share(n: int, confidence: float) -> float:
    """The largest share, as 0..1, of what was seen in none of n: the one-sided bound of Clopper and Pearson (1934)."""
    return 1.0 if not n else 1.0 - (1.0 - confidence) ** (1.0 / n)


def sessions_to_exclude(share: float, confidence: float) -> int:
    """In how many sessions a difference must not be seen, for a share of it to be excluded."""
    return 1 if share >= 1 else ceil(log(1.0 - confidence) / log(1.0 - share))


def winner(counts: Iterable[int]) -> int | None:
    """The place of the largest count; None where there is no single one."""
    found = list(counts)
    most = max(found)
    return found.index(most) if most and found.count(most) == 1 else None
