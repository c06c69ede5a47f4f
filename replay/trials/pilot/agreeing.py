"""Whether a target that is simulated is the one that is paid: [cost] and [simulate] state some facts both.

Latencies of five machines beside the bill of one, of an instance that is always warm beside a bill without it, or of
eight processors beside the bill of one, are of two planes, and whatever is concluded from them is wrong by as much.
What both say and say otherwise is refused. What one of them leaves out has a value that nobody chose: that is in doubt.
"""

from collections.abc import Iterator
from math import isclose
from typing import NamedTuple

from replay.planes.core.types import PlaneSpec
from replay.planes.types import SimulatedPlane
from replay.simulation.simulation import simulated_planes
from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trials.prices import price_table
from replay.words.numbers import number

# What is said by nobody: a file that says just that cannot be told from one that does not.
_USUAL_VCPU = PlaneSpec().vcpu
_USUAL_COST = Cost(price="")
_MIB_IN_GIB = 1024
# 1769 MiB are written as 1.73 GiB.
_ROUNDED = 0.004


class _Stated(NamedTuple):
    """One fact as [cost] has it and as the plane has it, with the names that it has there.

    left_out: where only one of them says it, the name of what does not.
    """

    paid_as: str
    paid: float
    simulated_as: str
    simulated: float
    left_out: str | None = None


def check_agreement(target: Target) -> None:
    """Raises TargetError where what a target is priced as is not what it is simulated as, and PriceTableError."""
    for one in _unlike(target):
        if one.left_out is None:
            raise TargetError(
                f"{target.name}: [cost] has {one.paid_as} = {number(one.paid)}, and [simulate] has "
                f"{one.simulated_as} = {number(one.simulated)}, so its bill would be of another plane than its "
                "latencies. Write the same in both."
            )


def left_out(target: Target) -> list[str]:
    """What is in doubt, in words, since only one of [cost] and [simulate] says it. Raises PriceTableError."""
    return [
        f"{target.name} is billed with {one.paid_as} = {number(one.paid)} and simulated with {one.simulated_as} = "
        f"{number(one.simulated)}, since its file does not state {one.left_out}"
        for one in _unlike(target)
        if one.left_out is not None
    ]


def _unlike(target: Target) -> Iterator[_Stated]:
    cost = target.cost
    if cost is None or target.simulate is None:
        return
    own, *elsewhere = simulated_planes(target)
    stated = [
        *(_of_instances(cost, own) if target.plane == "serverless" or elsewhere else ()),
        *(one for there in (elsewhere or [own]) for one in _of_machines(cost, there)),
    ]
    yield from (one for one in stated if not isclose(one.paid, one.simulated, rel_tol=_ROUNDED))


def _of_instances(cost: Cost, simulated: SimulatedPlane) -> Iterator[_Stated]:
    plane, model = simulated.plane, simulated.instances
    if plane.kind != "serverless":
        return
    yield _Stated("min_instances", cost.min_instances, "plane.min_instances", plane.min_instances)
    if cost.machine is None or simulated.elsewhere is not None:
        if _needs_vcpu(simulated):
            yield _vcpu(simulated, "vcpu", cost.vcpu, is_paid_said=cost.vcpu != _USUAL_COST.vcpu)
        if model.memory_mib is not None:
            is_said = cost.memory_gib != _USUAL_COST.memory_gib
            yield _Stated(
                "memory_gib",
                cost.memory_gib,
                "instances.memory_mib / 1024",
                model.memory_mib / _MIB_IN_GIB,
                None if is_said else "memory_gib",
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
        yield _vcpu(simulated, f"machine = {cost.machine}, with vcpu", machine.vcpu, is_paid_said=True)


def _vcpu(simulated: SimulatedPlane, paid_as: str, paid: float, *, is_paid_said: bool) -> _Stated:
    of_model = simulated.instances.vcpu
    if of_model is not None:
        name, vcpu, is_said = "instances.vcpu", of_model, True
    else:
        name, vcpu = "plane.vcpu", simulated.plane.vcpu
        is_said = vcpu != _USUAL_VCPU
    return _Stated(
        paid_as, paid, name, vcpu, None if is_said and is_paid_said else name if is_paid_said else paid_as
    )


def _needs_vcpu(simulated: SimulatedPlane) -> bool:
    """Whether how many processors there are makes a difference to how long anything takes, or somebody said."""
    plane, model = simulated.plane, simulated.instances
    makes_a_difference = model.sharing == "processor" or model.boot_cpu is not None
    return makes_a_difference or model.vcpu is not None or plane.vcpu != _USUAL_VCPU
