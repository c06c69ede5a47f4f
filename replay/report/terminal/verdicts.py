"""Verdicts on the terminal: tables that stay legible at 80 columns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding

from replay.judge.types import Check, CompareVerdict, Difference, GateVerdict
from replay.report.plain import Table, Text, fitted, plain_console
from replay.report.words import verdicts as words
from replay.report.words.answers import print_answers
from replay.words.names import clean
from replay.words.numbers import exact
from replay.words.phrases import counted

_MARKS = {"pass": ("✓", "green"), "fail": ("✗", "red"), "inconclusive": ("?", "yellow")}
_B_STYLES = {"a_faster": "red", "b_faster": "green", "no_difference": "dim", "inconclusive": "yellow"}
_GAP = 2
_LEAST_SLO_WIDTH = 16
_Justify = Literal["left", "right"]


def print_gate(verdict: GateVerdict, directory: Path | None, console: Console | None = None) -> None:
    """Print a gate's verdict: the headline, a row for each SLO, and why where one did not hold."""
    console = console or plain_console()
    headline = Text(words.gate_headline(verdict), style=f"bold {_MARKS[verdict.verdict][1]}")
    console.print()
    console.print(headline)
    names = [clean(name) for name in (verdict.trace, verdict.target) if name]
    if names:
        console.print(Text(" → ".join(names)), soft_wrap=True)
    if verdict.baselines:
        console.print(Text("compared with " + ", ".join(map(clean, verdict.baselines))))
    console.print()
    if verdict.checks:
        _print_checks(verdict.checks, console)
    _print_foot(verdict.notes, directory, console)


def _print_checks(checks: Sequence[Check], console: Console) -> None:
    """A table a row, all of the same widths, so that reasons may run the whole width between them."""
    heads = [
        "",
        "SLO",
        "observed",
        "limit",
        words.confidence_heading([c.confidence for c in checks]),
        "n (sessions)",
    ]
    rows = [
        [
            _MARKS[check.verdict][0],
            words.sentence(check.slo),
            words.observed(check),
            words.limit(check),
            words.check_interval(check),
            words.sample_size(check),
        ]
        for check in checks
    ]
    widths = [max(cell_len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    rest = sum(widths) - widths[1] + _GAP * (len(widths) - 1)
    widths[1] = min(widths[1], max(_LEAST_SLO_WIDTH, console.width - rest))
    is_too_narrow = rest + widths[1] > console.width
    if not is_too_narrow:
        console.print(_row(heads, widths, ["dim"] * len(heads)))
    for check, row in zip(checks, rows, strict=True):
        style = _MARKS[check.verdict][1]
        styles = [f"bold {style}", "bold", style, "", "", ""]
        if is_too_narrow:
            console.print(fitted(_listed(heads, row), console, names=2), style=style)
        else:
            console.print(_row(row, widths, styles))
        if why := words.why(check):
            if check.verdict != "pass":
                prefix = "inconclusive: " if check.verdict == "inconclusive" else ""
                console.print(Padding(Text(prefix + why, style=style), (0, 0, 0, widths[0] + _GAP)))
            elif check.decided_early:
                console.print(Padding(Text(why, style="dim"), (0, 0, 0, widths[0] + _GAP)))


def _listed(heads: Sequence[str], cells: Sequence[str]) -> Table:
    """One check by itself, for a terminal on which the table of all is too wide."""
    table = Table(*heads, box=None, pad_edge=False)
    table.add_row(*cells)
    return table


def _row(cells: Sequence[str], widths: Sequence[int], styles: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, _GAP, 0, 0))
    for number, width in enumerate(widths):
        justify: _Justify = "left" if number < 2 else "right"
        table.add_column(width=width, overflow="fold", justify=justify)
    table.add_row(*(Text(cell, style=style) for cell, style in zip(cells, styles, strict=True)))
    return table


def print_compare(verdict: CompareVerdict, directory: Path | None, console: Console | None = None) -> None:
    """Print a comparison: the headline, who is who, and a row for each difference."""
    console = console or plain_console()
    for number, one in enumerate([verdict, *verdict.further]):
        _print_comparison(one, console)
        if one.answers is not None:
            console.print()
            print_answers(one.answers, console)
        _print_foot(one.notes, directory if number == len(verdict.further) else None, console)


def _print_comparison(verdict: CompareVerdict, console: Console) -> None:
    style = {"a_faster": "red", "b_faster": "green", "no_difference": "green"}.get(verdict.verdict, "yellow")
    console.print()
    console.print(Text(words.compare_headline(verdict), style=f"bold {style}"))
    if verdict.verdict in ("inconclusive", "no_difference"):
        for reason in verdict.reasons:
            console.print(Text(f"because {words.sentence(reason)}", style=style))
    for target in verdict.targets:
        url = f"  {clean(target.url, 200)}" if target.url else ""
        line = Text.assemble((clean(target.label), "bold"), f" is {clean(target.name)}{url}")
        if target.failed:
            line.append(f"  {target.failed:,} of {counted(target.steps, 'step')} failed", style="red")
        console.print(line)
    console.print(Text(words.how(verdict), style="dim"))
    console.print(
        Text(
            f"differences within ±{exact(verdict.margin_percent)}% count as equal",
            style="dim",
        )
    )
    if floor := words.noise_floor(verdict):
        console.print(Text(floor, style="bold"))
    console.print()
    if verdict.differences:
        console.print(fitted(_difference_table(verdict), console))
        if len(verdict.differences) > 2:
            console.print(
                Text("p-values are corrected for the number of rows, except in the verdict's own", style="dim")
            )


def _difference_table(verdict: CompareVerdict) -> Table:
    a, b = words.labels(verdict)
    differences = words.ordered(verdict.differences)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("", overflow="fold", min_width=12, style="bold")
    for heading in (a, b, f"{b} - {a}", "", words.confidence_heading([d.confidence for d in differences]), "p"):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    table.add_column(Text(f"{b} is"), no_wrap=True)
    for difference in differences:
        table.add_row(*_difference_cells(difference))
    return table


def _difference_cells(difference: Difference) -> list[Text]:
    style = _B_STYLES[difference.verdict]
    return [
        Text(words.subject(difference)),
        *map(Text, words.difference_values(difference)),
        Text(words.difference_delta(difference)),
        Text(words.signed_percent(difference.delta_percent)),
        Text(words.difference_interval(difference)),
        Text(words.p_value(difference)),
        Text(words.b_is(difference), style=style),
    ]


def _print_foot(notes: Sequence[str], directory: Path | None, console: Console) -> None:
    console.print()
    for note in notes:
        console.print(Text(f"note: {words.sentence(note)}", style="dim"))
    if directory is not None:
        console.print(Text(f"recorded in {directory}", style="dim"), soft_wrap=True)
