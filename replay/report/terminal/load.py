"""Ceilings and cold starts on the terminal."""

from pathlib import Path

from rich.console import Console

from replay.judge.load.ceiling import CeilingVerdict, Level
from replay.judge.tail.coldstart import ColdVerdict, IdleBucket
from replay.report.plain import Table, Text, plain_console
from replay.words.numbers import clean, count, milliseconds, or_failing
from replay.words.phrases import counted

_BAR = 16
_GAVE = {
    "latency": "the latency limit broke",
    "errors": "requests failed",
    "refusals": "requests were refused",
    "throughput": "answers fell behind what was offered",
    "generator": "this machine gave out",
    "max": "nothing gave way",
}
_METHODS = {
    "header": "by the target's own words",
    "instance": "by instances that were not seen before",
    "inferred": "inferred from slow steps after idle times",
    "none": "not told",
}


def level_line(level: Level) -> str:
    """One level in one line, as it is measured."""
    verdict = {"pass": "holds", "fail": "does not hold", "inconclusive": "undecided"}[level.verdict]
    why = f" ({clean(level.reason, 200)})" if level.verdict != "pass" else ""
    return (
        f"{level.scale:8.4g}x  {level.achieved_rps:9.5g}/s of {level.offered_rps:9.5g}/s  "
        f"p99 {milliseconds(or_failing(level.p99_ms, level.errors)):>9}  {verdict}{why}"
    )


def print_ceiling(
    verdict: CeilingVerdict, directory: Path | None = None, console: Console | None = None
) -> None:
    """Print what the search found, and the levels that it is made of."""
    console = console or plain_console()
    console.print()
    console.print(Text.assemble(_headline(verdict)))
    for reason in verdict.reasons:
        console.print(Text(f"  {clean(reason, 300)}"))
    if verdict.levels:
        console.print()
        console.print(_level_table(verdict))
    if verdict.knee is not None:
        knee = verdict.knee
        console.print(
            Text(
                f"knee: {knee.scale:.4g}x, {knee.rps:.4g}/s with {knee.in_flight:.3g} in flight, where throughput "
                f"for its response time is best ({milliseconds(knee.mean_ms)} in the mean)"
            )
        )
    if verdict.usl is not None:
        usl = verdict.usl
        peak = (
            ""
            if usl.peak_rps is None
            else f"; most by the law: {usl.peak_rps:.4g}/s at {usl.peak_in_flight:.3g} in flight"
        )
        console.print(
            Text(
                f"scalability law: contention {100 * usl.alpha:.3g}% "
                f"[{100 * usl.alpha_ci[0]:.3g}, {100 * usl.alpha_ci[1]:.3g}], coherency {100 * usl.beta:.3g}% "
                f"[{100 * usl.beta_ci[0]:.3g}, {100 * usl.beta_ci[1]:.3g}], R² {usl.r_squared:.3f}{peak}"
            )
        )
    if verdict.recovery_s is not None:
        console.print(Text(f"recovery: {verdict.recovery_s:.3g} s after the overload ended"))
    _print_end(verdict.notes, directory, console)


def _headline(verdict: CeilingVerdict) -> tuple[str, str] | str:
    ceiling = verdict.ceiling
    if ceiling is None:
        said = "no load holds" if verdict.verdict == "not_reached" else "the ceiling could not be found"
        return (said, "bold yellow")
    least = "at least " if verdict.verdict != "found" else ""
    high = "" if ceiling.ci_scale[1] is None else f" to {ceiling.ci_scale[1]:.4g}x"
    return (
        f"ceiling: {least}{ceiling.scale:.4g}x{high}, {ceiling.rps:.4g} requests/s, "
        f"{ceiling.sessions_per_s:.4g} sessions/s, {ceiling.in_flight:.3g} in flight; then "
        f"{_GAVE[ceiling.limited_by]}",
        "bold green" if verdict.verdict == "found" else "bold yellow",
    )


def _level_table(verdict: CeilingVerdict) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name in ("load", "offered", "achieved", "in flight", "p50", "p99", "failed", ""):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for level in verdict.levels:
        style = {"pass": "green", "fail": "red", "inconclusive": "yellow"}[level.verdict]
        mark = "holds" if level.verdict == "pass" else level.limited_by or "undecided"
        table.add_row(
            f"{level.scale:.4g}x",
            f"{level.offered_rps:.5g}/s",
            f"{level.achieved_rps:.5g}/s",
            f"{level.in_flight:.3g}",
            milliseconds(or_failing(level.p50_ms, level.errors)),
            milliseconds(or_failing(level.p99_ms, level.errors)),
            count(level.errors),
            Text(mark, style=style),
        )
    return table


def print_coldstart(
    verdict: ColdVerdict, directory: Path | None = None, console: Console | None = None
) -> None:
    """Print how many steps were cold, what that adds, and after which idle times."""
    console = console or plain_console()
    cold = verdict.cold
    console.print()
    target = clean(verdict.target or "")
    if not cold.count:
        console.print(Text(f"{target}: no cold start was seen", style="bold"))
    else:
        total = cold.latency_ms.n + cold.warm_ms.n
        of = f" of {counted(total, 'step')} ({100 * cold.share:.3g}%)" if verdict.probes is None else " probes"
        console.print(Text(f"{target}: {count(cold.count)}{of} were cold", style="bold"))
    console.print(
        Text(f"  {_METHODS[cold.method]}, confidence {cold.confidence}: {clean(cold.why, 200)}", style="dim")
    )
    if cold.count:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for name in ("service time", "n", "min", "p50", "p90", "p99", "max"):
            table.add_column(name, justify="left" if name == "service time" else "right")
        for name, q in (("cold", cold.latency_ms), ("warm", cold.warm_ms)):
            table.add_row(name, count(q.n), *(milliseconds(v) for v in (q.min, q.p50, q.p90, q.p99, q.max)))
        console.print(table)
    if cold.added_ms is not None and cold.added_ms > 0:
        console.print(Text(f"a cold start adds {milliseconds(cold.added_ms)}"))
    tail = verdict.tail
    for name, edge, share, without in (
        ("p99", tail.p99_ms, tail.p99_cold_share, tail.p99_without_cold_ms),
        ("p99.9", tail.p99_9_ms, tail.p99_9_cold_share, tail.p99_9_without_cold_ms),
    ):
        if edge is not None and share is not None and cold.count:
            console.print(
                Text(
                    f"{name} response {milliseconds(edge)}: {100 * share:.3g}% of what lies beyond is cold; "
                    f"without cold starts it would be {milliseconds(without)}"
                )
            )
    if verdict.keep_alive_s is not None:
        low, high = verdict.keep_alive_s
        said = f"between {low:.4g} and {high:.4g} s" if high is not None else f"longer than {low:.4g} s"
        console.print(Text(f"it stays warm for {said} without a request"))
    if verdict.idle_curve and cold.count:
        console.print()
        console.print(_curve(verdict.idle_curve))
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
    for bucket in buckets:
        to = "" if bucket.to_s == bucket.idle_s else f" to {_seconds(bucket.to_s)}"
        filled = round(_BAR * bucket.share)
        table.add_row(
            f"{_seconds(bucket.idle_s)}{to}",
            f"{bucket.cold} of {bucket.n}",
            Text("█" * filled, style="cyan") + Text("·" * (_BAR - filled), style="dim"),
            f"{100 * bucket.share:.0f}%",
            f"{100 * bucket.ci[0]:.0f}–{100 * bucket.ci[1]:.0f}%",
        )
    return table


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 600 else f"{seconds / 60:.3g} min"


def _print_end(notes: list[str], directory: Path | None, console: Console) -> None:
    for note in notes:
        console.print(Text(f"note: {clean(note, 300)}", style="dim"))
    if directory is not None:
        console.print(Text(f"recorded in {directory}", style="dim"), soft_wrap=True)
