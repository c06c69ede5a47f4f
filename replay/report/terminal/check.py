"""A check of a target on the terminal: what was found, topic by topic, and what to do."""

from pathlib import Path

from rich.console import Console

from replay.judge.check import CheckReport
from replay.report.plain import Text, plain_console
from replay.report.terminal.findings import print_findings, print_to_do
from replay.words.names import clean
from replay.words.numbers import seconds
from replay.words.phrases import counted


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
    print_findings(report.findings, console)
    console.print()
    if not report.to_do:
        console.print("nothing to do: a replay against this target is meaningful")
    else:
        print_to_do(report.to_do, console)
    if directory is not None:
        console.print(Text(f"recorded in {directory}", style="dim"), soft_wrap=True)


def _headline(problems: int, warnings: int) -> str:
    said = counted(problems, "problem") if problems else "no problems"
    if warnings:
        warned = counted(warnings, "warning")
        said = f"{said}, {warned}" if problems else warned
    meaning = "would be misleading" if problems else "is meaningful"
    return f"{said}; a replay against this target {meaning}"
