"""Whether the failures at one load come of that load, or are what the target fails at any; the same of slow steps.

Fisher's exact test of two shares, one-sided (Fisher 1935; Agresti, Categorical Data Analysis, 3.5): given all failures
of both, how often so many of them, or more, would fall on these requests by chance. Failures that come together, as
where sessions fail as a whole, count for as many as would come by themselves (their design effect, as Rao and Scott
1992 have it: "A simple method for the analysis of clustered binary data", Biometrics 48).

Of shares at several loads: the test for a linear trend, one-sided (Armitage 1955; Agresti, 5.3.5), by the loads
themselves. It sees more than a test of two of them, and asks for none that was picked for what it showed.
"""

from collections.abc import Mapping

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
    together = max(here.together, there.together)
    return more_often(here.by_themselves(together), there.by_themselves(together)) < BY_CHANCE / looks


def grow_with_load(shares: Mapping[float, Failures]) -> float:
    """The chance of shares that grow so much with the load, or more, if they are the same at all; by load."""
    from scipy.special import ndtr

    loads = np.array(list(shares), np.float64)
    n = np.array([share.requests for share in shares.values()], np.float64)
    of_all = sum(share.errors for share in shares.values()) / max(1.0, n.sum())
    more = sum(load * (share.errors - share.requests * of_all) for load, share in shares.items())
    spread = float((n * loads**2).sum() - (n * loads).sum() ** 2 / max(1.0, n.sum()))
    variance = of_all * (1 - of_all) * spread
    return float(ndtr(-more / variance**0.5)) if variance > 0 else 1.0
