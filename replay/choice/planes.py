"""One plane's figures: of a phase, and of all phases together. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isinf
from typing import NamedTuple

import numpy as np

from replay.choice.carried import most_carried
from replay.choice.cold_tail import cold_tail_interval
from replay.choice.types import (
    Boots,
    PhaseFigures,
    PhaseName,
    PilotPlane,
    PlaneName,
    Recovered,
    UndecidedSlo,
)
from replay.judge.cold.types import ColdVerdict
from replay.judge.gate.judging import CONFIDENCE, judge_gate, keeps
from replay.judge.load.types import Ceiling, CeilingVerdict
from replay.judge.measures.figures import figure_of
from replay.judge.measures.slo import Slo, parse_slo
from replay.judge.types import Check
from replay.results.columns import ABSENT_NS
from replay.results.evidence import Evidence
from replay.results.summary_types import Summary
from replay.words.numbers import number

_P95, _P99 = parse_slo("p95(answered) < 1s"), parse_slo("p99(answered) < 1s")
_ERRORS = parse_slo("errors < 1%")
_WORST = ("ok", "suspect", "saturated")
_REFUSALS = {429: "refused (429)", 503: "unavailable (503)", 504: "timed out (504)"}


class Seen(NamedTuple):
    """What is known of one target. phases: its run of each phase that was carried out. cold: of all of them that show
    idle times. machines: that the target stands for, where it is made of machines. bounds: what a level of load had to
    keep in the search for the ceiling. window_s: of the workload.

    month: a simulation of the whole trace on the plane as it is priced. Where there is one, latencies, cold starts and
    what was carried are of it, as the bill is, and cold and boots are to be of it, too.
    """

    target: str
    plane: PlaneName
    phases: Mapping[PhaseName, Evidence]
    cold: ColdVerdict | None = None
    keep_alive_s: tuple[float, float | None] | None = None
    ceiling: CeilingVerdict | None = None
    recovery: Recovered | None = None
    machines: int | None = None
    bounds: Sequence[Slo] = ()
    window_s: float = 10.0
    boots: Boots | None = None
    memory_peak_bytes: int | None = None
    month: Evidence | None = None


def phase_figures(phase: PhaseName, target: str, run: Evidence, folder: str) -> PhaseFigures:
    """One run of one phase. folder: its run directory, from the pilot's own."""
    summary, columns = run.summary, run.columns
    response = summary.latency_ms.get("response")
    told = columns.cold >= 0
    cold = int(np.count_nonzero(columns.cold == 1)) if told.any() else None
    return PhaseFigures(
        phase=phase,
        target=target,
        run=folder,
        steps=summary.counts.sent,
        failed=summary.counts.failed,
        retries=summary.counts.retries,
        sessions=summary.counts.sessions,
        sessions_lost=sessions_lost(run),
        p50_ms=response.p50 if response else None,
        p95_ms=response.p95 if response else None,
        p99_ms=response.p99 if response else None,
        max_ms=response.max if response else None,
        cold=cold,
        cold_share=None if cold is None else round(cold / int(np.count_nonzero(told)), 6),
        most_instances=summary.plane.most_instances if summary.plane else None,
        generator=summary.generator.verdict,
        errors=dict(summary.counts.errors),
    )


def sessions_lost(run: Evidence) -> int:
    """Sessions in which a step failed for good."""
    columns = run.columns
    return len(np.unique(columns.session[~columns.ok & (columns.end_ns != ABSENT_NS)]))


def plane_figures(seen: Seen, slos: Sequence[Slo]) -> PilotPlane:
    """All that is known of one target, without its costs."""
    found = PilotPlane(target=seen.target, plane=seen.plane, machines=seen.machines, recovery=seen.recovery)
    main = seen.month or seen.phases.get("representative")
    if main is not None:
        found.figures_of = "representative" if seen.month is None else "month"
        _put_latency(found, main)
        if slos:
            judged = judge_gate(slos, main, (), CONFIDENCE, least_fidelity=0.0)
            found.budget = judged.verdict
            found.broken = [check.slo for check in judged.checks if check.verdict == "fail"]
            asked = {slo.text: slo for slo in slos}
            found.undecided = [
                _undecided(check, asked[check.slo])
                for check in judged.checks
                if check.verdict == "inconclusive" and check.slo in asked
            ]
        found.carried_rps = most_carried(main, seen.window_s, seen.bounds)
        most = main.summary.plane.most_instances if main.summary.plane else None
        found.carried_by = (seen.machines or most) if found.carried_rps is not None else None
    found.boots, found.memory_peak_bytes = seen.boots, seen.memory_peak_bytes
    if seen.cold is not None:
        _put_cold(found, seen.cold)
        found.keep_alive_s = seen.keep_alive_s
        if found.cold_tail_ms is not None and main is not None:
            found.cold_tail_ci_ms = cold_tail_interval(main)
    if seen.ceiling is not None:
        _put_ceiling(found, seen.ceiling)
    _put_trouble(found, seen.phases)
    if seen.month is not None:
        # Its latencies owe nothing to how punctual this machine was; phases say that for themselves.
        found.generator = seen.month.summary.generator.verdict
    return found


def _put_latency(found: PilotPlane, run: Evidence) -> None:
    response = run.summary.latency_ms.get("response")
    if response is not None and response.n:
        found.mean_ms, found.p50_ms = response.mean, response.p50
        found.p95_ms, found.p99_ms = response.p95, response.p99
    found.p95_ci_ms, found.p99_ci_ms = (_interval(slo, run) for slo in (_P95, _P99))
    found.steps = ended(run.summary)
    found.error_share = failed_share(run.summary)
    low, high = figure_of(_ERRORS, run, CONFIDENCE).interval or (None, None)
    if low is not None and high is not None:
        found.error_share_ci = round(low / 100, 6), round(high / 100, 6)


def failed_share(summary: Summary) -> float | None:
    """Of the requests that came to an end, the share that failed; None where none did."""
    all_of_them = ended(summary)
    return round(summary.counts.failed / all_of_them, 6) if all_of_them else None


def ended(summary: Summary) -> int:
    """Requests that came to an end, well or not."""
    return summary.counts.ok - summary.counts.waits + summary.counts.failed


def _undecided(check: Check, slo: Slo) -> UndecidedSlo:
    """Why a gate could not tell, and whether the run's own figure is any comfort."""
    observed, limit, ci = (
        (check.observed_ms, check.limit_ms, check.ci_ms)
        if slo.unit == "ms"
        else (check.observed, check.limit, check.ci)
    )
    far = None if ci is None else ci[1 if slo.operator in ("<", "<=") else 0]
    return UndecidedSlo(
        slo=slo.text,
        why=check.reason,
        is_broken=observed is None or limit is None or not keeps(slo.operator, observed, limit),
        is_open=far is None or isinf(far),
    )


def _interval(slo: Slo, run: Evidence) -> tuple[float | None, float | None] | None:
    interval = figure_of(slo, run, CONFIDENCE).interval
    if interval is None:
        return None
    response = run.summary.latency_ms.get("response")
    # A bound beyond all that was seen is there for verdicts; of the plane it says no more than "or more".
    is_beyond = interval.high is not None and response is not None and interval.high > (response.max or 0.0)
    return _rounded(interval.low), None if is_beyond else _rounded(interval.high)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _put_cold(found: PilotPlane, verdict: ColdVerdict) -> None:
    cold = verdict.cold
    if cold.method == "none":
        return
    found.cold_share, found.cold_method = cold.share, cold.method
    boots = found.boots
    found.cold_added_ms = cold.added_ms if boots is None else _boot_ms(boots)
    found.p99_without_cold_ms = verdict.tail.p99_without_cold_ms
    if verdict.tail.p99_ms is not None and verdict.tail.p99_without_cold_ms is not None:
        found.cold_tail_ms = round(verdict.tail.p99_ms - verdict.tail.p99_without_cold_ms, 3)


def _boot_ms(boots: Boots) -> float | None:
    return None if boots.p50_s is None else round(1000 * boots.p50_s, 3)


def _put_ceiling(found: PilotPlane, verdict: CeilingVerdict) -> None:
    found.ceiling_verdict = verdict.verdict
    if (
        verdict.verdict == "inconclusive"
        and verdict.ceiling
        and all(one.verdict != "inconclusive" for one in verdict.levels)
    ):
        # The search ran out of time, and what held until then did.
        found.ceiling_verdict = "at_least"
    found.knee_rps = verdict.knee.rps if verdict.knee else None
    found.ceiling_reason = "; ".join(verdict.reasons) or None
    ceiling = verdict.ceiling
    if ceiling is None or not ceiling.scale or found.ceiling_verdict not in ("found", "at_least"):
        return
    low, high = ceiling.ci_rps or _by_scale(ceiling)
    carried = found.carried_rps
    if carried is not None and high is not None and carried > high:
        # What was carried outweighs what a search says would break it.
        found.ceiling_verdict, found.ceiling_rps, found.knee_rps = "at_least", carried, None
        found.ceiling_reason = (
            f"the search found {number(ceiling.rps)} requests/s, but {number(carried)} were carried in the replay of "
            "the trace within the same bounds; that counts"
        )
    else:
        found.ceiling_rps, found.limited_by = ceiling.rps, ceiling.limited_by
        found.ceiling_ci_rps = _for_certain(ceiling, low, high)
        found.ceiling_at_once = ceiling.at_once
    if found.machines:
        found.capacity_rps = round(found.ceiling_rps / found.machines, 3)


def _for_certain(ceiling: Ceiling, low: float, high: float | None) -> tuple[float, float | None]:
    """Between which requests a second the ceiling lies for certain. low, high: of its bracket, which is no interval:
    near a ceiling a load holds in one run and not in the next. The bracket's own end where no load was sure beyond it.
    """
    sure_low, sure_high = ceiling.sure_scale or (None, None)
    at_low, at_high = ceiling.ci_scale
    if sure_low is not None and at_low:
        low = round(min(low, low * sure_low / at_low), 3)
    if high is not None and sure_high is not None and at_high:
        high = round(max(high, high * sure_high / at_high), 3)
    return low, high


def _by_scale(ceiling: Ceiling) -> tuple[float, float | None]:
    """The bracket in requests a second, of a verdict that does not have it."""
    low, high = ceiling.ci_scale
    per_scale = ceiling.rps / ceiling.scale
    return round(low * per_scale, 3), None if high is None else round(high * per_scale, 3)


def _put_trouble(found: PilotPlane, phases: Mapping[PhaseName, Evidence]) -> None:
    """What went wrong, over all phases but the search for the ceiling, which breaks the target on purpose.

    What failed while we killed an instance is no surprise to anybody: recovery tells of it, and effort does not.
    """
    effort: Counter[str] = Counter()
    for phase, run in phases.items():
        if phase == "ceiling":
            continue
        found.answered += ended(run.summary)
        found.errors += run.summary.counts.failed
        found.retries += run.summary.counts.retries
        found.sessions_lost += sessions_lost(run)
        if phase != "failure":
            effort += _kinds(run)
        found.generator = max(found.generator, run.summary.generator.verdict, key=_WORST.index)
    found.effort = dict(effort.most_common())


def _kinds(run: Evidence) -> Counter[str]:
    """Failed steps by what an operator would call them."""
    columns = run.columns
    failed = np.flatnonzero(~columns.ok & (columns.end_ns != ABSENT_NS))
    kinds: Counter[str] = Counter()
    for row in failed.tolist():
        status, error = int(columns.status[row]), int(columns.error[row])
        kinds[_REFUSALS.get(status) or (columns.errors[error] if error >= 0 else "failed")] += 1
    return kinds
