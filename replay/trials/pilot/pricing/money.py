"""What each target costs a month, level by level, and where the planes' bills cross: from runs and price tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, NamedTuple

import msgspec
import numpy as np

from replay.choice.standing import MOST_FAILED
from replay.choice.types import Bucket, OtherBill, PilotPlane, PlaneName
from replay.money.breakeven import Offer, break_evens, sensitivity
from replay.money.cost import (
    Bill,
    CostError,
    Group,
    free_tier_words,
    group_bill,
    hybrid_bill,
    is_of_lives,
    machine_bill,
    serverless_bill,
)
from replay.money.following import as_group, following_of
from replay.money.month_load import tries_note
from replay.money.price_table import SPOT, PriceTable
from replay.money.sizing import Capacity, machines_for
from replay.money.types import BreakEvenFound, Sensitive
from replay.money.usage import MONTH_S, Usage, Windows, month_of
from replay.target.cost import Cost
from replay.target.target import Target
from replay.trials.pilot.agreeing import left_out
from replay.trials.pilot.pricing.levels import (
    Measured,
    at_times,
    drawn_months,
    month_at,
    too_few,
    usage_by_level,
    windows_of,
)
from replay.trials.pilot.pricing.machines import (
    fleet_of,
    followed,
    group_of,
    headroom_kept,
    is_group,
    put_capacity,
)
from replay.trials.pilot.pricing.parts import elsewhere_p95_ms, parts_of
from replay.trials.pilot.workload.shape import Shape
from replay.trials.prices import Tables, size_of, tables_of
from replay.words.phrases import counted

_MILLION = 1e6
_A_CENT = 0.01
# Without a budget of the user's, a plane kept none if it was more than twice as slow as the best: ceilings are searched
# for with the same bound.
_MOST_TIMES_BEST = 2.0
_BETWEEN: tuple[PlaneName, PlaneName] = ("serverless", "vm")


class _Priced(NamedTuple):
    """One target's month. levels: the usage at each load level. drawn: months of resampled windows, level by level.
    group: the machine time, where machines come and go. capacity: what a machine carries, where that is known.
    """

    plane: PilotPlane
    cost: Cost
    table: PriceTable
    month: Usage
    levels: list[Usage | None]
    windows: Windows
    bill: Bill
    drawn: list[Usage]
    group: Group | None = None
    capacity: Capacity | None = None


class _Both(NamedTuple):
    """A hybrid's month: what stays on its own plane, and what is sent elsewhere."""

    plane: PilotPlane
    cost: Cost
    own: _Priced
    elsewhere: _Priced
    bill: Bill


class Money(NamedTuple):
    """prices: the tables that were used, as facts for the report. offers: the months of the targets that have one."""

    buckets: list[Bucket]
    break_even: list[BreakEvenFound]
    sensitivity: list[Sensitive]
    prices: list[dict[str, Any]]
    doubts: list[str]
    notes: list[str]
    offers: list["_Priced | _Both"]


def price_planes(
    targets: Sequence[Target],
    planes: Sequence[PilotPlane],
    measured: dict[str, Measured],
    shape: Shape,
) -> Money:
    """Put each plane's month into its figures; returns what they say together, without break-evens. Raises
    PriceTableError.
    """
    found = Money(
        [msgspec.structs.replace(bucket) for bucket in shape.workload.buckets], [], [], [], [], [], []
    )
    tables = tables_of(targets)
    # Who fails has no time for what it failed, which may be what takes the longest.
    answering = [plane for plane in planes if (plane.error_share or 0.0) <= MOST_FAILED]
    best_p95_ms = min((plane.p95_ms for plane in answering if plane.p95_ms), default=None)
    for target, plane in zip(targets, planes, strict=True):
        if target.cost is None:
            found.doubts.append(f"{target.name} has no [cost] table in its file, so it has no price")
            continue
        _name_tables(target.cost, tables, found)
        found.doubts.extend(left_out(target))
        if target.name not in measured:
            continue
        run = measured[target.name]
        one: _Priced | _Both
        try:
            if target.plane == "hybrid":
                is_slow = is_slow_elsewhere(target, run, measured.values())
                one = _both(target, target.cost, plane, run, shape, tables, found, is_slow=is_slow)
            else:
                capacity = None
                if target.cost.machine is not None:
                    is_slow = _is_too_slow(plane.p95_ms, best_p95_ms)
                    capacity, doubts = put_capacity(target, target.cost, plane, run, shape, is_slow=is_slow)
                    found.doubts.extend(doubts)
                one = _priced(target, target.cost, plane, run, shape, tables, found)._replace(capacity=capacity)
        except CostError as reason:
            found.doubts.append(f"{target.name} has no price: {reason}")
            continue
        _put_bill(target, one, shape, tables)
        if (words := tries_note(run.run)) is not None:
            found.doubts.append(f"{target.name}: {words}")
        if (words := free_tier_words(one.bill)) is not None:
            found.doubts.append(f"{target.name} costs {words}")
        if (words := _spot_words(target.cost, tables)) is not None:
            found.doubts.append(f"{target.name} is priced {words}")
        found.offers.append(one)
    for one in found.offers:
        _share_out(one, found.buckets)
    return found._replace(doubts=list(dict.fromkeys(found.doubts)))


def is_slow_elsewhere(target: Target, run: Measured, all_runs: Iterable[Measured]) -> bool:
    """Whether the machines of a hybrid were clearly slower than the best plane that answers what is sent to them."""
    known = [p95_ms for one in all_runs if (p95_ms := elsewhere_p95_ms(target, one)) is not None]
    return _is_too_slow(elsewhere_p95_ms(target, run), min(known, default=None))


def _is_too_slow(p95_ms: float | None, best_p95_ms: float | None) -> bool:
    """Whether a plane was clearly slower than the best, where no budget of the user's says what is slow."""
    return best_p95_ms is not None and (p95_ms or 0.0) > _MOST_TIMES_BEST * best_p95_ms


def _name_tables(cost: Cost, tables: Tables, found: Money) -> None:
    today = datetime.now(UTC).date()
    for name in filter(None, (cost.price, cost.machine_price)):
        table = tables.by_name[name]
        fact = {
            "name": name,
            "provider": table.provider,
            "region": table.region,
            "currency": table.currency,
            "date": table.date.isoformat(),
            "source": table.source,
        }
        if fact in found.prices:
            continue
        found.prices.append(fact)
        if table.is_stale(today):
            found.doubts.append(
                f"the prices of {table.provider} are of {table.date}, more than half a year old"
            )


def _priced(
    target: Target,
    cost: Cost,
    plane: PilotPlane,
    measured: Measured,
    shape: Shape,
    tables: Tables,
    found: Money,
) -> _Priced:
    """The month of a target of one plane, or of one part of a hybrid."""
    table = tables.of(cost)
    windows = windows_of(measured, shape, table, 0 if cost.machine else cost.min_instances)
    levels, is_estimated = usage_by_level(windows, measured, shape)
    factor = too_few(levels, shape)
    levels = at_times(levels, factor)
    month = month_at(levels, shape)
    if is_estimated:
        found.doubts.append(
            f"{target.name}'s run did not show every load level; what it did not show is scaled"
        )
    group = None
    if is_group(target):
        group = group_of(target, cost, plane, measured, windows, shape)
    if plane.capacity_how == "measured" and plane.ceiling_verdict == "at_least":
        found.doubts.append(f"{target.name} carries at least as much as was tried, so fewer machines may do")
    is_fixed = cost.machine is not None and group is None
    if is_fixed and plane.machines is not None and plane.machines != cost.machines:
        found.doubts.append(
            f"{target.name} was measured with {counted(cost.machines, 'machine')} and is priced with {plane.machines}; "
            "its latencies and its recovery are those of the former"
        )
    plane.cost_basis = month.basis if cost.machine is None else _capacity_basis(plane, measured)
    plane.utilisation = round(month.active_instances, 6) if month.basis != "missing" else None
    return _Priced(
        plane,
        cost,
        table,
        month,
        levels,
        windows,
        _bill(cost, plane, month, table, group),
        drawn_months(windows, measured, shape, factor),
        group,
    )


def _both(
    target: Target,
    cost: Cost,
    plane: PilotPlane,
    measured: Measured,
    shape: Shape,
    tables: Tables,
    found: Money,
    *,
    is_slow: bool,
) -> _Both:
    """The month of a hybrid: each part as a target of its kind."""
    own, elsewhere = parts_of(target, cost, measured, shape)
    budget = plane.budget
    stays, goes = (PilotPlane(target=target.name, plane=kind, budget=budget) for kind in _BETWEEN)
    try:
        _, doubts = put_capacity(
            elsewhere.target, elsewhere.cost, goes, elsewhere.measured, elsewhere.shape, is_slow=is_slow
        )
        found.doubts.extend(doubts)
    except CostError:
        goes.machines, goes.sizing = cost.machines, "as many as its file says"
        found.doubts.append(
            f"{target.name} is priced with {counted(cost.machines, 'machine')}, as its file says, which were not seen "
            "to hold their part of the load"
        )
    at_home, away = (
        _priced(part.target, part.cost, figures, part.measured, part.shape, tables, found)
        for part, figures in ((own, stays), (elsewhere, goes))
    )
    plane.machines = goes.machines
    plane.sizing = f"of what is sent elsewhere: {goes.sizing}"
    plane.cost_basis = stays.cost_basis
    used = [stays.utilisation, goes.utilisation]
    plane.utilisation = None if None in used else round(sum(filter(None, used)), 6)
    return _Both(plane, cost, at_home, away, hybrid_bill(at_home.bill, away.bill, (at_home.table, away.table)))


def _put_bill(target: Target, one: _Priced | _Both, shape: Shape, tables: Tables) -> None:
    """The bill, its interval and what comes beside it, put into the plane's figures."""
    plane, cost, bill, worth = one.plane, one.cost, one.bill, tables.worth(one.cost)
    plane.cost_month, plane.currency = round(bill.total, 4), bill.currency
    plane.cost_lines = [msgspec.to_builtins(line) for line in bill.lines] + _beside(cost, shape, worth)
    plane.staff_month = round(cost.staff_hours * cost.staff_rate * worth, 2) if cost.staff_hours else None
    plane.staff_hours = cost.staff_hours or None
    plane.staff_rate = cost.staff_rate * worth or None
    plane.cost_without_free = None if bill.without_free is None else round(bill.without_free, 4)
    plane.otherwise = list(_otherwise(one))
    if plane.staff_month is not None:
        plane.cost_with_staff = round(bill.total + plane.staff_month, 4)
    plane.cost_ci = _interval(one, shape) if isinstance(one, _Priced) else _interval_of_both(one, shape)


def _spot_words(cost: Cost, tables: Tables) -> str | None:
    """What is to be known of machines that may be taken away; None of others."""
    if cost.machine is None:
        return None
    machine = tables.by_name[cost.machine_price or cost.price].machine(cost.machine)
    return f"on machines that may be taken away: {machine.note}" if machine.is_reclaimable else None


def _otherwise(one: _Priced | _Both) -> Iterator[OtherBill]:
    """The bill without what it takes for granted."""
    bill = one.bill
    if bill.without_free is not None and bill.without_free - bill.total >= _A_CENT:
        yield OtherBill(
            what="without the free tier",
            why="a billing account has it once for all its services",
            cost_month=round(bill.without_free, 4),
        )
    machines = one if isinstance(one, _Priced) else one.elsewhere
    if machines.cost.machine is None:
        return
    kind = machines.table.machine(machines.cost.machine)
    if kind.is_reclaimable:
        kept = msgspec.structs.replace(machines.cost, machine=machines.cost.machine.removesuffix(SPOT))
        group = None if machines.group is None else machines.group._replace(kind=kept.machine or "")
        month = _bill(kept, machines.plane, machines.month, machines.table, group).total
        yield OtherBill(
            what="on machines that cannot be taken away",
            why=kind.note,
            cost_month=round(bill.total - machines.bill.total + month, 4),
        )
    were = machines.cost.machines
    if (
        machines.group is None
        and machines.plane.capacity_how == "measured"
        and (machines.plane.machines or were) < were
    ):
        as_measured = msgspec.structs.replace(machines.plane, machines=were)
        month = _bill(machines.cost, as_measured, machines.month, machines.table, None).total
        yield OtherBill(
            what=f"with the {counted(were, 'machine')} that it was measured with",
            why="that fewer of them do is worked out from its ceiling, and was not run",
            cost_month=round(bill.total - machines.bill.total + month, 4),
        )


def _capacity_basis(plane: PilotPlane, measured: Measured) -> Any:
    if plane.capacity_how == "stated":
        return "estimated"
    return "simulated" if measured.is_simulated else "measured"


def _bill(cost: Cost, plane: PilotPlane, month: Usage, table: PriceTable, group: Group | None) -> Bill:
    if group is not None:
        return group_bill(month, table, group)
    if cost.machine is None:
        return serverless_bill(month, table, size_of(cost))
    return machine_bill(month, table, fleet_of(cost, plane.machines or 1))


def _beside(cost: Cost, shape: Shape, worth: float) -> list[dict[str, Any]]:
    """What comes to the bill from elsewhere, never added to it. worth: of one unit of the target's own currency."""
    buckets = shape.workload.buckets
    calls = sum(bucket.external_calls_month or 0.0 for bucket in buckets)
    tokens = sum(bucket.tokens_month or 0.0 for bucket in buckets)
    lines: list[dict[str, Any]] = []
    if cost.call_price and calls:
        lines.append(_aside("model calls", calls, "calls", cost.call_price * worth))
    if cost.token_price_million and tokens:
        price = cost.token_price_million * worth
        lines.append(_aside("model tokens", tokens / _MILLION, "million tokens", price))
    if cost.staff_hours:
        lines.append(_aside("staff", cost.staff_hours, "hours", cost.staff_rate * worth))
    return lines


def _aside(name: str, quantity: float, unit: str, price: float) -> dict[str, Any]:
    return {
        "name": name,
        "quantity": quantity,
        "unit": unit,
        "unit_price": price,
        "amount": quantity * price,
        "beside": True,
    }


def _interval_of_both(one: _Both, shape: Shape) -> tuple[float, float] | None:
    """The parts' intervals together, about the hybrid's own bill; None where neither has one."""
    known = [
        (part, found) for part in (one.own, one.elsewhere) if (found := _interval(part, shape)) is not None
    ]
    if not known:
        return None
    below = sum(part.bill.total - low for part, (low, _) in known)
    above = sum(high - part.bill.total for part, (_, high) in known)
    return round(one.bill.total - below, 4), round(one.bill.total + above, 4)


def _interval(one: _Priced, shape: Shape) -> tuple[float, float] | None:
    """Of a serverless bill by resampled windows; of machines by where their ceiling lies for certain. The bill itself
    is always in it.
    """
    cost, plane = one.cost, one.plane
    if one.group is not None:
        return None
    if cost.machine is None:
        if is_of_lives(one.table, size_of(cost)) or not one.drawn:
            return None
        bills = [serverless_bill(month, one.table, size_of(cost)).total for month in one.drawn]
        low, high = (float(end) for end in np.quantile(bills, [0.025, 0.975]))
        return round(min(low, one.bill.total), 4), round(max(high, one.bill.total), 4)
    if plane.ceiling_ci_rps is None or plane.ceiling_rps is None or plane.capacity_how != "measured":
        return None
    least_rps, most_rps = plane.ceiling_ci_rps
    by_rate_rps = plane.ceiling_rps / cost.machines
    # What comes at once sizes them, whatever rate there may be besides.
    at_most_rps = inf
    if plane.capacity_rps is not None and plane.capacity_rps < by_rate_rps:
        at_most_rps = plane.capacity_rps
    peak = shape.workload.peak_rps
    each_rps = min((most_rps or plane.ceiling_rps) / cost.machines, at_most_rps)
    counts = [machines_for(peak, each_rps, headroom_kept(cost, plane))]
    if least_rps:
        # Headroom is kept for what is not known of the ceiling, too: the same machines have less left then.
        enough = machines_for(peak, min(least_rps / cost.machines, at_most_rps), 0.0)
        counts.append(max(plane.machines or 1, enough))
    fleets = [fleet_of(cost, count) for count in counts]
    totals = [one.bill.total] + [machine_bill(one.month, one.table, fleet).total for fleet in fleets]
    return round(min(totals), 4), round(max(totals), 4)


def _share_out(one: _Priced | _Both, buckets: Sequence[Bucket]) -> None:
    """Each level's part of the month's bill."""
    parts = [one] if isinstance(one, _Priced) else [one.own, one.elsewhere]
    whole = sum(part.bill.total for part in parts)
    # What a hybrid's parts have once for both.
    factor = one.bill.total / whole if whole else 1.0
    shares = [_shares(part, buckets) for part in parts]
    for n, bucket in enumerate(buckets):
        amount = factor * sum(share[n] for share in shares)
        bucket.cost_month = {**bucket.cost_month, one.plane.target: round(amount, 4)}
        all_month = [_all_month(part, n) for part in parts]
        if None not in all_month:
            amount = sum(filter(None, all_month))
            bucket.cost_all_month = {**bucket.cost_all_month, one.plane.target: round(amount, 4)}


def _shares(one: _Priced, buckets: Sequence[Bucket]) -> list[float]:
    """The bill by level: by what each used, in active time or in that of machines which come and go; by time where
    machines are on all month.
    """
    weights = [bucket.weight for bucket in buckets]
    used = weights
    if one.cost.machine is None or one.group is not None:
        used = [
            0.0 if usage is None or not usage.seconds else weight * _paid_s(one, usage) / usage.seconds
            for weight, usage in zip(weights, one.levels, strict=True)
        ]
    whole = sum(used)
    return [
        one.bill.total * (part / whole if whole else weight) for part, weight in zip(used, weights, strict=True)
    ]


def _all_month(one: _Priced, level: int) -> float | None:
    """The bill of a month that is at that level all the time; None where machines come and go, of which the level alone
    does not tell how many there would be.
    """
    usage = one.levels[level]
    if usage is None or one.group is not None:
        return None
    if one.cost.machine is not None:
        return one.bill.total
    return serverless_bill(month_of([(1.0, usage)]), one.table, size_of(one.cost)).total


def _paid_s(one: _Priced, usage: Usage) -> float:
    return usage.active_s if one.group is None or usage.live_s is None else usage.live_s


def put_break_evens(
    found: Money,
    targets: Sequence[Target],
    measured: dict[str, Measured],
    shape: Shape,
    represented: Mapping[PlaneName, str],
) -> None:
    """Where the serverless target and that of machines that stand for their kinds cost the same; of machines that are
    on all month also where the same ones would, if they came and went with the load.
    """
    by_name = {one.plane.target: one for one in found.offers if isinstance(one, _Priced)}
    serverless, machines = (by_name.get(represented.get(kind, "")) for kind in _BETWEEN)
    if serverless is None or machines is None or not machines.plane.capacity_rps:
        found.notes.append(
            "no break-even: that takes a serverless target and one of always-on machines, both with a price"
        )
        return
    target = next(one for one in targets if one.name == machines.plane.target)
    load = followed(target, machines.windows, measured[target.name], shape)
    fixed = Offer(
        serverless.month,
        serverless.table,
        size_of(serverless.cost),
        machines.table,
        fleet_of(machines.cost, machines.plane.machines or 1),
        machines.plane.capacity_rps,
        shape.workload.peak_rps,
        headroom_kept(machines.cost, machines.plane),
        (serverless.plane.target, machines.plane.target),
    )
    # Lives cannot be drawn anew: an instance's is longer than a window.
    drawn = [] if is_of_lives(serverless.table, size_of(serverless.cost)) else serverless.drawn
    if machines.group is not None:
        mean = machines.group.machine_s / MONTH_S
        following = following_of(load, fixed.capacity_rps, fixed.headroom, mean)
        group = fixed._replace(follows=load, following=following)
        found.break_even.extend(break_evens(group, drawn))
        found.sensitivity.extend(sensitivity(group))
        return
    capacity, fleet = machines.capacity, fixed
    if capacity is not None and capacity.by_rate_rps is not None:
        fleet = fixed._replace(capacity_rps=capacity.by_rate_rps, bursts=capacity.bursts)
    found.break_even.extend(break_evens(fleet, drawn))
    found.sensitivity.extend(sensitivity(fleet))
    names = serverless.plane.target, as_group(machines.plane.target)
    found.break_even.extend(break_evens(fixed._replace(follows=load, names=names), drawn, ("requests",)))
