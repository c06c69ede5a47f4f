"""The rules that rule targets out: failures, the latency budget, capacity, limits on requests, local needs."""

from collections.abc import Iterable

from replay.choice.case import Case
from replay.choice.having import cannot_do
from replay.choice.standing import (
    MOST_FAILED,
    Standing,
    carries_rps,
    may_break_below_the_peak,
    standing,
    step_name,
    step_names,
    too_long,
)
from replay.choice.types import Favours, Rule, StepClass
from replay.words.numbers import milliseconds, number, percent, seconds


def availability(case: Case) -> Rule:
    """A plane that fails too many of the trace's own requests cannot carry it."""
    shares = {plane.target: plane.error_share for plane in case.planes if plane.error_share is not None}
    stand = standing(case)
    return Rule(
        name="availability",
        favours=_the_rest(case, stand, "availability"),
        evidence={"failed_share": shares},
        text=_who_is_out(stand, "availability")
        or f"no plane failed more than {percent(MOST_FAILED)} of the requests for certain",
        flips_at={"failed_share": MOST_FAILED},
        source="availability and error budget",
    )


def latency_budget(case: Case) -> Rule:
    """The SLOs that the user gave: a plane that breaks them is out."""
    if not case.slos:
        return Rule(
            name="latency budget",
            favours="neither",
            evidence={},
            text="no latency budget was given; give one with --slo to have planes held to it",
            source="a tight latency budget rules out cold starts",
        )
    stand = standing(case)
    unsure = [
        plane.target
        for plane in case.planes
        if plane.target not in stand.out and plane.budget in (None, "inconclusive")
    ]
    said = [_who_is_out(stand, "latency budget")]
    if unsure:
        said.append(
            f"whether {' and '.join(unsure)} {'keeps' if len(unsure) == 1 else 'keep'} it cannot be told"
        )
    return Rule(
        name="latency budget",
        favours=_the_rest(case, stand, "latency budget"),
        evidence={
            "slos": list(case.slos),
            "verdicts": {plane.target: plane.budget or "inconclusive" for plane in case.planes},
            "p99_ms": {plane.target: plane.p99_ms for plane in case.planes},
        },
        text=f"{', '.join(case.slos)}: {'; '.join(filter(None, said)) or 'all that stand keep it'}",
        source="a tight latency budget rules out cold starts",
    )


def capacity(case: Case) -> Rule:
    """Whether a plane takes the trace's own peak: as it is set up, or machines as many as are priced."""
    peak = case.peak_rps
    carries = {plane.target: found for plane in case.planes if (found := carries_rps(plane)) is not None}
    stand = standing(case)
    return Rule(
        name="capacity",
        favours=_the_rest(case, stand, "capacity"),
        evidence={"peak_rps": peak, "carries_rps": carries},
        text=_who_is_out(stand, "capacity")
        or "; ".join(filter(None, (may_break_below_the_peak(case, plane) for plane in case.planes)))
        or (
            f"every plane whose ceiling was found takes the {case.whose_peak} peak of {number(peak)} requests/s"
            if carries
            else "no ceiling was measured"
        ),
        flips_at={"peak_rps": min(carries.values())} if carries else None,
        source="the throughput ceiling, with the platform's own limits",
    )


def request_length(case: Case) -> Rule:
    """A target that ends requests sooner than the trace's longest takes cannot run it."""
    longest = case.workload.longest_ms
    if longest is None or not case.request_limit_s:
        return Rule(
            name="request length",
            favours="neither",
            evidence={},
            text="no request durations, or no limit, known",
        )
    over = _unique(step for plane in case.planes for step in too_long(case, plane))
    stand = standing(case)
    least_s = min(case.request_limit_s.values())
    return Rule(
        name="request length",
        favours=_the_rest(case, stand, "request length"),
        evidence={
            "longest_s": longest / 1000,
            "limit_s": dict(case.request_limit_s),
            "busy_share_over": round(sum(step.busy_share for step in over), 4),
        },
        text=_who_is_out(stand, "request length")
        or (_limits_that_decide_nothing(case, stand, longest) if longest / 1000 > least_s else "")
        or f"the longest request took {milliseconds(longest)}, and each target lets one take {seconds(least_s)} "
        f"or longer",
        flips_at={"longest_s": least_s} if longest / 1000 <= least_s else None,
        source="workflow length against the platform's limits",
    )


def _limits_that_decide_nothing(case: Case, stand: Standing, longest_ms: float) -> str:
    """Why a request that is longer than some target allows puts no target out."""
    said = []
    for plane in case.planes:
        limit_s = case.request_limit_s.get(plane.target)
        if limit_s is None or longest_ms / 1000 <= limit_s:
            continue
        gone = stand.out.get(plane.target)
        why = "sends such requests elsewhere" if gone is None else f"is out already ({gone.rule})"
        said.append(f"{plane.target}, which ends a request after {seconds(limit_s)}, {why}")
    return f"the longest request took {milliseconds(longest_ms)}; {'; '.join(said)}" if said else ""


def local_needs(case: Case) -> Rule:
    """Steps that the trace marks as bound to something: local state, a browser, a GPU, a private network."""
    bound = [step for step in case.workload.series if step.needs]
    stand = standing(case)
    lacking = {
        plane.target: [step_name(step) for step in steps]
        for plane in case.planes
        if (steps := cannot_do(case, plane))
    }
    return Rule(
        name="local needs",
        favours=_the_rest(case, stand, "local needs"),
        evidence={"needs": {step_name(step): step.needs for step in bound}, "cannot_run": lacking},
        text=_who_is_out(stand, "local needs")
        or (
            f"{step_names(bound)} needs what the planes that stand have"
            if bound
            else "no step is marked as bound to a machine"
        ),
        source="local state, special dependencies, local tools, placement",
    )


def _the_rest(case: Case, stand: Standing, rule: str) -> Favours:
    """Whom it favours that targets are out by this rule: the one kind that the rule leaves, if it leaves one."""
    out = {target for target, found in stand.out.items() if found.rule == rule}
    if not out:
        return "neither"
    left = {plane.plane for plane in case.planes if plane.target not in out}
    return left.pop() if len(left) == 1 else "neither" if left else "inconclusive"


def _who_is_out(stand: Standing, rule: str) -> str:
    return "; ".join(f"{target} {found.why}" for target, found in stand.out.items() if found.rule == rule)


def _unique(steps: Iterable[StepClass]) -> list[StepClass]:
    return list({(step.kind, step.name): step for step in steps}.values())
