"""Which steps to peel off a serverless plane onto machines, in the order of money saved. Pure.

What a split would cost is worked out from the serverless plane's own run: its instances are active without the steps
that leave, and machines are as many as those steps keep busy, by slots and by CPU. It is an estimate, since fewer
requests share instances otherwise; it says which splits are worth a simulation, and in which order.
"""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple, cast

import numpy as np

from replay.choice.types import StepClass
from replay.money.cost import (
    Bill,
    Fleet,
    Group,
    group_bill,
    hybrid_bill,
    machine_bill,
    serverless_bill,
)
from replay.money.following import Floats, kept
from replay.money.price_table import PriceTable
from replay.money.usage import MONTH_S, Usage, in_flight_by_window
from replay.planes.core.scaling import DEFAULT_FULL
from replay.planes.modelled.script import Script
from replay.planes.types import SimulatedPlane
from replay.results.columns import Flags
from replay.target.cost import Cost
from replay.trace.types import Kind
from replay.trials.pilot.pricing.levels import Measured, month_at, usage_by_level, windows_of
from replay.trials.pilot.pricing.machines import needed
from replay.trials.pilot.pricing.schedule import Schedule
from replay.trials.pilot.workload.shape import Shape
from replay.trials.prices import size_of

# Each kind of step that may be peeled off has the month estimated anew, and the rest weigh little.
_MOST_KINDS = 8


class Ground(NamedTuple):
    """What splits are estimated from. measured: the run by which the serverless target is priced. plane: the machines,
    as they are simulated; scales: they come and go, and schedule says how many are there anyway. most: of them carry
    the whole load of the month, where that is known; offered: no split has more.
    """

    serverless: Cost
    serverless_table: PriceTable
    machines: Cost
    machine_table: PriceTable
    plane: SimulatedPlane
    scales: bool
    schedule: Schedule
    most: int | None
    offered: float
    measured: Measured
    shape: Shape


class Peeled(NamedTuple):
    """A split. steps: on machines, in the order in which they were peeled off. machines: for them, at most at once in
    the trace; in_month: in the month. month: its bill.
    """

    steps: tuple[StepClass, ...]
    machines: int
    in_month: int
    month: float


def peeled(ground: Ground, bound: Sequence[StepClass], free: Sequence[StepClass]) -> list[Peeled]:
    """Splits, each with one more kind of step on machines than the one before: the one that leaves the month cheapest.

    bound: steps that machines alone can run, in all of the splits. free: steps that either can. What neither names
    stays. Raises CostError where a part cannot be priced.
    """
    left = sorted(free, key=lambda step: -step.busy_share)[:_MOST_KINDS]
    ways = _Ways(ground, [*bound, *left])
    moved = list(bound)
    found = [ways.split(moved)] if moved else []
    if found and found[0].machines > ground.offered:
        return []
    while left:
        nexts = [ways.split([*moved, step]) for step in left if ways.leave_some([*moved, step])]
        nexts = [split for split in nexts if split.machines <= ground.offered]
        if not nexts:
            break
        best = min(nexts, key=lambda split: (split.month, split.steps[-1].kind, split.steps[-1].name))
        found.append(best)
        moved.append(best.steps[-1])
        left.remove(best.steps[-1])
    return found


def one_machine_month(ground: Ground) -> float:
    """The least that machines cost a month, whatever they do."""
    cost = ground.machines
    fleet = Fleet(cost.machine or "", 1, cost.discount_percent / 100)
    return machine_bill(Usage(seconds=MONTH_S), ground.machine_table, fleet).total


def fleet_in_month(machines: int, shape: Shape) -> int:
    """Machines that are on all month, where the trace takes so many."""
    return ceil(round(machines * shape.peak_level, 9))


class _Ways:
    """Prices splits of one ground."""

    def __init__(self, ground: Ground, steps: Sequence[StepClass]) -> None:
        self._ground = ground
        columns = ground.measured.run.columns
        self._windows = windows_of(ground.measured, ground.shape, ground.machine_table)
        self._series = columns.series
        self._codes = {name: code for code, name in enumerate(columns.series_names)}
        self._sent = set(np.unique(columns.series[columns.sent_ns >= 0]).tolist())
        self._needs = {(step.kind, step.name): self._need(step) for step in steps}

    def split(self, steps: Sequence[StepClass]) -> Peeled:
        ground, goes = self._ground, self._rows(steps)
        usage = [
            self._month(ground.serverless_table, ~goes, ground.serverless.min_instances),
            self._month(ground.machine_table, goes),
        ]
        stays = serverless_bill(usage[0], ground.serverless_table, size_of(ground.serverless))
        need = np.sum([self._needs[step.kind, step.name] for step in steps], axis=0).max(axis=0)
        machines, in_month, sent = self._machines(need, usage[1])
        both = hybrid_bill(stays, sent, (ground.serverless_table, ground.machine_table))
        return Peeled(tuple(steps), machines, in_month, both.total)

    def leave_some(self, steps: Sequence[StepClass]) -> bool:
        """Whether some request would be left to the serverless plane."""
        return not self._sent <= {self._codes.get((step.kind, step.name)) for step in steps}

    def _machines(self, need: Floats, month: Usage) -> tuple[int, int, Bill]:
        """How many machines the trace takes at most, how many the month, and their bill. need: machines in parts, by
        window.
        """
        ground = self._ground
        cost, discount = ground.machines, ground.machines.discount_percent / 100
        level = ground.shape.peak_level
        if ground.most:
            need = np.minimum(need, ground.most / level)
        most = max(1, ceil(round(float(need.max()), 9)))
        if ground.scales:
            load = needed(ground.schedule, need, self._windows, ground.measured, ground.shape)
            there = kept(load, 1.0, 0.0)
            group = Group(cost.machine or "", there.mean * MONTH_S, there.most, discount)
            return most, there.most, group_bill(month, ground.machine_table, group)
        in_month = fleet_in_month(most, ground.shape)
        fleet = Fleet(cost.machine or "", min(in_month, ground.most or in_month), discount)
        return most, fleet.machines, machine_bill(month, ground.machine_table, fleet)

    def _month(self, table: PriceTable, rows: Flags, kept: int = 0) -> Usage:
        measured, shape = self._ground.measured, self._ground.shape
        levels, _ = usage_by_level(windows_of(measured, shape, table, kept, rows), measured, shape)
        return month_at(levels, shape)

    def _rows(self, steps: Sequence[StepClass]) -> Flags:
        codes = [code for step in steps if (code := self._codes.get((step.kind, step.name))) is not None]
        found: Flags = np.isin(self._series, codes)
        return found

    def _need(self, step: StepClass) -> Floats:
        """Machines that a kind of step keeps busy, by slots and by CPU, with headroom; shape (2, windows)."""
        ground, plane = self._ground, self._ground.plane
        workload = ground.shape.workload
        in_flight = in_flight_by_window(
            ground.measured.run,
            float(workload.window_s),
            max(1, len(ground.shape.levels)),
            ground.measured.instances,
            self._rows([step]),
            as_recorded=plane.as_recorded,
        )
        share = 0.0
        if plane.instances.sharing == "processor":
            script = Script(plane.instances, plane.plane.kind)
            share = script.cpu_share(cast("Kind", step.kind), step.name, is_recorded=plane.as_recorded)
        vcpu = plane.plane.vcpu if plane.instances.vcpu is None else plane.instances.vcpu
        kept_free = 1 + ground.machines.headroom_percent / 100
        slots = plane.plane.concurrency or DEFAULT_FULL
        return np.stack([in_flight * kept_free / slots, in_flight * share * kept_free / vcpu])
