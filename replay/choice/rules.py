"""The rules by which a plane is chosen: each looks at measured figures, says whom it favours, and what would flip it.

Pure. A rule never guesses: without its figures it favours neither, and its text says what is missing. Which of them
decides is for replay/choice/decision.py. Those that rule a target out ask replay/choice/standing.py; those
after them look only at the targets that stand for their kind. The constants are ours; docs/pilot.md argues for each.
"""

from collections.abc import Callable, Iterable, Sequence

from replay.choice.bills import CLEAR_RATIO, Bills, compared, why_not_compared
from replay.choice.case import Case
from replay.choice.having import cannot_do
from replay.choice.split import LEAST_LONG_MS, LONG_RATIO, forced_split, long_steps
from replay.choice.staff import staff_line
from replay.choice.standing import (
    ALPHA,
    LEAST_STEPS,
    MOST_FAILED,
    Standing,
    carries_rps,
    standing,
    step_name,
    step_names,
    thin,
    too_long,
)
from replay.choice.tail import cold_tail
from replay.choice.types import Favours, Hybrid, PilotPlane, PlaneName, Rule, StepClass
from replay.judge.statistics.distributions import at_least
from replay.money.types import BreakEvenFound
from replay.words.numbers import milliseconds, money, number, percent, seconds
from replay.words.phrases import counted

LEAST_SESSIONS = 20
MOST_IDLE_FOR_VM = 0.5
LEAST_IDLE_FOR_SERVERLESS = 0.05
LONG_BUSY_SHARE = 0.5
SHORT_STEPS_SHARE = 0.3
# Where one VM of the size of an instance begins to cost less than the instance: 0.27 to 0.40 by list prices.
USUAL_BREAK_EVEN = 0.3
LEAST_TROUBLE = 5

_TRIED: tuple[PlaneName, ...] = ("serverless", "vm")


def enough_evidence(case: Case) -> Rule:
    """Refuse to choose on a thin trace, on planes that were not all measured, or with a generator that was late."""
    workload, lacks = case.workload, []
    if workload.sessions < LEAST_SESSIONS:
        lacks.append(f"the trace has {counted(workload.sessions, 'session')}; it takes {LEAST_SESSIONS}")
    if workload.steps < LEAST_STEPS:
        lacks.append(f"the trace has {counted(workload.steps, 'request')}; it takes {LEAST_STEPS}")
    if workload.pattern == "not classified":
        lacks.append(f"the trace is too short to tell how its load comes ({workload.pattern_rule})")
    aside = []
    for kind in _TRIED:
        tried = [plane for plane in case.planes if plane.plane == kind]
        poor = [f"{plane.target} {why}" for plane in tried if (why := thin(plane)) is not None]
        if not tried:
            lacks.append(f'no {kind} plane was tried; add a target with plane = "{kind}"')
        elif len(poor) == len(tried):
            lacks += poor
        else:
            aside += poor
    enough = "the trace and the planes' runs are long enough to judge"
    return Rule(
        name="enough evidence",
        favours="inconclusive" if lacks else "neither",
        evidence={"sessions": workload.sessions, "requests": workload.steps, "span_s": workload.span_s},
        text="; ".join(lacks) if lacks else "; ".join([enough, *aside]),
        flips_at={"sessions": LEAST_SESSIONS, "requests": LEAST_STEPS},
        source="a break-even only after concurrency was measured, on representative traffic",
    )


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


def mixed_steps(case: Case) -> Rule:
    """Short edge calls beside long, heavy steps: whether each belongs on another plane, and whether that pays."""
    source = "mixed behaviour: short and user-facing to serverless; long, local and heavy to VMs"
    if case.hybrid is not None:
        return _tried(case, case.hybrid, source)
    workload, long, stand = case.workload, long_steps(case), standing(case)
    forced = forced_split(case, stand)
    if not forced and (not long or len(long) == len(workload.series)):
        kinds = "long" if long else "short"
        return Rule(
            name="mixed steps",
            favours="neither",
            evidence={"long": [step_name(step) for step in long], "fits": False},
            text=f"the steps are of one sort: all {kinds}, or model calls",
            flips_at={"longest_ms": LEAST_LONG_MS, "times_the_short": LONG_RATIO},
            source=source,
        )
    steps = sum(step.steps for step in workload.series)
    short_share = 1 - sum(step.steps for step in long) / max(1, steps)
    own = sum(step.busy_share for step in workload.series if step.kind != "llm" or step.needs)
    busy = sum(step.busy_share for step in long) / own if own else 0.0
    in_flight = sum(step.in_flight for step in long)
    least_in_flight = min(1.0, _utilisation_at_break_even(case))
    is_bound = any(step.needs for step in long)
    fits = is_bound or (
        busy >= LONG_BUSY_SHARE and short_share >= SHORT_STEPS_SHARE and in_flight >= least_in_flight
    )
    text = (
        f"{step_names(long)} makes up {percent(busy)} of the time outside of model calls and keeps {number(in_flight)} "
        f"in flight, while {percent(short_share)} of the requests are short"
    )
    bills = compared(stand.represents)
    favours: Favours = "neither"
    evidence = {
        "long": [step_name(step) for step in long],
        "fits": fits,
        "long_busy_share": round(busy, 4),
        "long_in_flight": round(in_flight, 4),
        "short_steps_share": round(short_share, 4),
    }
    if bills is not None and bills.cheaper.plane == "hybrid":
        favours = "hybrid"
        text += f"; split, {_months(bills, case.calendar)}"
    elif forced is not None:
        evidence["split_at_most_month"] = forced.at_most_month
        favours = "hybrid" if forced.pays else "neither"
        text = _forced_said(forced.steps, forced.machines, forced.at_most_month, forced.vm, pays=forced.pays)
    return Rule(
        name="mixed steps",
        favours=favours,
        evidence=evidence,
        text=text,
        flips_at={"long_in_flight": round(least_in_flight, 4), "long_busy_share": LONG_BUSY_SHARE},
        source=source,
    )


def _tried(case: Case, hybrid: Hybrid, source: str) -> Rule:
    """What came of looking for a split, where that was done."""
    stand = standing(case)
    bills, chosen = compared(stand.represents), stand.represents.get("hybrid")
    is_alone = chosen is not None and len(stand.represents) == 1
    pays = is_alone or (bills is not None and bills.cheaper.plane == "hybrid")
    out = None if hybrid.target is None else stand.out.get(hybrid.target)
    return Rule(
        name="mixed steps",
        favours="hybrid" if pays else "neither",
        evidence={
            "month": {
                f"{' and '.join(one.steps)} on {counted(one.machines, 'machine')}": (
                    one.estimated_month if one.cost_month is None else one.cost_month
                )
                for one in hybrid.tried
            },
        },
        text=hybrid.text if out is None else f"{hybrid.text}; but {hybrid.target} {out.why}",
        source=source,
    )


def _forced_said(steps: Sequence[StepClass], machines: int, month: float, vm: PilotPlane, *, pays: bool) -> str:
    does = "pays" if pays else "does not pay"
    return (
        f"{step_names(steps)} cannot run serverless; with {machines} of {counted(vm.machines or 0, 'machine')} for it "
        f"and the rest serverless a month is {money(month)} {vm.currency or ''} at most, beside "
        f"{money(vm.cost_month or 0.0)} for {vm.target} alone, so a split {does}"
    )


def cost(case: Case) -> Rule:
    """The month's bill at the observed shape, without staff time."""
    represents = standing(case).represents
    bills = compared(represents)
    if bills is None:
        return Rule(
            name="cost",
            favours="neither",
            evidence={},
            text=why_not_compared([plane for kind, plane in represents.items() if kind != "hybrid"])
            or "there are not two bills to compare",
        )
    ratio = bills.ratio
    return Rule(
        name="cost",
        favours=bills.cheaper.plane if bills.is_clear else "neither",
        evidence={
            "cost_month": {plane.target: plane.cost_month for plane in (bills.cheaper, bills.dearer)},
            "currency": bills.cheaper.currency or "",
            "ratio": None if ratio is None else round(ratio, 4),
        },
        text=_months(bills, case.calendar) + ("" if bills.is_clear else f": {bills.why_open}"),
        flips_at={"cost_month": round(bills.higher / CLEAR_RATIO, 2)},
        source="cost at the observed shape, never at one average",
    )


def _months(bills: Bills, calendar: str) -> str:
    currency = bills.cheaper.currency or ""
    said = (
        f"{bills.cheaper.target} {money(bills.lower)}, {bills.dearer.target} {money(bills.higher)} {currency}"
    )
    return f"{said.strip()} a month" + (f" ({calendar})" if calendar else "")


def staff_time(case: Case) -> Rule:
    """The month with staff time in it, and how much of it would make the other plane cheaper."""
    line = staff_line(standing(case))
    if line is None:
        return Rule(
            name="staff time", favours="neither", evidence={}, text="there are not two bills to add it to"
        )
    stated = bool(line.month)
    return Rule(
        name="staff time",
        favours="neither" if not stated or line.with_staff == "inconclusive" else line.with_staff,
        evidence={
            "staff_month": line.month,
            "rate": line.rate,
            "is_rate_assumed": line.is_rate_assumed,
            "without": line.without,
            "with_staff": line.with_staff,
        },
        text=line.text,
        flips_at={"staff_hours": line.flips_at_hours},
        source="patching and operations can outweigh the difference of two bills",
    )


def utilisation(case: Case) -> Rule:
    """Which side of the crossings the workload is on, by the bills at the present load."""
    even = _even(case)
    if even is None or even.at is None or even.now is None:
        why = (even.reason if even else None) or "no break-even was found"
        return Rule(name="utilisation", favours="neither", evidence={}, text=why)
    crossings = even.crossings or [even.at]
    low, high = even.ci or (even.at, even.at)
    is_apart = not low <= even.now <= high
    bills = compared(standing(case).represents)
    cheaper: Favours = "neither" if bills is None or not bills.is_clear else bills.cheaper.plane
    at = ", ".join(number(one) for one in crossings)
    side = (
        f"the bills at the present load favour {cheaper}"
        if cheaper != "neither"
        else "the bills at the present load do not decide"
    )
    return Rule(
        name="utilisation",
        favours=cheaper if is_apart and cheaper in _kinds_of(case, even) else "neither",
        evidence={"active_instances": even.now, "crossings": crossings, "ci": list(even.ci or ())},
        text=f"{number(even.now)} instances are active on average; both cost the same at {at}; {side}",
        flips_at={"active_instances": min(crossings, key=lambda one: abs(one - (even.now or 0.0)))},
        source="the break-even utilisation",
    )


def _kinds_of(case: Case, even: BreakEvenFound) -> set[str]:
    """The kinds of the planes that a break-even is between."""
    return {plane.plane for plane in case.planes if plane.target in even.between}


def _even(case: Case) -> BreakEvenFound | None:
    """The break-even by utilisation between targets that stand for their kinds."""
    standing_for = {plane.target for plane in standing(case).represents.values()}
    found = [even for even in case.break_even if even.by == "utilisation" and set(even.between) <= standing_for]
    return found[0] if found else None


def _utilisation_at_break_even(case: Case) -> float:
    even = _even(case)
    return USUAL_BREAK_EVEN if even is None or even.at is None else even.at


def variability(case: Case) -> Rule:
    """The habit of the load: what comes and goes is for serverless, what stays for machines. Never decides alone."""
    workload = case.workload
    idle = workload.idle_share
    is_idle = idle is not None and idle >= MOST_IDLE_FOR_VM
    is_never_idle = idle is not None and idle < LEAST_IDLE_FOR_SERVERLESS
    favours: Favours = "neither"
    if workload.pattern == "steady state":
        favours = "neither" if is_idle else "vm"
    elif is_idle or (workload.pattern == "bursty background" and not is_never_idle):
        favours = "serverless"
    text = f"{workload.pattern}: {workload.pattern_rule}"
    if workload.pattern == "steady state" and is_idle:
        text += f"; but nothing is under way in {percent(idle)} of the seconds"
    return Rule(
        name="variability",
        favours=favours,
        evidence={
            "pattern": workload.pattern,
            "idle_share": idle,
            "peak_to_mean": workload.peak_to_mean,
            "dispersion": workload.dispersion,
        },
        text=text,
        flips_at={"idle_share": MOST_IDLE_FOR_VM},
        source="variable utilisation and state kept elsewhere: serverless; steady and a reason to stay warm: dedicated",
    )


def trouble(case: Case) -> Rule:
    """Operational surprises: failures, lost sessions, refusals and time-outs, counted over the same phases."""
    represents = standing(case).represents
    shown = list(represents.values()) or list(case.planes)
    counts = {plane.target: sum(plane.effort.values()) for plane in shown}
    serverless, vm = represents.get("serverless"), represents.get("vm")
    favours: Favours = "neither"
    if serverless and vm:
        a, b = counts[serverless.target], counts[vm.target]
        # Under equal rates each of them falls on either plane alike (conditional test of two Poisson rates).
        if abs(a - b) >= LEAST_TROUBLE and 2 * float(at_least(max(a, b), a + b, 0.5)) < ALPHA:
            favours = "serverless" if a < b else "vm"
    return Rule(
        name="operational surprises",
        favours=favours,
        evidence={"surprises": counts, "kinds": {plane.target: plane.effort for plane in shown}},
        text=", ".join(f"{n} on {target}" for target, n in counts.items()) or "nothing was counted",
        flips_at={"difference": LEAST_TROUBLE},
        source="fewer operational surprises",
    )


RULES: tuple[Callable[[Case], Rule], ...] = (
    enough_evidence,
    availability,
    latency_budget,
    capacity,
    request_length,
    local_needs,
    mixed_steps,
    cost,
    staff_time,
    utilisation,
    variability,
    cold_tail,
    trouble,
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
