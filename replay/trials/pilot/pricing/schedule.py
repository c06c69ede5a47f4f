"""How many machines of a group are there whatever the load is, by the hour of the day. Pure."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from replay.planes.core.scaling_types import GroupDriven
from replay.planes.types import SimulatedPlane
from replay.simulation.simulation import simulated_plane
from replay.target.target import Target

_DAY_H = 24.0


class Schedule(NamedTuple):
    """least: machines at any hour. rules: those of a group with daily windows, in which there are more."""

    least: int
    rules: GroupDriven | None = None

    def at(self, hour: float) -> int:
        """Machines at that hour of the day, 0 to 24."""
        return self.least if self.rules is None else max(self.least, self.rules.scheduled_at(hour))

    def in_run(self, from_s: float, until_s: float) -> list[tuple[int, float]]:
        """As `between`, from when a run on that plane has lasted so long until it has lasted longer."""
        starts_at_h = 0.0 if self.rules is None else self.rules.starts_at_h
        return self.between(starts_at_h + from_s / 3600, starts_at_h + until_s / 3600)

    def between(self, from_h: float = 0.0, until_h: float = _DAY_H) -> list[tuple[int, float]]:
        """So many machines, and the share of the time between two hours in which it is so many. Hours beyond 24 are of
        the next days.
        """
        if self.rules is None:
            return [(self.least, 1.0)]
        if from_h == until_h:
            return [(self.at(from_h % _DAY_H), 1.0)]
        days = range(int(from_h // _DAY_H), int(until_h // _DAY_H) + 1)
        edges = {
            edge + day * _DAY_H
            for window in self.rules.schedule
            for edge in (window.from_h, window.until_h)
            for day in days
        }
        shares: dict[int, float] = {}
        inside = sorted(edge for edge in edges if from_h < edge < until_h)
        for begin, end in pairwise([from_h, *inside, until_h]):
            machines = self.at((begin + end) / 2 % _DAY_H)
            shares[machines] = shares.get(machines, 0.0) + (end - begin) / (until_h - from_h)
        return list(shares.items())


def schedule_of(target: Target) -> Schedule:
    """The schedule of the plane that a target is simulated as; one machine at any hour where it has none."""
    return Schedule(1) if target.simulate is None else _schedule_of(simulated_plane(target))


def _schedule_of(spec: SimulatedPlane) -> Schedule:
    plane = spec.plane
    rules = plane.scaling if isinstance(plane.scaling, GroupDriven) and plane.scaling.schedule else None
    return Schedule(max(1, plane.min_instances), rules)


def unscheduled(target: Target) -> Target | None:
    """The target without its schedule, nor that of the machines to which it sends steps: how many machines the load
    takes by itself is seen there. None: it has none.
    """
    if target.simulate is None:
        return None
    spec, simulate = simulated_plane(target), dict(target.simulate)
    if _schedule_of(spec).rules is not None:
        simulate = _without_schedule(simulate)
    if spec.elsewhere is not None and _schedule_of(spec.elsewhere).rules is not None:
        simulate["elsewhere"] = _without_schedule(simulate["elsewhere"])
    return None if simulate == target.simulate else msgspec.structs.replace(target, simulate=simulate)


def _without_schedule(simulate: Mapping[str, Any]) -> dict[str, Any]:
    plane = simulate["plane"]
    return {**simulate, "plane": {**plane, "scaling": {**plane["scaling"], "schedule": []}}}
