"""How many machines a target is priced with: a fleet for the peak, or a group that comes and goes. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

import numpy as np

from replay.choice.types import Bucket, PilotPlane
from replay.judge.load.flow import at_once, at_once_of_a_session, ends_without_queue
from replay.money.cost import CostError, Fleet, Group
from replay.money.following import WINDOW_S, Floats, Follows, follows, kept
from replay.money.month_load import peak_rps
from replay.money.sizing import (
    Capacity,
    Held,
    Load,
    Searched,
    Stated,
    capacity_of,
    is_refuted,
    sized,
    times_at_once,
)
from replay.money.types import MONTH_H
from replay.money.usage import MONTH_S, Windows
from replay.results.columns import Columns
from replay.simulation.simulation import simulated_plane
from replay.target.cost import Cost
from replay.target.target import Target
from replay.trials.pilot.pricing.levels import Measured, reached, recorded_levels, seen_at
from replay.trials.pilot.pricing.schedule import Schedule, schedule_of
from replay.trials.pilot.workload.shape import Shape
from replay.words.numbers import number
from replay.words.phrases import counted


def is_group(target: Target) -> bool:
    """Whether the target is machines that come and go: as its [cost] says, or the plane that it is simulated as."""
    if target.cost is None or target.cost.machine is None or target.plane == "hybrid":
        return False
    return target.cost.scales or (target.simulate is not None and simulated_plane(target).plane.kind == "group")


def _is_fixed(target: Target) -> bool:
    """Whether its runs were on machines that neither came nor went, whatever those that are paid do."""
    return target.simulate is not None and simulated_plane(target).plane.kind == "vm"


def followed(target: Target, windows: Windows, measured: Measured, shape: Shape) -> Follows:
    """The load by minute, over the hours of the month."""
    window_s = windows.window_s
    seen = reached(windows)
    lengths, weights, missing = _weighed(windows, measured, shape)
    together = max(1, round(WINDOW_S / window_s))
    # As there, what is no whole minute belongs to the last: a request in the second after it is no rate for a minute.
    whole = int(float(lengths.sum()) / (together * window_s) + 1e-9)
    starts = np.arange(0, max(1, whole) * together, together)
    requests, seconds, minutes = (
        np.add.reduceat(values, starts) for values in (windows.requests[seen], lengths, weights)
    )
    rps = np.divide(requests, seconds, out=np.zeros(len(starts)), where=seconds > 0)
    held_rps = follows(rps, None, window_s=together * window_s).held_rps
    rates = [bucket.requests_per_s for bucket in missing]
    return _over_month(
        schedule_of(target),
        np.concatenate((held_rps, rates)),
        np.concatenate((minutes, [bucket.weight for bucket in missing])),
        list(pairwise([*(starts * window_s).tolist(), float(seen[-1] * window_s + lengths[-1])])),
        shape,
    )


def _own_machines(target: Target, windows: Windows, lives: Floats, measured: Measured, shape: Shape) -> Follows:
    """As `followed` has the load, the machines of a run by window. lives: seconds of them by window."""
    seen = reached(windows)
    lengths, _, _ = _weighed(windows, measured, shape)
    machines = np.divide(lives[seen], lengths, out=np.zeros(len(seen)), where=lengths > 0)
    return _by_window(schedule_of(target), machines, windows, measured, shape)


def needed(schedule: Schedule, need: Floats, windows: Windows, measured: Measured, shape: Shape) -> Follows:
    """As `followed` has the load, machines in parts that some steps keep busy, by window of the run. windows: of all
    its steps.
    """
    seen = reached(windows)
    held = follows(need[seen], None, window_s=windows.window_s).held_rps
    return _by_window(schedule, held, windows, measured, shape)


def _by_window(
    schedule: Schedule, machines: Floats, windows: Windows, measured: Measured, shape: Shape
) -> Follows:
    """Machines in each window that the run came to, over the hours of the month; as many for a request where the run
    did not show a load level.
    """
    seen = reached(windows)
    lengths, weights, missing = _weighed(windows, measured, shape)
    begins_s, sent = seen * windows.window_s, float(windows.requests[seen].sum())
    of_a_request = float((machines * lengths).sum()) / sent if sent else 0.0
    return _over_month(
        schedule,
        np.concatenate((machines, [bucket.requests_per_s * of_a_request for bucket in missing])),
        np.concatenate((weights, [bucket.weight for bucket in missing])),
        list(zip(begins_s.tolist(), (begins_s + lengths).tolist(), strict=True)),
        shape,
    )


def _weighed(windows: Windows, measured: Measured, shape: Shape) -> tuple[Floats, Floats, list[Bucket]]:
    """Of the windows that the run came to: how long each is, and its share of the trace's time by its load level. And
    the levels that the run did not show.
    """
    window_s = windows.window_s
    seen = reached(windows)
    lengths = np.clip(windows.ends_s - seen * window_s, 0.0, window_s)
    weights = np.zeros(len(seen))
    missing = []
    for level, bucket in enumerate(recorded_levels(shape)):
        there = seen_at(level, windows, measured, shape)
        time_s = float(lengths[there].sum())
        if time_s:
            weights[there] += bucket.weight * lengths[there] / time_s
        elif bucket.weight:
            missing.append(bucket)
    return lengths, weights, missing


def _over_month(
    schedule: Schedule, values: Floats, weights: Floats, recorded_s: Sequence[tuple[float, float]], shape: Shape
) -> Follows:
    """Values by window of a run, again for each of the calendar's hours, so many times as much; and the machines that
    the schedule keeps then. recorded_s: when in the run each of the first ones began and ended.
    """
    parts, shares, least = [], [], []
    for slot in shape.hours:
        if slot.from_h is None:
            kept_then = [schedule.in_run(*window_s) for window_s in recorded_s]
            # What has no time of its own may have been at any.
            kept_then += [schedule.between()] * (len(values) - len(recorded_s))
        else:
            kept_then = [schedule.between(slot.from_h, slot.until_h)] * len(values)
        each = np.repeat(np.arange(len(values)), [len(several) for several in kept_then])
        floors, share = np.array([one for several in kept_then for one in several], np.float64).T
        parts.append(values[each] * slot.level)
        shares.append(weights[each] * (slot.hours / MONTH_H * share))
        least.append(floors)
    return Follows(np.concatenate(parts), np.concatenate(shares), np.concatenate(least))


def group_of(
    target: Target, cost: Cost, plane: PilotPlane, measured: Measured, windows: Windows, shape: Shape
) -> Group:
    """The machine time of a group: as its own run had it, or as following the load takes; and what its schedule keeps
    at the hours of the calendar. Raises CostError.
    """
    discount = cost.discount_percent / 100
    figures = measured.run.summary.plane
    if windows.live_s is not None and figures is not None and not _is_fixed(target):
        own = _own_machines(target, windows, windows.live_s, measured, shape)
        scheduled = float(np.max(own.least, initial=0.0, where=own.weights > 0))
        at_once = figures.most_instances * shape.peak_level
        plane.machines = most = ceil(round(max(at_once, scheduled), 9))
        mean = float((np.maximum(own.held_rps, own.least) * own.weights).sum())
        plane.sizing = f"{number(mean)} on average and {number(most)} at most, as in its own run"
        if schedule_of(target).rules is not None:
            plane.sizing += " and by its schedule"
        return Group(cost.machine or "", mean * MONTH_S, most, discount)
    if plane.capacity_rps is None:
        raise CostError(
            "neither how long its machines were there nor what one of them carries is known; state rps or slots in "
            "[cost]"
        )
    kept_free = headroom_kept(cost, plane)
    there = kept(followed(target, windows, measured, shape), plane.capacity_rps, kept_free)
    plane.machines = there.most
    plane.sizing = (
        f"{number(there.mean)} on average and {number(there.most)} at most, as each minute takes them"
    )
    return Group(cost.machine or "", there.mean * MONTH_S, there.most, discount)


def headroom_kept(cost: Cost, plane: PilotPlane) -> float:
    """The headroom that is kept at the peak."""
    return 0.0 if plane.capacity_how == "seen" else cost.headroom_percent / 100


def put_capacity(
    target: Target,
    cost: Cost,
    plane: PilotPlane,
    measured: Measured,
    shape: Shape,
    *,
    is_slow: bool,
) -> tuple[Capacity | None, list[str]]:
    """What one machine carries, how that is known, and how many it takes, put into the plane's figures; returns the
    first of these, and doubts.

    is_slow: the plane was clearly slower than another. Raises CostError where it is not known.
    """
    doubts: list[str] = []
    summary = measured.run.summary
    held = Held(
        _held_rps(measured, shape),
        summary.plane.most_instances if summary.plane is not None else cost.machines,
        summary.counts.failed,
        broke_budget=plane.budget == "fail" or (plane.budget is None and is_slow),
        at_once=at_once(measured.run.columns),
    )
    # How many machines a group had at its ceiling is not told.
    is_searched = plane.ceiling_rps is not None and (not is_group(target) or _is_fixed(target))
    ceiling = Searched(plane.ceiling_rps or 0.0, cost.machines, plane.ceiling_at_once) if is_searched else None
    if ceiling is not None and is_refuted(ceiling, held):
        doubts.append(
            f"the search found that {plane.target} carries {number(ceiling.rps)} requests/s on "
            f"{counted(ceiling.machines, 'machine')}, but {counted(held.machines, 'machine')} carried "
            f"{number(held.rps)} in its own run; the search is left out"
        )
    load = _load(shape, measured.run.columns, is_held=held.is_held)
    try:
        capacity = capacity_of(
            load,
            stated=Stated(cost.rps, cost.slots),
            ceiling=ceiling,
            held=held,
            headroom=cost.headroom_percent / 100,
        )
    except CostError:
        if not is_group(target):
            raise
        # A group is paid by the time that its machines were there, whatever they carry.
        plane.capacity_rps = None
        return None, doubts
    plane.capacity_rps, plane.capacity_how = round(capacity.rps, 6), capacity.how
    plane.machines, plane.sizing = sized(load, capacity, cost.headroom_percent / 100)
    return capacity, doubts


def _held_rps(measured: Measured, shape: Shape) -> float:
    """Requests a second at the peak of what a run held, over windows as long as those of the load's own peak.

    A run of the whole trace held the trace's: in its own windows, which begin elsewhere, it may look like less.
    """
    workload = shape.workload
    if measured.run.summary.counts.sent < workload.steps:
        return peak_rps(measured.run, float(workload.window_s))
    return workload.peak_rps / shape.peak_level


def _load(shape: Shape, columns: Columns, *, is_held: bool) -> Load:
    """What the machines of a run have to carry. is_held: they did.

    What comes together is as many as answers take on these machines: calls that are over before the next comes on a
    faster plane meet here. Where they did not hold the load they had what waited in their queue besides, which is not
    the load's.
    """
    workload = shape.workload
    ends_ns = None if is_held else ends_without_queue(columns)
    together = at_once(columns, ends_ns=ends_ns)
    of_a_session = at_once_of_a_session(columns, ends_ns=ends_ns)
    if together is not None:
        together = times_at_once(together, shape.peak_level, of_a_session or 1.0)
    return Load(workload.peak_rps, workload.peak_in_flight, together, of_a_session)


def fleet_of(cost: Cost, machines: int) -> Fleet:
    return Fleet(cost.machine or "", machines, cost.discount_percent / 100)
