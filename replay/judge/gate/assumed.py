"""What a gate takes for granted and the figures cannot show, where it could make the verdict another one.

Steps of which none broke a limit do not tell whether a session goes wrong as a whole, so each counts for itself: of
400 steps in 20 sessions, of which one in a hundred fails from its first step to its last, four runs in five have no
error. And each SLO is held by itself, so that of many which are just kept one will look broken, now and then.
"""

from collections.abc import Callable, Sequence

import numpy as np

from replay.judge.measures.figures import least_values
from replay.judge.measures.metrics import measured, rows_of
from replay.judge.measures.slo import Slo
from replay.judge.types import Check
from replay.results.evidence import Evidence
from replay.words.numbers import percent
from replay.words.phrases import counted

_SHARES = ("errors", "cold", "share")
_UPPER = ("<", "<=")
# With more than half of the sessions that would settle it, what they show is nearly what was asked for.
_FEW = 2


def each_step_for_itself(
    slos: Sequence[Slo], checks: Sequence[Check], run: Evidence, confidence: float
) -> str | None:
    """What passes because no step broke its limit, in far fewer sessions than steps; None if nothing does."""
    found: list[tuple[int, Slo, Check]] = []
    for slo, check in zip(slos, checks, strict=True):
        need = least_values(slo, confidence)
        if check.verdict != "pass" or need is None or slo.needs_baseline or slo.needs_recording:
            continue
        if check.sessions < check.n and _FEW * check.sessions < need and not _is_broken_by_any(slo, check, run):
            found.append((need, slo, check))
    if not found:
        return None
    need, _, check = max(found, key=lambda one: one[0] / one[2].sessions)
    tail = (1 - confidence) / 2
    at_most = percent(1 - tail ** (1 / check.sessions))
    return (
        f"{', '.join(slo.text for _, slo, _ in found)}: none of {counted(check.n, 'step')} broke the limit, and each "
        f"counts for itself; if a session goes wrong as a whole, as one that is refused its sign-in, "
        f"{check.sessions:,} show only that fewer than {at_most} do, and {need:,} would be needed (a larger --scale)"
    )


def _is_broken_by_any(slo: Slo, check: Check, run: Evidence) -> bool:
    """Whether some step broke what the SLO says of each: then how sessions differ was seen."""
    if slo.statistic in _SHARES:
        return check.observed != (0.0 if slo.operator in _UPPER else 100.0)
    rows = rows_of(run.columns, slo.selector, slo.window)
    values = measured(run.columns, slo.measure, rows, slo.part).sample.values
    limit = slo.limit.value
    return bool(np.any(values >= limit) if slo.operator in _UPPER else np.any(values <= limit))


def each_slo_by_itself(
    slos: Sequence[Slo], checks: Sequence[Check], confidence: float, judged: Callable[[Slo, float], Check]
) -> str | None:
    """Whether a fail would be none if all SLOs together were held to the confidence that each is held to (Bonferroni).

    None where it would, or where a fact of the run failed. judged: an SLO, held to another confidence.
    """
    broken = [(slo, check) for slo, check in zip(slos, checks, strict=True) if check.verdict == "fail"]
    held = sum(check.ci is not None or check.ci_ms is not None for check in checks)
    if not broken or held < 2 or any(check.decided_early for _, check in broken):
        return None
    together = 1 - (1 - confidence) / held
    if any(judged(slo, together).verdict == "fail" for slo, _ in broken):
        return None
    names = ", ".join(slo.text for slo, _ in broken)
    chance = percent(1 - (1 - (1 - confidence) / 2) ** held)
    return (
        f"{names}: fails at {percent(confidence)} by itself, and not at the {percent(together)} at which all "
        f"{held} SLOs hold together: of as many that are just kept, one fails in up to {chance} of runs"
    )
