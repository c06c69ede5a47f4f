"""What faults in a run did, for the terminal."""

from rich.console import Console

from replay.judge.load.recovery import Fault, RecoveryVerdict
from replay.report.plain import Table, Text, plain_console
from replay.report.words.outlines import fault_failed, fault_felt, fault_recovered
from replay.words.names import clean
from replay.words.numbers import count, number, seconds
from replay.words.phrases import counted

_MOST_NAMES = 3


def print_recovery(verdict: RecoveryVerdict, console: Console | None = None) -> None:
    """A block for each fault."""
    console = console or plain_console()
    for fault in verdict.faults:
        console.print()
        console.print(Text(f"at {seconds(fault.at_s)}: {clean(fault.what)}", style="bold"))
        table = Table.grid(padding=(0, 2))
        for name, said in _rows(fault):
            table.add_row(Text(name, style="dim"), said)
        console.print(table)
    for note in verdict.notes:
        console.print(Text(clean(note, 200), style="dim"))


def _rows(fault: Fault) -> list[tuple[str, Text]]:
    felt = ("felt", Text(fault_felt(fault)))
    if not fault.under_way and not fault.sent_after and fault.recovered_s is None:
        return [felt]
    style = "red" if fault.recovered_s is None else ""
    rows = [
        felt,
        ("recovered", Text(fault_recovered(fault), style=style)),
        ("failed", Text(fault_failed(fault))),
    ]
    if fault.retried_steps:
        names = ", ".join(f"{clean(name)} {n}" for name, n in list(fault.retried.items())[:_MOST_NAMES])
        rows.append(
            (
                "retried",
                Text(
                    f"{counted(fault.retried_steps, 'step')}, {count(fault.retried_ok)} in the end ok ({names})"
                ),
            )
        )
    rows.append(("lost", Text(counted(fault.sessions_lost, "session"))))
    attempts = fault.amplification
    known = [("before", attempts.before), ("during", attempts.during), ("after", attempts.after)]
    said = ", ".join(f"{number(value)} {when}" for when, value in known if value is not None)
    if fault.retried_steps and said:
        rows.append(("attempts a step", Text(said)))
    return rows
