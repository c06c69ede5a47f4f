"""What failed, in a line, as rows of a table, and on the terminal: by class, check and step name."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from replay.judge.measures.failures import FailureGroup, Failures
from replay.report.plain import Table, Text, fitted
from replay.words.names import clean
from replay.words.numbers import count, milliseconds, percent, seconds
from replay.words.phrases import counted

FAILURE_HEADS = ("failed", "step", "steps", "share", "median", "first at", "in session")
_CLASSES_SHOWN = 6
_GROUPS_SHOWN = 12


def errors_line(errors: Mapping[str, int]) -> str:
    """Classes with their counts, the most frequent first: `status_5xx 30, tool_error 12`."""
    ordered = sorted(errors.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [f"{clean(name)} {count(n)}" for name, n in ordered[:_CLASSES_SHOWN]]
    if len(ordered) > _CLASSES_SHOWN:
        shown.append(f"{len(ordered) - _CLASSES_SHOWN} more")
    return ", ".join(shown)


def failures_headline(found: Failures) -> str:
    """How many, of how many."""
    share = percent(found.steps / found.of_steps) if found.of_steps else "0%"
    return f"{count(found.steps)} of {counted(found.of_steps, 'step')} failed ({share})"


def failure_rows(found: Failures) -> list[tuple[str, ...]]:
    """A row for each group, under FAILURE_HEADS."""
    return [
        (
            failure_name(group.error, group.check),
            f"{group.kind}:{clean(group.name)}",
            count(group.steps),
            percent(group.share),
            milliseconds(group.median_ms),
            seconds(group.first_s),
            clean(group.first_session, 40),
        )
        for group in found.groups
    ]


def failure_meanings(groups: Sequence[FailureGroup]) -> list[str]:
    """What each class of these says, in their order, and what was wrong in the first of each group that tells."""
    said = []
    for error, meaning in {group.error: group.meaning for group in groups}.items():
        whys = dict.fromkeys(group.why for group in groups if group.error == error and group.why)
        examples = "; or: ".join(clean(why, 200) for why in whys)
        said.append(f"{clean(error)}: {meaning}{'; for example: ' if whys else ''}{examples}")
    return said


def failure_name(error: str, check: str | None) -> str:
    """A class, with the check that was not met: `check (json /ok equals)`."""
    return clean(error) if check is None else f"{clean(error)} ({clean(check, 80)})"


def print_failures(found: Failures, console: Console) -> None:
    """Print the failures of a run; nothing where there are none."""
    if not found.steps:
        return
    console.print(Text(failures_headline(found), style="bold"))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("failed", overflow="fold")
    table.add_column("step", overflow="fold")
    for head in ("steps", "share", "median", "first at"):
        table.add_column(head, justify="right", no_wrap=True)
    shown = found.groups[:_GROUPS_SHOWN]
    for group in shown:
        table.add_row(*map(Text, _cells(group)))
    console.print(fitted(table, console, names=2, folds=True))
    hidden = found.steps - sum(group.steps for group in shown)
    if hidden:
        console.print(Text(f"and {counted(hidden, 'failure')} of other kinds; --json has them", style="dim"))
    for meaning in failure_meanings(shown):
        console.print(Text(meaning, style="dim"))
    console.print(Text("share: of the steps of that name; median: of the failures' own times", style="dim"))


def _cells(group: FailureGroup) -> tuple[str, ...]:
    return (
        failure_name(group.error, group.check),
        f"{group.kind}:{clean(group.name, 24)}",
        count(group.steps),
        percent(group.share),
        milliseconds(group.median_ms),
        seconds(group.first_s),
    )
