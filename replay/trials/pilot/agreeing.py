"""Whether a target that is simulated is the one that is paid: [cost] and [simulate] state some facts both.

Latencies of five machines beside the bill of one, of an instance that is always warm beside a bill without it, or of
eight processors beside the bill of one, are of two planes, and whatever is concluded from them is wrong by as much.
"""

from collections.abc import Iterator
from typing import NamedTuple

from replay.planes.core.types import PlaneSpec
from replay.planes.types import SimulatedPlane
from replay.simulation.simulation import simulated_planes
from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trials.prices import price_table
from replay.words.numbers import number

_USUAL_VCPU = PlaneSpec().vcpu
_MIB_IN_GIB = 1024


class _Stated(NamedTuple):
    """One fact as [cost] has it and as the plane has it, with the names that it has there."""

    paid_as: str
    paid: float
    simulated_as: str
    simulated: float


def check_agreement(target: Target) -> None:
    """Raises TargetError where what a target is priced as is not what it is simulated as, and PriceTableError."""
    cost = target.cost
    if cost is None or target.simulate is None:
        return
    own, *elsewhere = simulated_planes(target)
    stated = [
        *(_of_instances(cost, own) if target.plane == "serverless" or elsewhere else ()),
        *(one for there in (elsewhere or [own]) for one in _of_machines(cost, there)),
    ]
    for one in stated:
        if one.paid != one.simulated:
            raise TargetError(
                f"{target.name}: [cost] has {one.paid_as} = {number(one.paid)}, and [simulate] has "
                f"{one.simulated_as} = {number(one.simulated)}, so its bill would be of another plane than its "
                "latencies. Write the same in both."
            )


def _of_instances(cost: Cost, simulated: SimulatedPlane) -> Iterator[_Stated]:
    plane, model = simulated.plane, simulated.instances
    if plane.kind != "serverless":
        return
    yield _Stated("min_instances", cost.min_instances, "plane.min_instances", plane.min_instances)
    if cost.machine is None or simulated.elsewhere is not None:
        if _needs_vcpu(simulated):
            yield _Stated("vcpu", cost.vcpu, "plane.vcpu", plane.vcpu)
        if model.memory_mib is not None:
            yield _Stated(
                "memory_gib", cost.memory_gib, "instances.memory_mib / 1024", model.memory_mib / _MIB_IN_GIB
            )


def _of_machines(cost: Cost, simulated: SimulatedPlane) -> Iterator[_Stated]:
    """Of machines that come and go their number is not stated twice: they are paid as they were there."""
    plane = simulated.plane
    if plane.kind == "serverless" or cost.machine is None:
        return
    if plane.kind == "vm":
        yield _Stated("machines", cost.machines, "plane.max_instances", plane.max_instances)
    if _needs_vcpu(simulated):
        machine = price_table(cost.machine_price or cost.price).machine(cost.machine)
        yield _Stated(f"machine = {cost.machine}, with vcpu", machine.vcpu, "plane.vcpu", plane.vcpu)


def _needs_vcpu(simulated: SimulatedPlane) -> bool:
    """Whether how many processors there are makes a difference to how long anything takes, or somebody said."""
    plane, model = simulated.plane, simulated.instances
    return model.sharing == "processor" or model.boot_cpu is not None or plane.vcpu != _USUAL_VCPU
