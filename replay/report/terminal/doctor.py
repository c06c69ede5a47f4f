"""What `replay doctor` found, on the terminal."""

from rich.console import Console

from replay.judge.machine import DoctorReport
from replay.report.plain import Text, plain_console
from replay.report.terminal.findings import print_findings, print_to_do
from replay.words.phrases import counted


def print_doctor(report: DoctorReport, console: Console | None = None) -> None:
    """Print the findings, and what to do at the end, where it is seen last."""
    console = console or plain_console()
    problems = sum(finding.level == "problem" for finding in report.findings)
    warnings = sum(finding.level == "warn" for finding in report.findings)
    found = [counted(n, what) for n, what in ((problems, "problem"), (warnings, "warning")) if n]
    meaning = "cannot replay" if problems else "can replay"
    console.print(
        Text(
            f"this machine {meaning}: {', '.join(found) or 'nothing stands in the way'}",
            style="bold red" if problems else "bold green",
        )
    )
    console.print()
    print_findings(report.findings, console)
    if report.to_do:
        console.print()
        print_to_do(report.to_do, console)
