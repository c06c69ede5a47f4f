"""The rules by which a plane is chosen: each looks at measured figures, says whom it favours, and what would flip it.

Pure. A rule never guesses: without its figures it favours neither, and its text says what is missing. Which of them
decides is for replay/judge/choice/decision.py. The constants are ours; docs/pilot.md argues for each.
"""

from collections.abc import Callable, Sequence

import msgspec
from scipy.stats import beta, binomtest

from replay.judge.choice.questionnaire import Answers
from replay.judge.choice.types import BreakEvenFound, Favours, PilotPlane, PlaneName, Rule, StepClass, Workload
from replay.judge.phrases import number

LEAST_SESSIONS = 20
LEAST_STEPS = 100
MOST_FAILED = 0.01
CLEAR_RATIO = 1.2
MOST_IDLE_FOR_VM = 0.5
# A step is long beside another if it takes ten times as long; and two seconds is the least to build a machine for.
LONG_RATIO = 10.0
LEAST_LONG_MS = 2_000.0
LONG_BUSY_SHARE = 0.5
SHORT_STEPS_SHARE = 0.3
# Where one VM of the size of an instance begins to cost less than the instance: 0.27 to 0.40 by list prices.
USUAL_BREAK_EVEN = 0.3
LEAST_TROUBLE = 5
_ALPHA = 0.05


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rules may look at. request_limit_s: the longest request that a target allows, by its name.

    slos: the latency budget, where one was given. mixed: the steps that would stay on machines of their own. calendar:
    how the month looks that the bills are of. answers: to what no trace can tell; None: nobody was asked.
    """

    workload: Workload
    planes: Sequence[PilotPlane]
    break_even: Sequence[BreakEvenFound] = ()
    request_limit_s: dict[str, float] = {}
    slos: Sequence[str] = ()
    calendar: str = ""
    answers: Answers | None = None

    def plane(self, name: PlaneName) -> PilotPlane | None:
        """The first target of that plane."""
        return next((plane for plane in self.planes if plane.plane == name), None)

    @property
    def utilisation_at_break_even(self) -> float:
        found = (even.at for even in self.break_even if even.by == "utilisation" and even.at is not None)
        return next(found, USUAL_BREAK_EVEN)


def enough_evidence(case: Case) -> Rule:
    """Refuse to choose on a thin trace, on planes that were not all measured, or with a generator that was late."""
    workload, lacks = case.workload, []
    if workload.sessions < LEAST_SESSIONS:
        lacks.append(f"the trace has {workload.sessions} sessions; it takes {LEAST_SESSIONS}")
    if workload.steps < LEAST_STEPS:
        lacks.append(f"the trace has {workload.steps} requests; it takes {LEAST_STEPS}")
    if workload.pattern == "not classified":
        lacks.append(f"the trace is too short to tell how its load comes ({workload.pattern_rule})")
    for name in ("serverless", "vm"):
        plane = case.plane(name)
        if plane is None:
            lacks.append(f"no {name} plane was tried; add a target with plane = {name!r}".replace("'", '"'))
        elif plane.answered < LEAST_STEPS:
            lacks.append(f"{plane.target} answered {plane.answered} requests; it takes {LEAST_STEPS}")
    lacks += [
        f"this machine was late while it replayed {plane.target} ({plane.generator})"
        for plane in case.planes
        if plane.generator == "saturated"
    ]
    return Rule(
        name="enough evidence",
        favours="inconclusive" if lacks else "neither",
        evidence={"sessions": workload.sessions, "requests": workload.steps, "span_s": workload.span_s},
        text="; ".join(lacks) if lacks else "the trace and both planes' runs are long enough to judge",
        flips_at={"sessions": LEAST_SESSIONS, "requests": LEAST_STEPS},
        source="a break-even only after concurrency was measured, on representative traffic",
    )


def availability(case: Case) -> Rule:
    """A plane that fails too many of the trace's own requests cannot carry it."""
    shares = {plane.target: plane.error_share for plane in case.planes if plane.error_share is not None}
    out = [plane for plane in case.planes if _fails_too_often(plane)]
    return Rule(
        name="availability",
        favours=_the_rest(case, out),
        evidence={"failed_share": shares},
        text=f"{_names(out)} failed more than {MOST_FAILED:.0%} of the requests"
        if out
        else f"no plane failed more than {MOST_FAILED:.0%} of the requests for certain",
        flips_at={"failed_share": MOST_FAILED},
        source="availability and error budget",
    )


def _fails_too_often(plane: PilotPlane) -> bool:
    """By the lower limit of Clopper and Pearson's 95 % interval; a plane of which nothing ended did not carry it."""
    if plane.error_share is None or not plane.steps:
        return False
    failed = round(plane.error_share * plane.steps)
    return bool(failed) and float(beta.ppf(_ALPHA / 2, failed, plane.steps - failed + 1)) > MOST_FAILED


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
    said = {plane.target: plane.budget or "inconclusive" for plane in case.planes}
    out = [plane for plane in case.planes if plane.budget == "fail"]
    unsure = [plane for plane in case.planes if plane.budget in (None, "inconclusive")]
    text = (
        f"{_names(out)} broke it"
        if out
        else f"{_names(unsure)}: it cannot be told"
        if unsure
        else "all kept it"
    )
    return Rule(
        name="latency budget",
        favours=_the_rest(case, out),
        evidence={
            "slos": list(case.slos),
            "verdicts": said,
            "p99_ms": {plane.target: plane.p99_ms for plane in case.planes},
        },
        text=f"{', '.join(case.slos)}: {text}",
        source="a tight latency budget rules out cold starts",
    )


def cold_tail(case: Case) -> Rule:
    """Whether cold starts make the slowest requests of the serverless plane clearly slower than the VM's."""
    serverless, vm = case.plane("serverless"), case.plane("vm")
    if serverless is None or vm is None or serverless.p99_ms is None or vm.p99_ms is None:
        return Rule(
            name="cold tail", favours="neither", evidence={}, text="no p99 was measured for both planes"
        )
    low = (serverless.p99_ci_ms or (None, None))[0]
    high = (vm.p99_ci_ms or (None, None))[1]
    slower = low is not None and high is not None and low > high and serverless.p99_ms > CLEAR_RATIO * vm.p99_ms
    without = serverless.p99_without_cold_ms
    by_cold = without is not None and without <= CLEAR_RATIO * vm.p99_ms
    share = serverless.cold_share
    cold = "" if share is None else f"; {share:.1%} of its requests were cold"
    ratio = f"p99 {serverless.p99_ms:,.0f} ms on {serverless.target}, {vm.p99_ms:,.0f} ms on {vm.target}{cold}"
    return Rule(
        name="cold tail",
        favours="vm" if slower and by_cold else "neither",
        evidence={
            "p99_ms": {serverless.target: serverless.p99_ms, vm.target: vm.p99_ms},
            "p99_without_cold_ms": without,
            "cold_share": share,
            "cold_added_ms": serverless.cold_added_ms,
        },
        text=f"{ratio}: {_tail_said(slower, by_cold)}",
        flips_at={"p99_ms": round(CLEAR_RATIO * vm.p99_ms, 1)},
        source="cold starts and tail events, never one average",
    )


def _tail_said(slower: bool, by_cold: bool) -> str:
    if not slower:
        return "not clearly slower"
    return "cold starts make the difference" if by_cold else "slower, but not by cold starts alone"


def request_length(case: Case) -> Rule:
    """Steps longer than a serverless request may last must run elsewhere."""
    longest = case.workload.longest_ms
    serverless = case.plane("serverless")
    limit_s = case.request_limit_s.get(serverless.target) if serverless else None
    if longest is None or limit_s is None:
        return Rule(
            name="request length",
            favours="neither",
            evidence={},
            text="no request durations, or no limit, known",
        )
    over = [step for step in case.workload.series if (step.longest_ms or 0.0) > 1000 * limit_s]
    share = sum(step.busy_share for step in over)
    favours: Favours = "neither" if not over else "vm" if len(over) == len(case.workload.series) else "hybrid"
    return Rule(
        name="request length",
        favours=favours,
        evidence={"longest_s": longest / 1000, "limit_s": limit_s, "busy_share_over": round(share, 4)},
        text=f"{_step_names(over)} lasts longer than the {limit_s:g} s that a request may"
        if over
        else f"the longest request took {longest / 1000:,.1f} s of the {limit_s:g} s that one may",
        flips_at={"longest_s": limit_s},
        source="workflow length against the platform's limits",
    )


def local_needs(case: Case) -> Rule:
    """Steps that the trace marks as bound to a machine: local state, a browser, a GPU, a private network."""
    bound = [step for step in case.workload.series if step.needs]
    favours: Favours = "neither" if not bound else "hybrid" if len(bound) < len(case.workload.series) else "vm"
    needs = {f"{step.kind}:{step.name}": step.needs for step in bound}
    return Rule(
        name="local needs",
        favours=favours,
        evidence={"needs": needs},
        text=f"{_step_names(bound)} is marked as bound to a machine"
        if bound
        else "no step is marked as bound to one",
        source="local state, special dependencies, local tools, placement",
    )


def long_steps(case: Case) -> list[StepClass]:
    """The steps that a machine of their own would take over: bound to one, or long among short ones.

    Model calls are none, however long: they wait for somebody else's machine. What the agent did itself, without a
    request, is one of the others.
    """
    bound = [step for step in case.workload.series if step.needs]
    timed = [step for step in case.workload.series if step.p50_ms is not None and step.kind != "llm"]
    timed.sort(key=lambda step: step.p50_ms or 0.0)
    best: list[StepClass] = []
    widest = LONG_RATIO
    for at in range(1, len(timed)):
        below, above = timed[at - 1].p50_ms or 0.0, timed[at].p50_ms or 0.0
        if above >= LEAST_LONG_MS and above >= widest * below:
            widest, best = above / max(below, 1e-9), timed[at:]
    return bound + [step for step in best if not step.needs]


def mixed_steps(case: Case) -> Rule:
    """Short edge calls beside long, heavy steps: each belongs on another plane."""
    workload, long = case.workload, long_steps(case)
    if not long or len(long) == len(workload.series):
        kinds = "long" if long else "short"
        return Rule(
            name="mixed steps",
            favours="neither",
            evidence={"long": [_step_name(step) for step in long]},
            text=f"the steps are of one sort: all {kinds}, or model calls",
            flips_at={"longest_ms": LEAST_LONG_MS, "times_the_short": LONG_RATIO},
            source="mixed behaviour: short and user-facing to serverless; long, local and heavy to VMs",
        )
    steps = sum(step.steps for step in workload.series)
    short_share = 1 - sum(step.steps for step in long) / max(1, steps)
    own = sum(step.busy_share for step in workload.series if step.kind != "llm" or step.needs)
    busy = sum(step.busy_share for step in long) / own if own else 0.0
    in_flight = sum(step.in_flight for step in long)
    least = case.utilisation_at_break_even
    is_bound = any(step.needs for step in long)
    fires = is_bound or (
        busy >= LONG_BUSY_SHARE and short_share >= SHORT_STEPS_SHARE and in_flight >= min(1.0, least)
    )
    return Rule(
        name="mixed steps",
        favours="hybrid" if fires else "neither",
        evidence={
            "long": [_step_name(step) for step in long],
            "long_busy_share": round(busy, 4),
            "long_in_flight": round(in_flight, 4),
            "short_steps_share": round(short_share, 4),
        },
        text=f"{_step_names(long)} makes up {busy:.0%} of the time outside of model calls and keeps {in_flight:.2g} "
        f"under way, while {short_share:.0%} of the requests are short",
        flips_at={"long_in_flight": round(min(1.0, least), 4), "long_busy_share": LONG_BUSY_SHARE},
        source="mixed behaviour: short and user-facing to serverless; long, local and heavy to VMs",
    )


def variability(case: Case) -> Rule:
    """The default rule: load that comes and goes is for serverless, load that stays is for machines."""
    workload = case.workload
    idle = workload.idle_share
    is_idle = idle is not None and idle >= MOST_IDLE_FOR_VM
    favours: Favours = "neither"
    if workload.pattern == "bursty background" or is_idle:
        favours = "serverless"
    elif workload.pattern == "steady state":
        favours = "vm"
    return Rule(
        name="variability",
        favours=favours,
        evidence={
            "pattern": workload.pattern,
            "idle_share": idle,
            "peak_to_mean": workload.peak_to_mean,
            "dispersion": workload.dispersion,
        },
        text=f"{workload.pattern}: {workload.pattern_rule}",
        flips_at={"idle_share": MOST_IDLE_FOR_VM},
        source="variable utilisation and state kept elsewhere: serverless; steady and a reason to stay warm: dedicated",
    )


def utilisation(case: Case) -> Rule:
    """Where the workload stands beside the utilisation at which both planes cost the same."""
    even = next((even for even in case.break_even if even.by == "utilisation"), None)
    if even is None or even.at is None or even.now is None:
        why = (even.reason if even else None) or "no break-even was found"
        return Rule(name="utilisation", favours="neither", evidence={}, text=why)
    low, high = even.ci or (even.at, even.at)
    favours: Favours = "serverless" if even.now < low else "vm" if even.now > high else "neither"
    return Rule(
        name="utilisation",
        favours=favours,
        evidence={"active_instances": even.now, "break_even": even.at, "ci": list(even.ci or ())},
        text=f"{number(even.now)} instances are active in the mean; both cost the same at {number(even.at)}",
        flips_at={"active_instances": even.at},
        source="the break-even utilisation",
    )


def capacity(case: Case) -> Rule:
    """Whether a plane takes the trace's own peak: as it is set up, or machines as many as are priced."""
    peak = case.workload.month_peak_rps or case.workload.peak_rps
    carries = {plane.target: found for plane in case.planes if (found := _carries(plane)) is not None}
    out = [p for p in case.planes if p.ceiling_verdict == "found" and carries.get(p.target, peak) < peak]
    return Rule(
        name="capacity",
        favours=_the_rest(case, out),
        evidence={"peak_rps": peak, "carries_rps": carries},
        text=f"{_names(out)} breaks below the {_whose(case)} peak of {number(peak)} requests/s"
        if out
        else f"every ceiling that was found is above the {_whose(case)} peak"
        if carries
        else "no ceiling was measured",
        flips_at={"peak_rps": min(carries.values())} if carries else None,
        source="the throughput ceiling, with the platform's own limits",
    )


def _whose(case: Case) -> str:
    return "month's" if case.workload.month_peak_rps else "trace's"


def _carries(plane: PilotPlane) -> float | None:
    if plane.capacity_rps is not None and plane.machines is not None:
        return round(plane.capacity_rps * plane.machines, 3)
    return plane.ceiling_rps


def cost(case: Case) -> Rule:
    """The month's bill at the observed shape."""
    priced = sorted(
        (plane for plane in case.planes if plane.cost_month is not None),
        key=lambda plane: plane.cost_month or 0.0,
    )
    if len(priced) < 2:
        return Rule(name="cost", favours="neither", evidence={}, text="fewer than two planes have a price")
    first, second = priced[0], priced[1]
    a, b = first.cost_month or 0.0, second.cost_month or 0.0
    apart = first.cost_ci is None or second.cost_ci is None or first.cost_ci[1] < second.cost_ci[0]
    is_clear = b >= CLEAR_RATIO * a and b - a >= 1.0 and apart and first.plane != second.plane
    currency = first.currency or ""
    ratio = b / a if a > 0 else None
    return Rule(
        name="cost",
        favours=first.plane if is_clear else "neither",
        evidence={
            "cost_month": {plane.target: plane.cost_month for plane in priced},
            "currency": currency,
            "ratio": None if ratio is None else round(ratio, 4),
        },
        text=f"{first.target} {a:,.2f}, {second.target} {b:,.2f} {currency} a month"
        + (f" ({case.calendar})" if case.calendar else "")
        + ("" if is_clear else ": too near each other to decide"),
        flips_at={"cost_month": round(b / CLEAR_RATIO, 2)},
        source="cost at the observed shape, never at one average",
    )


def trouble(case: Case) -> Rule:
    """Operational surprises: failures, lost sessions, refusals and time-outs, counted over the same phases."""
    counts = {plane.target: sum(plane.effort.values()) for plane in case.planes}
    serverless, vm = case.plane("serverless"), case.plane("vm")
    favours: Favours = "neither"
    if serverless and vm:
        a, b = counts[serverless.target], counts[vm.target]
        # Under equal rates each of them falls on either plane alike (conditional test of two Poisson rates).
        if abs(a - b) >= LEAST_TROUBLE and float(binomtest(a, a + b).pvalue) < _ALPHA:
            favours = "serverless" if a < b else "vm"
    return Rule(
        name="operational surprises",
        favours=favours,
        evidence={"surprises": counts, "kinds": {plane.target: plane.effort for plane in case.planes}},
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
    utilisation,
    variability,
    cold_tail,
    trouble,
)


def _the_rest(case: Case, out: Sequence[PilotPlane]) -> Favours:
    """Whom it favours that these planes are out: the one kind that is left."""
    if not out:
        return "neither"
    left = {plane.plane for plane in case.planes if plane not in out}
    return left.pop() if len(left) == 1 else "neither" if left else "inconclusive"


def _names(planes: Sequence[PilotPlane]) -> str:
    return " and ".join(plane.target for plane in planes)


def _step_name(step: StepClass) -> str:
    return f"{step.kind}:{step.name}"


def _step_names(steps: Sequence[StepClass], most: int = 3) -> str:
    shown = ", ".join(_step_name(step) for step in steps[:most])
    return shown + (f" and {len(steps) - most} more" if len(steps) > most else "")
