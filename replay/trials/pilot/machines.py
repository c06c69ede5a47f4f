"""How many machines a target is priced with: a fleet for the peak, or a group that comes and goes. Pure."""

import numpy as np

from replay.engine.simulation import simulated_plane
from replay.judge.choice.types import MONTH_H, PilotPlane
from replay.judge.money.cost import CostError, Fleet, Group
from replay.judge.money.following import WINDOW_S, Follows, follows, kept
from replay.judge.money.month_load import peak_rps
from replay.judge.money.sizing import Held, Load, Searched, Stated, capacity_of, is_refuted, sized
from replay.judge.money.usage import MONTH_S, Usage, Windows
from replay.judge.phrases import counted, number
from replay.target import Cost, Target
from replay.trials.pilot.levels import Measured, reached, recorded_levels, seen_at
from replay.trials.pilot.workload import Shape


def is_group(target: Target) -> bool:
    """Whether the target is machines that come and go: as its [cost] says, or the plane that it is simulated as."""
    if target.cost is None or target.cost.machine is None or target.plane == "hybrid":
        return False
    return target.cost.scales or (target.simulate is not None and simulated_plane(target).plane.kind == "group")


def _least(target: Target) -> int:
    """Machines of a group that are always there."""
    return 1 if target.simulate is None else max(1, simulated_plane(target).plane.min_instances)


def followed(target: Target, windows: Windows, measured: Measured, shape: Shape) -> Follows:
    """The load by minute, each minute with the weight of its level in the trace; of a level that the run did not show,
    its rate. All of it again for the hours of the month at each of the calendar's levels, so many times as much.
    """
    window_s = windows.window_s
    seen = reached(windows)
    lengths = np.clip(windows.ends_s - seen * window_s, 0.0, window_s)
    weights = np.zeros(len(seen))
    rates, shares = [], []
    for level, bucket in enumerate(recorded_levels(shape)):
        there = seen_at(level, windows, measured, shape)
        time_s = float(lengths[there].sum())
        if time_s:
            weights[there] += bucket.weight * lengths[there] / time_s
        elif bucket.weight:
            rates.append(bucket.requests_per_s)
            shares.append(bucket.weight)
    together = max(1, round(WINDOW_S / window_s))
    # As there, what is no whole minute belongs to the last.
    starts = np.arange(0, max(1, len(seen) // together) * together, together)
    requests, seconds, minutes = (
        np.add.reduceat(values, starts) for values in (windows.requests[seen], lengths, weights)
    )
    rps = np.divide(requests, seconds, out=np.zeros(len(starts)), where=seconds > 0)
    load = follows(rps, None, window_s=together * window_s, least=_least(target))
    held_rps, weights = np.concatenate((load.held_rps, rates)), np.concatenate((minutes, shares))
    return load._replace(
        held_rps=np.concatenate([held_rps * slot.level for slot in shape.hours]),
        weights=np.concatenate([weights * (slot.hours / MONTH_H) for slot in shape.hours]),
    )


def group_of(
    target: Target, cost: Cost, plane: PilotPlane, measured: Measured, month: Usage, load: Follows
) -> Group:
    """The machine time of a group: as its own run had it, or as following the load takes. Raises CostError."""
    discount = cost.discount_percent / 100
    figures = measured.run.summary.plane
    if month.live_s is not None and figures is not None:
        plane.machines = most = figures.most_instances
        # However little an hour of the calendar has, those that are always there are paid for.
        live_s = max(month.live_s, _least(target) * MONTH_S)
        plane.sizing = f"{number(live_s / MONTH_S)} in the mean and {number(most)} at most, as in its own run"
        return Group(cost.machine or "", live_s, most, discount)
    if plane.capacity_rps is None:
        raise CostError(
            "neither how long its machines were there nor what one of them carries is known; state rps or slots in "
            "[cost]"
        )
    kept_free = headroom_kept(cost, plane)
    there = kept(load, plane.capacity_rps, kept_free)
    plane.machines = there.most
    plane.sizing = (
        f"{number(there.mean)} in the mean and {number(there.most)} at most, as each minute takes them"
    )
    return Group(cost.machine or "", there.mean * MONTH_S, there.most, discount)


def headroom_kept(cost: Cost, plane: PilotPlane) -> float:
    """The headroom that is kept at the peak."""
    return 0.0 if plane.capacity_how == "seen" else cost.headroom_percent / 100


def put_capacity(
    target: Target, cost: Cost, plane: PilotPlane, measured: Measured, shape: Shape, *, is_slow: bool
) -> list[str]:
    """What one machine carries, how that is known, and how many it takes, put into the plane's figures; returns doubts.

    is_slow: the plane was clearly slower than another. Raises CostError where it is not known.
    """
    doubts = []
    summary = measured.run.summary
    held = Held(
        peak_rps(measured.run),
        summary.plane.most_instances if summary.plane is not None else cost.machines,
        summary.counts.failed,
        broke_budget=plane.budget == "fail" or (plane.budget is None and is_slow),
    )
    # How many machines a group had at its ceiling is not told.
    is_searched = plane.ceiling_rps is not None and not is_group(target)
    ceiling = Searched(plane.ceiling_rps or 0.0, cost.machines) if is_searched else None
    if ceiling is not None and is_refuted(ceiling, held):
        doubts.append(
            f"the search found that {plane.target} carries {number(ceiling.rps)} requests/s on "
            f"{counted(ceiling.machines, 'machine')}, but {counted(held.machines, 'machine')} carried "
            f"{number(held.rps)} in its own run; the search is left out"
        )
    try:
        capacity = capacity_of(_load(shape), stated=Stated(cost.rps, cost.slots), ceiling=ceiling, held=held)
    except CostError:
        if not is_group(target):
            raise
        # A group is paid by the time that its machines were there, whatever they carry.
        plane.capacity_rps = None
        return doubts
    plane.capacity_rps, plane.capacity_how = round(capacity.rps, 6), capacity.how
    plane.machines, plane.sizing = sized(_load(shape), capacity, cost.headroom_percent / 100)
    return doubts


def _load(shape: Shape) -> Load:
    workload = shape.workload
    return Load(workload.peak_rps, workload.peak_in_flight)


def fleet_of(cost: Cost, machines: int) -> Fleet:
    return Fleet(cost.machine or "", machines, cost.discount_percent / 100)
