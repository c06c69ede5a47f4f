"""Ceilings and cold starts on the terminal."""

from pathlib import Path

from rich.console import Console

from replay.judge.cold.types import ColdVerdict, IdleBucket
from replay.judge.load.types import CeilingVerdict, Level
from replay.report.plain import Table, Text, fitted, indented, plain_console
from replay.report.words.outlines import (
    LEVEL_HEADS,
    ceiling_headline,
    how_many_cold,
    idle_rows,
    level_rows,
    stays_warm,
    what_cold_adds,
)
from replay.words.names import clean
from replay.words.numbers import count, milliseconds, number, or_failing, percent, seconds
from replay.words.phrases import counted

_BAR = 16
_METHODS = {
    "header": "as the target reports",
    "instance": "by instances not seen before",
    "inferred": "inferred from slow steps after idle times",
    "none": "not told",
}


def level_line(level: Level) -> str:
    """One level in one line, as it is measured."""
    verdict = {"pass": "holds", "fail": "does not hold", "inconclusive": "undecided"}[level.verdict]
    why = f" ({clean(level.reason, 200)})" if level.verdict != "pass" else ""
    return (
        f"{number(level.scale, 4):>7}x  {number(level.achieved_rps, 4):>9}/s of "
        f"{number(level.offered_rps, 4):>9}/s  "
        f"p99 {milliseconds(or_failing(level.p99_ms, level.errors)):>9}  {verdict}{why}"
    )


def print_ceiling(
    verdict: CeilingVerdict, directory: Path | None = None, console: Console | None = None
) -> None:
    """Print what the search found, and the levels that it is made of."""
    console = console or plain_console()
    console.print()
    style = "bold green" if verdict.verdict == "found" else "bold yellow"
    console.print(Text(ceiling_headline(verdict), style=style))
    for reason in verdict.reasons:
        console.print(Text(f"  {clean(reason, 300)}"))
    if verdict.levels:
        console.print()
        console.print(fitted(_level_table(verdict), console))
    if verdict.knee is not None:
        knee = verdict.knee
        console.print(
            Text(
                f"knee: {number(knee.scale, 4)}x, {number(knee.rps, 4)}/s with {number(knee.in_flight)} in flight, "
                f"where throughput per response time is highest (mean {milliseconds(knee.mean_ms)})"
            )
        )
    if verdict.usl is not None:
        usl = verdict.usl
        peak = (
            ""
            if usl.peak_rps is None
            else f"; highest by this law: {number(usl.peak_rps, 4)}/s at {number(usl.peak_in_flight)} in flight"
        )
        console.print(
            Text(
                f"scalability law: contention {percent(usl.alpha)} "
                f"[{number(100 * usl.alpha_ci[0])}, {number(100 * usl.alpha_ci[1])}], coherency {percent(usl.beta)} "
                f"[{number(100 * usl.beta_ci[0])}, {number(100 * usl.beta_ci[1])}], R² {number(usl.r_squared)}{peak}"
            )
        )
    if verdict.recovery_s is not None:
        console.print(Text(f"recovery: {seconds(verdict.recovery_s)} after the overload ended"))
    _print_end(verdict.notes, directory, console)


def _level_table(verdict: CeilingVerdict) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name in LEVEL_HEADS:
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for level, (*cells, mark) in zip(verdict.levels, level_rows(verdict), strict=True):
        style = {"pass": "green", "fail": "red", "inconclusive": "yellow"}[level.verdict]
        table.add_row(*cells, Text(mark, style=style))
    return table


def print_coldstart(
    verdict: ColdVerdict, directory: Path | None = None, console: Console | None = None
) -> None:
    """Print how many steps were cold, what that adds, and after which idle times."""
    console = console or plain_console()
    cold = verdict.cold
    console.print()
    target = clean(verdict.target or "")
    console.print(Text(f"{target}: {how_many_cold(verdict)}", style="bold"))
    told = f"{_METHODS[cold.method]}, confidence {cold.confidence}: {clean(cold.why, 200)}"
    console.print(indented(told, 2), style="dim")
    if cold.count:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for name in ("service time", "n", "min", "p50", "p90", "p99", "max"):
            table.add_column(name, justify="left" if name == "service time" else "right")
        for name, q in (("cold", cold.latency_ms), ("warm", cold.warm_ms)):
            table.add_row(name, count(q.n), *(milliseconds(v) for v in (q.min, q.p50, q.p90, q.p99, q.max)))
        console.print(fitted(table, console))
    if adds := what_cold_adds(cold):
        console.print(Text(adds))
    tail = verdict.tail
    for name, edge, share, without in (
        ("p99", tail.p99_ms, tail.p99_cold_share, tail.p99_without_cold_ms),
        ("p99.9", tail.p99_9_ms, tail.p99_9_cold_share, tail.p99_9_without_cold_ms),
    ):
        if edge is not None and share is not None and cold.count:
            console.print(
                Text(
                    f"{name} response {milliseconds(edge)}: {percent(share)} of what lies beyond is cold; "
                    f"without cold starts it would be {milliseconds(without)}"
                )
            )
    if said := stays_warm(verdict):
        console.print(Text(said))
    if verdict.idle_curve and cold.count:
        console.print()
        console.print(fitted(_curve(verdict.idle_curve), console))
    for burst in verdict.bursts:
        woke = "" if burst.instances is None else f", {counted(burst.instances, 'instance')}"
        console.print(
            Text(
                f"burst of {burst.size}: {burst.cold} cold{woke}, slowest {milliseconds(burst.slowest_ms)}, "
                f"median {milliseconds(burst.median_ms)}"
            )
        )
    _print_end(verdict.notes, directory, console)


def _curve(buckets: list[IdleBucket]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name in ("idle before", "cold", "", "share", "95% interval"):
        table.add_column(name, justify="left" if name in ("idle before", "") else "right", no_wrap=True)
    for bucket, (idle, cold, *shares) in zip(buckets, idle_rows(buckets), strict=True):
        filled = round(_BAR * bucket.share)
        bar = Text("█" * filled, style="cyan") + Text("·" * (_BAR - filled), style="dim")
        table.add_row(idle, cold, bar, *shares)
    return table


def _print_end(notes: list[str], directory: Path | None, console: Console) -> None:
    for note in notes:
        console.print(Text(f"note: {clean(note, 300)}", style="dim"))
    if directory is not None:
        console.print(Text(f"recorded in {directory}", style="dim"), soft_wrap=True)
