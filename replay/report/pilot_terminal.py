"""A pilot in the terminal: its progress, line by line, and its answer."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from replay.judge.pilot import BreakEvenFound, PilotPlane, PilotVerdict
from replay.report.words import clean, clock, milliseconds

_COLOURS = {"serverless": "green", "vm": "green", "hybrid": "green", "inconclusive": "yellow"}
_PHASES = {
    "representative": "representative traffic",
    "bursts": "bursts",
    "idle-wake": "idle and wake",
    "long-chains": "long chains",
    "failure": "an instance goes away",
    "ceiling": "the throughput ceiling",
}
_WIDTH = 78
_MOST_DOUBTS = 4


def stage_line(phase: str, target: str, number: int, of: int, left_s: float) -> str:
    """What the pilot now begins, and how long the rest is likely to take."""
    left = f", about {clock(left_s)} left" if left_s else ""
    return f"[{number}/{of}] {_PHASES.get(phase, phase)}: {clean(target)}{left}"


def print_pilot(verdict: PilotVerdict, directory: Path | None, console: Console | None = None) -> None:
    """The answer first, then what it rests on."""
    console = console or Console(highlight=False)
    console.print()
    console.print(Text(_wrapped(clean(verdict.answer, 400)), style=f"bold {_COLOURS[verdict.verdict]}"))
    load = verdict.workload
    console.print(
        Text(
            _wrapped(
                f"{clean(load.trace)}: {load.sessions:,} sessions, {load.steps:,} requests, {load.pattern}; "
                f"{verdict.how}"
            ),
            style="dim",
        )
    )
    console.print()
    console.print(_planes(verdict.planes))
    console.print()
    console.print(_rules(verdict))
    for even in verdict.break_even[:2]:
        console.print(Text(_wrapped(_crossing(even))))
    if verdict.routes:
        console.print(Text("where steps go", style="bold"))
        for route in verdict.routes:
            console.print(
                f"  {clean(route.kind)}:{clean(route.name)} → {route.to}  [dim]{clean(route.why)}[/dim]"
            )
    _list(console, "how much trouble it was", verdict.effort)
    _list(console, "what remains in doubt", verdict.doubts[:_MOST_DOUBTS])
    console.print()
    console.print(Text(_wrapped(verdict.check_again), style="dim"))
    for note in verdict.notes:
        console.print(Text(_wrapped(clean(note, 300)), style="dim"))
    if directory is not None:
        console.print(f"recorded in {directory}", style="dim", soft_wrap=True)


def _planes(planes: Sequence[PilotPlane]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for plane in planes:
        table.add_column(clean(plane.target, 20), justify="right")
    rows = [
        ("p50, response", [milliseconds(plane.p50_ms) for plane in planes]),
        ("p99, response", [milliseconds(plane.p99_ms) for plane in planes]),
        ("cold requests", [_percent(plane.cold_share) for plane in planes]),
        ("ceiling, requests/s", [_ceiling(plane) for plane in planes]),
        ("machines for the peak", ["–" if plane.machines is None else str(plane.machines) for plane in planes]),
        ("a month", [_money(plane.cost_month, plane) for plane in planes]),
        ("failed requests", [f"{plane.errors:,}" for plane in planes]),
    ]
    for name, cells in rows:
        table.add_row(Text(name, style="dim"), *cells)
    return table


def _rules(verdict: PilotVerdict) -> Table:
    """Those that favour somebody; what decided is marked."""
    table = Table(box=None, padding=(0, 1), header_style="dim", width=_WIDTH)
    table.add_column("")
    table.add_column("rule", no_wrap=True)
    table.add_column("favours", no_wrap=True)
    table.add_column("because")
    for rule in verdict.rules:
        if rule.favours == "neither":
            continue
        mark = Text("●", style="bold") if rule.decides else Text("·", style="dim")
        table.add_row(mark, clean(rule.name), rule.favours, Text(clean(rule.text, 200)))
    silent = [rule.name for rule in verdict.rules if rule.favours == "neither"]
    if silent:
        table.add_row("", Text("the rest", style="dim"), "", Text(f"neither: {', '.join(silent)}", style="dim"))
    return table


def _crossing(even: BreakEvenFound) -> str:
    said = f"break-even by {even.by}: {even.text}"
    return said if even.ci is None else f"{said}, 95% between {even.ci[0]:,.3g} and {even.ci[1]:,.3g}"


def _list(console: Console, title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console.print()
    console.print(Text(title, style="bold"))
    for line in lines:
        console.print(Text(_wrapped(clean(line, 400), "  ")))


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _ceiling(plane: PilotPlane) -> str:
    if plane.ceiling_rps is None:
        return "not found"
    return ("≥ " if plane.ceiling_verdict == "at_least" else "") + f"{plane.ceiling_rps:,.3g}"


def _money(value: float | None, plane: PilotPlane) -> str:
    return "no price" if value is None else f"{value:,.2f} {plane.currency or ''}".strip()
