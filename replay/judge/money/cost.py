"""What a month costs on a plane: lines of a bill, each with its quantity, its price, and where both are from. Pure.

Serverless, request-based: active instance seconds, rounded up as published, and boots, times vCPU and GiB prices; idle
seconds of instances that are kept; requests; less the free tier, once a month. Instance-based: instances' whole lives.
Machines: as many as carry the peak with headroom, by the hour, with their disks and addresses. Egress with either.
Sources of the rules: the providers' pricing pages, named in each price table.
"""

from math import ceil, inf
from typing import NamedTuple

import msgspec

from replay.judge.money.price_table import InstanceBilling, PriceTable, PriceTableError, RequestBilling
from replay.judge.money.usage import MONTH_S, Usage

_GIB = 1 << 30
_HOURS = 730.0


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


class BillLine(msgspec.Struct, omit_defaults=True, kw_only=True):
    """quantity of unit at unit_price, less what is free: amount. inputs: the figures that it was made of."""

    name: str
    quantity: float
    unit: str
    unit_price: float
    amount: float
    free: float = 0.0
    inputs: str = ""


class Bill(msgspec.Struct, kw_only=True):
    """A month. total: of all lines."""

    currency: str
    lines: list[BillLine]
    total: float


class CostError(ValueError):
    """A bill cannot be made; str() says what is missing."""


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
    free, of = prices.free, f"{billed_s:,.0f} s active and {boots_s:,.0f} s booting, {month.basis}"
    lines = [
        _line(
            "vCPU time", seconds * size.vcpu, "vCPU-s", prices.vcpu_s, free.vcpu_s, f"{size.vcpu:g} vCPU x {of}"
        ),
        *_memory(seconds * size.memory_gib, prices, f"{size.memory_gib:g} GiB x {of}"),
        _line("requests", month.requests, "requests", prices.request, free.requests, "as many as were sent"),
    ]
    if idle_s:
        kept = f"{size.min_instances} kept all month, less {kept_s:,.0f} s active"
        lines += [
            _line("idle vCPU time", idle_s * size.vcpu, "vCPU-s", prices.idle_vcpu_s, 0.0, kept),
            _line("idle memory time", idle_s * size.memory_gib, "GiB-s", prices.idle_gib_s, 0.0, kept),
        ]
    return lines


def _memory(gib_s: float, prices: RequestBilling, inputs: str) -> list[BillLine]:
    """Memory time, a line for each tier of it that is reached. The free tier comes off the first."""
    ends = [*(tier.above_gib_s for tier in prices.tiers), inf]
    lines = [_line("memory time", min(gib_s, ends[0]), "GiB-s", prices.gib_s, prices.free.gib_s, inputs)]
    for tier, end in zip(prices.tiers, ends[1:], strict=True):
        if gib_s > tier.above_gib_s:
            name = f"memory time above {tier.above_gib_s:,.0f}"
            lines.append(_line(name, min(gib_s, end) - tier.above_gib_s, "GiB-s", tier.gib_s, 0.0, inputs))
    return lines


def _by_instance(month: Usage, table: PriceTable, size: Size) -> list[BillLine]:
    prices = table.instance
    if prices is None:
        raise CostError(f"the price table of {table.provider} has no prices by instance")
    if month.live_s is None:
        raise CostError("how long instances lived was neither measured nor simulated")
    seconds = max(month.live_s, size.min_instances * MONTH_S)
    return _lives(seconds, prices, size, f"{seconds:,.0f} s of instances' lives, {month.basis}")


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
            "vCPU time", seconds * size.vcpu, "vCPU-s", prices.vcpu_s, free.vcpu_s, f"{size.vcpu:g} vCPU x {of}"
        ),
        _line(
            "memory time",
            seconds * size.memory_gib,
            "GiB-s",
            prices.gib_s,
            free.gib_s,
            f"{size.memory_gib:g} GiB x {of}",
        ),
    ]
    if prices.gpu_s:
        lines.append(_line("GPU time", seconds, "GPU-s", prices.gpu_s, 0.0, f"one {prices.gpu} x {of}"))
    return lines


_BILLINGS = {"request": _by_request, "instance": _by_instance, "worker-pool": _by_pool}


def machines_for(peak_rps: float, rps_per_machine: float, headroom: float) -> int:
    """Machines that carry the peak with headroom (0.3: thirty percent more than it); one at least.

    Raises CostError if a machine carries nothing.
    """
    if not rps_per_machine > 0:
        raise CostError("what a machine carries was not measured")
    return max(1, ceil(round(peak_rps * (1 + headroom) / rps_per_machine, 9)))


def machine_bill(month: Usage, table: PriceTable, fleet: Fleet) -> Bill:
    """The bill for machines that are on all month. Raises CostError if the table has no such machine."""
    try:
        machine = table.machine(fleet.kind)
    except PriceTableError as cause:
        raise CostError(str(cause)) from cause
    off = max(fleet.discount, machine.sustained)
    hour = machine.hour * (1 - off)
    less = f", {off:.0%} off for {'a commitment' if fleet.discount == off else 'sustained use'}" if off else ""
    name = f"machines, {fleet.kind}"
    if machine.is_reclaimable:
        name += ", may be reclaimed"
        less += f", {machine.note}"
    lines = [
        _line(
            name,
            fleet.machines * _HOURS,
            "machine-h",
            hour,
            0.0,
            f"{fleet.machines} x {_HOURS:g} h{less}",
        )
    ]
    lines += [
        _line(
            extra.name, fleet.machines, "machine-months", extra.month, 0.0, f"one for each of {fleet.machines}"
        )
        for extra in table.extras
    ]
    if table.cluster_hour:
        fee = "one, however many machines it has"
        lines.append(_line("cluster", _HOURS, "cluster-h", table.cluster_hour, 0.0, fee))
    if table.machine_request:
        sent = "as many as were sent"
        lines.append(_line("requests", month.requests, "requests", table.machine_request, 0.0, sent))
    return _bill(table, [*lines, *_egress(month, table)])


def hybrid_bill(serverless: Bill, machines: Bill) -> Bill:
    """Both together. Raises CostError if they are in different currencies."""
    if serverless.currency != machines.currency:
        raise CostError(f"one part is priced in {serverless.currency}, the other in {machines.currency}")
    lines = [*serverless.lines, *machines.lines]
    return Bill(currency=serverless.currency, lines=lines, total=sum(line.amount for line in lines))


def _egress(month: Usage, table: PriceTable) -> list[BillLine]:
    gib = month.egress_bytes / _GIB
    if not table.egress_gib or not gib:
        return []
    return [_line("egress", gib, "GiB", table.egress_gib, table.egress_free_gib, "bytes of the responses")]


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
    return Bill(currency=table.currency, lines=lines, total=sum(line.amount for line in lines))
