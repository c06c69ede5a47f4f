"""What each target costs a month, level by level, and where the planes' bills cross: from runs and price tables."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np

from replay.engine.router import Router
from replay.judge.choice.types import BreakEvenFound, Bucket, PilotPlane, PlaneName, Sensitive
from replay.judge.money.breakeven import Offer, break_evens, sensitivity
from replay.judge.money.cost import (
    Bill,
    CostError,
    Group,
    free_tier_words,
    group_bill,
    hybrid_bill,
    machine_bill,
    serverless_bill,
)
from replay.judge.money.following import as_group, following_of
from replay.judge.money.price_table import PriceTable
from replay.judge.money.sizing import machines_for
from replay.judge.money.usage import MONTH_S, Usage, Windows, month_of
from replay.results.columns import Flags
from replay.target import Cost, Target
from replay.trials.pilot.levels import Measured, drawn_months, month_at, usage_by_level, windows_of
from replay.trials.pilot.machines import fleet_of, followed, group_of, headroom_kept, is_group, put_capacity
from replay.trials.pilot.workload import Shape
from replay.trials.prices import Tables, size_of, tables_of

_MILLION = 1e6
# Without a budget of the user's, a plane kept none if it was more than twice as slow as the best: ceilings are searched
# for with the same bound.
_MOST_TIMES_BEST = 2.0
_BETWEEN: tuple[PlaneName, PlaneName] = ("serverless", "vm")


class Money(NamedTuple):
    """prices: the tables that were used, as facts for the report."""

    buckets: list[Bucket]
    break_even: list[BreakEvenFound]
    sensitivity: list[Sensitive]
    prices: list[dict[str, Any]]
    doubts: list[str]
    notes: list[str]


class _Priced(NamedTuple):
    """One target's month. levels: the usage at each load level. drawn: months of resampled windows, level by level.
    group: the machine time, where machines come and go.
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


def price_planes(
    targets: Sequence[Target],
    planes: Sequence[PilotPlane],
    measured: dict[str, Measured],
    shape: Shape,
    represented: Callable[[], Mapping[PlaneName, str]] | None = None,
) -> Money:
    """Put each plane's month into its figures; returns what they say together. Raises PriceTableError.

    represented: asked when all months are known, which target stands for each kind of plane; break-evens are between
    those. None: of the bills alone, without break-evens.
    """
    found = Money([msgspec.structs.replace(bucket) for bucket in shape.workload.buckets], [], [], [], [], [])
    offers: list[_Priced] = []
    tables = tables_of(targets)
    best_p95_ms = min((plane.p95_ms for plane in planes if plane.p95_ms), default=None)
    for target, plane in zip(targets, planes, strict=True):
        if target.cost is None:
            found.doubts.append(f"{target.name} has no [cost] table in its file, so it has no price")
            continue
        _name_tables(target.cost, tables, found)
        if target.name not in measured:
            continue
        run = measured[target.name]
        try:
            if target.cost.machine is not None and target.plane != "hybrid":
                is_slow = best_p95_ms is not None and (plane.p95_ms or 0.0) > _MOST_TIMES_BEST * best_p95_ms
                found.doubts.extend(put_capacity(target, target.cost, plane, run, shape, is_slow=is_slow))
            offers.append(_priced(target, target.cost, plane, run, shape, tables, found))
        except CostError as reason:
            found.doubts.append(f"{target.name} has no price: {reason}")
    for one in offers:
        _share_out(one, found.buckets)
    if represented is not None:
        _cross(offers, targets, measured, shape, found, represented())
    return found


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
    table = tables.of(cost)
    windows = windows_of(measured, shape, table)
    levels, is_estimated = usage_by_level(windows, measured, shape)
    month = month_at(levels, shape)
    if is_estimated:
        found.doubts.append(
            f"{target.name}'s run did not show every load level; what it did not show is scaled"
        )
    group = None
    if is_group(target):
        group = group_of(target, cost, plane, measured, windows, shape)
    bill = _bill(target, cost, plane, measured, month, tables, shape, group)
    worth = tables.worth(cost)
    if plane.capacity_how == "measured" and plane.ceiling_verdict == "at_least":
        found.doubts.append(f"{target.name} carries at least as much as was tried, so fewer machines may do")
    is_fixed = cost.machine is not None and group is None
    if is_fixed and plane.machines is not None and plane.machines != cost.machines:
        found.doubts.append(
            f"{target.name} was measured with {cost.machines} machines and is priced with {plane.machines}; its "
            "latencies are those of the former"
        )
    plane.cost_month, plane.currency = round(bill.total, 4), bill.currency
    plane.cost_basis = (
        month.basis if cost.machine is None or target.plane == "hybrid" else _capacity_basis(plane, measured)
    )
    plane.utilisation = round(month.active_instances, 6) if month.basis != "missing" else None
    plane.cost_lines = [msgspec.to_builtins(line) for line in bill.lines] + _beside(cost, shape, worth)
    plane.staff_month = round(cost.staff_hours * cost.staff_rate * worth, 2) if cost.staff_hours else None
    plane.staff_hours = cost.staff_hours or None
    plane.staff_rate = cost.staff_rate * worth or None
    one = _Priced(
        plane, cost, table, month, levels, windows, bill, drawn_months(windows, measured, shape), group
    )
    plane.cost_without_free = None if bill.without_free is None else round(bill.without_free, 4)
    if plane.staff_month is not None:
        plane.cost_with_staff = round(bill.total + plane.staff_month, 4)
    if (words := free_tier_words(bill)) is not None:
        found.doubts.append(f"{target.name} costs {words}")
    plane.cost_ci = _interval(target, one, shape)
    return one


def _capacity_basis(plane: PilotPlane, measured: Measured) -> Any:
    if plane.capacity_how == "stated":
        return "estimated"
    return "simulated" if measured.is_simulated else "measured"


def _bill(
    target: Target,
    cost: Cost,
    plane: PilotPlane,
    measured: Measured,
    month: Usage,
    tables: Tables,
    shape: Shape,
    group: Group | None,
) -> Bill:
    table = tables.of(cost)
    if group is not None:
        return group_bill(month, table, group)
    if target.plane == "hybrid":
        return _hybrid(target, cost, measured, tables, shape)
    if cost.machine is None:
        return serverless_bill(month, table, size_of(cost))
    return machine_bill(month, table, fleet_of(cost, plane.machines or 1))


def _hybrid(target: Target, cost: Cost, measured: Measured, tables: Tables, shape: Shape) -> Bill:
    """What routes send elsewhere is on machines, as many as the file says; the rest is serverless."""
    if cost.machine is None:
        raise CostError("a hybrid's [cost] needs machine, and machine_price if that is in another table")
    columns = measured.run.columns
    router = Router(target)
    stays = np.array([router.place(kind, name) == 0 for kind, name in columns.series_names], np.bool_)
    table, machines = tables.of(cost), tables.of_machines(cost)

    def month_of_rows(rows: Flags, prices: PriceTable) -> Usage:
        levels, _ = usage_by_level(windows_of(measured, shape, prices, rows), measured, shape)
        return month_at(levels, shape)

    return hybrid_bill(
        serverless_bill(month_of_rows(stays[columns.series], table), table, size_of(cost)),
        machine_bill(month_of_rows(~stays[columns.series], machines), machines, fleet_of(cost, cost.machines)),
    )


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


def _interval(target: Target, one: _Priced, shape: Shape) -> tuple[float, float] | None:
    """Of a serverless bill by resampled windows; of machines by the interval of what one carries. The bill itself is
    always in it.
    """
    cost, plane = one.cost, one.plane
    if target.plane == "hybrid" or one.group is not None:
        return None
    if cost.machine is None:
        if cost.billing == "instance" or not one.drawn:
            return None
        bills = [serverless_bill(month, one.table, size_of(cost)).total for month in one.drawn]
        low, high = (float(end) for end in np.quantile(bills, [0.025, 0.975]))
        return round(min(low, one.bill.total), 4), round(max(high, one.bill.total), 4)
    if plane.ceiling_ci_rps is None or plane.ceiling_rps is None or plane.capacity_how != "measured":
        return None
    least, most = plane.ceiling_ci_rps
    each = [end / cost.machines for end in (most or plane.ceiling_rps, least) if end]
    peak = shape.workload.peak_rps
    fleets = [fleet_of(cost, machines_for(peak, rps, headroom_kept(cost, plane))) for rps in each]
    totals = [one.bill.total] + [machine_bill(one.month, one.table, fleet).total for fleet in fleets]
    return round(min(totals), 4), round(max(totals), 4)


def _share_out(one: _Priced, buckets: Sequence[Bucket]) -> None:
    """Each level's part of the month's bill: by what it used, in active time or in that of machines which come and go;
    by time where machines are on all month.
    """
    weights = [bucket.weight for bucket in buckets]
    used = weights
    if one.cost.machine is None or one.group is not None:
        used = [
            0.0 if usage is None or not usage.seconds else weight * _paid_s(one, usage) / usage.seconds
            for weight, usage in zip(weights, one.levels, strict=True)
        ]
    whole = sum(used)
    for bucket, part, usage in zip(buckets, used, one.levels, strict=True):
        share = part / whole if whole else bucket.weight
        bucket.cost_month = {**bucket.cost_month, one.plane.target: round(one.bill.total * share, 4)}
        if usage is not None and (all_month := _all_month(one, usage)) is not None:
            bucket.cost_all_month = {**bucket.cost_all_month, one.plane.target: round(all_month, 4)}


def _all_month(one: _Priced, usage: Usage) -> float | None:
    """The bill of a month that is at that level all the time; None where machines come and go or do a part of it, of
    which the level alone does not tell how many there would be.
    """
    if one.group is not None or one.plane.plane == "hybrid":
        return None
    if one.cost.machine is not None:
        return one.bill.total
    return serverless_bill(month_of([(1.0, usage)]), one.table, size_of(one.cost)).total


def _paid_s(one: _Priced, usage: Usage) -> float:
    return usage.active_s if one.group is None or usage.live_s is None else usage.live_s


def _cross(
    priced: Sequence[_Priced],
    targets: Sequence[Target],
    measured: dict[str, Measured],
    shape: Shape,
    found: Money,
    represented: Mapping[PlaneName, str],
) -> None:
    """Where the serverless target and that of machines that stand for their kinds cost the same; of machines that are
    on all month also where the same ones would, if they came and went with the load.
    """
    by_name = {one.plane.target: one for one in priced}
    serverless, machines = (by_name.get(represented.get(kind, "")) for kind in _BETWEEN)
    if serverless is None or machines is None or not machines.plane.capacity_rps:
        found.notes.append(
            "no break-even: it takes a serverless target and one of machines that stand, both with a price"
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
    drawn = serverless.drawn if serverless.cost.billing == "request" else []
    if machines.group is not None:
        mean = machines.group.machine_s / MONTH_S
        following = following_of(load, fixed.capacity_rps, fixed.headroom, mean)
        group = fixed._replace(follows=load, following=following)
        found.break_even.extend(break_evens(group, drawn))
        found.sensitivity.extend(sensitivity(group))
        return
    found.break_even.extend(break_evens(fixed, drawn))
    found.sensitivity.extend(sensitivity(fixed))
    names = serverless.plane.target, as_group(machines.plane.target)
    found.break_even.extend(break_evens(fixed._replace(follows=load, names=names), drawn, ("requests",)))
