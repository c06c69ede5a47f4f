"""Who stands: the targets that cannot be chosen, with the reason, and the target that stands for each kind of plane.

Pure, and asked by every rule that comes after: a target that is out is in no comparison, no bill beside another, no
break-even and no answer. Of several targets of a kind that stand, the one that is known to keep the SLOs goes before
one that may not, then the cheaper (its staff time with it), or, where one of them has no price, the one with the better
latency; names decide between equals, so that the order in which targets were named never does.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from replay.choice.answered import cuts_sockets, lacks_tools, outside_zones, state_lost
from replay.choice.bills import bill_and_staff
from replay.choice.case import Case
from replay.choice.having import cannot_do, runs_on, unfit
from replay.choice.questionnaire import Answers
from replay.choice.types import PilotPlane, PlaneName, StepClass
from replay.judge.statistics.distributions import beta_quantile
from replay.words.numbers import milliseconds, number, percent, seconds
from replay.words.phrases import counted

LEAST_STEPS = 100
MOST_FAILED = 0.01
ALPHA = 0.05


class Out(NamedTuple):
    """Why a target cannot be chosen: by which rule, in words that follow its name."""

    rule: str
    why: str


class Standing(NamedTuple):
    """out: by target. represents: the target that stands for its kind. why: how it was picked, by kind."""

    out: dict[str, Out]
    represents: dict[PlaneName, PilotPlane]
    why: dict[str, str]


def standing(case: Case) -> Standing:
    """Who is out, and who stands for each kind that is left."""
    out = {plane.target: found for plane in case.planes if (found := _out(case, plane)) is not None}
    represents: dict[PlaneName, PilotPlane] = {}
    why: dict[str, str] = {}
    kinds: tuple[PlaneName, ...] = ("serverless", "vm", "hybrid")
    for kind in kinds:
        left = [plane for plane in case.planes if plane.plane == kind and plane.target not in out]
        if left:
            represents[kind], why[kind] = _best(left, has_slos=bool(case.slos))
    return Standing(out, represents, why)


def represented(case: Case) -> dict[PlaneName, str]:
    """The name of the target that stands for each kind."""
    return {kind: plane.target for kind, plane in standing(case).represents.items()}


def thin(plane: PilotPlane) -> str | None:
    """Why a target's runs are no evidence; None where they are some."""
    if plane.answered < LEAST_STEPS:
        return f"answered {counted(plane.answered, 'request')}; it takes {LEAST_STEPS}"
    if plane.generator == "saturated":
        return "was replayed by a machine that was late itself (saturated)"
    return None


def fails_too_often(plane: PilotPlane) -> bool:
    """For certain: by the interval that a gate has of its failures, of which those that come together count as one, or
    since they are so many: however they come together, a plane that fails one in a hundred fails a fifth of a run in no
    more than one of twenty (Markov's inequality). A plane of which nothing ended did not carry it.
    """
    if plane.error_share is None:
        return False
    if plane.error_share_ci is None:
        return _would_fail_too_often(plane)
    return plane.error_share_ci[0] > MOST_FAILED or plane.error_share >= MOST_FAILED / ALPHA


def may_fail_too_often(plane: PilotPlane) -> str | None:
    """In words, where it did if each request failed by itself, which nobody knows where sessions are few or failures
    come together.
    """
    if fails_too_often(plane) or not _would_fail_too_often(plane):
        return None
    return (
        f"{plane.target} failed {percent(plane.error_share)} of the requests, where {percent(MOST_FAILED)} is the "
        "most; but its sessions are too few, or its failures too much together, to tell how often that happens"
    )


def _would_fail_too_often(plane: PilotPlane) -> bool:
    """If each request failed by itself (Clopper and Pearson)."""
    failed = round((plane.error_share or 0.0) * plane.steps)
    return bool(failed) and beta_quantile(ALPHA / 2, failed, plane.steps - failed + 1) > MOST_FAILED


def carries_rps(plane: PilotPlane) -> float | None:
    """Requests a second that the plane takes: by its ceiling, as many machines as are priced, unless its own run
    carried more.
    """
    ceiling = plane.ceiling_rps
    if plane.capacity_rps is not None and plane.machines is not None:
        ceiling = round(plane.capacity_rps * plane.machines, 3)
    if ceiling is None or plane.carried_rps is None:
        return ceiling
    return max(ceiling, plane.carried_rps)


def breaks_at_rps(plane: PilotPlane) -> float | None:
    """Requests a second that surely break the plane: the upper end of where its ceiling lies for certain, by as many
    machines as are priced. None where no load broke it, or it is not known which did.
    """
    carries, certain = carries_rps(plane), plane.ceiling_ci_rps
    if plane.ceiling_verdict != "found" or carries is None:
        return None
    if certain is None or certain[1] is None or not plane.ceiling_rps:
        return carries
    return max(carries, round(certain[1] * _times_measured(plane), 3))


def _surely_carries_rps(plane: PilotPlane) -> float | None:
    """Requests a second that it held beyond chance: in its search, or all through its own run."""
    certain = plane.ceiling_ci_rps
    if certain is None:
        return None
    return max(round(certain[0] * _times_measured(plane), 3), plane.carried_rps or 0.0)


def _times_measured(plane: PilotPlane) -> float:
    """How many times what its ceiling was found with is priced."""
    if plane.capacity_rps is None or plane.machines is None or not plane.ceiling_rps:
        return 1.0
    return plane.capacity_rps * plane.machines / plane.ceiling_rps


def breaks_below_the_peak(case: Case, plane: PilotPlane) -> bool:
    breaks_at = breaks_at_rps(plane)
    return breaks_at is not None and breaks_at < case.peak_rps


def may_break_below_the_peak(case: Case, plane: PilotPlane) -> str | None:
    """In words, where the peak is between what the plane surely carries and what surely breaks it; None where not."""
    breaks_at, carries, least = breaks_at_rps(plane), carries_rps(plane), _surely_carries_rps(plane)
    if breaks_at is None or carries is None:
        return None
    if carries < case.peak_rps <= breaks_at:
        return (
            f"{plane.target} takes {number(carries)} requests/s and breaks at {number(breaks_at)}; the "
            f"{case.whose_peak} peak of {number(case.peak_rps)} is in between"
        )
    if least is not None and least < case.peak_rps <= carries:
        return (
            f"{plane.target} takes {number(carries)} requests/s, of which {number(least)} are beyond chance; the "
            f"{case.whose_peak} peak of {number(case.peak_rps)} is in between"
        )
    return None


def too_long(case: Case, plane: PilotPlane) -> list[StepClass]:
    """The steps that last longer than one request to this target may; of a hybrid, to its serverless part."""
    limit_s = case.request_limit_s.get(plane.target)
    if limit_s is None:
        return []
    return [
        step
        for step in case.workload.series
        if not step.is_local
        and (step.longest_ms or 0.0) > 1000 * limit_s
        and (plane.plane != "hybrid" or runs_on(case, plane, step) == "serverless")
    ]


def step_name(step: StepClass) -> str:
    return f"{step.kind}:{step.name}"


def step_names(steps: Sequence[StepClass], most: int = 3) -> str:
    return listed([step_name(step) for step in steps], most)


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _thin(_: Case, plane: PilotPlane) -> str | None:
    return thin(plane)


def _failing(_: Case, plane: PilotPlane) -> str | None:
    if not fails_too_often(plane):
        return None
    return (
        f"failed {percent(plane.error_share or 0.0)} of the requests, where {percent(MOST_FAILED)} is the most"
    )


def _over_budget(case: Case, plane: PilotPlane) -> str | None:
    if plane.budget != "fail":
        return None
    p99 = "" if plane.p99_ms is None else f" (its p99 is {milliseconds(plane.p99_ms)})"
    return f"broke {' and '.join(plane.broken) or ', '.join(case.slos) or 'its SLOs'}{p99}"


def _below_peak(case: Case, plane: PilotPlane) -> str | None:
    if not breaks_below_the_peak(case, plane):
        return None
    peak, carries = number(case.peak_rps), number(carries_rps(plane) or 0.0)
    return f"takes {carries} requests/s, below the {case.whose_peak} peak of {peak}"


def _too_short_a_limit(case: Case, plane: PilotPlane) -> str | None:
    steps = too_long(case, plane)
    if not steps:
        return None
    longest_s = max(step.longest_ms or 0.0 for step in steps) / 1000
    return (
        f"ends a request after {seconds(case.request_limit_s[plane.target])}, and {step_names(steps)} takes up to "
        f"{seconds(longest_s)}"
    )


def _lacking(case: Case, plane: PilotPlane) -> str | None:
    steps = cannot_do(case, plane)
    if not steps:
        return None
    asked = dict.fromkeys(step.needs or "" for step in steps)
    said = f"is not known to have what {step_names(steps)} needs: {' and '.join(asked)}"
    return "; it ".join([said, *filter(None, (unfit(case, plane, need) for need in asked))])


def _by_answer(why: Callable[[Answers, PilotPlane], str | None]) -> Callable[[Case, PilotPlane], str | None]:
    """What an answer rules out; nothing where nobody was asked."""
    return lambda case, plane: None if case.answers is None else why(case.answers, plane)


def _without_its_tools(case: Case, plane: PilotPlane) -> str | None:
    """Tools of the whole agent; where the trace marks the steps that need them, the rule on local needs judges."""
    return None if case.answers is None else lacks_tools(case.answers, plane, case)


# In the order in which the rules come; the first that a target breaks is told.
_RULES_OUT: tuple[tuple[str, Callable[[Case, PilotPlane], str | None]], ...] = (
    ("enough evidence", _thin),
    ("availability", _failing),
    ("latency budget", _over_budget),
    ("capacity", _below_peak),
    ("request length", _too_short_a_limit),
    ("local needs", _lacking),
    ("state", _by_answer(state_lost)),
    ("compliance", _by_answer(outside_zones)),
    ("open sockets", _by_answer(cuts_sockets)),
    ("local tools", _without_its_tools),
)


def _out(case: Case, plane: PilotPlane) -> Out | None:
    for rule, breaks in _RULES_OUT:
        if (why := breaks(case, plane)) is not None:
            return Out(rule, why)
    return None


def _best(planes: Sequence[PilotPlane], *, has_slos: bool) -> tuple[PilotPlane, str]:
    """Of targets of one kind that stand, the one to stand for them, and why it is that."""
    if len(planes) == 1:
        return planes[0], f"{planes[0].target} is the only one of its kind that stands"
    kept = [plane for plane in planes if plane.budget == "pass"]
    left = kept or list(planes)
    among = f"of {' and '.join(sorted(plane.target for plane in left))}"
    slos = " that keep the SLOs" if kept and has_slos else " that stand"
    if len(left) == 1:
        return left[0], f"{left[0].target} is the only one of its kind that is known to keep the SLOs"
    amounts = [bill_and_staff(plane) for plane in left]
    is_priced = None not in amounts and len({plane.currency for plane in left}) == 1
    if is_priced:
        best = min(left, key=lambda plane: (bill_and_staff(plane) or 0.0, plane.target))
        return best, f"{best.target} is the cheapest {among}{slos}"
    best = min(left, key=lambda plane: (*_slowness(plane), plane.target))
    return best, f"{best.target} is the fastest {among}{slos}; not all of them have a bill to compare"


def _slowness(plane: PilotPlane) -> tuple[float, ...]:
    far = float("inf")
    return tuple(far if value is None else value for value in (plane.p99_ms, plane.p95_ms, plane.p50_ms))
