"""Whether the lateness of this machine can have changed a check; where it cannot, the check stands. Pure.

A generator that was suspect for lateness alone knows a bound on it (late_ms of Generator): no step left later than
that, and no stamp was taken later. What counts from the intended time is at most so much too long, and never too short;
what counts from sending may be wrong by so much either way; and the load came as it was asked for, but for that shift.

| check | stands |
|---|---|
| response time or makespan below a limit, pass; share of them within one, or rate, at least so much, pass | always |
| another time from sending, below a limit, pass | if it keeps the limit with late_ms more |
| response time, or another time from sending, below a limit, fail | if it breaks the limit with late_ms less |
| the same, where lateness may have made failures | if it does so, too, had these been answers that came at once |
| makespan below a limit, fail | never: each step of a session may have added its own |
| errors below a limit, fail | if it fails without those that lateness may have made, too |
| lag | always: it is what is asked for |
| response time below a limit from one baseline whose machine was late, fail | if its own was on time |
| anything else, or against another run | never |

A baseline's lateness can only have made its times longer, so that the limit it gives is too high, if it is wrong: what
breaks that breaks the right one. Its failures may be fewer, as where a target refuses what comes all at once. Of
several baselines the limit is made of their scatter, too, which lateness may have made less.

A generator that was saturated sent another load than was asked for, so nothing stands: no pass, for the load was less;
no fail, for its stamps were late by an unknown time.
"""

from collections.abc import Callable, Sequence

from replay.judge.measures.failures import forgiven, may_be_ours
from replay.judge.measures.slo import Slo
from replay.judge.types import Check
from replay.results.evidence import Evidence

_FROM_INTENDED = ("response", "makespan")
_FROM_SENT = ("service", "ttfb", "ttft")
_TIMES = ("quantile", "mean", "max")
_UPPER, _LOWER = ("<", "<="), (">", ">=")


def withstands_lateness(check: Check, slo: Slo, run: Evidence, again: Callable[[Evidence], Check]) -> bool:
    """Whether the check would be what it is had this machine not been late. again: judges the SLO by another run."""
    summary = run.summary
    late_ms = summary.generator.late_ms
    if summary.generator.verdict != "suspect" or late_ms is None or slo.needs_baseline or slo.needs_recording:
        return False
    if slo.measure == "lag" and slo.statistic != "errors":
        return True
    if check.verdict == "pass":
        return _pass_stands(check, slo, late_ms)
    return check.verdict == "fail" and _fail_stands(check, slo, run, late_ms, again)


def breaks_late_baseline(check: Check, slo: Slo, baselines: Sequence[Evidence]) -> bool:
    """Whether a fail stands although the machine of the one baseline, of which nothing else is in doubt, was late."""
    if len(baselines) != 1 or check.verdict != "fail" or slo.operator not in _UPPER or not slo.needs_baseline:
        return False
    generator = baselines[0].summary.generator
    is_late = generator.verdict == "suspect" and generator.late_ms is not None
    # Of answered steps alone lateness may have made them shorter, by timeouts in place of the longest.
    return is_late and slo.part == "all" and slo.statistic in _TIMES and slo.measure == "response"


def _pass_stands(check: Check, slo: Slo, late_ms: float) -> bool:
    if slo.statistic in _TIMES and slo.operator in _UPPER:
        if slo.measure in _FROM_INTENDED:
            return True
        most_ms = check.observed_ms if check.ci_ms is None else check.ci_ms[1]
        is_known = slo.measure in _FROM_SENT and most_ms is not None and check.limit_ms is not None
        return is_known and most_ms + late_ms < check.limit_ms  # type: ignore[operator]
    if slo.statistic == "share":
        return slo.operator in _LOWER and slo.within in _UPPER and slo.measure in _FROM_INTENDED
    return slo.statistic == "rate" and slo.operator in _LOWER


def _fail_stands(
    check: Check, slo: Slo, run: Evidence, late_ms: float, again: Callable[[Evidence], Check]
) -> bool:
    if slo.statistic == "errors":
        return slo.operator in _UPPER and (
            not may_be_ours(run.columns, late_ms).any() or again(forgiven(run)).verdict == "fail"
        )
    if (
        slo.statistic not in _TIMES
        or slo.operator not in _UPPER
        or slo.measure not in ("response", *_FROM_SENT)
    ):
        return False
    if may_be_ours(run.columns, late_ms).any():
        check = again(forgiven(run))
    least_ms = check.observed_ms if check.ci_ms is None else check.ci_ms[0]
    if check.verdict != "fail" or least_ms is None or check.limit_ms is None:
        return False
    return least_ms - late_ms > check.limit_ms
