"""What faults in a run did, for the terminal."""

from rich.console import Console

from replay.judge.load.recovery import Fault, RecoveryVerdict
from replay.report.plain import Table, Text, plain_console
from replay.words.numbers import clean, count
from replay.words.phrases import counted

_MOST_NAMES = 3


def print_recovery(verdict: RecoveryVerdict, console: Console | None = None) -> None:
    """A block for each fault."""
    console = console or plain_console()
    for fault in verdict.faults:
        console.print()
        console.print(Text(f"at {fault.at_s:g} s: {clean(fault.what)}", style="bold"))
        table = Table.grid(padding=(0, 2))
        for name, said in _rows(fault):
            table.add_row(Text(name, style="dim"), said)
        console.print(table)
    for note in verdict.notes:
        console.print(Text(clean(note, 200), style="dim"))


def _rows(fault: Fault) -> list[tuple[str, Text]]:
    if not fault.under_way and not fault.sent_after and fault.recovered_s is None:
        return [("felt", Text("not known: no request was under way, and none was sent afterwards"))]
    rows = [("felt", Text("not at all" if fault.detect_s is None else f"{fault.detect_s:g} s later"))]
    if fault.recovered_s is None:
        rows.append(("recovered", Text("not within the run", style="red")))
    else:
        rows.append(("recovered", Text(f"after {fault.recovered_s:g} s" if fault.recovered_s else "at once")))
    errors = ", ".join(f"{count(n)} {clean(kind)}" for kind, n in fault.errors.items())
    rows.append(("failed", Text(counted(fault.failed_steps, "step") + (f" ({errors})" if errors else ""))))
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
    said = ", ".join(f"{value:.3g} {when}" for when, value in known if value is not None)
    if fault.retried_steps and said:
        rows.append(("attempts a step", Text(said)))
    return rows
