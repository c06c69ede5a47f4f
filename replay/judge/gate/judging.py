"""SLOs against one run: pass, fail, or inconclusive with the reason.

What is decided on a sample (quantiles, means, shares) passes only if the whole confidence interval keeps the bound,
and fails only if the whole interval breaks it; each side's error is half of 1 - confidence. What is a fact of the
run (a maximum, a minimum, a rate, an exact zero) is compared as it is.

Whatever the figures say, nothing passes if the run was not whole: the generator was suspect or saturated (then
nothing fails either, since the lateness may be ours, unless it cannot have changed the verdict; see
replay/judge/gate/lateness.py), the run was interrupted, or steps were left out for lateness.
And no time is decided, either way, where the replay was too little like the recording: a model server that stops early
is quick, and that says nothing of how fast it is. Failures are failures all the same.

Against baselines the limit is itself uncertain; see replay/judge/gate/baselines.py.
"""

from collections.abc import Callable, Sequence
from math import ceil, inf, isfinite, isinf, isnan

import msgspec
import numpy as np

from replay.judge.gate.assumed import each_slo_by_itself, each_step_for_itself
from replay.judge.gate.baselines import FEW, against_baselines, are_finite, limit_from, unlike_baseline
from replay.judge.gate.lateness import breaks_late_baseline, withstands_lateness
from replay.judge.gate.resting import rests_on
from replay.judge.measures.failures import examples, unbound_failures
from replay.judge.measures.figures import Figure, figure_of
from replay.judge.measures.recording import HeldToRecording, held_to_recording
from replay.judge.measures.slo import Operator, Slo
from replay.judge.types import VERDICT_SCHEMA, Check, Decision, GateVerdict, Interval
from replay.results.evidence import Evidence
from replay.results.fidelity import LEAST_FIDELITY, shortfalls
from replay.results.manifest_types import Ended
from replay.results.summary import redirect_note
from replay.results.summary_types import Summary
from replay.results.types import INTERRUPTED
from replay.words.endings import ending
from replay.words.numbers import milliseconds, number, seconds
from replay.words.phrases import counted, were

CONFIDENCE = 0.95
_MOST_NAMED = 3


def judge_gate(
    slos: Sequence[Slo],
    run: Evidence,
    baselines: Sequence[Evidence] = (),
    confidence: float = CONFIDENCE,
    early: dict[str, Check] | None = None,
    least_fidelity: float = LEAST_FIDELITY,
    *,
    is_stopped_early: bool = False,
    any_baseline: bool = False,
) -> GateVerdict:
    """Judge every SLO. early: checks that were decided during the run, by their SLO's text.

    any_baseline: hold the run to baselines of another trace or load, too.

    least_fidelity: how like the recording the replay has to be, 0..1, for its times to be judged. is_stopped_early:
    the run was ended once all was decided, so that it is not whole says nothing against it.
    """
    decided = early or {}
    checks = [
        _borne_out(decided[slo.text], slo, run, baselines, confidence, is_stopped_early)
        if slo.text in decided
        else _check(slo, run, baselines, confidence)
        for slo in slos
    ]
    doubts = run_doubts(run.summary, is_stopped_early=is_stopped_early)
    is_generator = run.summary.generator.verdict != "ok"
    checks = [
        _late_but_standing(check, slo, doubts[1:], run.summary)
        if withstands_lateness(check, slo, run, _judge_of(slo, baselines, confidence))
        else _doubted(check, doubts, is_generator)
        for check, slo in zip(checks, slos, strict=True)
    ]
    unlike = unlike_recording(run.summary, least_fidelity, is_stopped_early=is_stopped_early)
    checks = [_unlike(check, unlike) for check in checks]
    other = None if any_baseline else unlike_baseline(run, baselines)
    if other is not None:
        other = f"{other}; --any-baseline compares them all the same"
    if (why := other or _doubtful(baselines, least_fidelity)) is not None:
        is_late_alone = other is None and _doubtful(baselines, least_fidelity, by_lateness=False) is None
        checks = [
            check
            if not slo.needs_baseline or (is_late_alone and breaks_late_baseline(check, slo, baselines))
            else _not_comparable(check, why)
            for check, slo in zip(checks, slos, strict=True)
        ]
    resting = rests_on(slos, checks, run, lambda slo: _check(slo, run, baselines, confidence))
    assumed = [
        each_step_for_itself(slos, checks, run, confidence),
        each_slo_by_itself(slos, checks, confidence, lambda slo, level: _check(slo, run, baselines, level)),
    ]
    resting += [note for note in assumed if note is not None]
    notes = _notes(slos, checks, run, baselines, [*doubts, *unlike, *resting])
    if run.summary.ended is not None:
        checks = [_of_the_end(run.summary.ended), *checks]
    verdict = overall([check.verdict for check in checks])
    return GateVerdict(
        schema=VERDICT_SCHEMA,
        command="gate",
        verdict=verdict,
        reasons=[f"{check.slo}: {check.reason}" for check in checks if check.verdict == verdict],
        checks=checks,
        target=run.summary.target.name,
        trace=run.summary.trace.name,
        run=run.name,
        baselines=[baseline.name for baseline in baselines],
        elapsed_s=round(run.summary.elapsed_s, 3),
        notes=notes,
    )


def overall(decisions: Sequence[Decision]) -> Decision:
    """Fail if one fails, else inconclusive if one is (or there is none), else pass."""
    if "fail" in decisions:
        return "fail"
    return "pass" if decisions and all(decision == "pass" for decision in decisions) else "inconclusive"


def run_doubts(summary: Summary, *, is_stopped_early: bool = False) -> list[str]:
    """Why the figures of this run may not be what the target does; empty for a run that is whole."""
    doubts = []
    if summary.generator.verdict != "ok":
        why = "; ".join(summary.generator.reasons)
        doubts.append(f"the generator was {summary.generator.verdict}: {why}")
    if summary.status != "finished" and not is_stopped_early:
        ended = summary.ended
        how = ending(summary.status) if ended is None else f"the run was ended by {ended.option}"
        why = f" ({summary.error})" if summary.error is not None else ""
        doubts.append(f"{how}{why}, so the trace was not completed")
    late = summary.counts.unsent_reasons.get("late", 0) + summary.counts.unsent_reasons.get("not_reached", 0)
    if late and not is_stopped_early:
        doubts.append(f"{were(late, 'step')} left unsent, so the trace was not completed")
    return doubts


def _doubtful(baselines: Sequence[Evidence], least_fidelity: float, *, by_lateness: bool = True) -> str | None:
    """Why a baseline's own figures may not be what its target did; None where each was whole, kept up, and was like its
    recording. by_lateness: or else whatever its generator was.
    """
    for baseline in baselines:
        is_generator = baseline.summary.generator.verdict != "ok"
        of_run = run_doubts(baseline.summary, is_stopped_early=baseline.is_early)
        doubts = [
            *(of_run if by_lateness or not is_generator else of_run[1:]),
            *unlike_recording(baseline.summary, least_fidelity, is_stopped_early=baseline.is_early),
        ]
        if doubts:
            return f"of the baseline {baseline.name}: {doubts[0]}"
    return None


def unlike_recording(summary: Summary, least: float, *, is_stopped_early: bool = False) -> list[str]:
    """Why the replay was too little like the recording for its times to mean anything; empty where it was like it."""
    if summary.fidelity is None:
        return []
    # A run that was ended on purpose has replayed what it was to replay by then.
    passed_over = ("sessions", "steps") if is_stopped_early else ()
    return [
        f"the replay was unlike the recording: {why}"
        for why in shortfalls(summary.fidelity, least, passed_over)
    ]


def _of_the_end(ended: Ended) -> Check:
    """What a run that was to do no harm did not keep, as one more bound: so every report of the verdict has it."""
    return Check(
        slo=f"not ended by {ended.option}",
        metric=ended.by,
        series="run",
        verdict="fail",
        reason=ended.why,
        unit="count",
    )


def _unlike(check: Check, unlike: list[str]) -> Check:
    """Failures do not depend on how much a target had to do; times do."""
    is_of_failures = check.metric == "errors" or isinf(check.observed_ms or 0.0)
    if not unlike or check.verdict == "inconclusive" or (check.verdict == "fail" and is_of_failures):
        return check
    return msgspec.structs.replace(
        check, verdict="inconclusive", reason=f"would {check.verdict}, but {unlike[0]}"
    )


def _not_comparable(check: Check, why: str) -> Check:
    if check.verdict == "inconclusive":
        return check
    reason = f"would {check.verdict}, but {why}"
    return msgspec.structs.replace(check, verdict="inconclusive", reason=reason)


def _borne_out(
    early: Check,
    slo: Slo,
    run: Evidence,
    baselines: Sequence[Evidence],
    confidence: float,
    is_stopped_early: bool,
) -> Check:
    """An early decision, if the evidence at the end says the same; else what that says, short of a pass."""
    if _check(slo, run, baselines, early.confidence).verdict == early.verdict:
        return early
    at_end = _check(slo, run, baselines, confidence)
    how = "the run was ended early, for" if is_stopped_early else "it was decided early, as"
    why = f"{how} a {early.verdict} that what was seen by its end does not support"
    if at_end.verdict != "fail":
        at_end.verdict, at_end.reason = "inconclusive", why
    return at_end


def _doubted(check: Check, doubts: list[str], is_generator: bool) -> Check:
    if not doubts or check.verdict == "inconclusive" or (check.verdict == "fail" and not is_generator):
        return check
    reason = f"would {check.verdict}, but {doubts[0]}"
    return msgspec.structs.replace(check, verdict="inconclusive", reason=reason)


def _judge_of(slo: Slo, baselines: Sequence[Evidence], confidence: float) -> Callable[[Evidence], Check]:
    return lambda run: _check(slo, run, baselines, confidence)


def _late_but_standing(check: Check, slo: Slo, doubts: list[str], summary: Summary) -> Check:
    """Judged in spite of the generator, whose doubt is the first; the others count as ever."""
    if slo.measure == "lag" and slo.statistic != "errors":
        # Its lateness is what was asked for, and what the figure is of.
        return _doubted(check, doubts, is_generator=False)
    reason = (
        f"{check.reason}; this machine was late by up to {milliseconds(summary.generator.late_ms)}, which "
        f"changes nothing"
    )
    return _doubted(msgspec.structs.replace(check, reason=reason), doubts, is_generator=False)


def _passed_by(slo: Slo) -> str | None:
    """What a bound the wrong way round is kept by; None for one that is the right way round, or may be."""
    if slo.operator not in (">", ">="):
        return None
    if slo.statistic in ("errors", "cold"):
        return "fails" if slo.statistic == "errors" else "starts cold"
    return "takes long" if slo.statistic in ("quantile", "mean", "max") else None


def _notes(
    slos: Sequence[Slo],
    checks: Sequence[Check],
    run: Evidence,
    baselines: Sequence[Evidence],
    doubts: list[str],
) -> list[str]:
    notes = list(doubts)
    counts = run.summary.counts
    failed = counts.failed - counts.errors.get(INTERRUPTED, 0)
    if failed and not any(slo.statistic == "errors" for slo in slos):
        share = 100 * failed / max(1, counts.ok + failed)
        notes.append(
            f"{counted(failed, 'step')} failed ({number(share)}%), and no SLO bounds errors; add for example: "
            f"errors < 0.1%"
        )
    elif failed and (unbound := unbound_failures(slos, run.columns)):
        which = ", ".join(f"{series} {n:,}" for series, n in unbound.most_common(_MOST_NAMED))
        more = ", ..." if len(unbound) > _MOST_NAMED else ""
        notes.append(
            f"{counted(unbound.total(), 'step')} failed ({which}{more}) that no SLO on errors is about; add for "
            f"example: errors < 0.1%"
        )
    notes += examples(counts)
    if counts.redirected:
        notes.append(redirect_note(counts.redirected))
    if counts.withheld:
        notes.append(
            f"the run was read-only: {counted(counts.withheld, 'request')} were not sent, so the target was measured "
            "without their load"
        )
    notes += [
        f"{slo.text}: passes because the target {worse}, and would not if it did so less; if that is not meant, write <"
        for slo, check in zip(slos, checks, strict=True)
        if check.verdict == "pass" and (worse := _passed_by(slo)) is not None
    ]
    if any(slo.needs_baseline for slo in slos) and 0 < len(baselines) < FEW:
        notes.append(
            f"{counted(len(baselines), 'baseline')}: noise from run to run is not known; name {FEW} or more to "
            "have it estimated"
        )
    cut = int(np.count_nonzero(run.columns.cut_sessions))
    if cut and any(slo.measure == "makespan" for slo in slos):
        notes.append(f"{were(cut, 'session')} cut off before the end; the makespans shown are of the others")
    if any(slo.needs_baseline for slo in slos) and (other := unlike_baseline(run, baselines)):
        notes.append(f"{other}, which may explain a difference")
    return notes


def _check(slo: Slo, run: Evidence, baselines: Sequence[Evidence], confidence: float) -> Check:
    figure = figure_of(slo, run, confidence)
    check = Check(
        slo=slo.text,
        metric=slo.metric,
        series=slo.series,
        unit=slo.unit,
        verdict="inconclusive",
        reason="",
        confidence=confidence,
        n=figure.n,
        n_failed=figure.failed,
        sessions=figure.sessions,
        n_effective=None if figure.worth is None else round(figure.worth.n_effective, 1),
        errors=figure.errors,
    )
    if figure.observed is None:
        check.reason = figure.why_absent
        return check
    limit = slo.limit.value
    interval = figure.interval
    if slo.needs_recording:
        return _against_recording(check, slo, held_to_recording(slo, run, confidence))
    if slo.needs_baseline:
        if not baselines:
            _put(check, slo, figure.observed, None, figure.interval)
            check.reason = "there is no baseline to compare it with yet"
            return check
        others = [figure_of(slo, baseline, confidence) for baseline in baselines]
        absent = [other.why_absent for other in others if other.observed is None]
        if absent:
            check.reason = f"a baseline lacks this figure: {absent[0]}"
            return check
        known = [other.observed for other in others if other.observed is not None]
        if not are_finite(known):
            _put(check, slo, figure.observed, None, None)
            check.reason = (
                "the baseline's figure falls among its own failures, so there is no limit to compare "
                "this run with"
            )
            return check
        limit = limit_from(slo, known)
        interval = against_baselines(slo, run, baselines, figure, others, limit, confidence)
    _put(check, slo, figure.observed, limit, interval)
    check.verdict, check.reason = _decide(slo.operator, figure, limit, interval)
    if check.verdict == "inconclusive":
        _say_what_is_needed(check, figure, run)
    return check


def _against_recording(check: Check, slo: Slo, held: HeldToRecording) -> Check:
    """By the limit that the recording gives; where it is too coarse, only what holds at both ends of it is decided."""
    figure = held.figure
    if figure.observed is None:
        check.reason = figure.why_absent
        return check
    check.n, check.n_failed, check.sessions = figure.n, figure.failed, figure.sessions
    check.errors = figure.errors
    _put(check, slo, figure.observed, held.limit, figure.interval)
    check.verdict, check.reason = _decide(slo.operator, figure, held.limit, figure.interval)
    if check.verdict == "inconclusive":
        return check
    low, high = held.limits
    if any(_decide(slo.operator, figure, limit, figure.interval)[0] != check.verdict for limit in (low, high)):
        check.reason = (
            f"would {check.verdict}, but the recording's times are only good to {milliseconds(held.resolution_ms)}, "
            f"so the limit lies anywhere from {_amount(slo, low)} to {_amount(slo, high)}"
        )
        check.verdict = "inconclusive"
    return check


def _amount(slo: Slo, value: float) -> str:
    return milliseconds(value) if slo.unit == "ms" else f"{number(value)}%"


def _put(check: Check, slo: Slo, observed: float, limit: float | None, interval: Interval | None) -> None:
    bounds = None if interval is None else (_rounded(interval.low), _rounded(interval.high))
    if slo.unit == "ms":
        check.observed_ms, check.limit_ms, check.ci_ms = _rounded(observed), _rounded(limit), bounds
    else:
        check.observed, check.limit, check.ci = _rounded(observed), _rounded(limit), bounds


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def keeps(operator: Operator, value: float, limit: float) -> bool:
    """Whether a value keeps its bound."""
    return {
        "<": value < limit,
        "<=": value <= limit,
        ">": value > limit,
        ">=": value >= limit,
        "==": value == limit,
    }[operator]


def _decide(
    operator: Operator, figure: Figure, limit: float, interval: Interval | None
) -> tuple[Decision, str]:
    """By the interval, or for a fact of the run by the figure itself."""
    observed = figure.observed
    assert observed is not None
    if not isfinite(limit):
        return "inconclusive", "there is no finite limit to compare it with"
    among = ""
    if figure.failed and (isinf(observed) or (interval is not None and isinf(interval.high or 0.0))):
        among = f": {figure.failed} of {figure.n} failed, and a failure is infinitely slow"
    if interval is None:
        is_kept = keeps(operator, observed, limit) and not isinf(observed)
        return ("pass", "holds in this run") if is_kept else ("fail", f"does not hold in this run{among}")
    low, high = (None if side is None or isnan(side) else side for side in interval)
    good, bad = (high, low) if operator in ("<", "<=") else (low, high)
    if operator == "==":
        # Only what cannot be anything else is equal, and what lies beyond the limit on either side is not.
        good = low if low == high else None
        bad = low if low is not None and low > limit else high if high is not None and high < limit else None
    if good is not None and keeps(operator, good, limit) and not isinf(good):
        if figure.censored_ms is not None and good >= figure.censored_ms:
            return "inconclusive", "too many steps ended at a time limit, so the quantile itself is not known"
        return "pass", "the whole confidence interval is within the limit"
    if low == inf:
        return "fail", f"it falls among the failures{among}"
    if bad is not None and isfinite(bad) and not keeps(operator, bad, limit):
        return "fail", "the whole confidence interval is beyond the limit"
    if figure.why_unbounded is not None:
        return "inconclusive", figure.why_unbounded
    if good is None:
        return "inconclusive", "too few samples for a confidence interval"
    if among:
        return "inconclusive", f"it may fall among the failures{among}"
    return "inconclusive", "the confidence interval straddles the limit"


def _say_what_is_needed(check: Check, figure: Figure, run: Evidence) -> None:
    """The least n for this figure, in steps as correlated as these, and how long that takes at this rate."""
    effect = 1.0 if figure.worth is None else figure.worth.design_effect
    needed = max(ceil((figure.n_needed or 0) * effect), figure.least_steps or 0)
    if needed <= figure.n:
        return
    check.n_needed = needed
    if run.summary.elapsed_s > 0 and figure.n:
        check.needed_s = round(needed / figure.n * run.summary.elapsed_s, 1)
    about = ""
    if check.needed_s is not None:
        # No shorter one can be asked for, whatever a run of a few steps took.
        lasts_s = max(1.0, check.needed_s)
        about = f", about {seconds(lasts_s)} of this load (--repeat --duration {ceil(lasts_s)}s, or a larger --scale)"
    check.reason += f"; {counted(figure.n, 'step')}, at least {needed:,} are needed{about}"
