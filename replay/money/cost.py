"""What a month costs on a plane: lines of a bill, each with its quantity, its price, and where both are from. Pure.

Serverless, request-based: active instance seconds, rounded up as published, and boots, times vCPU and GiB prices; idle
seconds of instances that are kept; requests; less the free tier, once a month. Instance-based: instances' whole lives.
Machines: as many as carry the peak with headroom, by the hour, with their disks and addresses, and a load balancer from
two on; or a group of them that comes and goes, by its machine seconds. Egress with either.
Sources of the rules: the providers' pricing pages, named in each price table.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import inf
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from replay.errors import InputError
from replay.money.price_table import InstanceBilling, PriceTable, PriceTableError, RequestBilling
from replay.money.usage import MONTH_S, Usage
from replay.words.numbers import exact, money, number, percent

_GIB = 1 << 30
_HOURS = 730.0
_LEAST_BALANCED = 2
_EGRESS = "egress"
# A bill that is less than half of what it were without the free tier rests on that; a cent is nothing to speak of.
_MOST_LEFT = 0.5
_LEAST_SAID = 0.01
# For where two bills meet, bills are made by the thousand, of the same few sizes.
_exact = lru_cache(maxsize=64)(exact)


class Size(NamedTuple):
    """One serverless instance, and how many are kept without a request. billing: request, instance or worker-pool."""

    vcpu: float
    memory_gib: float
    min_instances: int = 0
    billing: str = "request"


class Fleet(NamedTuple):
    """Machines of one kind. discount: 0..1, for a commitment."""

    kind: str
    machines: int
    discount: float = 0.0


class Group(NamedTuple):
    """Machines of one kind that come and go. machine_s: of all of them in the month, as they are paid. most: at once.
    discount: 0..1, for a commitment.
    """

    kind: str
    machine_s: float
    most: float
    discount: float = 0.0


class BillLine(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A line of a bill: quantity of unit at unit_price, less what is free, is amount."""

    name: Annotated[str, Meta(description="What is paid for.")]
    quantity: Annotated[float, Meta(description="How much of it.")]
    unit: Annotated[str, Meta(description="The unit of quantity.")]
    unit_price: Annotated[float, Meta(description="The price of one unit.")]
    amount: Annotated[float, Meta(description="What the line comes to.")]
    free: Annotated[float, Meta(description="How much of quantity is free.")] = 0.0
    inputs: Annotated[str, Meta(description="The figures that quantity was made of.")] = ""


class Bill(msgspec.Struct, kw_only=True):
    """The bill of a month."""

    currency: Annotated[str, Meta(description="The currency of all amounts.")]
    lines: Annotated[list[BillLine], Meta(description="Its lines.")]
    total: Annotated[float, Meta(description="The sum of all lines.")]
    without_free: Annotated[
        float | None,
        Meta(
            description=(
                "The same with no free tier, which is a billing account's and so may be used up by something "
                "else."
            )
        ),
    ] = None
    total_with_staff: Annotated[
        float | None, Meta(description="The same with the time of staff, where that was given.")
    ] = None


class CostError(InputError, ValueError):
    """A bill cannot be made; str() says what is missing."""


def check_size(table: PriceTable, size: Size, at_once: float | None = None) -> None:
    """Raises CostError where the platform has no such instance. at_once: requests that share one, if that is known."""
    if table.limits is None:
        return
    by_request = size.billing == "request"
    problem = table.limits.problem(size.vcpu, size.memory_gib, at_once=at_once, by_request=by_request)
    if problem is not None:
        raise CostError(f"{table.provider} {problem}")


def serverless_bill(month: Usage, table: PriceTable, size: Size) -> Bill:
    """The bill for a month's usage. Raises CostError where the table or the usage lacks what it takes."""
    lines = _BILLINGS.get(size.billing, _by_request)(month, table, size)
    return _bill(table, [*lines, *_egress(month, table)])


def _by_request(month: Usage, table: PriceTable, size: Size) -> list[BillLine]:
    prices = table.request
    if prices is None:
        raise CostError(f"the price table of {table.provider} has no prices by request")
    if month.basis == "missing":
        raise CostError("active instance seconds were neither measured nor simulated")
    boots_s = month.boot_s if prices.has_boots else 0.0
    # Requests that shared an instance in the run would not on a plane that gives each its own.
    billed_s = max(month.billed_s, month.request_s) if prices.is_unshared else month.billed_s
    seconds = billed_s + boots_s
    # Instances that are kept cost their idle price while they have no request.
    kept_s = month.active_of_kept_s(size.min_instances)
    idle_s = max(0.0, size.min_instances * MONTH_S - kept_s) if size.min_instances else 0.0
    free, of = prices.free, f"{number(billed_s)} s active and {number(boots_s)} s booting, {month.basis}"
    if prices.is_paid_until_gone:
        if month.waiting_s is None:
            of += "; for how long instances stayed before they went is not known, and not in it"
        else:
            seconds += month.waiting_s
            of = f"{of}, and {number(month.waiting_s)} s until they were taken away"
    lines = [
        _line(
            "vCPU time",
            seconds * size.vcpu,
            "vCPU-s",
            prices.vcpu_s,
            free.vcpu_s,
            f"{_exact(size.vcpu)} vCPU x {of}",
        ),
        *_memory(seconds * size.memory_gib, prices, f"{_exact(size.memory_gib)} GiB x {of}"),
        _requests(month, table, prices),
    ]
    if idle_s:
        kept = f"{size.min_instances} kept all month, less {number(kept_s)} s active"
        lines += [
            _line("idle vCPU time", idle_s * size.vcpu, "vCPU-s", prices.idle_vcpu_s, 0.0, kept),
            _line("idle memory time", idle_s * size.memory_gib, "GiB-s", prices.idle_gib_s, 0.0, kept),
        ]
    return lines


def _requests(month: Usage, table: PriceTable, prices: RequestBilling) -> BillLine:
    """The fee for each request; a WebSocket is what the table says that it is."""
    requests, said = _tries(month)
    if month.on_sockets and prices.socket_is == "one request":
        requests -= month.on_sockets
        said += f"; a WebSocket is one, and {number(month.on_sockets)} messages on open ones are none"
    elif month.on_sockets:
        said += ", each message on a WebSocket among them"
        if "websocket" in table.unpriced:
            said += "; what brings these there has a price that is not in the bill"
    return _line("requests", requests, "requests", prices.request, prices.free.requests, said)


def _tries(month: Usage) -> tuple[float, str]:
    """What a fee per request is for, and that in words: every try that was sent."""
    said = "as many as were sent"
    if month.earlier_tries:
        said += f", {number(month.earlier_tries)} of which had another try after them"
    return month.requests + month.earlier_tries, said


def is_of_lives(table: PriceTable, size: Size) -> bool:
    """Whether instances are paid as long as they live, which is longer than a part of a run that could be resampled."""
    prices = table.request if size.billing == "request" else None
    return prices is None or prices.is_paid_until_gone


def _memory(gib_s: float, prices: RequestBilling, inputs: str) -> list[BillLine]:
    """Memory time, a line for each tier of it that is reached. The free tier comes off the first."""
    ends = [*(tier.above_gib_s for tier in prices.tiers), inf]
    lines = [_line("memory time", min(gib_s, ends[0]), "GiB-s", prices.gib_s, prices.free.gib_s, inputs)]
    for tier, end in zip(prices.tiers, ends[1:], strict=True):
        if gib_s > tier.above_gib_s:
            name = f"memory time above {number(tier.above_gib_s)}"
            lines.append(_line(name, min(gib_s, end) - tier.above_gib_s, "GiB-s", tier.gib_s, 0.0, inputs))
    return lines


def _by_instance(month: Usage, table: PriceTable, size: Size) -> list[BillLine]:
    prices = table.instance
    if prices is None:
        raise CostError(f"the price table of {table.provider} has no prices by instance")
    if month.beyond_kept_s is None:
        raise CostError("how long instances lived was neither measured nor simulated")
    # Of more load than the run's, those that are kept may take no more than a month of it.
    seconds = max(size.min_instances * MONTH_S + month.beyond_kept_s, month.active_s + month.boot_s)
    return _lives(seconds, prices, size, f"{number(seconds)} s of instances' lives, {month.basis}")


def _by_pool(month: Usage, table: PriceTable, size: Size) -> list[BillLine]:
    """A worker pool: no request reaches it and it does not scale by itself, so it is what it was set to, all month."""
    prices = table.worker_pool
    if prices is None:
        why = table.unpriced.get("worker-pool")
        because = f": {why.removesuffix('.')}" if why else ""
        raise CostError(f"the price table of {table.provider} has no prices of a worker pool{because}")
    if not size.min_instances:
        raise CostError(
            "a worker pool does not scale by itself: say how many instances are kept (min_instances)"
        )
    return _lives(size.min_instances * MONTH_S, prices, size, f"{size.min_instances} kept all month")


def _lives(seconds: float, prices: InstanceBilling, size: Size, of: str) -> list[BillLine]:
    free = prices.free
    lines = [
        _line(
            "vCPU time",
            seconds * size.vcpu,
            "vCPU-s",
            prices.vcpu_s,
            free.vcpu_s,
            f"{_exact(size.vcpu)} vCPU x {of}",
        ),
        _line(
            "memory time",
            seconds * size.memory_gib,
            "GiB-s",
            prices.gib_s,
            free.gib_s,
            f"{_exact(size.memory_gib)} GiB x {of}",
        ),
    ]
    if prices.gpu_s:
        lines.append(_line("GPU time", seconds, "GPU-s", prices.gpu_s, 0.0, f"one {prices.gpu} x {of}"))
    return lines


_BILLINGS = {"request": _by_request, "instance": _by_instance, "worker-pool": _by_pool}


def machine_bill(month: Usage, table: PriceTable, fleet: Fleet) -> Bill:
    """The bill for machines that are on all month. Raises CostError if the table has no such machine."""
    of = f"{fleet.machines} x {_exact(_HOURS)} h"
    each = f"one for each of {fleet.machines}"
    lines = _machines(table, fleet.kind, fleet.machines, fleet.discount, of, each)
    return _bill(table, [*lines, *_shared(month, table, fleet.machines), *_egress(month, table)])


def group_bill(month: Usage, table: PriceTable, group: Group) -> Bill:
    """The bill for machines that come and go; their disks and addresses come and go with them. Raises CostError if the
    table has no such machine.
    """
    mean = group.machine_s / MONTH_S
    of = f"{number(mean, 4)} on average, {number(group.most)} at most"
    lines = _machines(table, group.kind, mean, group.discount, of, "with each machine, as long as it is there")
    return _bill(table, [*lines, *_shared(month, table, group.most), *_egress(month, table)])


def _machines(
    table: PriceTable, kind: str, machines: float, discount: float, of: str, each: str
) -> list[BillLine]:
    """So many machines, on average, and what each of them needs beside itself."""
    try:
        machine = table.machine(kind)
    except PriceTableError as cause:
        raise CostError(str(cause)) from cause
    off = max(discount, machine.sustained)
    hour = machine.hour * (1 - off)
    less = f", {percent(off)} off for {'a commitment' if discount == off else 'sustained use'}" if off else ""
    name = f"machines, {kind}"
    if machine.is_reclaimable:
        name += ", may be reclaimed"
        less += f", {machine.note}"
    return [
        _line(name, machines * _HOURS, "machine-h", hour, 0.0, of + less),
        *(_line(extra.name, machines, "machine-months", extra.month, 0.0, each) for extra in table.extras),
    ]


def _shared(month: Usage, table: PriceTable, most: float) -> list[BillLine]:
    """What all machines together need once. most: of them at once."""
    lines = []
    if table.balancer_month and most >= _LEAST_BALANCED:
        lines.append(_line("load balancer", 1, "months", table.balancer_month, 0.0, "from two machines on"))
        gib = month.egress_bytes / _GIB
        if table.balancer_gib and gib:
            lines.append(
                _line("load balancer, bytes", gib, "GiB", table.balancer_gib, 0.0, "bytes of the responses")
            )
    if table.cluster_hour:
        fee = "one, regardless of the number of machines"
        lines.append(_line("cluster", _HOURS, "cluster-h", table.cluster_hour, 0.0, fee))
    if table.machine_request:
        tries, sent = _tries(month)
        lines.append(_line("requests", tries, "requests", table.machine_request, 0.0, sent))
    return lines


def free_tier_words(bill: Bill) -> str | None:
    """Says so where the free tier is most of what a bill would be; None where it is not."""
    without = bill.without_free
    if without is None or without < _LEAST_SAID or bill.total > _MOST_LEFT * without:
        return None
    return (
        f"{money(bill.total)} {bill.currency} by the free tier, which a billing account has once for all its services; "
        f"without it {money(without)} {bill.currency}"
    )


def hybrid_bill(serverless: Bill, machines: Bill, tables: Sequence[PriceTable]) -> Bill:
    """Both together. tables: of both. What egress is free is of a cloud's account: once for both parts, where they pay
    one price for it.

    Raises CostError if they are in different currencies.
    """
    if serverless.currency != machines.currency:
        raise CostError(f"one part is priced in {serverless.currency}, the other in {machines.currency}")
    lines = [*serverless.lines, *machines.lines]
    egress = [line for line in lines if line.name == _EGRESS]
    if len(egress) > 1 and len({line.unit_price for line in egress}) == 1:
        gib = sum(line.quantity for line in egress)
        free_gib = max(table.egress_free_gib for table in tables)
        both = _line(_EGRESS, gib, "GiB", egress[0].unit_price, free_gib, egress[0].inputs)
        lines = [*(line for line in lines if line.name != _EGRESS), both]
    return _summed(serverless.currency, lines)


def _egress(month: Usage, table: PriceTable) -> list[BillLine]:
    gib = month.egress_bytes / _GIB
    if not table.egress_gib or not gib:
        return []
    of = "bytes of the responses" + (", as the trace recorded them" if month.has_recorded_bytes else "")
    return [_line(_EGRESS, gib, "GiB", table.egress_gib, table.egress_free_gib, of)]


def _line(name: str, quantity: float, unit: str, unit_price: float, free: float, inputs: str) -> BillLine:
    used = min(free, quantity)
    return BillLine(
        name=name,
        quantity=quantity,
        unit=unit,
        unit_price=unit_price,
        free=used,
        amount=(quantity - used) * unit_price,
        inputs=inputs,
    )


def _bill(table: PriceTable, lines: list[BillLine]) -> Bill:
    return _summed(table.currency, lines)


def _summed(currency: str, lines: list[BillLine]) -> Bill:
    total = sum(line.amount for line in lines)
    free = sum(line.free * line.unit_price for line in lines)
    return Bill(currency=currency, lines=lines, total=total, without_free=total + free)
