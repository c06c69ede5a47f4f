"""The Universal Scalability Law through measured levels: how much contention and coherency take.

Gunther, Guerrilla Capacity Planning (2007), ch. 5: X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1)), with N the
requests in flight, X what is answered a second, gamma the rate of one, alpha contention (what must wait for its
turn) and beta coherency (what must be agreed among all). With beta = 0 it is Amdahl's law.
"""

from collections.abc import Sequence

import numpy as np

from replay.judge.load.types import Usl
from replay.judge.statistics.distributions import student_quantile

LEAST_LEVELS = 5


def fit_usl(in_flight: Sequence[float], achieved_rps: Sequence[float]) -> Usl | None:
    """Fit the law to levels. None: fewer than five different levels, or no fit is found."""
    n, x = np.asarray(in_flight, np.float64), np.asarray(achieved_rps, np.float64)
    usable = (n > 0) & (x > 0)
    n, x = n[usable], x[usable]
    if len(np.unique(np.round(n, 3))) < LEAST_LEVELS:
        return None
    # Imported here, for it takes a while, and a search for a ceiling ends with it.
    from scipy.optimize import curve_fit

    start = [float((x / n).max()), 0.01, 0.0001]
    try:
        found, covariance = curve_fit(_law, n, x, p0=start, bounds=([0, 0, 0], np.inf), maxfev=20_000)
    except (RuntimeError, ValueError):
        return None
    gamma, alpha, beta = (float(value) for value in found)
    deviations = np.sqrt(np.clip(np.diag(covariance), 0, None))
    width = student_quantile(0.975, max(1, len(n) - 3))
    half = [width * float(deviation) for deviation in deviations]
    residual = float(((x - _law(n, *found)) ** 2).sum())
    total = float(((x - x.mean()) ** 2).sum())
    peak = ((1 - alpha) / beta) ** 0.5 if beta > 0 and alpha < 1 else None
    return Usl(
        gamma_rps=round(gamma, 3),
        alpha=round(alpha, 6),
        beta=round(beta, 8),
        alpha_ci=(round(max(0.0, alpha - half[1]), 6), round(alpha + half[1], 6)),
        beta_ci=(round(max(0.0, beta - half[2]), 8), round(beta + half[2], 8)),
        r_squared=round(1 - residual / total, 4) if total > 0 else 1.0,
        levels=len(n),
        peak_in_flight=None if peak is None or peak > 10 * n.max() else round(float(peak), 1),
        peak_rps=None
        if peak is None or peak > 10 * n.max()
        else round(float(_law(np.array([peak]), *found)[0]), 1),
    )


def _law(n: np.ndarray, gamma: float, alpha: float, beta: float) -> np.ndarray:
    return np.asarray(gamma * n / (1 + alpha * (n - 1) + beta * n * (n - 1)))
