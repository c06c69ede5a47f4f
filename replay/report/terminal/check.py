"""A check of a target on the terminal: what was found, topic by topic, and what to do."""

from pathlib import Path

from rich.console import Console, RenderableType
from rich.padding import Padding

from replay.judge.check import CheckReport
from replay.report.plain import Table, Text, plain_console
from replay.words.names import clean
from replay.words.numbers import seconds
from replay.words.phrases import counted

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "problem": ("✗", "bold red")}


def print_check(report: CheckReport, directory: Path | None = None, console: Console | None = None) -> None:
    """Print a check's findings, and what to do at the end, where it is seen last."""
    console = console or plain_console()
    problems = sum(finding.level == "problem" for finding in report.findings)
    warnings = sum(finding.level == "warn" for finding in report.findings)
    console.print()
    console.print(Text(_headline(problems, warnings), style="bold red" if problems else "bold green"))
    console.print(
        Text(
            f"{clean(report.trace)} → {clean(report.target)}, {counted(report.requests, 'request')} in "
            f"{seconds(report.elapsed_s)}"
        ),
        soft_wrap=True,
    )
    console.print()
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    last = ""
    for finding in report.findings:
        mark, style = _MARKS[finding.level]
        topic = "" if finding.topic == last else finding.topic
        last = finding.topic
        table.add_row(Text(mark, style=style), topic, Text(clean(finding.what, 600)))
    console.print(table)
    console.print()
    if not report.to_do:
        console.print("nothing to do: a replay against this target is meaningful")
    else:
        console.print(Text("what to do", style="bold"))
        for n, to_do in enumerate(report.to_do, 1):
            console.print(Padding(_numbered(n, to_do), (0, 0, 0, 0)))
    if directory is not None:
        console.print(Text(f"recorded in {directory}", style="dim"), soft_wrap=True)


def _headline(problems: int, warnings: int) -> str:
    said = "1 problem" if problems == 1 else f"{problems} problems" if problems else "no problems"
    if warnings:
        warned = counted(warnings, "warning")
        said = f"{said}, {warned}" if problems else warned
    meaning = "would be misleading" if problems else "is meaningful"
    return f"{said}; a replay against this target {meaning}"


def _numbered(n: int, text: str) -> RenderableType:
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(f"{n}.", Text(clean(text, 600)))
    return row
