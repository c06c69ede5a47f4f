"""A pilot in the terminal: its progress, line by line, and its answer."""

import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from replay.choice.types import PilotVerdict, Rule
from replay.money.types import BreakEvenFound
from replay.report.plain import Table, Text, fitted, plain_console
from replay.report.words.pilot import (
    assumption_rows,
    boot_rows,
    in_short,
    month_row,
    other_months,
    side_by_side,
    standing_lines,
)
from replay.words.names import clean
from replay.words.numbers import clock, number
from replay.words.phrases import counted

_COLOURS = {"serverless": "green", "vm": "green", "hybrid": "green", "inconclusive": "yellow"}
_PHASES = {
    "representative": "representative traffic",
    "bursts": "bursts",
    "idle-wake": "idle and wake",
    "long-chains": "long chains",
    "failure": "an instance fails",
    "ceiling": "the throughput ceiling",
}
_SHOWN = (
    "p50 response",
    "p99 response",
    "latency budget",
    "stands",
    "cold requests",
    "ceiling, requests/s",
    "machines for the peak",
    "staff, beside the bill",
    "a month with staff",
    "failed requests, all phases",
    "sessions lost",
)
# In the terminal the table of all assumptions is printed on request, and ends with the same.
_ASSUMED = "what it assumes"
_BOOTS_SHOWN = (
    "boots",
    "a boot takes, median",
    "longest boot",
    "steps that waited for one",
    "their wait, median",
)
_WIDTH = 78
_MOST_CHARACTERS = 500
_MOST_DOUBTS = 4


def stage_line(phase: str, target: str, number: int, of: int, left_s: float) -> str:
    """What the pilot now begins, and how long the rest is likely to take."""
    left = f", about {clock(left_s)} left" if left_s else ""
    return f"[{number}/{of}] {_PHASES.get(phase, phase)}: {clean(target)}{left}"


def print_pilot(
    verdict: PilotVerdict,
    directory: Path | None,
    console: Console | None = None,
    *,
    has_assumptions: bool = False,
) -> None:
    """The answer first, then what it rests on. has_assumptions: with all that was assumed."""
    console = console or plain_console()
    wrapped = partial(_wrapped, width=_width(console))
    console.print()
    console.print(Text(wrapped(verdict.answer), style=f"bold {_COLOURS[verdict.verdict]}"))
    load = verdict.workload
    console.print(
        Text(
            wrapped(
                f"{clean(load.trace)}: {counted(load.sessions, 'session')}, {counted(load.steps, 'request')}, "
                f"{load.pattern}; {verdict.how}"
            ),
            style="dim",
        )
    )
    for name, lines in in_short(verdict):
        if name != _ASSUMED:
            _list(console, name, lines)
    console.print()
    console.print(
        fitted(
            _planes(verdict, [row for row in side_by_side(verdict) if row[0] in (*_SHOWN, month_row(verdict))]),
            console,
        )
    )
    if boots := [row for row in boot_rows(verdict) if row[0] in _BOOTS_SHOWN]:
        console.print()
        console.print(fitted(_planes(verdict, boots), console))
    console.print()
    console.print(_rules(verdict, _width(console)))
    _months(console, verdict)
    for line in standing_lines(verdict):
        console.print(Text(wrapped(line)))
    for even in verdict.break_even[:2]:
        console.print(Text(wrapped(_crossing(even))))
    if verdict.routes:
        console.print(Text("where steps go", style="bold"))
        for route in verdict.routes:
            to = f"{clean(route.kind)}:{clean(route.name)} → {route.to}: {clean(route.why, 200)}"
            console.print(Text(wrapped(to, "  ")))
    _list(console, "answers to what no trace can tell", _answered(verdict))
    _list(console, "operational incidents", verdict.effort)
    _list(console, "open doubts", _first(verdict.doubts, _MOST_DOUBTS))
    if has_assumptions and verdict.assumptions:
        console.print()
        console.print(Text("assumptions", style="bold"))
        console.print(_assumptions(verdict))
    console.print()
    for note in verdict.notes:
        console.print(Text(wrapped(note), style="dim"))
    if directory is not None:
        console.print(Text(f"recorded in {directory}", style="dim"), soft_wrap=True)


def _planes(verdict: PilotVerdict, rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for plane in verdict.planes:
        table.add_column(Text(clean(plane.target, 20)), justify="right")
    for name, *cells in rows:
        table.add_row(Text(name, style="dim"), *(Text(cell) for cell in cells))
    return table


def _assumptions(verdict: PilotVerdict) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", width=_WIDTH)
    # Names are what a target file calls them: whole, or they cannot be looked up.
    for head, characters in (("what", 30), ("plane", 10), ("value", 12), ("from", 18)):
        table.add_column(head, overflow="fold", width=characters)
    for row in assumption_rows(verdict):
        table.add_row(*(Text(cell) for cell in row))
    return table


def _rules(verdict: PilotVerdict, width: int) -> Table:
    """Those that favour somebody or decided, which is marked: a rule may decide that nothing can be told."""
    table = Table(box=None, padding=(0, 1), header_style="dim", width=width)
    table.add_column("")
    table.add_column("rule", no_wrap=True)
    table.add_column("favours", no_wrap=True)
    table.add_column("because")
    for rule in verdict.rules:
        if _is_silent(rule):
            continue
        mark = Text("●", style="bold") if rule.decides else Text("·", style="dim")
        table.add_row(mark, Text(clean(rule.name)), rule.favours, Text(clean(rule.text, _MOST_CHARACTERS)))
    silent = [clean(rule.name) for rule in verdict.rules if _is_silent(rule)]
    if silent:
        table.add_row("", Text("the rest", style="dim"), "", Text(f"neither: {', '.join(silent)}", style="dim"))
    return table


def _months(console: Console, verdict: PilotVerdict) -> None:
    """The same load in months that look otherwise."""
    head, *rows = other_months(verdict) or [()]
    if not rows:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for n, name in enumerate(head):
        table.add_column(Text(clean(name, 20)), justify="right" if 0 < n < len(head) - 1 else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(fitted(table, console))


def _answered(verdict: PilotVerdict) -> list[str]:
    """What was answered, with what follows; what is open is in the doubts."""
    return [
        f"{one.id.replace('_', ' ')}: {one.answer}; {one.follows}" for one in verdict.answers if one.is_given
    ]


def _is_silent(rule: Rule) -> bool:
    return rule.favours == "neither" and not rule.decides


def _crossing(even: BreakEvenFound) -> str:
    said = f"break-even by {even.by}: {even.text or even.reason or 'none'}"
    return said if even.ci is None else f"{said}, 95% between {number(even.ci[0])} and {number(even.ci[1])}"


def _list(console: Console, title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console.print()
    console.print(Text(title, style="bold"))
    for line in lines:
        console.print(Text(_wrapped(line, "  ", _width(console))))


def _first(lines: Sequence[str], most: int) -> list[str]:
    """The first of them, and how many more the report has."""
    left = len(lines) - most
    return [*lines[:most], *([f"and {left} more in the report"] if left > 0 else [])]


def _width(console: Console) -> int:
    return min(_WIDTH, console.width)


def _wrapped(text: str, indent: str = "", width: int = _WIDTH) -> str:
    """Safe to print: what it says may name things of a trace."""
    return textwrap.fill(clean(text, _MOST_CHARACTERS), width, initial_indent=indent, subsequent_indent=indent)
