"""What was looked at on the terminal, topic by topic, each with a mark; and what to do, as a numbered list."""

from collections.abc import Sequence

from rich.console import Console, RenderableType

from replay.judge.check import Finding
from replay.judge.machine import MachineFinding
from replay.report.plain import Table, Text
from replay.words.names import clean

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "problem": ("✗", "bold red")}


def print_findings(findings: Sequence[Finding] | Sequence[MachineFinding], console: Console) -> None:
    """A line for each; a topic is named once."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    last = ""
    for finding in findings:
        mark, style = _MARKS[finding.level]
        topic = "" if finding.topic == last else finding.topic
        last = finding.topic
        table.add_row(Text(mark, style=style), topic, Text(clean(finding.what, 600)))
    console.print(table)


def print_to_do(to_do: Sequence[str], console: Console) -> None:
    """What to do, most urgent first."""
    console.print(Text("what to do", style="bold"))
    for n, text in enumerate(to_do, 1):
        console.print(_numbered(n, text))


def _numbered(n: int, text: str) -> RenderableType:
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(f"{n}.", Text(clean(text, 600)))
    return row
