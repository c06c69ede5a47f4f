"""Deciding while a run goes on, looking after every session, with no more error for looking often.

An SLO on a quantile or a share says that no more than a share theta of steps are hits (too slow, failed, cold). Of
each session that has ended, in order of start, Z = hits - theta x steps is a bounded bet: if the SLO is just not
kept, Z has mean zero or more, and a gambler who stakes on Z being negative cannot expect to win. Wealth that
grows to 1/alpha all the same would happen with probability alpha at most, at whatever time one looks (Ville 1939).
That is the betting confidence sequence of Waudby-Smith and Ramdas (2024), "Estimating means of bounded random
variables by betting", with a mixture of stakes, so that none has to be chosen beforehand. Sessions are the bets, so
steps within a session may be as alike as they like. The price is patience: what is close to its limit, or comes in
few and long sessions, is left to the judgement at the end.

A gambler who knows that steps wait behind one another wins by that: after a short wait comes another. So where steps
are seen to depend on those before them (replay/judge/statistics/dependence.py), the bets are blocks of sessions two
of whose stretches long, and all that was seen is laid anew in such blocks. Looks come at growing numbers of
sessions, from LEAST_SESSIONS on. And nothing is decided that the interval of what was seen does not support; where
it holds fewer than LEAST_STRETCHES independent stretches, nothing passes. Rates of errors at a limit:
tests/judge/gate/test_early.py.

Bets are on sessions like those that were seen, and the verdict is to be none that the whole run contradicts. So what
its plan says of the rest is added (replay/judge/gate/ahead.py), and its newer half has to say the same by itself. A
short slow start fails nothing: a fail waits until the run is twice as far as its SLO forgives, or until more hits were
seen than the whole run may have. A pass waits for LEAST_PART of the run, in which a drift that would break the limit by
its end shows. What comes all at once later, no one can know, and the check says how much was seen.

The whole run may leave open what was decided here. A stretch in which half of the steps fail, and then none, has more
failures than the SLO allows; but it is one event of one run, and the interval at the end, which counts it as one, does
not exclude that a run of its kind keeps the limit. To wait for that interval would be to tell a target that fails 10%
where 3% may only after a third to three quarters of 2,000 steps, in place of a tenth.

What is a fact of the run (an exact zero, a maximum) fails at the first step that breaks it, and never passes early.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

import msgspec
import numpy as np

from replay.judge.gate.ahead import Plan, Sort, Tally, is_of_sessions, size_class
from replay.judge.gate.drifting import drifted
from replay.judge.measures.figures import figure_of
from replay.judge.measures.metrics import measured, rows_of, sample_of
from replay.judge.measures.slo import Slo
from replay.judge.statistics.proportion import share_interval
from replay.judge.statistics.quantile import quantile_interval
from replay.judge.statistics.sample import Floats, Sample, in_time
from replay.judge.types import Check, Decision
from replay.results.columns import Columns, Flags
from replay.results.evidence import Evidence
from replay.results.histogram import Int64s

LEAST_SESSIONS = 20
"""Of fewer nothing is decided: they do not show whether neighbours are alike."""

_STAKES = 24
LEAST_PART = 0.25
"""Nothing passes before this part of the run was seen."""

_BETS_AT_ONCE = 20_000
_LOOKS_APART = 1.05
_STRETCHES_A_BLOCK = 2.0


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
        self.bets(np.array([hits]), np.array([values]))

    def bets(self, hits: Int64s, values: Int64s) -> None:
        """Several more, in order. Does nothing once it is decided."""
        for start in range(0, len(hits), _BETS_AT_ONCE):
            if self.decision != "inconclusive":
                return
            part = slice(start, start + _BETS_AT_ONCE)
            z = hits[part] - self._theta * values[part]
            below = self._wealth_below[:, None] + np.cumsum(np.log1p(-self._below[:, None] * z), axis=1)
            above = self._wealth_above[:, None] + np.cumsum(np.log1p(self._above[:, None] * z), axis=1)
            passes, fails = (int(np.argmax(_mixed(wealth) >= self._bar)) for wealth in (below, above))
            is_pass, is_fail = _mixed(below)[passes] >= self._bar, _mixed(above)[fails] >= self._bar
            if is_pass and not (is_fail and fails < passes):
                self.decision = "pass"
            elif is_fail:
                self.decision = "fail"
            self._wealth_below, self._wealth_above = below[:, -1], above[:, -1]


def _mixed(log_wealth: Floats) -> Floats:
    """The log of the wealth over all stakes, of each bet: shape (stakes, bets) to (bets,)."""
    top = log_wealth.max(axis=0)
    mixed: Floats = top + np.log(np.sum(np.exp(log_wealth - top), axis=0))
    return mixed


class _Seen(NamedTuple):
    """Whole sessions: whether their values are hits, and the values. sessions: how many, with those without a value."""

    hits: Flags
    sample: Sample
    sessions: int

    @property
    def newer_half(self) -> "_Seen":
        rows = self.sample.cluster >= self.sessions // 2
        return _Seen(self.hits[rows], self.sample.where(rows), self.sessions)


class EarlyCheck:
    """One SLO, watched. plan: what the whole run will tell it."""

    def __init__(self, slo: Slo, plan: Plan, confidence: float) -> None:
        self.slo = slo
        self._confidence = confidence
        self._plan = plan
        theta = _allowed(slo)
        self._theta = theta if theta is not None and 0 < theta < 1 else None
        self._is_fact = theta == 0.0 or _is_broken_by_one(slo)
        self._parts: list[_Seen] = []
        self._tallies: dict[Sort, Tally] = {}
        self._sessions = 0
        self._seen_ns = 0
        self._next_look = LEAST_SESSIONS
        self._series: dict[tuple[str, str], int] = {}
        self.decision: Decision = "inconclusive"

    @property
    def can_decide(self) -> bool:
        """Whether this SLO can be decided at all before the end."""
        if self.slo.window.is_steady or self.slo.part == "failed":
            # How long a step would have taken that a time limit ended is weighed with all of them, at the end.
            return False
        return self._theta is not None or self._is_fact

    def add(self, columns: Columns, seen_ns: int) -> None:
        """More sessions, whole ones, in order of start; columns hold nothing else. seen_ns: when the last of them
        starts, from the run's start.
        """
        if self.decision != "inconclusive" or not self.can_decide:
            return
        hits, sample = _hits(self.slo, columns)
        if self._is_fact:
            if hits.any():
                self.decision = "fail"
            return
        for sort, tally in _tallied(self.slo, columns, hits, sample).items():
            known = self._tallies.get(sort, Tally(0, 0))
            self._tallies[sort] = Tally(known.steps + tally.steps, known.hits + tally.hits)
        codes = [self._series.setdefault(name, len(self._series)) for name in columns.series_names]
        series = sample.series
        if series is not None and len(series):
            sample = msgspec.structs.replace(sample, series=np.array(codes, np.int32)[series])
        moved = (sample.cluster + self._sessions).astype(np.int32)
        self._parts.append(_Seen(hits, msgspec.structs.replace(sample, cluster=moved), len(columns.sessions)))
        self._sessions += len(columns.sessions)
        self._seen_ns = seen_ns
        if self._sessions >= self._next_look:
            self._next_look = ceil(self._sessions * _LOOKS_APART)
            self._parts = [_together(self._parts)]
            self.decision = self._look(self._parts[0])

    def _look(self, seen: _Seen) -> Decision:
        """Lay all bets anew, and hold what they say to the interval of what was seen, and to what is still to come."""
        assert self._theta is not None
        if not seen.sample.n:
            return "inconclusive"
        sizes = np.bincount(seen.sample.cluster, minlength=seen.sessions)
        counts = np.bincount(seen.sample.cluster[seen.hits], minlength=seen.sessions)
        sizes, counts = sizes[sizes > 0], counts[sizes > 0]
        most = max(1, self._plan.most)
        tied = in_time(seen.sample, seen.hits)
        if tied.is_significant:
            sizes, counts = _in_blocks(sizes, counts, _STRETCHES_A_BLOCK * tied.tau)
            if not len(sizes):
                return "inconclusive"
            most = int(sizes.max())
        # Half of the error is kept for the end, and each side has half of the rest.
        wager = Wager(self._theta, most, (1 - self._confidence) / 4)
        wager.bets(counts, sizes)
        if wager.decision == "inconclusive":
            return "inconclusive"
        is_so = self._passes(seen) if wager.decision == "pass" else self._fails(seen)
        return wager.decision if is_so else "inconclusive"

    def _fails(self, seen: _Seen) -> bool:
        """Whether all that was seen breaks the limit, and would with what is still to come."""
        theta, newer = self._theta, seen.newer_half
        assert theta is not None
        if not newer.sample.n or not all(self._share(part)[0] > theta for part in (seen, newer)):
            return False
        if np.count_nonzero(seen.hits) > theta * self._plan.steps:
            return True
        if self._seen_steps < 2 * theta * self._plan.steps or self._drifts_to(seen)[0] <= theta:
            return False
        fewer = self._plan.fewer_hits(self._tallies, self._seen_ns) * self._steps_a_value(seen)
        return self._share(seen)[0] - fewer > theta

    def _passes(self, seen: _Seen) -> bool:
        """Whether all that was seen keeps the limit, and would with what is still to come."""
        theta, newer = self._theta, seen.newer_half
        assert theta is not None
        if self._seen_steps < LEAST_PART * self._plan.steps or not newer.sample.n:
            return False
        if self.slo.q is not None and not self._quantile_keeps(seen):
            return False
        if self._drifts_to(seen)[1] >= theta:
            return False
        more = self._plan.more_hits(self._tallies, self._seen_ns) * self._steps_a_value(seen)
        return self._share(seen)[1] + more < theta and self._share(newer)[1] < theta

    def _drifts_to(self, seen: _Seen) -> tuple[float, float]:
        """The least and the largest share of hits in the whole run, if times drift on as they did; of what is no time,
        as it is.
        """
        share, part = float(seen.hits.mean()), self._seen_steps / max(1, self._plan.steps)
        limit_ms = _slow_from_ms(self.slo)
        if limit_ms is None:
            return share, share
        later = [
            float((seen.sample.values * factor >= limit_ms).mean()) for factor in drifted(seen.sample, part)
        ]
        least, most = (part * share + (1 - part) * of_rest for of_rest in later)
        return min(share, least), max(share, most)

    def _share(self, seen: _Seen) -> tuple[float, float]:
        """The interval of the share of hits, 0 and 1 where it has no end."""
        (low, high), tells = share_interval(seen.hits, seen.sample, self._confidence)
        return low or 0.0, 1.0 if high is None or tells.is_unseen else high

    def _quantile_keeps(self, seen: _Seen) -> bool:
        """As it is asked at the end, so that no run is ended for a pass that is then taken back."""
        assert self.slo.q is not None
        low, high = quantile_interval(seen.sample, self.slo.q, self._confidence)[0]
        edge = high if self.slo.operator in ("<", "<=") else low
        return edge is not None and bool(_keeps(self.slo.operator, np.array([edge]), self.slo.limit.value)[0])

    @property
    def _seen_steps(self) -> int:
        return sum(tally.steps for tally in self._tallies.values())

    def _steps_a_value(self, seen: _Seen) -> float:
        return self._seen_steps / max(1, seen.sample.n)


def _slow_from_ms(slo: Slo) -> float | None:
    """The time from which on a value is a hit; None where a hit is no slow value."""
    is_upper = slo.operator in ("<", "<=")
    if slo.statistic == "quantile":
        return slo.limit.value if is_upper else None
    return slo.within_ms if slo.statistic == "share" and (slo.within in ("<", "<=")) != is_upper else None


def _tallied(slo: Slo, columns: Columns, hits: Flags, sample: Sample) -> dict[Sort, Tally]:
    """The steps of each sort, also those that bring no value, and the hits among them; of makespans the sessions."""
    rows = rows_of(columns, slo.selector, slo.window)
    if is_of_sessions(slo):
        sizes = np.bincount(columns.session[rows], minlength=len(columns.sessions))
        sorts: list[Sort] = [size_class(size) for size in sizes.tolist()]
        steps = Counter(sort for sort, size in zip(sorts, sizes.tolist(), strict=True) if size)
        found = Counter(sorts[session] for session in sample.cluster[hits].tolist())
    else:
        assert sample.series is not None
        sorts = list(columns.series_names)
        steps, found = (
            Counter(dict(zip(sorts, np.bincount(codes, minlength=len(sorts)).tolist(), strict=True)))
            for codes in (columns.series[rows], sample.series[hits])
        )
    return {sort: Tally(n, found[sort]) for sort, n in steps.items() if n}


def _together(parts: Sequence[_Seen]) -> _Seen:
    samples = [part.sample for part in parts]
    are_timed = all(sample.at is not None for sample in samples)
    have_series = all(sample.series is not None for sample in samples)
    return _Seen(
        np.concatenate([part.hits for part in parts]),
        Sample(
            np.concatenate([sample.values for sample in samples]),
            np.concatenate([sample.cluster for sample in samples]),
            np.concatenate([sample.at for sample in samples if sample.at is not None]) if are_timed else None,
            np.concatenate([sample.series for sample in samples if sample.series is not None])
            if have_series
            else None,
        ),
        sum(part.sessions for part in parts),
    )


def _in_blocks(sizes: Int64s, counts: Int64s, least: float) -> tuple[Int64s, Int64s]:
    """Sessions put together, in order, to blocks of at least so many values; what is left at the end is no bet yet."""
    block = np.floor((np.cumsum(sizes) - sizes) / max(1.0, least)).astype(np.int64)
    _, block = np.unique(block, return_inverse=True)
    of_blocks = [np.bincount(block, weights=weights).astype(np.int64)[:-1] for weights in (sizes, counts)]
    return of_blocks[0], of_blocks[1]


def early_check(slo: Slo, seen: Evidence, decision: Decision, confidence: float, after: str) -> Check:
    """The check of an SLO that was decided early, with the figures of what was seen by then. after: how much that was,
    in words.
    """
    figure = figure_of(slo, seen, confidence)
    check = Check(
        slo=slo.text,
        metric=slo.metric,
        series=slo.series,
        unit=slo.unit,
        verdict=decision,
        reason=(
            f"decided during the run, after {after}, by an anytime-valid test"
            + ("; what would have changed after that was not seen" if decision == "pass" else "")
        ),
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


def _is_broken_by_one(slo: Slo) -> bool:
    """Whether one value is enough to break it: an extreme on the side of its limit."""
    upper, lower = slo.operator in ("<", "<="), slo.operator in (">", ">=")
    is_bounded = (slo.statistic == "max" and upper) or (slo.statistic == "min" and lower)
    return is_bounded and slo.limit.factor is None


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


def _hits(slo: Slo, columns: Columns) -> tuple[Flags, Sample]:
    """Which values count against the SLO, and the values."""
    rows = rows_of(columns, slo.selector, slo.window)
    limit = slo.limit.value
    if slo.statistic in ("quantile", "min", "max"):
        sample = measured(columns, slo.measure, rows, slo.part).sample
        return ~_keeps(slo.operator, sample.values, limit), sample
    if slo.statistic == "share":
        assert slo.within is not None
        assert slo.within_ms is not None
        sample = measured(columns, slo.measure, rows, slo.part).sample
        counted = _keeps(slo.within, sample.values, slo.within_ms)
    else:
        if slo.statistic == "cold":
            rows = rows & (columns.cold >= 0)
            counted = columns.cold[rows] == 1
        else:
            wanted = columns.errors.index(slo.error) if slo.error in columns.errors else -2
            failed = ~columns.ok if slo.error is None else columns.error == wanted
            counted = failed[rows]
        sample = sample_of(columns, np.zeros(int(np.count_nonzero(rows))), rows)
    return (counted if slo.operator in ("<", "<=", "==") else ~counted), sample


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
