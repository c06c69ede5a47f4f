"""What each target costs a month, level by level, and where the planes' bills cross: from runs and price tables."""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.engine.router import Router
from replay.judge.choice.types import BreakEvenFound, Bucket, PilotPlane, Sensitive
from replay.judge.figures import Evidence
from replay.judge.money.breakeven import Offer, break_evens, resampled, sensitivity
from replay.judge.money.cost import (
    Bill,
    CostError,
    Fleet,
    hybrid_bill,
    machine_bill,
    serverless_bill,
)
from replay.judge.money.month_load import peak_rps, plane_of
from replay.judge.money.price_table import PriceTable
from replay.judge.money.sizing import (
    Held,
    Load,
    Searched,
    Stated,
    capacity_of,
    is_refuted,
    machines_for,
    sized,
)
from replay.judge.money.usage import Usage, Windows, month_of, usage_by_window
from replay.judge.phrases import counted, number
from replay.results.columns import Flags
from replay.results.types import InstanceRecord
from replay.target import Cost, Target
from replay.trials.pilot.workload import Shape
from replay.trials.prices import Tables, size_of, tables_of

_MILLION = 1e6
# Without a budget of the user's, a plane kept none if it was more than twice as slow as the best: ceilings are searched
# for with the same bound.
_MOST_TIMES_BEST = 2.0


class Money(NamedTuple):
    """prices: the tables that were used, as facts for the report."""

    buckets: list[Bucket]
    break_even: list[BreakEvenFound]
    sensitivity: list[Sensitive]
    prices: list[dict[str, Any]]
    doubts: list[str]
    notes: list[str]


class Measured(NamedTuple):
    """The run by which a target is priced. offset_s: where in the trace the run begins; None if its times are not the
    trace's, so that no level of load can be found in it. instances: what its plane told of them.
    """

    run: Evidence
    offset_s: float | None
    is_simulated: bool
    instances: tuple[InstanceRecord, ...] = ()


class _Priced(NamedTuple):
    """One target's month. levels: the usage at each load level. drawn: months of resampled windows, level by level."""

    plane: PilotPlane
    cost: Cost
    table: PriceTable
    month: Usage
    levels: list[Usage | None]
    windows: Windows
    bill: Bill
    drawn: list[Usage]


def price_planes(
    targets: Sequence[Target], planes: Sequence[PilotPlane], measured: dict[str, Measured], shape: Shape
) -> Money:
    """Put each plane's month into its figures; returns what they say together. Raises PriceTableError."""
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
                _put_capacity(target.cost, plane, run, shape, found, is_slow=is_slow)
            offers.append(_priced(target, target.cost, plane, run, shape, tables, found))
        except CostError as reason:
            found.doubts.append(f"{target.name} has no price: {reason}")
    for one in offers:
        _share_out(one, found.buckets)
    _cross(offers, shape, found)
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
    windows = _windows(measured, shape, table)
    levels, is_estimated = _levels(windows, measured, shape)
    month = _month(levels, shape)
    if is_estimated:
        found.doubts.append(
            f"{target.name}'s run did not show every load level; what it did not show is scaled"
        )
    bill = _bill(target, cost, plane, measured, month, tables, shape)
    worth = tables.worth(cost)
    if plane.capacity_how == "measured" and plane.ceiling_verdict == "at_least":
        found.doubts.append(f"{target.name} carries at least as much as was tried, so fewer machines may do")
    if cost.machine is not None and plane.machines is not None and plane.machines != cost.machines:
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
    one = _Priced(plane, cost, table, month, levels, windows, bill, _drawn(windows, measured, shape))
    plane.cost_ci = _interval(target, one, shape)
    return one


def _put_capacity(
    cost: Cost, plane: PilotPlane, measured: Measured, shape: Shape, found: Money, *, is_slow: bool
) -> None:
    """What one machine carries, how that is known, and how many it takes. Raises CostError where it is not known."""
    summary = measured.run.summary
    held = Held(
        peak_rps(measured.run),
        summary.plane.most_instances if summary.plane is not None else cost.machines,
        summary.counts.failed,
        broke_budget=plane.budget == "fail" or (plane.budget is None and is_slow),
    )
    ceiling = None if plane.ceiling_rps is None else Searched(plane.ceiling_rps, cost.machines)
    if ceiling is not None and is_refuted(ceiling, held):
        found.doubts.append(
            f"the search found that {plane.target} carries {number(ceiling.rps)} requests/s on "
            f"{counted(ceiling.machines, 'machine')}, but {counted(held.machines, 'machine')} carried "
            f"{number(held.rps)} in its own run; the search is left out"
        )
    capacity = capacity_of(_load(shape), stated=Stated(cost.rps, cost.slots), ceiling=ceiling, held=held)
    plane.capacity_rps, plane.capacity_how = round(capacity.rps, 6), capacity.how
    plane.machines, plane.sizing = sized(_load(shape), capacity, cost.headroom_percent / 100)


def _load(shape: Shape) -> Load:
    workload = shape.workload
    return Load(workload.peak_rps, workload.peak_in_flight)


def _capacity_basis(plane: PilotPlane, measured: Measured) -> Any:
    if plane.capacity_how == "stated":
        return "estimated"
    return "simulated" if measured.is_simulated else "measured"


def _windows(measured: Measured, shape: Shape, table: PriceTable, rows: Flags | None = None) -> Windows:
    window_s = float(shape.workload.window_s)
    first = round((measured.offset_s or 0.0) / window_s)
    return usage_by_window(
        measured.run,
        window_s,
        max(1, len(shape.levels) - first),
        plane_of(table, measured.instances, is_simulated=measured.is_simulated),
        rows,
    )


def _levels(windows: Windows, measured: Measured, shape: Shape) -> tuple[list[Usage | None], bool]:
    """The usage at each level; of a level that the run did not reach, that of the whole run at the level's rate."""
    whole = windows.of(_reached(windows))
    found: list[Usage | None] = []
    is_estimated = False
    for level, bucket in enumerate(shape.workload.buckets):
        there = _seen_at(level, windows, measured, shape)
        if not bucket.weight:
            found.append(None)
        elif len(there):
            found.append(windows.of(there))
        else:
            is_estimated = True
            found.append(_at_rate(whole, bucket.requests_per_s))
    return found, is_estimated


def _at_rate(usage: Usage, requests_per_s: float) -> Usage:
    """As if the same requests came at another rate; what they share is left as it is."""
    now = usage.requests / usage.seconds if usage.seconds else 0.0
    scaled = usage.times(requests_per_s / now) if now else usage
    basis = "missing" if usage.basis == "missing" else "estimated"
    return msgspec.structs.replace(scaled, seconds=usage.seconds, basis=basis)


def _month(levels: Sequence[Usage | None], shape: Shape) -> Usage:
    weights = [bucket.weight for bucket in shape.workload.buckets]
    parts = [(weight, usage) for weight, usage in zip(weights, levels, strict=True) if usage is not None]
    try:
        return month_of(parts)
    except ValueError as cause:
        raise CostError(str(cause)) from cause


def _fleet(cost: Cost, machines: int) -> Fleet:
    return Fleet(cost.machine or "", machines, cost.discount_percent / 100)


def _bill(
    target: Target,
    cost: Cost,
    plane: PilotPlane,
    measured: Measured,
    month: Usage,
    tables: Tables,
    shape: Shape,
) -> Bill:
    table = tables.of(cost)
    if target.plane == "hybrid":
        return _hybrid(target, cost, measured, tables, shape)
    if cost.machine is None:
        return serverless_bill(month, table, size_of(cost))
    return machine_bill(month, table, _fleet(cost, plane.machines or 1))


def _kept(cost: Cost, plane: PilotPlane) -> float:
    """The headroom that is kept at the peak."""
    return 0.0 if plane.capacity_how == "seen" else cost.headroom_percent / 100


def _hybrid(target: Target, cost: Cost, measured: Measured, tables: Tables, shape: Shape) -> Bill:
    """What routes send elsewhere is on machines, as many as the file says; the rest is serverless."""
    if cost.machine is None:
        raise CostError("a hybrid's [cost] needs machine, and machine_price if that is in another table")
    columns = measured.run.columns
    router = Router(target)
    stays = np.array([router.place(kind, name) == 0 for kind, name in columns.series_names], np.bool_)
    table, machines = tables.of(cost), tables.of_machines(cost)

    def month_of_rows(rows: Flags, prices: PriceTable) -> Usage:
        levels, _ = _levels(_windows(measured, shape, prices, rows), measured, shape)
        return _month(levels, shape)

    return hybrid_bill(
        serverless_bill(month_of_rows(stays[columns.series], table), table, size_of(cost)),
        machine_bill(month_of_rows(~stays[columns.series], machines), machines, _fleet(cost, cost.machines)),
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
    if target.plane == "hybrid":
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
    fleets = [_fleet(cost, machines_for(peak, rps, _kept(cost, plane))) for rps in each]
    totals = [one.bill.total] + [machine_bill(one.month, one.table, fleet).total for fleet in fleets]
    return round(min(totals), 4), round(max(totals), 4)


def _seen_at(level: int, windows: Windows, measured: Measured, shape: Shape) -> npt.NDArray[np.intp]:
    """The windows of the run in which the trace had that level; none where the run's times are not the trace's."""
    if measured.offset_s is None:
        return np.zeros(0, np.intp)
    there = shape.windows(level) - round(measured.offset_s / shape.workload.window_s)
    return there[(there >= 0) & (there < len(_reached(windows)))]


def _reached(windows: Windows) -> npt.NDArray[np.intp]:
    """The windows that the run came to."""
    return np.arange(min(max(1, ceil(windows.ends_s / windows.window_s)), len(windows.requests)))


def _drawn(windows: Windows, measured: Measured, shape: Shape) -> list[Usage]:
    """Months as this one is made, each level of its own windows drawn anew; nothing where no level has enough."""
    if windows.basis == "missing":
        return []
    parts: list[tuple[float, list[Usage]]] = []
    for level, bucket in enumerate(shape.workload.buckets):
        there = _seen_at(level, windows, measured, shape)
        of = there if len(there) else _reached(windows)
        if not bucket.weight or not len(of):
            continue
        drawn = resampled([windows.of(np.array([n])) for n in of], seed=1 + level) or [windows.of(of)]
        if not len(there):
            drawn = [_at_rate(one, bucket.requests_per_s) for one in drawn]
        parts.append((bucket.weight, drawn))
    most = max((len(usages) for _, usages in parts), default=0)
    if most <= 1:
        return []
    return [month_of([(weight, usages[n % len(usages)]) for weight, usages in parts]) for n in range(most)]


def _share_out(one: _Priced, buckets: Sequence[Bucket]) -> None:
    """Each level's part of the month's bill: by time where machines are paid for, else by what it used."""
    weights = [bucket.weight for bucket in buckets]
    if one.cost.machine is None:
        used = [
            0.0 if usage is None or not usage.seconds else weight * usage.active_s / usage.seconds
            for weight, usage in zip(weights, one.levels, strict=True)
        ]
    else:
        used = weights
    whole = sum(used)
    for bucket, part in zip(buckets, used, strict=True):
        share = part / whole if whole else bucket.weight
        bucket.cost_month = {**bucket.cost_month, one.plane.target: round(one.bill.total * share, 4)}


def _cross(priced: Sequence[_Priced], shape: Shape, found: Money) -> None:
    """Where the first serverless target and the first of machines cost the same."""
    serverless = next((one for one in priced if one.plane.plane == "serverless"), None)
    machines = next((one for one in priced if one.plane.plane == "vm"), None)
    if serverless is None or machines is None or not machines.plane.capacity_rps:
        found.notes.append("no break-even: it takes a serverless target and one of machines, both with a price")
        return
    offer = Offer(
        serverless.month,
        serverless.table,
        size_of(serverless.cost),
        machines.table,
        _fleet(machines.cost, machines.plane.machines or 1),
        machines.plane.capacity_rps,
        shape.workload.peak_rps,
        _kept(machines.cost, machines.plane),
        (serverless.plane.target, machines.plane.target),
    )
    found.break_even.extend(break_evens(offer, serverless.drawn))
    found.sensitivity.extend(sensitivity(offer))
