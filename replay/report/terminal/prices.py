"""Price tables on the terminal: which there are, and what one of them holds, has no price for, and is taken from."""

import datetime
from collections.abc import Mapping

from rich.console import Console

from replay.money.price_table import InstanceBilling, PriceTable, PriceTableError
from replay.report.plain import Table, Text, plain_console
from replay.words.names import clean
from replay.words.numbers import exact, number, percent
from replay.words.phrases import counted

_LONGEST = 600


def print_tables(
    tables: Mapping[str, PriceTable], today: datetime.date, console: Console | None = None
) -> None:
    """Print each table's name, region, day, currency, what it prices and its source."""
    console = console or plain_console()
    for name, table in tables.items():
        line = Text.assemble(
            (name, "bold"), f"  {clean(table.provider)}, {clean(table.region)}: {_holds(table)}"
        )
        console.print(line, soft_wrap=True)
        _print_source(table, today, console)


def print_table(name: str, table: PriceTable, today: datetime.date, console: Console | None = None) -> None:
    """Print one table: its machines, its other prices, and what has none, with the reason."""
    console = console or plain_console()
    title = Text.assemble((clean(name), "bold"), f"  {clean(table.provider)}, {clean(table.region)}")
    console.print(title, soft_wrap=True)
    _print_source(table, today, console)
    if table.machines:
        console.print(_machines(table))
    for line in _others(table):
        console.print(Text(line), soft_wrap=True)
    if table.spot is not None:
        spot = f"spot prices of {table.spot.date}, which change often; {table.spot.notice}. {table.spot.source}"
        console.print(Text(clean(spot, _LONGEST), style="dim"), soft_wrap=True)
    if table.commitments is not None:
        source = f"commitments of {table.commitments.date}: {table.commitments.source}"
        console.print(Text(clean(source, _LONGEST), style="dim"), soft_wrap=True)
    for what, why in table.unpriced.items():
        console.print(
            Text(f"not priced: {clean(what)}: {clean(why, _LONGEST)}", style="yellow"), soft_wrap=True
        )


def _print_source(table: PriceTable, today: datetime.date, console: Console) -> None:
    source = Text(f"  prices of {table.date}", style="yellow" if table.is_stale(today) else "dim")
    if table.is_stale(today):
        source.append(", more than half a year old")
    source.append(clean(f", in {table.currency}: {table.source}", _LONGEST), style="dim")
    console.print(source, soft_wrap=True)
    if table.checked:
        console.print(Text(clean(f"  checked: {table.checked}", _LONGEST), style="dim"), soft_wrap=True)


def _holds(table: PriceTable) -> str:
    """What a table has prices for, in a line."""
    parts = [
        text
        for text, billing in (
            ("by request", table.request),
            ("by instance", table.instance),
            ("worker pool", table.worker_pool),
        )
        if billing is not None
    ]
    if table.instance is not None and table.instance.gpu:
        parts.append(f"a GPU ({table.instance.gpu})")
    if table.machines:
        gpus = sorted({machine.gpu for machine in table.machines.values() if machine.gpu})
        arm = ["arm"] if any(machine.arch == "arm" for machine in table.machines.values()) else []
        spot = ["spot"] if any(machine.spot_hour is not None for machine in table.machines.values()) else []
        among = [*arm, *gpus, *spot]
        parts.append(counted(len(table.machines), "machine") + (f" ({', '.join(among)})" if among else ""))
    return ", ".join(parts)


def _machines(table: PriceTable) -> Table:
    shown = Table(box=None, pad_edge=False)
    shown.add_column("machine")
    for heading in ("an hour", "spot", "vCPU", "GiB", "all month", "1 year", "3 years"):
        shown.add_column(heading, justify="right")
    shown.add_column("")
    for kind, machine in table.machines.items():
        hardware = [part for part in (machine.gpu, machine.arch if machine.arch != "x86" else "") if part]
        shown.add_row(
            Text(clean(kind)),
            exact(machine.hour),
            "" if machine.spot_hour is None else exact(machine.spot_hour),
            exact(machine.vcpu),
            exact(machine.memory_gib),
            f"-{percent(machine.sustained)}" if machine.sustained else "",
            _committed(table, kind, 1),
            _committed(table, kind, 3),
            Text(clean(", ".join([*hardware, machine.note] if machine.note else hardware))),
        )
    return shown


def _committed(table: PriceTable, covered: str, years: int) -> str:
    try:
        return f"-{percent(table.commitment(covered, years).discount)}"
    except PriceTableError:
        return ""


def _others(table: PriceTable) -> list[str]:
    """Prices that are not of a machine, a line each."""
    lines = []
    if table.request is not None:
        of = table.request
        lines.append(
            f"by request: {exact(of.vcpu_s)} a vCPU-s, {exact(of.gib_s)} a GiB-s, {exact(of.request)} a request"
            f"{_off(table, 'request')}"
        )
        lines += [
            f"  beyond {number(tier.above_gib_s)} GiB-s: {exact(tier.gib_s)} a GiB-s" for tier in of.tiers
        ]
    if table.instance is not None:
        lines.append(f"by instance: {_life(table.instance)}{_off(table, 'instance')}")
    if table.worker_pool is not None:
        lines.append(f"worker pool: {_life(table.worker_pool)}{_off(table, 'worker-pool')}")
    for text, price in (
        ("cluster, an hour", table.cluster_hour),
        ("request to a machine", table.machine_request),
        ("load balancer, a month", table.balancer_month),
        ("load balancer, a GiB", table.balancer_gib),
        ("egress, a GiB", table.egress_gib),
    ):
        if price:
            lines.append(f"{text}: {exact(price)}")
    return [
        *lines,
        *(f"{clean(extra.name)}, a month for each machine: {exact(extra.month)}" for extra in table.extras),
    ]


def _life(of: InstanceBilling) -> str:
    gpu = f", {exact(of.gpu_s)} a second of {of.gpu}" if of.gpu_s else ""
    return f"{exact(of.vcpu_s)} a vCPU-s, {exact(of.gib_s)} a GiB-s{gpu}"


def _off(table: PriceTable, covered: str) -> str:
    found = [(years, _committed(table, covered, years)) for years in (1, 3)]
    told = [f"{off} for {years} year{'s' if years > 1 else ''}" for years, off in found if off]
    return f"; {', '.join(told)}" if told else ""
