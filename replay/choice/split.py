"""What a split of the steps between planes would be: which steps go to machines, and what that would cost. Pure.

A split is advised where it was priced and clearly undercuts each plane that could do it all, or where steps cannot run
on the serverless plane at all and the bills of both planes bound what the split costs. Else it is an idea, and said so.
"""

from math import ceil
from typing import NamedTuple

from replay.choice.bills import CLEAR_RATIO, LEAST_GAP
from replay.choice.case import Case
from replay.choice.having import cannot_do
from replay.choice.standing import Standing, listed, too_long
from replay.choice.types import PilotPlane, PlannedRoute, StepClass, TriedSplit
from replay.words.numbers import milliseconds, money, number
from replay.words.phrases import counted

# A step is long beside another if it takes ten times as long; and two seconds is the least to build a machine for.
LONG_RATIO = 10.0
LEAST_LONG_MS = 2_000.0


class Split(NamedTuple):
    """Steps that serverless cannot run on machines of the VM target, the rest serverless.

    at_most_month: the serverless bill as if it ran everything, and as many of the VM's machines as the steps' part of
    the load takes. pays: that is clearly below the VM target's own bill, and both are known to keep the SLOs, if any.
    """

    steps: list[StepClass]
    serverless: PilotPlane
    vm: PilotPlane
    machines: int
    at_most_month: float
    pays: bool


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


def forced_split(case: Case, stand: Standing) -> Split | None:
    """The split that steps ask for which no serverless target can run; None where there is none, or no price of it."""
    vm = stand.represents.get("vm")
    if "serverless" in stand.represents or vm is None or not vm.machines or vm.cost_month is None:
        return None
    if case.hybrid is not None or any(plane.plane == "hybrid" and plane.cost_month for plane in case.planes):
        # What a split costs is known, and needs no bounds.
        return None
    able = [
        plane
        for plane in case.planes
        if plane.plane == "serverless"
        and plane.cost_month is not None
        and plane.currency in (None, vm.currency)
        and (found := stand.out.get(plane.target)) is not None
        and found.rule in ("request length", "local needs")
    ]
    if not able:
        return None
    serverless = min(able, key=lambda plane: (plane.cost_month or 0.0, plane.target))
    steps = _unique([*too_long(case, serverless), *cannot_do(case, serverless)])
    if len(steps) == len(case.workload.series):
        return None
    machines = max(1, ceil(vm.machines * _part_of_load(case, steps)))
    month = (serverless.cost_month or 0.0) + vm.cost_month * machines / vm.machines
    are_kept = not case.slos or serverless.budget == vm.budget == "pass"
    pays = are_kept and vm.cost_month >= CLEAR_RATIO * month and vm.cost_month - month >= LEAST_GAP
    return Split(steps, serverless, vm, machines, round(month, 2), pays)


def _part_of_load(case: Case, steps: list[StepClass]) -> float:
    """By what is under way at most, or by time, whichever is the larger part."""
    peak = case.workload.peak_in_flight
    under_way = sum(step.peak_in_flight for step in steps) / peak if peak else 0.0
    return min(1.0, max(under_way, sum(step.busy_share for step in steps)))


def _unique(steps: list[StepClass]) -> list[StepClass]:
    return list({(step.kind, step.name, step.is_local): step for step in steps}.values())


def routes(case: Case, forced: Split | None, hybrid: PilotPlane | None) -> list[PlannedRoute]:
    """Where each step goes: as the hybrid was priced, or what must leave serverless to machines, or what is long."""
    sent = [] if hybrid is None else list(case.routes.get(hybrid.target, ()))
    if sent and (case.hybrid is None or hybrid is None or case.hybrid.target != hybrid.target):
        return sent
    if sent:
        names = {(route.kind, route.name) for route in sent if route.to == "vm"}
    else:
        moved = forced.steps if forced is not None else long_steps(case)
        names = {(step.kind, step.name) for step in moved}
    return [
        PlannedRoute(
            kind=step.kind,
            name=step.name,
            to="vm" if (step.kind, step.name) in names else "serverless",
            why=_why_there(step, is_moved=(step.kind, step.name) in names),
        )
        for step in case.workload.series
        if not sent or not step.is_local
    ]


def split_words(tried: TriedSplit, beside: str, *, pays: bool) -> str:
    """What came of a split, in a line. beside: the months of the planes that stand."""
    simulated = tried.simulated_machines or tried.machines
    how, simulated_how = (
        f"{listed(tried.steps)} on {counted(machines, 'machine')} and the rest serverless"
        for machines in (tried.machines, simulated)
    )
    if tried.out is not None:
        return f"no split will do: with {simulated_how} it {tried.out}"
    other = f", beside {beside}" if beside else ""
    if tried.cost_month is None:
        month = money(tried.estimated_month, tried.currency)
        return f"no split saves anything: {how} would be about {month} a month by both planes' own runs{other}"
    month = money(tried.cost_month, tried.currency)
    does = "pays" if pays else "does not pay"
    priced = (
        f", and with {counted(tried.machines, 'machine')} in the month," if tried.machines != simulated else ""
    )
    return f"a split {does}: simulated with {simulated_how}{priced} it is {month} a month{other}"


def _why_there(step: StepClass, *, is_moved: bool) -> str:
    took = "no duration recorded" if step.p50_ms is None else f"{milliseconds(step.p50_ms)} in the median"
    if step.needs:
        return f"needs {step.needs}"
    if is_moved:
        return f"{took}, {number(step.in_flight)} in flight on average"
    return f"{took}; waits on others" if step.kind == "llm" else took
