"""What a verdict says in a few lines and tables, for every medium that has no form of its own for its kind."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from replay.choice.types import PilotVerdict
from replay.judge.cold.types import Cold, ColdVerdict, IdleBucket
from replay.judge.load.recovery import Fault, RecoveryVerdict
from replay.judge.load.types import CeilingVerdict
from replay.words.names import clean
from replay.words.numbers import count, milliseconds, number, or_failing, percent, seconds
from replay.words.phrases import counted, were

Settled = Literal["pass", "fail", "inconclusive"]

LIMITS = {
    "latency": "the latency SLO broke",
    "errors": "requests failed",
    "refusals": "requests were refused",
    "throughput": "answers fell behind the offered rate",
    "generator": "this machine was saturated",
    "max": "nothing gave way",
}
LEVEL_HEADS = ("load", "offered", "achieved", "in flight", "p50", "p99", "failed", "")
IDLE_HEADS = ("idle before", "cold", "share", "95% interval")
_FAULT_HEADS = ("fault", "felt", "recovered", "failed", "sessions lost")


class Case(NamedTuple):
    """One thing that holds, does not hold, or is undecided."""

    name: str
    verdict: Settled
    says: str


class Outline(NamedTuple):
    """about: what was judged. tables: heads and rows, each. cases: what a CI system may list as tests."""

    command: str
    about: str
    verdict: Settled
    headline: str
    reasons: Sequence[str]
    cases: Sequence[Case]
    tables: Sequence[tuple[Sequence[str], Sequence[tuple[str, ...]]]] = ()
    notes: Sequence[str] = ()


def ceiling_headline(verdict: CeilingVerdict) -> str:
    ceiling = verdict.ceiling
    if ceiling is None:
        if verdict.verdict != "not_reached":
            return "the ceiling could not be found"
        most = max((level.scale for level in verdict.levels), default=None)
        return "no load holds" if most is None else f"no load up to {number(most, 4)}x holds"
    high = None if ceiling.ci_scale[1] is None else f"{number(ceiling.ci_scale[1], 4)}x"
    most_rps = None if ceiling.ci_rps is None else ceiling.ci_rps[1]
    rps = number(ceiling.rps, 4)
    to_rps = "" if most_rps is None or number(most_rps, 4) == rps else f" to {number(most_rps, 4)}"
    load = (
        f"{rps}{to_rps} requests/s, {number(ceiling.sessions_per_s, 4)} sessions/s, "
        f"{number(ceiling.in_flight)} in flight; then {LIMITS[ceiling.limited_by]}"
    )
    if verdict.verdict == "inconclusive":
        broke = "" if high is None else f", {high} did not"
        return f"no sure ceiling: {number(ceiling.scale, 4)}x held{broke}; {load}"
    least = "at least " if verdict.verdict == "at_least" else ""
    return f"ceiling: {least}{number(ceiling.scale, 4)}x{'' if high is None else f' to {high}'}, {load}"


def level_rows(verdict: CeilingVerdict) -> list[tuple[str, ...]]:
    """Under LEVEL_HEADS."""
    return [
        (
            f"{number(level.scale, 4)}x",
            f"{number(level.offered_rps, 4)}/s",
            f"{number(level.achieved_rps, 4)}/s",
            number(level.in_flight),
            milliseconds(or_failing(level.p50_ms, level.errors)),
            milliseconds(or_failing(level.p99_ms, level.errors)),
            count(level.errors),
            "holds" if level.verdict == "pass" else level.limited_by or "undecided",
        )
        for level in verdict.levels
    ]


def ceiling_outline(verdict: CeilingVerdict) -> Outline:
    settled: dict[str, Settled] = {"found": "pass", "at_least": "pass", "not_reached": "fail"}
    overall = settled.get(verdict.verdict, "inconclusive")
    headline = ceiling_headline(verdict)
    levels = [
        Case(f"{number(level.scale, 4)}x, {number(level.offered_rps, 4)}/s offered", "pass", level.reason)
        for level in verdict.levels
        if level.verdict == "pass"
    ]
    return Outline(
        "ceiling",
        _about(verdict.trace, verdict.target),
        overall,
        headline,
        verdict.reasons,
        [Case("ceiling", overall, headline), *levels],
        [(LEVEL_HEADS, level_rows(verdict))],
        verdict.notes,
    )


def coldstart_headline(verdict: ColdVerdict) -> str:
    if not verdict.cold.count:
        return how_many_cold(verdict)
    adds = what_cold_adds(verdict.cold)
    return f"{how_many_cold(verdict)}{adds and f'; {adds}'}{stays_warm(verdict, '; ')}"


def how_many_cold(verdict: ColdVerdict) -> str:
    """Of the steps of a run; or of single probes, and beside them of bursts, whose requests are no probes."""
    cold = verdict.cold
    in_bursts = sum(burst.cold for burst in verdict.bursts)
    if not cold.count and not in_bursts:
        return "no cold start was seen"
    if verdict.probes is None:
        total = cold.latency_ms.n + cold.warm_ms.n
        return f"{count(cold.count)} of {counted(total, 'step')} ({percent(cold.share)}) were cold"
    said = were(cold.count, "probe") + " cold"
    return f"{said}, and {counted(in_bursts, 'request')} of bursts" if in_bursts else said


def what_cold_adds(cold: Cold) -> str:
    """What a cold start adds, against what and how surely; or why that is not known; nothing without cold ones."""
    if cold.added_ms is None:
        return f"what a cold start adds is not known: {clean(cold.added_why, 300)}" if cold.added_why else ""
    adds = f"a cold start adds {milliseconds(cold.added_ms)}"
    if not cold.added_of:
        return adds
    median = "the median of " if cold.added_of > 1 else ""
    woke = (
        f"{median}{counted(cold.added_of, 'step')} that woke the target, against warm ones of the same kind and "
        "name"
    )
    if (ci := cold.added_ci_ms) is None:
        return f"{adds}: {woke}; too few for an interval"
    return f"{adds} (95% interval {milliseconds(ci[0])} to {milliseconds(ci[1])}): {woke}"


def stays_warm(verdict: ColdVerdict, before: str = "") -> str:
    """For how long a target stays warm, as a sentence; nothing where that is not known."""
    if verdict.keep_alive_s is None:
        return ""
    low, high = verdict.keep_alive_s
    if high is None and verdict.missed_by_times:
        return f"{before}nothing shows that it goes cold within {seconds(low)} without a request"
    if high is None:
        return f"{before}it stays warm for longer than {seconds(low)} without a request"
    known = (
        f"about {seconds(high)}"
        if seconds(low) == seconds(high)
        else f"between {seconds(low)} and {seconds(high)}"
    )
    return f"{before}it stays warm for {known} without a request"


def idle_rows(buckets: Sequence[IdleBucket]) -> list[tuple[str, ...]]:
    """Under IDLE_HEADS."""
    return [
        (
            seconds(bucket.idle_s)
            if seconds(bucket.to_s) == seconds(bucket.idle_s)
            else f"{seconds(bucket.idle_s)} to {seconds(bucket.to_s)}",
            f"{bucket.cold} of {bucket.n}",
            percent(bucket.share),
            f"{percent(bucket.ci[0])}–{percent(bucket.ci[1])}",
        )
        for bucket in buckets
    ]


def coldstart_outline(verdict: ColdVerdict) -> Outline:
    headline = coldstart_headline(verdict)
    rows = idle_rows(verdict.idle_curve) if verdict.cold.count else []
    return Outline(
        "coldstart",
        _about(verdict.run, verdict.target),
        "pass",
        headline,
        [verdict.cold.why],
        [Case("cold starts", "pass", headline)],
        [(IDLE_HEADS, rows)],
        verdict.notes,
    )


def fault_felt(fault: Fault) -> str:
    if not fault.under_way and not fault.sent_after and fault.recovered_s is None:
        return "not known: no request was in flight, and none was sent afterwards"
    return "not at all" if fault.detect_s is None else f"{seconds(fault.detect_s)} later"


def fault_recovered(fault: Fault) -> str:
    if fault.recovered_s is None:
        return "not within the run"
    return f"after {seconds(fault.recovered_s)}" if fault.recovered_s else "at once"


def fault_failed(fault: Fault) -> str:
    """How many steps failed, by class."""
    errors = ", ".join(f"{count(n)} {clean(kind)}" for kind, n in fault.errors.items())
    return counted(fault.failed_steps, "step") + (f" ({errors})" if errors else "")


def _settled(fault: Fault) -> Settled:
    if fault.recovered_s is not None:
        return "pass"
    return "fail" if fault.under_way or fault.sent_after else "inconclusive"


def recovery_outline(verdict: RecoveryVerdict) -> Outline:
    cases = [
        Case(
            f"{clean(fault.what)} at {seconds(fault.at_s)}",
            _settled(fault),
            f"felt {fault_felt(fault)}; recovered {fault_recovered(fault)}; {fault_failed(fault)} failed, "
            f"{counted(fault.sessions_lost, 'session')} lost",
        )
        for fault in verdict.faults
    ]
    verdicts = {case.verdict for case in cases}
    overall: Settled = (
        "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
    )
    back = sum(case.verdict == "pass" for case in cases)
    rows = [
        (
            f"{clean(fault.what)} at {seconds(fault.at_s)}",
            fault_felt(fault),
            fault_recovered(fault),
            fault_failed(fault),
            count(fault.sessions_lost),
        )
        for fault in verdict.faults
    ]
    return Outline(
        "run",
        _about(verdict.run, verdict.target),
        overall,
        f"the target recovered from {count(back)} of {counted(len(cases), 'fault')}",
        (),
        cases,
        [(_FAULT_HEADS, rows)],
        verdict.notes,
    )


def pilot_outline(verdict: PilotVerdict) -> Outline:
    settled: Settled = "inconclusive" if verdict.verdict == "inconclusive" else "pass"
    doubts = [clean(doubt, 400) for doubt in verdict.doubts]
    return Outline(
        "pilot",
        clean(verdict.workload.trace),
        settled,
        verdict.answer,
        doubts,
        [Case("choice", settled, verdict.answer)],
    )


def _about(*names: str | None) -> str:
    return " → ".join(clean(name) for name in names if name)
