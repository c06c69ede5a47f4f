"""Which assumption about a serverless plane would make the other plane the cheaper one: the month again, with what its
vendor sets unless told otherwise.

Only in virtual time, where it is cheap, and up to a number of requests.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from replay.choice.types import PilotPlane
from replay.judge.gate.judging import CONFIDENCE, judge_gate
from replay.judge.measures.slo import Slo
from replay.planes.core.types import PlaneSpec
from replay.simulation.simulation import simulated_plane
from replay.target.target import Target
from replay.trials.pilot.pricing.levels import Measured
from replay.trials.pilot.pricing.money import price_planes
from replay.trials.pilot.workload.shape import Shape
from replay.trials.prices import price_table
from replay.words.numbers import money

MOST_REQUESTS = 50_000
_CLOUD_RUN = "Google Cloud Run"
# Cloud Run, Maximum concurrent requests: 80 unless configured; the defaults of a plane are Cloud Run's.
_USUAL_CONCURRENCY = PlaneSpec().concurrency


class Variant(NamedTuple):
    """A target as it might be set up instead. what: how it differs. is_simulated: it takes a simulation of its own."""

    what: str
    target: Target
    is_simulated: bool


def variants(target: Target) -> list[Variant]:
    """Other set-ups of a serverless target that its vendor offers without a question asked."""
    cost, simulate = target.cost, target.simulate
    if target.plane != "serverless" or cost is None or cost.machine is not None or simulate is None:
        return []
    table = price_table(cost.price)
    found: list[Variant] = []
    billed = msgspec.structs.replace(cost, billing="instance")
    by_instance = table.instance is not None and cost.billing == "request"
    concurrency = simulated_plane(target).plane.concurrency
    if table.provider == _CLOUD_RUN and concurrency != _USUAL_CONCURRENCY:
        plane = {**simulate.get("plane", {}), "concurrency": _USUAL_CONCURRENCY}
        wider = msgspec.structs.replace(target, simulate={**simulate, "plane": plane})
        found.append(Variant(f"with {_USUAL_CONCURRENCY} requests an instance", wider, True))
        if by_instance:
            both = msgspec.structs.replace(wider, cost=billed)
            found.append(
                Variant(f"with {_USUAL_CONCURRENCY} requests an instance, billed by instance", both, True)
            )
    if by_instance:
        found.append(Variant("billed by instance", msgspec.structs.replace(target, cost=billed), False))
    return found


def simulated_variants(target: Target) -> Target | None:
    """The target of the one simulation that all its variants share; None where none is needed."""
    return next((variant.target for variant in variants(target) if variant.is_simulated), None)


def flips(
    targets: Sequence[Target],
    planes: Sequence[PilotPlane],
    measured: dict[str, Measured],
    others: dict[str, Measured],
    shape: Shape,
    slos: Sequence[Slo],
) -> tuple[list[str], list[str]]:
    """What would flip which plane is cheaper, as doubts; and what was looked at and does not, as notes.

    planes: those that the choice was between. measured: the run by which each target is priced.
    others: the simulation of a target's variants, where there is one.
    """
    machines = [plane for plane in planes if plane.plane != "serverless" and plane.cost_month is not None]
    doubts: list[str] = []
    notes: list[str] = []
    if not machines:
        return doubts, notes
    other = min(machines, key=lambda plane: plane.cost_month or 0.0)
    for target, plane in zip(targets, planes, strict=True):
        if plane.cost_month is None or plane.currency != other.currency:
            continue
        bills = _bills(target, measured, others, shape, slos)
        least = min(bills, key=lambda item: item[1], default=None)
        # Nobody would choose a dearer set-up than the one that is cheaper already.
        if least is not None and plane.cost_month >= (other.cost_month or 0.0) > least[1]:
            what, bill = least
            doubts.append(
                f"{what}, {target.name} is {money(bill)} instead of {money(plane.cost_month)} {plane.currency} "
                f"a month; "
                f"the cheaper plane flips ({other.target}: {money(other.cost_month)})"
            )
        elif bills:
            seen = "; ".join(f"{what} {money(bill)}" for what, bill in bills)
            notes.append(
                f"{target.name} would be {seen} {plane.currency} a month; the cheaper plane stays the same"
            )
    return doubts, notes


def _bills(
    target: Target,
    measured: dict[str, Measured],
    others: dict[str, Measured],
    shape: Shape,
    slos: Sequence[Slo],
) -> list[tuple[str, float]]:
    """The month of each variant that keeps the SLOs."""
    found = []
    for variant in variants(target):
        basis = (others if variant.is_simulated else measured).get(target.name)
        if basis is None:
            continue
        if slos and judge_gate(slos, basis.run, (), CONFIDENCE, least_fidelity=0.0).verdict == "fail":
            continue
        plane = PilotPlane(target=target.name, plane="serverless")
        price_planes([variant.target], [plane], {target.name: basis}, shape)
        if plane.cost_month is not None:
            found.append((variant.what, plane.cost_month))
    return found
