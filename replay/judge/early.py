"""Deciding while a run goes on, looking after every session, with no more error for looking often.

An SLO on a quantile or a share says that no more than a share theta of steps are hits (too slow, failed, cold). Of
each session that has ended, in order of start, Z = hits - theta x steps is a bounded bet: if the SLO is just not
kept, Z has mean zero or more, and a gambler who stakes on Z being negative cannot expect to win. Wealth that
grows to 1/alpha all the same would happen with probability alpha at most, at whatever time one looks (Ville 1939).
That is the betting confidence sequence of Waudby-Smith and Ramdas (2024), "Estimating means of bounded random
variables by betting", with a mixture of stakes, so that none has to be chosen beforehand. Sessions are the bets, so
steps within a session may be as alike as they like. The price is patience: what is close to its limit, or comes in
few and long sessions, is left to the judgement at the end.

What is a fact of the run (an exact zero, a maximum) fails at the first step that breaks it, and never passes early.
Sessions stand for those to come: where a run's load changes, an early verdict is of the part that was seen.
"""

from collections.abc import Callable, Sequence

import numpy as np

from replay.judge.figures import Evidence, figure_of
from replay.judge.metrics import measured, rows_of
from replay.judge.slo import Slo
from replay.judge.types import Check, Decision
from replay.results.columns import Codes, Columns, Flags

_STAKES = 24
Hits = Callable[[Columns], tuple[Flags, Codes]]


def final_confidence(confidence: float) -> float:
    """What is left for the judgement at the end of a run that was also looked at before: half of the error."""
    return 1 - (1 - confidence) / 2


class Wager:
    """Two gamblers on one share: that it is below theta, and that it is above.

    most: the most values a session can bring. alpha: the error of each side.
    """

    def __init__(self, theta: float, most: int, alpha: float) -> None:
        self._theta = theta
        self._bar = float(np.log(1 / alpha))
        fractions = 0.99 * 0.7 ** np.arange(_STAKES)
        # Most is laid on the highest stakes, which are the best for what is clear.
        weights = 0.8 ** np.arange(_STAKES)
        # Stakes so small that no session can ruin the gambler.
        self._below = fractions / ((1 - theta) * most)
        self._above = fractions / (theta * most)
        self._wealth_below = np.log(weights / weights.sum())
        self._wealth_above = self._wealth_below.copy()
        self.decision: Decision = "inconclusive"

    def __repr__(self) -> str:
        return f"<Wager {self.decision} at {self._theta:g}>"

    def session(self, hits: int, values: int) -> None:
        """One more session has ended. Does nothing once it is decided."""
        if self.decision != "inconclusive":
            return
        z = hits - self._theta * values
        self._wealth_below += np.log1p(-self._below * z)
        self._wealth_above += np.log1p(self._above * z)
        if _mixed(self._wealth_below) >= self._bar:
            self.decision = "pass"
        elif _mixed(self._wealth_above) >= self._bar:
            self.decision = "fail"


def _mixed(log_wealth: np.ndarray) -> float:
    """The log of the wealth over all stakes."""
    top = float(log_wealth.max())
    return top + float(np.log(np.sum(np.exp(log_wealth - top))))


class EarlyCheck:
    """One SLO, watched. most: the most steps that a session of the run can bring to it."""

    def __init__(self, slo: Slo, most: int, confidence: float) -> None:
        self.slo = slo
        alpha = (
            1 - confidence
        ) / 4  # half of the error is kept for the end, and each side has half of the rest
        theta = _allowed(slo)
        self._wager = None if theta is None or not 0 < theta < 1 else Wager(theta, max(1, most), alpha)
        self._is_fact = theta == 0.0 or (slo.statistic in ("min", "max") and not slo.needs_recording)
        self.decision: Decision = "inconclusive"

    @property
    def can_decide(self) -> bool:
        """Whether this SLO can be decided at all before the end."""
        return (self._wager is not None or self._is_fact) and not self.slo.window.is_steady

    def add(self, columns: Columns) -> None:
        """More sessions, whole ones, in order of start; columns hold nothing else."""
        if self.decision != "inconclusive" or not self.can_decide:
            return
        hits, cluster = _hits(self.slo, columns)
        if self._is_fact:
            if hits.any():
                self.decision = "fail"
            return
        assert self._wager is not None
        sizes = np.bincount(cluster, minlength=len(columns.sessions))
        counts = np.bincount(cluster[hits], minlength=len(columns.sessions))
        for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
            if size:
                self._wager.session(count, size)
        self.decision = self._wager.decision


def early_check(slo: Slo, seen: Evidence, decision: Decision, confidence: float) -> Check:
    """The check of an SLO that was decided early, with the figures of what was seen by then."""
    figure = figure_of(slo, seen, confidence)
    check = Check(
        slo=slo.text,
        metric=slo.metric,
        series=slo.series,
        unit=slo.unit,
        verdict=decision,
        reason="decided while the run went on, by an anytime-valid test",
        confidence=confidence,
        n=figure.n,
        n_failed=figure.failed,
        sessions=figure.sessions,
        decided_early=True,
        errors=figure.errors,
    )
    observed = None if figure.observed is None else round(figure.observed, 6)
    bounds = (
        None
        if figure.interval is None
        else tuple(None if side is None else round(side, 6) for side in figure.interval)
    )
    if slo.unit == "ms":
        check.observed_ms, check.limit_ms, check.ci_ms = observed, slo.limit.value, bounds  # type: ignore[assignment]
    else:
        check.observed, check.limit, check.ci = observed, slo.limit.value, bounds  # type: ignore[assignment]
    return check


def _allowed(slo: Slo) -> float | None:
    """The share of hits that the SLO allows, None where it is about none, or one that only the whole run tells."""
    if slo.needs_baseline or slo.needs_recording:
        return None
    if slo.statistic == "quantile":
        assert slo.q is not None
        return 1 - slo.q if slo.operator in ("<", "<=") else slo.q
    if slo.statistic in ("errors", "cold", "share"):
        share = slo.limit.value / 100
        return share if slo.operator in ("<", "<=", "==") else 1 - share
    return None


def _hits(slo: Slo, columns: Columns) -> tuple[Flags, Codes]:
    """Which values count against the SLO, and the session of each."""
    rows = rows_of(columns, slo.selector, slo.window)
    limit = slo.limit.value
    if slo.statistic in ("quantile", "min", "max"):
        sample = measured(columns, slo.measure, rows, slo.part).sample
        return ~_keeps(slo.operator, sample.values, limit), sample.cluster
    if slo.statistic == "share":
        assert slo.within is not None
        assert slo.within_ms is not None
        sample = measured(columns, slo.measure, rows, slo.part).sample
        counted, cluster = _keeps(slo.within, sample.values, slo.within_ms), sample.cluster
    elif slo.statistic == "cold":
        rows = rows & (columns.cold >= 0)
        counted, cluster = columns.cold[rows] == 1, columns.session[rows]
    else:
        wanted = columns.errors.index(slo.error) if slo.error in columns.errors else -2
        failed = ~columns.ok if slo.error is None else columns.error == wanted
        counted, cluster = failed[rows], columns.session[rows]
    return (counted if slo.operator in ("<", "<=", "==") else ~counted), cluster


def _keeps(operator: str, values: np.ndarray, limit: float) -> Flags:
    compare: dict[str, Callable[..., Flags]] = {
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
        "==": np.equal,
    }
    return compare[operator](values, limit)


def overall_early(checks: Sequence[EarlyCheck]) -> Decision:
    """Fail once one fails; pass once all pass."""
    decisions = [check.decision for check in checks]
    if "fail" in decisions:
        return "fail"
    return "pass" if all(decision == "pass" for decision in decisions) else "inconclusive"
