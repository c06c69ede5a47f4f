"""Bills on the terminal: each plane's lines, what they are made of, and where two planes cost the same."""

from collections.abc import Iterator

from rich.console import Console

from replay.money.cost import BillLine
from replay.money.month import LaterMonth, PlaneCost, RunCost
from replay.money.types import Sensitive
from replay.report.plain import Table, Text, fitted, plain_console
from replay.words.names import clean
from replay.words.numbers import exact, money, number, seconds, signed
from replay.words.phrases import counted

_SENSITIVE_SHOWN = 5


def print_cost(cost: RunCost, console: Console | None = None, *, explain: bool = False) -> None:
    """Print the month on each plane. explain: with what each line was made of, and where prices are from."""
    console = console or plain_console()
    console.print()
    console.print(
        Text.assemble((clean(cost.run), "bold"), f"  a month of 730 hours, {clean(cost.calendar, 60)}"),
    )
    console.print(Text(_load(cost)))
    for plane in cost.planes:
        _print_plane(plane, console, explain=explain)
    currency = next((plane.bill.currency for plane in cost.planes if plane.bill is not None), "")
    if cost.beside:
        console.print()
        console.print(Text("on top of every bill, and included in none", style="bold"))
        _print_lines(cost.beside, currency, console, explain=explain)
    if cost.later is not None and cost.later.totals:
        console.print()
        console.print(Text(_later(cost.later)))
    if cost.staff is not None:
        console.print(Text(cost.staff.text))
    for line in _break_even_lines(cost):
        console.print(line)
    if cost.sensitivity:
        console.print()
        console.print(Text("what would make the other plane the cheaper one, nearest first"))
        console.print(fitted(_sensitive(cost.sensitivity[:_SENSITIVE_SHOWN]), console))
    for note in cost.notes:
        console.print(Text(f"note: {note}", style="dim"))


def _load(cost: RunCost) -> str:
    seen = f"{counted(cost.requests_a_day, 'request')} a day, {number(cost.peak_rps)}/s at the peak"
    times = "" if cost.factor == 1.0 else f", {number(cost.factor)} times the run's"
    if cost.active_instances is None:
        return f"{seen}{times}; observed for {seconds(cost.observed_s)}"
    shared = "" if cost.concurrency is None else f", {counted(cost.concurrency, 'request')} in each"
    return (
        f"{seen}{times}; {counted(cost.active_instances, 'instance')} active on average{shared} ({cost.basis}); "
        f"observed for {seconds(cost.observed_s)}"
    )


def _later(later: LaterMonth) -> str:
    """The month that this one grows to, in a line."""
    totals = ", ".join(f"{clean(name)} {money(total, later.currency)}" for name, total in later.totals.items())
    return f"{clean(later.calendar, 80)}, at {number(later.requests)} requests a month: {totals}"


def _print_plane(plane: PlaneCost, console: Console, *, explain: bool) -> None:
    console.print()
    line = Text.assemble((clean(plane.name), "bold"), "  ")
    if plane.bill is None:
        line.append(f"no price: {plane.reason}", style="yellow")
    else:
        line.append(money(plane.bill.total, plane.bill.currency), style="bold")
        line.append(" a month")
        if plane.bill.total_with_staff is not None:
            line.append(f", {money(plane.bill.total_with_staff)} with staff")
        if plane.ci is not None:
            low, high = (money(end) for end in plane.ci)
            line.append(f" ({low} to {high} at 95%, over blocks of the run)", style="dim")
    console.print(line)
    if plane.bill is not None:
        _print_lines(plane.bill.lines, plane.bill.currency, console, explain=explain)
    if plane.is_stale:
        console.print(
            Text(f"these prices are of {plane.priced_on}, more than half a year old", style="yellow"),
        )
    if explain and plane.sizing is not None:
        console.print(Text(plane.sizing, style="dim"))
    if explain:
        source = f"{plane.provider}, {plane.region}, prices of {plane.priced_on}: {plane.source}"
        console.print(Text(clean(source, 300), style="dim"))


def _print_lines(lines: list[BillLine], currency: str, console: Console, *, explain: bool) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("line")
    table.add_column("quantity", justify="right")
    table.add_column("free", justify="right")
    table.add_column("unit price", justify="right")
    table.add_column(currency, justify="right")
    for line in lines:
        table.add_row(
            Text(line.name),
            _quantity(line),
            number(line.free) if line.free else "",
            exact(line.unit_price),
            money(line.amount),
        )
    console.print(fitted(table, console))
    if explain:
        for line in lines:
            console.print(Text(f"{line.name}: {line.inputs}", style="dim"))


def _quantity(line: BillLine) -> str:
    """Units are written as of several: months, machine-months, GiB."""
    shown = number(line.quantity)
    return f"{shown} {line.unit.removesuffix('s') if shown == '1' else line.unit}"


def _break_even_lines(cost: RunCost) -> Iterator[Text]:
    """Where two planes cost the same, by each quantity; those that have one and the same to say, together."""
    priced = {plane.name for plane in cost.planes}
    by: dict[str, list[str]] = {}
    for even in cost.break_even:
        said = even.text
        if even.ci is not None:
            low, high = even.ci
            said += f"; 95%: {number(low)} to {number(high)}"
        # Another plane than those that have bills above, as the same machines in a group, is named.
        other = "" if even.between[1] in priced else f" ({clean(even.between[1])})"
        by.setdefault(said, []).append(f"{even.by}{other}")
    for said, quantities in by.items():
        yield Text(f"break-even by {', '.join(quantities)}: ", style="bold").append(said, style="not bold")


def _sensitive(found: list[Sensitive]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("input")
    table.add_column("now", justify="right")
    table.add_column("flips at", justify="right")
    table.add_column("elasticity", justify="right")
    for one in found:
        now = "" if one.value is None else f"{number(one.value)} {one.unit}".rstrip()
        flips = "never" if one.flips_at_factor is None else f"{number(one.flips_at_factor)}x"
        elasticity = "" if one.elasticity is None else signed(one.elasticity)
        table.add_row(one.input, now, flips, elasticity)
    return table
