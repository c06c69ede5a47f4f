"""Looking for a split of the steps between the two planes of a pilot: simulated and priced before it is advised.

Of the splits that peel steps off the serverless plane in the order of money saved, those whose estimate is below every
plane that stands are simulated, both planes in one virtual world, and judged by the rules for all planes. A split that
breaks the budget, fails, or makes steps wait for its machines is tried with a machine more. None is looked at where
one machine alone leaves a hybrid no room below the cheapest plane.
"""

import glob
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from replay.choice.answered import outside_zones
from replay.choice.bills import ASSUMED_RATE, CLEAR_RATIO, LEAST_GAP, bill_and_staff, staff_of
from replay.choice.case import Case
from replay.choice.decision import decide
from replay.choice.having import cannot_do
from replay.choice.planes import Seen, ended, plane_figures
from replay.choice.split import split_words
from replay.choice.standing import Standing, standing, too_long
from replay.choice.types import Hybrid, PilotPlane, PlaneName, StepClass, TriedSplit
from replay.engine.requests.router import WAIT, Router
from replay.money.cost import CostError
from replay.results.evidence import Evidence
from replay.results.types import ELSEWHERE
from replay.simulation.simulation import simulated_plane
from replay.target.cost import Cost
from replay.target.routes import Route
from replay.target.target import Target
from replay.trace.profile.shape import OTHER
from replay.trials.pilot.judging import Done, Weighed
from replay.trials.pilot.pricing.machines import is_group
from replay.trials.pilot.pricing.money import is_slow_elsewhere, price_planes
from replay.trials.pilot.pricing.peeling import Ground, Peeled, fleet_in_month, one_machine_month, peeled
from replay.trials.pilot.pricing.schedule import schedule_of, unscheduled
from replay.trials.pilot.providing import provided_by
from replay.trials.pilot.sending import routes_of
from replay.trials.prices import Tables, tables_of
from replay.words.numbers import money

NAME = "hybrid"
# Simulations of the whole trace, and requests in all of them, of which a machine does some thousands a second.
MOST_SIMULATIONS = 4
MOST_REQUESTS = 300_000
# Never called: in a simulation it only has to be another address than the target's own.
_ELSEWHERE = "http://machines.invalid"
# What a plane is out by with the whole load, it may take a part of.
_BY_LOAD = frozenset({"availability", "latency budget", "capacity", "request length", "local needs"})

_SLOW = "takes more than twice as long for what is sent to machines, at p95, as the best plane does"

Simulate = Callable[[Target], Path]


class Simulated(NamedTuple):
    """A split and its simulation. priced_by: the run that its bill is of, where it has no schedule; else the same."""

    target: Target
    folder: Path
    priced_by: Path


class Found(NamedTuple):
    """hybrid: what came of it. paying: the split that pays; None if none does."""

    hybrid: Hybrid
    paying: Simulated | None = None


class _Pair(NamedTuple):
    """The targets between which steps are split, as they are simulated and paid, with their figures."""

    serverless: Target
    vm: Target
    figures: dict[PlaneName, PilotPlane]


class _Judged(NamedTuple):
    split: TriedSplit
    simulated: Simulated
    amount: float
    pays: bool
    wants_more: bool


def look_for_split(done: Done, weighed: Weighed, simulate: Simulate) -> Found | None:
    """None where there is nothing to split, or no two planes to split it between. simulate: a target, with the whole
    trace; returns the run's folder. Raises what a simulation does, and PriceTableError.
    """
    case = weighed.case
    decided = decide(case)
    if any(target.plane == "hybrid" for target in done.targets) or decided.decides("enough evidence"):
        return None
    stand = standing(case)
    pair = _pair(done, weighed, stand)
    steps = None if pair is None else _steps(case, pair)
    if pair is None or steps is None:
        return None
    look = _Look(done, weighed, stand, pair, simulate)
    return look.found(*steps)


def _pair(done: Done, weighed: Weighed, stand: Standing) -> _Pair | None:
    """A serverless target and one of machines that can be simulated together."""
    imagined = {target.name: target for target in done.imagined}
    is_simulated = done.plan.how == "simulated"
    chosen: dict[PlaneName, tuple[Target, PilotPlane]] = {}
    for paid, plane in zip(weighed.paid, weighed.planes, strict=True):
        target = imagined.get(paid.name, paid if is_simulated else None)
        if target is None or target.simulate is None or paid.cost is None or plane.plane == "hybrid":
            continue
        out = stand.out.get(plane.target)
        sends_elsewhere = len(Router(target).urls) > 1
        if sends_elsewhere or (out is not None and out.rule not in _BY_LOAD):
            continue
        if (plane.plane == "vm") != (paid.cost.machine is not None):
            continue
        best = chosen.get(plane.plane)
        if best is None or _rank(stand, plane) < _rank(stand, best[1]):
            chosen[plane.plane] = (msgspec.structs.replace(target, cost=paid.cost), plane)
    if len(chosen) < 2:
        return None
    (serverless, _), (vm, _) = chosen["serverless"], chosen["vm"]
    return _Pair(serverless, vm, {kind: plane for kind, (_, plane) in chosen.items()})


def _rank(stand: Standing, plane: PilotPlane) -> tuple[bool, bool, float, str]:
    """The target that stands for its kind, else one that stands, else the cheapest."""
    represents = stand.represents.get(plane.plane)
    amount = bill_and_staff(plane)
    return (
        represents is None or represents.target != plane.target,
        plane.target in stand.out,
        inf if amount is None else amount,
        plane.target,
    )


def _steps(case: Case, pair: _Pair) -> tuple[list[StepClass], list[StepClass]] | None:
    """The steps that only machines can run, and those that either can; None where nothing can be split."""
    serverless, vm = pair.figures["serverless"], pair.figures["vm"]
    not_serverless = _names([*too_long(case, serverless), *cannot_do(case, serverless)])
    not_vm = _names([*too_long(case, vm), *cannot_do(case, vm)])
    router = Router(pair.serverless)
    sent = [
        step
        for step in case.workload.series
        if not step.is_local and router.place(step.kind, step.name) != WAIT
    ]
    bound = [step for step in sent if (step.kind, step.name) in not_serverless]
    if len(bound) == len(sent) or not_serverless & not_vm or any(step.name == OTHER for step in bound):
        return None
    free = [
        step
        for step in sent
        if (step.kind, step.name) not in not_serverless | not_vm and step.name != OTHER and step.steps
    ]
    return (bound, free) if len(sent) > 1 and bound + free else None


def _names(steps: Sequence[StepClass]) -> set[tuple[str, str]]:
    return {(step.kind, step.name) for step in steps}


class _Look:
    """One search: what it may cost, what was tried, and what came of it."""

    def __init__(self, done: Done, weighed: Weighed, stand: Standing, pair: _Pair, simulate: Simulate) -> None:
        self._done, self._weighed, self._stand, self._pair = done, weighed, stand, pair
        self._simulate = simulate
        # A target of the user's may have that name.
        self._name = NAME if all(target.name != NAME for target in done.targets) else f"{NAME} of both"
        # What both cost beside their bills: two planes are to be kept.
        self._staff = sum(staff_of(plane) or 0.0 for plane in pair.figures.values())
        self._alone = [plane for kind, plane in stand.represents.items() if kind != "hybrid"]
        amounts = [amount for plane in self._alone if (amount := bill_and_staff(plane)) is not None]
        self._least = min(amounts, default=inf)
        requests = max(1, weighed.case.workload.steps)
        self._left = max(1, min(MOST_SIMULATIONS, MOST_REQUESTS // requests))
        self._judged: list[_Judged] = []

    def found(self, bound: Sequence[StepClass], free: Sequence[StepClass]) -> Found | None:
        if any(plane.cost_month is None for plane in self._alone):
            return None
        if (why := self._why_not()) is not None:
            return self._told(f"no split was tried: {why}")
        try:
            ground = self._ground()
            a_machine = one_machine_month(ground)
            if not self._may_pay(a_machine):
                least = f"{money(a_machine)} {ground.machine_table.currency} a month"
                if self._staff:
                    least += f" and {money(self._staff)} of staff time"
                return self._told(
                    f"no split was tried: it has one machine at least, {least}, beside {self._beside()}"
                )
            splits = sorted(peeled(ground, bound, free), key=lambda split: split.month)
        except CostError as cause:
            return self._told(f"no split was tried: {cause}")
        if not splits:
            return self._told(f"no split was tried: each takes more machines than {self._pair.vm.name} has")
        for split in splits:
            self._try(split, a_machine)
        if not self._judged:
            best = splits[0]
            tried = TriedSplit(
                steps=_said(best.steps),
                machines=best.in_month,
                estimated_month=round(best.month, 4),
                currency=ground.machine_table.currency,
            )
            return self._told(split_words(tried, self._beside(), pays=False), [tried])
        return self._best()

    def _best(self) -> Found:
        tried = [one.split for one in self._judged]
        best = min(self._judged, key=lambda one: (not one.pays, one.split.out is not None, one.amount))
        text = split_words(best.split, self._beside(), pays=best.pays)
        if not best.pays:
            return self._told(text, tried)
        return self._told(text, tried, self._name)._replace(paying=best.simulated)

    def _why_not(self) -> str | None:
        """What rules out any hybrid."""
        answers = self._done.told.answers
        why = None if answers is None else outside_zones(answers, PilotPlane(target=self._name, plane="hybrid"))
        return None if why is None else f"it {why}"

    def _ground(self) -> Ground:
        weighed, (serverless, vm, figures) = self._weighed, self._pair
        assert serverless.cost is not None
        assert vm.cost is not None
        tables = tables_of(weighed.paid)
        most = figures["vm"].machines if vm.name not in self._stand.out else None
        return Ground(
            serverless.cost,
            tables.of(serverless.cost),
            vm.cost,
            tables.of(vm.cost),
            simulated_plane(vm),
            is_group(vm),
            schedule_of(vm),
            most,
            self._offered(),
            weighed.measured[serverless.name],
            weighed.month.shape,
        )

    def _may_pay(self, month: float) -> bool:
        """Whether a hybrid with such a bill would be clearly cheaper than each plane that stands."""
        amount = month + self._staff
        return self._least >= CLEAR_RATIO * amount and self._least - amount >= LEAST_GAP

    def _try(self, split: Peeled, a_machine: float) -> None:
        """Simulate it, with more machines while those do not hold; nothing where its estimate is no better than what
        is known.
        """
        machines, shape = split.machines, self._weighed.month.shape
        # Those that come and go do so as they are needed.
        most = machines if is_group(self._pair.vm) else self._offered()
        while self._left and machines <= most:
            more = fleet_in_month(machines, shape) - fleet_in_month(split.machines, shape)
            estimated = split.month + a_machine * more
            known = min((one.amount for one in self._judged if one.pays), default=self._least)
            if estimated + self._staff >= known:
                return
            self._left -= 1
            judged = self._simulated(split, machines, estimated)
            self._judged.append(judged)
            if not judged.wants_more:
                return
            machines += 1

    def _offered(self) -> float:
        """Machines that a split may have: as many as the target stands for, or is priced with where it stands."""
        vm, figures = self._pair.vm, self._pair.figures["vm"]
        if is_group(vm) or vm.cost is None:
            return inf
        return vm.cost.machines if vm.name in self._stand.out else max(vm.cost.machines, figures.machines or 0)

    def _simulated(self, split: Peeled, machines: int, estimated: float) -> _Judged:
        done, weighed = self._done, self._weighed
        target = hybrid_of(
            self._pair.serverless, self._pair.vm, split.steps, machines, self._name, tables_of(weighed.paid)
        )
        folder = priced_by = self._simulate(target)
        run = done.runs.at(folder)
        if (other := unscheduled(target)) is not None:
            self._left -= 1
            priced_by = self._simulate(other)
        is_month = bool(done.imagined)
        seen = Seen(
            target=self._name,
            plane="hybrid",
            phases={} if is_month else {"representative": run},
            machines=machines,
            bounds=done.bounds,
            window_s=float(done.shape.workload.window_s),
            month=run if is_month else None,
        )
        plane = plane_figures(seen, done.slos)
        plane.answered += ended(run.summary) if is_month else 0
        basis = weighed.measured[self._pair.serverless.name]
        measured, paid = (
            done.runs.measured(where, basis.offset_s, is_simulated=True) for where in (folder, priced_by)
        )
        price_planes([target], [plane], {self._name: paid}, weighed.month.shape)
        case = msgspec.structs.replace(
            weighed.case,
            planes=[*weighed.planes, plane],
            request_limit_s={**weighed.case.request_limit_s, **_limit_s(target)},
            provides={**weighed.case.provides, self._name: target.provides},
            routes={self._name: routes_of(target, weighed.case.workload)},
        )
        out = standing(case).out.get(self._name)
        is_slow = not done.slos and is_slow_elsewhere(target, measured, weighed.measured.values())
        why = out.why if out is not None else _SLOW if is_slow else None
        amount = bill_and_staff(plane)
        tried = TriedSplit(
            steps=_said(split.steps),
            machines=plane.machines or machines,
            estimated_month=round(estimated, 4),
            cost_month=plane.cost_month,
            cost_ci=plane.cost_ci,
            currency=plane.currency,
            p99_ms=plane.p99_ms,
            budget=plane.budget,
            out=why,
            run=str(folder.relative_to(done.directory)),
            simulated_machines=_at_once(run) if is_group(self._pair.vm) else machines,
        )
        return _Judged(
            tried,
            Simulated(target, folder, priced_by),
            inf if amount is None else amount,
            pays=why is None and decide(case).choice == "hybrid",
            wants_more=is_slow or (out is not None and out.rule in _BY_LOAD),
        )

    def _told(self, text: str, tried: Sequence[TriedSplit] = (), target: str | None = None) -> Found:
        serverless, vm, _ = self._pair
        return Found(
            Hybrid(serverless=serverless.name, vm=vm.name, text=text, tried=list(tried), target=target)
        )

    def _beside(self) -> str:
        """The planes that stand with their months, the cheapest first."""
        found = sorted((plane.cost_month or 0.0, plane.target) for plane in self._alone)
        return " and ".join(f"{money(month)} for {target}" for month, target in found)


def hybrid_of(
    serverless: Target,
    vm: Target,
    steps: Sequence[StepClass],
    machines: int,
    name: str = NAME,
    tables: Tables | None = None,
) -> Target:
    """A hybrid of two targets that are simulated: these steps on so many machines of the one, the rest on the other.
    Machines that come and go do so as they would alone. tables: by which all is priced; None: those of the two.
    """
    assert serverless.cost is not None
    assert vm.cost is not None
    tables = tables or tables_of([serverless, vm])
    elsewhere = vm.url if vm.url != serverless.url else _ELSEWHERE
    return msgspec.structs.replace(
        serverless,
        name=name,
        plane="hybrid",
        routes=(
            *serverless.routes,
            *(
                Route(kind=glob.escape(step.kind), name=glob.escape(step.name), send_to=elsewhere)
                for step in steps
            ),
        ),
        simulate={**(serverless.simulate or {}), "elsewhere": _with_machines(vm, machines)},
        cost=_cost_of(serverless.cost, vm.cost, machines, tables),
        provides=tuple(dict.fromkeys([*provided_by(serverless), *provided_by(vm)])),
    )


def _with_machines(vm: Target, machines: int) -> dict[str, Any]:
    """The plane of machines, as it is simulated, with so many of them."""
    simulate = vm.simulate or {}
    if simulated_plane(vm).plane.kind == "group":
        return simulate
    return {**simulate, "plane": {**simulate.get("plane", {}), "max_instances": machines}}


def _cost_of(serverless: Cost, vm: Cost, machines: int, tables: Tables) -> Cost:
    """What both are paid for with; and both are to be kept."""
    hours = serverless.staff_hours + vm.staff_hours
    # Each states its rate in the currency of its own prices, and the hybrid in that of the serverless ones; the assumed
    # one is in that of the bills.
    worth = tables.worth(serverless)
    of_vm = vm.staff_rate * tables.worth(vm)
    rates = (serverless.staff_rate * worth or ASSUMED_RATE), (of_vm or ASSUMED_RATE)
    paid = serverless.staff_hours * rates[0] + vm.staff_hours * rates[1]
    is_stated = serverless.staff_rate or vm.staff_rate
    return msgspec.structs.replace(
        serverless,
        machine=vm.machine,
        machines=machines,
        machine_price=vm.machine_price or vm.price,
        headroom_percent=vm.headroom_percent,
        discount_percent=vm.discount_percent,
        scales=vm.scales,
        slots=vm.slots,
        staff_hours=hours,
        staff_rate=(paid / hours if hours and is_stated else of_vm) / worth,
        rates={**vm.rates, **serverless.rates},
    )


def _at_once(run: Evidence) -> int | None:
    """The most machines that the steps sent elsewhere had at once in a simulation."""
    figures = run.summary.plane
    return None if figures is None else figures.parts[ELSEWHERE].most_instances


def _limit_s(target: Target) -> dict[str, float]:
    limit_s = simulated_plane(target).plane.request_limit_s
    return {} if limit_s is None else {target.name: limit_s}


def _said(steps: Sequence[StepClass]) -> list[str]:
    return [f"{step.kind}:{step.name}" for step in steps]
