"""What a run's load costs if it goes on for a month, on each plane that has a price, and where the bills cross. Pure.

The run is taken as one load that repeats: a pilot prices idle, normal and peak levels apart, this does not. Where
another number of requests a day is asked for, what they share of an instance stays as the run had it.
"""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from replay.judge.breakeven import Offer, break_evens, resampled, sensitivity
from replay.judge.cost import (
    Bill,
    BillLine,
    CostError,
    Fleet,
    Size,
    machine_bill,
    machines_for,
    serverless_bill,
)
from replay.judge.figures import Evidence
from replay.judge.pilot import BreakEvenFound, Sensitive
from replay.judge.price_table import PriceTable
from replay.judge.usage import MONTH_S, Basis, Usage, month_of, usage_by_window
from replay.results.columns import ABSENT_NS
from replay.results.types import InstanceRecord

_NS = 1_000_000_000
_DAYS = MONTH_S / 86_400
# Twenty blocks: enough for percentiles of their sums, few enough to keep what happens together in one block.
_BLOCKS = 20
_PEAK_S = 10.0
_SEED = 1


class OnServerless(NamedTuple):
    """A serverless plane to be priced. name: as it is called in the bill."""

    name: str
    table: PriceTable
    size: Size


class OnMachines(NamedTuple):
    """Machines of one kind to be priced. rps: what one carries, as measured. headroom: 0.3 is thirty percent kept free
    at the peak. discount: 0..1.
    """

    name: str
    table: PriceTable
    kind: str
    rps: float
    headroom: float = 0.3
    discount: float = 0.0


class Beside(NamedTuple):
    """What is paid to others than the plane. staff_hours a month: one figure, or low, mid and high. token_price: of a
    million tokens that models wrote.
    """

    staff_hours: tuple[float, ...] = ()
    staff_rate: float = 0.0
    call_price: float = 0.0
    token_price: float = 0.0


class PlaneCost(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One plane's month. bill None: it has no price, because of `reason`. ci: 95 %, over blocks of the run.

    is_stale: the price table is older than half a year. sizing: how many machines, and why.
    """

    name: str
    provider: str
    region: str
    priced_on: datetime.date
    source: str
    is_stale: bool = False
    machines: int | None = None
    sizing: str | None = None
    bill: Bill | None = None
    ci: tuple[float, float] | None = None
    reason: str | None = None


class RunCost(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What `replay cost` says. Requests, seconds and tokens are of a month of 730 hours; basis: how the active seconds
    are known. beside: what comes to every bill from elsewhere, in none of them.
    """

    schema: str
    run: str
    observed_s: float
    factor: float
    basis: Basis
    requests: float
    requests_a_day: float
    active_s: float
    boot_s: float
    active_instances: float | None
    concurrency: float | None
    peak_rps: float
    planes: list[PlaneCost]
    beside: list[BillLine] = []
    break_even: list[BreakEvenFound] = []
    sensitivity: list[Sensitive] = []
    notes: list[str] = []


class _Load(NamedTuple):
    """The run's load for a month, by one table's rounding. drawn: months of resampled blocks."""

    month: Usage
    drawn: list[Usage]
    factor: float


def cost_of_run(
    run: Evidence,
    serverless: Sequence[OnServerless],
    machines: Sequence[OnMachines],
    today: datetime.date,
    *,
    beside: Beside = Beside(),  # noqa: B008 - a NamedTuple
    requests_a_day: float | None = None,
    instances: Sequence[InstanceRecord] = (),
) -> RunCost:
    """Price the run's load. Raises CostError where a table lacks what is asked of it, or the run sent nothing."""
    load = _load(run, None, requests_a_day, instances)
    peak_rps = _peak_rps(run) * load.factor
    planes = [_on_serverless(run, one, today, requests_a_day, instances) for one in serverless]
    planes += [_on_machines(load.month, one, peak_rps, today) for one in machines]
    month = load.month
    is_known = month.basis != "missing"
    found = RunCost(
        schema="replay.cost/1",
        run=run.name,
        observed_s=run.summary.elapsed_s,
        factor=load.factor,
        basis=month.basis,
        requests=month.requests,
        requests_a_day=month.requests / _DAYS,
        active_s=month.active_s,
        boot_s=month.boot_s,
        active_instances=month.active_instances if is_known else None,
        concurrency=month.concurrency if is_known else None,
        peak_rps=peak_rps,
        planes=planes,
        beside=_beside(month, beside),
        notes=_notes(run, month),
    )
    if serverless and machines:
        _cross(run, serverless[0], machines[0], found, requests_a_day, instances)
    return found


def _load(
    run: Evidence,
    table: PriceTable | None,
    requests_a_day: float | None,
    instances: Sequence[InstanceRecord],
) -> _Load:
    """A month of it. Raises CostError where the run sent nothing."""
    prices = table.request if table is not None else None
    window_s = run.summary.elapsed_s / _BLOCKS * (1 + 1e-9)
    if not (run.columns.sent_ns != ABSENT_NS).any() or not window_s:
        raise CostError("nothing was sent in this run, so there is nothing to price")
    windows = usage_by_window(
        run,
        window_s,
        _BLOCKS,
        prices.granularity_ms if prices is not None else 0.0,
        is_simulated=run.summary.plane is not None,
    )
    whole = windows.whole()
    if instances and table is not None and table.instance is not None:
        lived_s = _lived_s(instances, run.summary.elapsed_s, table.instance.minimum_s)
        whole = msgspec.structs.replace(whole, live_s=lived_s)
    blocks = [windows.of(np.array([n])) for n in range(_BLOCKS)]
    if prices is not None and prices.is_unshared:
        whole, blocks = _unshared(whole), [_unshared(block) for block in blocks]
    month = month_of([(1.0, whole)])
    factor = 1.0 if requests_a_day is None else requests_a_day * _DAYS / month.requests
    drawn = [] if month.basis == "missing" else resampled(blocks, _SEED)
    return _Load(_scaled(month, factor), [_scaled(one, factor) for one in drawn], factor)


def _unshared(usage: Usage) -> Usage:
    """As if each request had had an instance of its own."""
    return msgspec.structs.replace(usage, active_s=usage.request_s)


def _scaled(month: Usage, factor: float) -> Usage:
    """So many times the load in the same month; an estimate, since more load shares instances better."""
    if factor == 1.0:
        return month
    basis: Basis = "missing" if month.basis == "missing" else "estimated"
    return msgspec.structs.replace(month.times(factor), seconds=month.seconds, basis=basis)


def _lived_s(instances: Sequence[InstanceRecord], end_s: float, minimum_s: float) -> float:
    """Of all instances, boots included, until they were gone or the run ended; each minimum_s at least."""
    lives = [
        (end_s if one.gone_ns is None else one.gone_ns / _NS) - one.requested_ns / _NS for one in instances
    ]
    return sum(max(life_s, minimum_s) for life_s in lives)


def _peak_rps(run: Evidence) -> float:
    """Requests a second in the fullest ten seconds, or in the whole of a shorter run."""
    sent_ns = run.columns.sent_ns
    at_s = sent_ns[sent_ns != ABSENT_NS] / _NS
    window_s = min(_PEAK_S, run.summary.elapsed_s)
    return float(np.bincount((at_s / window_s).astype(np.int64)).max()) / window_s


def _head(name: str, table: PriceTable, today: datetime.date) -> PlaneCost:
    return PlaneCost(
        name=name,
        provider=table.provider,
        region=table.region,
        priced_on=table.date,
        source=table.source,
        is_stale=table.is_stale(today),
    )


def _on_serverless(
    run: Evidence,
    one: OnServerless,
    today: datetime.date,
    requests_a_day: float | None,
    instances: Sequence[InstanceRecord],
) -> PlaneCost:
    load = _load(run, one.table, requests_a_day, instances)
    found = _head(one.name, one.table, today)
    found.reason = _unknown(load.month, one.size)
    if found.reason is not None:
        return found
    found.bill = serverless_bill(load.month, one.table, one.size)
    if load.drawn and one.size.billing == "request":
        totals = [serverless_bill(month, one.table, one.size).total for month in load.drawn]
        low, high = np.quantile(totals, [0.025, 0.975])
        found.ci = float(low), float(high)
    return found


def _unknown(month: Usage, size: Size) -> str | None:
    if size.billing == "instance" and month.live_s is None:
        return "how long instances lived was neither measured nor simulated"
    if size.billing == "request" and month.basis == "missing":
        return (
            "active instance seconds were neither measured nor simulated; name the target's instance_header in its "
            "file, so that the run knows which instance served which request"
        )
    return None


def _on_machines(month: Usage, one: OnMachines, peak_rps: float, today: datetime.date) -> PlaneCost:
    found = _head(one.name, one.table, today)
    found.machines = machines_for(peak_rps, one.rps, one.headroom)
    found.sizing = (
        f"{found.machines} for {peak_rps:,.3g} requests a second at the peak and {one.headroom:.0%} more, where one "
        f"carries {one.rps:,.3g}"
    )
    found.bill = machine_bill(month, one.table, Fleet(one.kind, found.machines, one.discount))
    return found


def _beside(month: Usage, beside: Beside) -> list[BillLine]:
    lines = []
    if beside.call_price and month.model_calls:
        lines.append(
            _aside("model calls", month.model_calls, "calls", beside.call_price, "as many as were sent")
        )
    if beside.token_price and month.tokens:
        tokens = "tokens of the responses, as the run counted them"
        lines.append(_aside("model tokens", month.tokens / 1e6, "million tokens", beside.token_price, tokens))
    names = {1: ("staff",), 3: ("staff, low", "staff, mid", "staff, high")}
    for name, hours in zip(names.get(len(beside.staff_hours), ()), beside.staff_hours, strict=False):
        lines.append(_aside(name, hours, "hours", beside.staff_rate, "as given"))
    return lines


def _aside(name: str, quantity: float, unit: str, price: float, inputs: str) -> BillLine:
    return BillLine(
        name=name, quantity=quantity, unit=unit, unit_price=price, amount=quantity * price, inputs=inputs
    )


def _notes(run: Evidence, month: Usage) -> list[str]:
    summary = run.summary
    notes = []
    removed_s = sum(summary.removed_s.values())
    if removed_s > 0:
        notes.append(
            f"the run left out {removed_s:,.0f} s of the recording's time, so it is busier than that was"
        )
    if summary.plane is None and month.basis != "missing":
        notes.append(
            "of boots, only what requests waited for them is in a bill: the run does not know how long they took"
        )
    if summary.generator.verdict != "ok":
        notes.append(f"the load generator was {summary.generator.verdict}, so times may be too long")
    if month.basis == "estimated":
        notes.append("the load is scaled: an instance serves as many requests at once as it did in the run")
    return notes


def _cross(
    run: Evidence,
    serverless: OnServerless,
    machines: OnMachines,
    found: RunCost,
    requests_a_day: float | None,
    instances: Sequence[InstanceRecord],
) -> None:
    """Where the first of each cost the same."""
    load = _load(run, serverless.table, requests_a_day, instances)
    if serverless.size.billing == "instance" and load.month.live_s is None:
        found.notes.append("no break-even: how long instances lived was neither measured nor simulated")
        return
    if serverless.table.currency != machines.table.currency:
        found.notes.append("no break-even: the two price tables are in different currencies")
        return
    offer = Offer(
        load.month,
        serverless.table,
        serverless.size,
        machines.table,
        Fleet(machines.kind, 1, machines.discount),
        machines.rps,
        found.peak_rps,
        machines.headroom,
        (serverless.name, machines.name),
    )
    # Lives cannot be resampled: an instance's life is longer than a block.
    drawn = load.drawn if serverless.size.billing == "request" else []
    found.break_even = break_evens(offer, drawn)
    found.sensitivity = sensitivity(offer)
