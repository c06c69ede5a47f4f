"""Quantiles and tails of the distributions that verdicts rest on. p: a probability, from 0 to 1.

scipy.special has them all, and scipy.stats, which wraps them, takes four times as long to import. Neither is imported
before it is asked for: a run without a verdict needs no statistics. Tests hold these to scipy.stats.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def normal_quantile(p: float) -> float:
    """The value below which a standard normal one lies with probability p."""
    from scipy.special import ndtri

    return float(ndtri(p))


def normal_above(z: float) -> float:
    """The probability that a standard normal value lies above z."""
    from scipy.special import ndtr

    return float(ndtr(-z))


def student_quantile(p: float, df: float) -> float:
    """The value below which Student's t of df degrees of freedom lies with probability p."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def student_above(t: float, df: float) -> float:
    """The probability that Student's t of df degrees of freedom lies above t."""
    from scipy.special import stdtr

    return float(stdtr(df, -t))


def beta_quantile(p: float, a: float, b: float) -> float:
    """The value below which Beta(a, b) lies with probability p."""
    from scipy.special import betaincinv

    return float(betaincinv(a, b, p))


def beta_below(x: float, a: float, b: float) -> float:
    """The probability that Beta(a, b) lies below x."""
    from scipy.special import betainc

    return float(betainc(a, b, x))


def at_least(k: ArrayLike, n: float, chance: ArrayLike) -> NDArray[np.float64]:
    """The probability of k or more successes in n trials, each with this chance; for many k and chances at once.

    By the regularised incomplete beta function: Abramowitz and Stegun, 26.5.24.
    """
    from scipy.special import betainc

    fewest = np.clip(np.asarray(k, np.float64), 1, n)
    some: NDArray[np.float64] = betainc(fewest, n - fewest + 1, chance)
    return np.where(np.less_equal(k, 0), 1.0, np.where(np.greater(k, n), 0.0, some))
