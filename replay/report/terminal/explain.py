"""Why a run took as long as it did, on the terminal."""

from rich.console import Console

from replay.judge.tail.attribution import Attribution, Cause
from replay.judge.tail.critical_path import CriticalPaths, PathSeries
from replay.judge.tail.explain import ExplainVerdict, SessionPath
from replay.judge.tail.saturation import InFlight, Saturation
from replay.report.plain import Table, Text, fitted, plain_console
from replay.report.words.failures import failure_name, print_failures
from replay.words.names import clean
from replay.words.numbers import count, exact, milliseconds, number, percent, seconds, signed
from replay.words.phrases import counted

_BAR = 12
_SERIES_SHOWN = 8
_WINDOWS_SHOWN = 5
_STEPS_SHOWN = 200
_LEVELS = "▁▂▃▄▅▆▇█"
_SPARKS = 30

CAUSE_WORDS = {
    "dispatch_lag": "sent late by this machine",
    "new_connection": "opening a connection",
    "waiting_for_connection": "waiting for a free connection",
    "retry": "earlier tries",
    "pause": "the target stalled",
    "cold_start": "cold start",
    "one_instance": "a slow instance",
    "queueing": "queueing at the target",
    "long_answer": "a longer answer",
    "slow_stream": "a slow stream",
    "slow_transfer": "a slow transfer",
    "one_session": "one session",
    "one_step_name": "one step name",
    "unexplained": "unexplained",
}
"""What each cause is called here."""

_DRIFT_STYLE = {"slower": "bold red", "faster": "bold yellow", "steady": "green", "unknown": "yellow"}


def print_explain(verdict: ExplainVerdict, console: Console | None = None) -> None:
    """Print the tail's causes, what failed, the critical paths (or the one that was asked for), and saturation."""
    console = console or plain_console()
    console.print()
    console.print(Text.assemble((clean(verdict.run), "bold"), " → ", (clean(verdict.target), "bold")))
    if verdict.generator != "ok":
        console.print(
            Text(f"the generator was {verdict.generator}: part of this may be this machine's", "yellow")
        )
    console.print()
    _print_tail(verdict.attribution, console)
    console.print()
    if verdict.failures.steps:
        print_failures(verdict.failures, console)
        console.print()
    if verdict.session is not None:
        _print_session(verdict.session, console)
    else:
        _print_paths(verdict.critical_paths, console)
    console.print()
    _print_saturation(verdict.saturation, console)


def _table(*columns: str) -> Table:
    """The first column is to the left, the others to the right; those without a name are to the left too."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for at, name in enumerate(columns):
        table.add_column(name.strip(), justify="right" if at and name.strip() else "left", no_wrap=True)
    return table


def _print_tail(found: Attribution, console: Console) -> None:
    name = f"p{exact(100 * found.quantile)}"
    if found.edge_ms is None:
        console.print(Text("the tail: no step was measured", style="bold"))
        return
    console.print(
        Text.assemble(
            (f"the tail: {count(found.steps)} of {counted(found.of_steps, 'step')}", "bold"),
            f" took {milliseconds(found.edge_ms)} ({name}) or longer; the median is {milliseconds(found.normal_ms)}",
        )
    )
    table = _table("main cause", "steps", "", "share", "over normal")
    for cause in found.causes:
        filled = round(_BAR * cause.share)
        table.add_row(
            CAUSE_WORDS[cause.cause],
            count(cause.steps),
            Text("█" * filled, style="cyan") + Text("·" * (_BAR - filled), style="dim"),
            percent(cause.share),
            percent(cause.share_ms),
        )
    console.print(fitted(table, console))
    console.print(
        Text("share: of these steps; over normal: of the time they took over their median", style="dim")
    )
    for cause in found.causes:
        if cause.steps:
            console.print(Text(f"{CAUSE_WORDS[cause.cause]}: {_such_as(cause)}"))
    for window in found.windows[:_WINDOWS_SHOWN]:
        who = "this machine" if window.is_ours else "the target"
        console.print(
            Text(
                f"{who} stalled from {seconds(window.from_s)} to {seconds(window.to_s)} of the run "
                f"({counted(window.steps, 'step')} of the tail)"
            )
        )
    if len(found.windows) > _WINDOWS_SHOWN:
        console.print(Text(f"and {counted(len(found.windows) - _WINDOWS_SHOWN, 'more stall')}", style="dim"))
    for note in found.notes:
        console.print(Text(f"note: {clean(note, 200)}", style="dim"))


def _such_as(cause: Cause) -> str:
    named = ", ".join(clean(name, 24) for name in cause.names)
    if cause.example is None:
        return named
    worst = cause.example
    step = f"{clean(worst.session, 24)}/{clean(worst.step, 16)} ({milliseconds(worst.response_ms)})"
    return f"{named}; such as {step}" if named else f"such as {step}"


def _print_paths(found: CriticalPaths, console: Console) -> None:
    console.print(
        Text.assemble(
            (f"critical paths of {counted(found.sessions, 'session')}", "bold"),
            f": makespan p50 {milliseconds(found.p50_ms)}, p99 {milliseconds(found.p99_ms)}",
        )
    )
    if not found.sessions:
        return
    table = _table("on the path", "share", "a session", "10% faster", "50% faster: p50", "p99")
    for series in found.series[:_SERIES_SHOWN]:
        table.add_row(
            f"{series.kind}:{clean(series.name, 22)}",
            percent(series.share),
            milliseconds(series.ms),
            *_wins(series),
        )
    table.add_row(
        Text("think time", style="dim"), percent(found.gap_share), milliseconds(found.gap_ms), "", "", ""
    )
    console.print(fitted(table, console))
    console.print(
        Text(
            "faster: how much shorter makespans would be at that speed; the path is inferred from times",
            style="dim",
        )
    )
    hidden = len(found.series) - _SERIES_SHOWN
    if hidden > 0:
        console.print(Text(f"and {hidden} more step names; --json has them", style="dim"))
    for note in found.notes:
        console.print(Text(f"note: {clean(note, 200)}", style="dim"))


def _wins(series: PathSeries) -> tuple[str, str, str]:
    if not series.wins:
        return ("–", "–", "–")
    tenth, half = series.wins
    return (_win(tenth.p50_ms), _win(half.p50_ms), _win(half.p99_ms))


def _win(ms: float) -> str:
    return f"-{milliseconds(ms)}" if ms > 0 else "0"


def _print_session(found: SessionPath, console: Console) -> None:
    console.print(
        Text.assemble(
            ("critical path of ", "bold"),
            (clean(found.session, 40), "bold"),
            f": makespan {milliseconds(found.makespan_ms)}",
        )
    )
    has_recording = any(step.recorded_ms is not None for step in found.steps)
    recorded = ["recorded"] if has_recording else []
    table = _table("", "step", "due", "response", *recorded, "think time", "share")
    table.columns[1].justify = "left"
    for step in found.steps[:_STEPS_SHOWN]:
        style = "" if step.on_path else "dim"
        share = 100 * step.waited_ms / found.makespan_ms if found.makespan_ms else 0.0
        name = Text(f"{clean(step.step, 12)} {step.kind}:{clean(step.name, 20)}", style=style)
        if step.error is not None:
            name.append(f"\n{failure_name(step.error, step.check)}", style="red")
        table.add_row(
            Text("●" if step.on_path else " ", style="cyan"),
            name,
            Text(milliseconds(step.from_ms), style=style),
            Text(milliseconds(step.to_ms - step.from_ms), style=style),
            *([Text(milliseconds(step.recorded_ms), style=style)] if has_recording else []),
            Text(milliseconds(step.gap_ms) if step.on_path else "", style=style),
            Text(f"{number(share)}%" if step.on_path else "", style=style),
        )
    console.print(fitted(table, console, names=2))
    hidden = len(found.steps) - _STEPS_SHOWN
    if hidden > 0:
        console.print(Text(f"and {counted(hidden, 'more step')}; --json has them", style="dim"))


def _print_saturation(found: Saturation, console: Console) -> None:
    console.print(Text("load and drift", style="bold"))
    if not found.in_flight:
        console.print("  no step was sent")
        return
    table = _table("in flight", "mean", "peak", " ")
    for line in found.in_flight:
        table.add_row(line.kind, number(line.mean), count(line.peak), Text(_spark(line), style="cyan"))
    console.print(fitted(table, console))
    backlog = f", {count(found.backlog)} in flight when the last was due" if found.backlog else ""
    console.print(
        Text(f"offered {number(found.offered_rps)}/s, achieved {number(found.achieved_rps)}/s{backlog}")
    )
    if found.little_ratio is not None:
        says = "holds" if found.little_holds else "does not hold: do not trust this record"
        console.print(
            Text(f"Little's law {says} (in flight over rate × service time: {number(found.little_ratio)})")
        )
    drift = found.drift
    text = Text.assemble("drift over the run: ", (drift.trend, _DRIFT_STYLE[drift.trend]), f", {drift.why}")
    if drift.change_percent is not None and drift.ci_percent is not None:
        low, high = drift.ci_percent
        text.append(f"\n  {signed(drift.change_percent)}% [{signed(low)}, {signed(high)}] from start to end")
        text.append(f", {signed(drift.slope_percent_per_min)}% a minute, p = {number(drift.p_value)}")
    console.print(text)
    for note in found.notes:
        console.print(Text(f"note: {clean(note, 200)}", style="dim"))


def _spark(line: InFlight) -> str:
    """The course over the run, two parts to a character, the highest one full."""
    parts = [max(pair) for pair in zip(line.by_time[::2], line.by_time[1::2], strict=True)][:_SPARKS]
    most = max(parts, default=0.0)
    if most <= 0:
        return ""
    return "".join(_LEVELS[min(len(_LEVELS) - 1, int(len(_LEVELS) * part / most))] for part in parts)
