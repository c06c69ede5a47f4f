"""Whether the failures at one load come of that load, or are what the target fails at any.

Fisher's exact test of two shares, one-sided (Fisher 1935; Agresti, Categorical Data Analysis, 3.5): given all failures
of both, how often so many of them, or more, would fall on these requests by chance. Failures that come in clusters make
it too sure.
"""

import numpy as np

from replay.judge.load.types import Failures

# More failures than elsewhere are taken for chance unless they are as rare as that.
BY_CHANCE = 0.05


def more_often(here: Failures, there: Failures) -> float:
    """The chance of as many failures here, or more, if both fail alike."""
    from scipy.special import gammaln

    errors, n, m = here.errors + there.errors, here.requests, there.requests
    if not here.errors or not m:
        return 1.0
    k = np.arange(here.errors, min(errors, n) + 1, dtype=np.float64)
    k = k[errors - k <= m]

    def ways(of: float, taken: np.ndarray) -> np.ndarray:
        found: np.ndarray = gammaln(of + 1) - gammaln(taken + 1) - gammaln(of - taken + 1)
        return found

    logs = ways(n, k) + ways(m, errors - k) - ways(n + m, np.array([float(errors)]))
    return float(min(1.0, np.exp(logs).sum()))


def come_of_load(here: Failures, there: Failures, looks: int = 1) -> bool:
    """Whether steps fail more often at this load than at that lower one, beyond chance; looks: levels among which this
    one stood out, so that one of them would by chance (Bonferroni).
    """
    return more_often(here, there) < BY_CHANCE / looks
