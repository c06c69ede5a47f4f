"""Whether a target that is simulated is the one that is paid: [cost] and [simulate] state some facts both. Pure.

Latencies of five machines beside the bill of one, or of an instance that is always warm beside a bill without it, are
of two planes, and whatever is concluded from them is wrong by as much.
"""

from collections.abc import Iterator
from typing import NamedTuple

from replay.planes.core.types import PlaneSpec
from replay.simulation.simulation import simulated_planes
from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.words.numbers import number


class _Stated(NamedTuple):
    """One fact as [cost] has it and as the plane has it, with the names that it has there."""

    paid_as: str
    paid: float
    simulated_as: str
    simulated: float


def check_agreement(target: Target) -> None:
    """Raises TargetError where what a target is priced as is not what it is simulated as."""
    cost = target.cost
    if cost is None or target.simulate is None:
        return
    own, *elsewhere = (spec.plane for spec in simulated_planes(target))
    stated = [
        *(_kept_warm(cost, own) if target.plane == "serverless" or elsewhere else ()),
        *(one for plane in (elsewhere or [own]) for one in _always_on(cost, plane)),
    ]
    for one in stated:
        if one.paid != one.simulated:
            raise TargetError(
                f"{target.name}: [cost] has {one.paid_as} = {number(one.paid)}, and [simulate] has "
                f"{one.simulated_as} = {number(one.simulated)}, so its bill would be of another plane than its "
                "latencies. Write the same in both."
            )


def _kept_warm(cost: Cost, plane: PlaneSpec) -> Iterator[_Stated]:
    if plane.kind == "serverless":
        yield _Stated("min_instances", cost.min_instances, "plane.min_instances", plane.min_instances)


def _always_on(cost: Cost, plane: PlaneSpec) -> Iterator[_Stated]:
    """Of machines that come and go nothing is stated twice: they are paid as they were there."""
    if plane.kind == "vm" and cost.machine is not None:
        yield _Stated("machines", cost.machines, "plane.max_instances", plane.max_instances)
