"""What the load of a run costs if it goes on for a month, on planes that have a price; where the bills cross. Pure."""

import datetime
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from replay.money.breakeven import Offer, break_evens, sensitivity
from replay.money.calendar import Calendar, flat
from replay.money.cost import (
    Bill,
    BillLine,
    Fleet,
    Group,
    Size,
    check_size,
    free_tier_words,
    group_bill,
    is_of_lives,
    machine_bill,
    serverless_bill,
)
from replay.money.currency import common_currency
from replay.money.following import Follows, as_group, kept, scaled
from replay.money.month_load import (
    MonthLoad,
    Seen,
    followed,
    month_load,
    peak_in_flight,
    peak_rps,
    tries_note,
)
from replay.money.price_table import PriceTable
from replay.money.sizing import Capacity, Held, Load, Stated, capacity_of, following_words, sized
from replay.money.staff import StaffFlip, staff_flip, with_staff
from replay.money.types import BreakEvenFound, Sensitive
from replay.money.usage import MONTH_S, Basis, Usage
from replay.results.columns import ABSENT_NS
from replay.results.evidence import Evidence
from replay.results.fidelity import LEAST_FIDELITY, shortfalls
from replay.results.summary_types import Summary
from replay.results.types import InstanceRecord
from replay.words.endings import ending
from replay.words.numbers import number, seconds
from replay.words.phrases import counted

_NS = 1_000_000_000
_DAY_S = 86_400.0
_DAYS = MONTH_S / _DAY_S
# A run that takes so much less time than its recording is as busy as that.
_LIKE_RECORDED = 1.05
# Fewer failures change no bill by more than it is known.
_FEW_FAILED = 0.01
_LONG_TAIL = 0.5


class OnServerless(NamedTuple):
    """A serverless plane to be priced. name: as it is called in the bill."""

    name: str
    table: PriceTable
    size: Size


class OnMachines(NamedTuple):
    """Machines of one kind to be priced. rps: what one carries, or slots: the requests that it has at once; with
    neither, as the run's own machines. headroom: 0.3 is thirty percent more than the peak. discount: 0..1. scales:
    they come and go with the load, where others are on all month.
    """

    name: str
    table: PriceTable
    kind: str
    rps: float | None = None
    headroom: float = 0.3
    discount: float = 0.0
    slots: float | None = None
    scales: bool = False


class Beside(NamedTuple):
    """What is paid to others than the plane. staff_hours a month: one figure, or low, mid and high. token_price: of a
    million tokens that models wrote.
    """

    staff_hours: tuple[float, ...] = ()
    staff_rate: float = 0.0
    call_price: float = 0.0
    token_price: float = 0.0


class PlaneCost(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One plane's month."""

    name: Annotated[str, Meta(description="What it is called in the bill.")]
    provider: Annotated[str, Meta(description="The provider, by its price table.")]
    region: Annotated[str, Meta(description="The region, by its price table.")]
    priced_on: Annotated[datetime.date, Meta(description="The day that the prices are of.")]
    source: Annotated[str, Meta(description="Where the prices are from.")]
    is_stale: Annotated[bool, Meta(description="Whether they are older than half a year.")] = False
    machines: Annotated[int | None, Meta(description="How many machines are priced.")] = None
    sizing: Annotated[str | None, Meta(description="Why so many.")] = None
    bill: Annotated[Bill | None, Meta(description="The bill; absent: it has no price.")] = None
    ci: Annotated[
        tuple[float, float] | None,
        Meta(description="The interval of the total at 95 %, over blocks of the run."),
    ] = None
    reason: Annotated[str | None, Meta(description="Why it has no price.")] = None


class LaterMonth(msgspec.Struct, kw_only=True):
    """The same load when it has grown, by the calendar's own [growth]."""

    calendar: Annotated[str, Meta(description="What that month is called.")]
    factor: Annotated[float, Meta(description="Its load over the run's.")]
    requests: Annotated[float, Meta(description="Requests in it.")]
    currency: Annotated[str, Meta(description="The currency of the totals.")]
    totals: Annotated[dict[str, float], Meta(description="The bill, by plane.")]


class RunCost(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What `replay cost --json` prints. Requests, seconds and tokens are of a month of 730 hours."""

    schema: Annotated[str, Meta(description="replay.cost/1.")]
    run: Annotated[str, Meta(description="The name of the run directory.")]
    calendar: Annotated[str, Meta(description="How the month looks.")]
    observed_s: Annotated[float, Meta(description="How long the run took, in s.")]
    factor: Annotated[float, Meta(description="The month's load over the run's.")]
    basis: Annotated[Basis, Meta(description="How the active seconds are known.")]
    requests: Annotated[float, Meta(description="Requests in the month.")]
    requests_a_day: Annotated[float, Meta(description="Requests a day.")]
    active_s: Annotated[float, Meta(description="Instance time with a request in the month, in s.")]
    boot_s: Annotated[float, Meta(description="Instance time spent on boots in the month, in s.")]
    active_instances: Annotated[float | None, Meta(description="Instances with a request, on average.")]
    concurrency: Annotated[float | None, Meta(description="Requests in such an instance at once, on average.")]
    peak_rps: Annotated[float, Meta(description="Requests a second in the fullest window.")]
    planes: Annotated[list[PlaneCost], Meta(description="The planes, one by one.")]
    beside: Annotated[
        list[BillLine],
        Meta(description="What is added to every bill from elsewhere, and is included in none of them."),
    ] = []
    break_even: Annotated[list[BreakEvenFound], Meta(description="Where two planes cost the same.")] = []
    sensitivity: Annotated[list[Sensitive], Meta(description="How inputs move that.")] = []
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []
    staff: Annotated[
        StaffFlip | None,
        Meta(
            description=("The two cheapest planes, and how much time of staff makes the other one the cheaper.")
        ),
    ] = None
    later: Annotated[LaterMonth | None, Meta(description="The month that this one grows to.")] = None


def cost_of_run(
    run: Evidence,
    serverless: Sequence[OnServerless],
    machines: Sequence[OnMachines],
    today: datetime.date,
    *,
    beside: Beside = Beside(),  # noqa: B008 - a NamedTuple
    requests_a_day: float | None = None,
    instances: Sequence[InstanceRecord] = (),
    calendar: Calendar | None = None,
) -> RunCost:
    """Price the run's load. calendar None: a flat one, for which a run of less than a day gets a note.

    Raises CostError where a table lacks what is asked of it, the tables are in several currencies, the run sent
    nothing, or it is not known what a machine carries.
    """
    offered = [(one.name, one.table.currency) for one in serverless]
    offered += [(one.name, one.table.currency) for one in machines]
    if offered:
        common_currency(offered, {})
    seen = Seen(run, requests_a_day, tuple(instances), calendar or flat())
    of_month, load, capacities, planes = _priced(seen, serverless, machines, today)
    month, factor = of_month.month, of_month.factor
    is_known = month.basis != "missing"
    for plane in planes:
        if plane.bill is not None and beside.staff_hours:
            middle = beside.staff_hours[len(beside.staff_hours) // 2]
            plane.bill = with_staff(plane.bill, middle, beside.staff_rate)
    found = RunCost(
        schema="replay.cost/1",
        run=run.name,
        calendar=seen.calendar.name,
        observed_s=run.summary.elapsed_s,
        factor=factor,
        basis=month.basis,
        requests=month.requests,
        requests_a_day=month.requests / _DAYS,
        active_s=month.active_s,
        boot_s=month.boot_s,
        active_instances=month.active_instances if is_known else None,
        concurrency=month.concurrency if is_known else None,
        peak_rps=load.peak_rps,
        planes=planes,
        beside=_beside(month, beside),
        notes=[
            *_calendar_notes(run, calendar, of_month),
            *_seen_notes(run, beside),
            *_notes(run, month),
        ],
    )
    bills = sorted(
        ((plane.name, plane.bill) for plane in planes if plane.bill is not None), key=lambda one: one[1].total
    )
    if len(bills) > 1 and beside.staff_rate:
        found.staff = staff_flip(bills[0], bills[1], beside.staff_rate)
    found.notes += [
        f"{name} costs {words}" for name, bill in bills if (words := free_tier_words(bill)) is not None
    ]
    if serverless and machines:
        _cross(seen, serverless[0], machines[0], capacities[0], found)
    if seen.calendar.later is not None:
        later = seen._replace(calendar=seen.calendar.later)
        found.later = _later(later.calendar, _priced(later, serverless, machines, today))
    return found


class _Priced(NamedTuple):
    """What a load costs on each plane. capacities: of one machine of each kind."""

    of_month: MonthLoad
    load: Load
    capacities: list[Capacity]
    planes: list[PlaneCost]


def _priced(
    seen: Seen, serverless: Sequence[OnServerless], machines: Sequence[OnMachines], today: datetime.date
) -> _Priced:
    run = seen.run
    alone = [one.table for one in serverless if one.table.request is not None and one.table.request.is_unshared]
    # Where all of them give each request an instance of its own, nothing is shared, whatever the run's plane did.
    of_month = month_load(seen, alone[0] if alone and len(alone) == len(serverless) else None)
    month, factor = of_month.month, of_month.factor
    is_known = month.basis != "missing"
    for one in serverless:
        check_size(one.table, one.size, month.concurrency if is_known else None)
    load = Load(peak_rps(run) * of_month.peak_factor, peak_in_flight(run) * of_month.peak_factor)
    held = _held(run)
    capacities = [capacity_of(load, stated=Stated(one.rps, one.slots), held=held) for one in machines]
    planes = [_on_serverless(seen, one, today) for one in serverless]
    planes += [
        _on_machines(month, one, load, capacity, today, followed(run), factor)
        for one, capacity in zip(machines, capacities, strict=True)
    ]
    return _Priced(of_month, load, capacities, planes)


def _later(calendar: Calendar, grown: _Priced) -> LaterMonth:
    bills = {plane.name: plane.bill for plane in grown.planes if plane.bill is not None}
    return LaterMonth(
        calendar=calendar.name,
        factor=grown.of_month.factor,
        requests=grown.of_month.month.requests,
        currency=next((bill.currency for bill in bills.values()), ""),
        totals={name: bill.total for name, bill in bills.items()},
    )


def _held(run: Evidence) -> Held | None:
    """What the run's own machines held; None where its plane was not made of machines, which are there from beginning
    to end and keep nobody waiting for a boot.
    """
    plane = run.summary.plane
    if plane is None or plane.cold or plane.instances != plane.most_instances:
        return None
    return Held(peak_rps(run), plane.most_instances, run.summary.counts.failed)


def _head(name: str, table: PriceTable, today: datetime.date) -> PlaneCost:
    return PlaneCost(
        name=name,
        provider=table.provider,
        region=table.region,
        priced_on=table.date,
        source=table.source,
        is_stale=table.is_stale(today),
    )


def _on_serverless(seen: Seen, one: OnServerless, today: datetime.date) -> PlaneCost:
    load = month_load(seen, one.table, one.size.min_instances)
    found = _head(one.name, one.table, today)
    found.reason = _unknown(load.month, one.size)
    if found.reason is not None:
        return found
    found.bill = serverless_bill(load.month, one.table, one.size)
    if load.drawn and not is_of_lives(one.table, one.size):
        totals = [serverless_bill(month, one.table, one.size).total for month in load.drawn]
        low, high = (float(end) for end in np.quantile(totals, [0.025, 0.975]))
        # A share of the month that hardly any draw has can put the bill itself outside.
        found.ci = min(low, found.bill.total), max(high, found.bill.total)
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


def _on_machines(
    month: Usage,
    one: OnMachines,
    load: Load,
    capacity: Capacity,
    today: datetime.date,
    by_minute: Follows,
    factor: float,
) -> PlaneCost:
    found = _head(one.name, one.table.of_kind(one.kind), today)
    if one.scales:
        there = kept(by_minute, capacity.rps, capacity.keeps(one.headroom), factor)
        found.machines, found.sizing = there.most, following_words(there, capacity, one.headroom)
        group = Group(one.kind, there.mean * MONTH_S, there.most, one.discount)
        found.bill = group_bill(month, one.table, group)
        return found
    found.machines, found.sizing = sized(load, capacity, one.headroom)
    found.bill = machine_bill(month, one.table, Fleet(one.kind, found.machines, one.discount))
    return found


def _beside(month: Usage, beside: Beside) -> list[BillLine]:
    lines = []
    if beside.call_price and month.model_calls:
        lines.append(
            _aside(
                "model calls",
                month.model_calls,
                "calls",
                beside.call_price,
                "as many as were sent, tries before a step's last one among them",
            )
        )
    if beside.token_price and month.tokens:
        tokens = "tokens of the responses, as they tell them, or by the events that brought them"
        lines.append(_aside("model tokens", month.tokens / 1e6, "million tokens", beside.token_price, tokens))
    names = {1: ("staff",), 3: ("staff, low", "staff, mid", "staff, high")}
    for name, hours in zip(names.get(len(beside.staff_hours), ()), beside.staff_hours, strict=False):
        lines.append(_aside(name, hours, "hours", beside.staff_rate, "as given"))
    return lines


def _aside(name: str, quantity: float, unit: str, price: float, inputs: str) -> BillLine:
    return BillLine(
        name=name, quantity=quantity, unit=unit, unit_price=price, amount=quantity * price, inputs=inputs
    )


def _calendar_notes(run: Evidence, calendar: Calendar | None, load: MonthLoad) -> list[str]:
    """What a month was made of."""
    if calendar is None:
        lasted_s = run.summary.elapsed_s
        if lasted_s >= _DAY_S:
            return []
        return [
            f"the run of {number(lasted_s)} s is repeated all month, nights and weekends too (a flat calendar); "
            f"--month "
            "says how the month really looks"
        ]
    said = (
        f"the month is that of the calendar {calendar.name}: {number(load.factor)} times the run's load on average, "
        f"{number(load.peak_factor)} times in its fullest hours"
    )
    return [said, *calendar.notes]


def _seen_notes(run: Evidence, beside: Beside) -> list[str]:
    """Why a month like this run may not be the month that was meant: what it did not do costs nothing here."""
    summary, columns = run.summary, run.columns
    notes = []
    failed = int(np.count_nonzero(~columns.ok))
    if failed > _FEW_FAILED * columns.n:
        notes.append(
            f"{counted(failed, 'step')} of {columns.n:,} failed, and are priced as what they were: a target that "
            "answers may take longer"
        )
    if summary.status not in ("finished", "running"):
        notes.append(f"{ending(summary.status)}, so the month is one of what was done by then")
    if summary.fidelity is not None:
        notes += [
            f"the replay was unlike the recording, whose load may cost another amount: {why}"
            for why in shortfalls(summary.fidelity, LEAST_FIDELITY)
        ]
    if summary.counts.withheld:
        notes.append(
            f"the run was read-only: {counted(summary.counts.withheld, 'request')} were not sent, and are in no bill"
        )
    last_s = float(columns.sent_ns.max(initial=0)) / _NS
    if summary.elapsed_s - last_s > _LONG_TAIL * summary.elapsed_s:
        notes.append(
            f"nothing was sent in the last {seconds(summary.elapsed_s - last_s)} of the run's "
            f"{seconds(summary.elapsed_s)}; the month has that pause in it as often as the run"
        )
    if beside.token_price:
        is_llm = np.array([kind == "llm" for kind, _ in columns.series_names], np.bool_)
        calls = columns.ok & (is_llm[columns.series] if len(is_llm) else False)
        silent = int(np.count_nonzero(calls & (columns.written_tokens == ABSENT_NS)))
        if silent:
            of = counted(int(np.count_nonzero(calls)), "model call")
            notes.append(f"{silent:,} of {of} told no tokens, and are in the price of tokens with none")
    return notes


def _hurried(summary: Summary) -> str | None:
    """How much faster than recorded a run went through its trace; None where it did not."""
    span_s, took_s = summary.trace.recorded_span_s, summary.elapsed_s
    if span_s is None or summary.status != "finished" or not took_s:
        is_shortened = sum(summary.removed_s.values()) > 0
        return (
            "the run shortened gaps of the recording, so it is busier than that was" if is_shortened else None
        )
    if span_s <= took_s * _LIKE_RECORDED:
        return None
    return (
        f"the run took {number(took_s)} s for {number(span_s)} s of the recording, so its load is "
        f"{number(span_s / took_s)} times the recorded one (copies by --scale not counted)"
    )


def _notes(run: Evidence, month: Usage) -> list[str]:
    summary = run.summary
    notes = []
    hurried = _hurried(summary)
    if hurried is not None:
        notes.append(hurried)
    if summary.plane is None and month.basis != "missing":
        notes.append(
            "of boots, only the time that requests waited for them is billed: the run does not know how long they took"
        )
    tried_again = tries_note(run)
    if tried_again is not None:
        notes.append(tried_again)
    if summary.generator.verdict != "ok":
        notes.append(f"the load generator was {summary.generator.verdict}, so times may be too long")
    if month.has_recorded_bytes and not month.egress_bytes:
        notes.append(
            "no egress is in the bills: nothing was answered, and the trace does not say how large answers were"
        )
    if month.basis == "estimated":
        notes.append("the load is scaled: an instance serves as many requests at once as it did in the run")
    return notes


def _cross(
    seen: Seen, serverless: OnServerless, machines: OnMachines, capacity: Capacity, found: RunCost
) -> None:
    """Where the first of each cost the same."""
    load = month_load(seen, serverless.table, serverless.size.min_instances)
    if serverless.size.billing == "instance" and load.month.live_s is None:
        found.notes.append("no break-even: how long instances lived was neither measured nor simulated")
        return
    fixed = Offer(
        load.month,
        serverless.table,
        serverless.size,
        machines.table,
        Fleet(machines.kind, 1, machines.discount),
        capacity.rps,
        found.peak_rps,
        capacity.keeps(machines.headroom),
        (serverless.name, machines.name),
    )
    # Lives cannot be resampled: an instance's life is longer than a block.
    drawn = [] if is_of_lives(serverless.table, serverless.size) else load.drawn
    group = fixed._replace(follows=scaled(followed(seen.run), found.factor))
    found.break_even = break_evens(group if machines.scales else fixed, drawn)
    found.sensitivity = sensitivity(group if machines.scales else fixed)
    if not machines.scales:
        scaling = group._replace(names=(serverless.name, as_group(machines.name)))
        found.break_even += break_evens(scaling, drawn, ("requests",))
