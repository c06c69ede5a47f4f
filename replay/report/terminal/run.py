"""A finished run on the terminal: what a person understands at a glance."""

from collections.abc import Mapping
from math import isinf
from pathlib import Path

from rich.console import Console

from replay.report.plain import Table, Text, fitted, indented, plain_console
from replay.report.words.beside import RECORDED_HEADS, recorded_cells
from replay.report.words.fidelity import fidelity_line
from replay.results.forecast_types import Forecast, ForecastNeed
from replay.results.summary_types import Quantiles, Series, Summary
from replay.words.endings import ending
from replay.words.names import clean
from replay.words.numbers import count, milliseconds, money, number, seconds, size
from replay.words.phrases import counted

_QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99_9", 0.999))
_SERIES_SHOWN = 20
_ROWS = {
    "response": "response",
    "response_with_failures": "with failures",
    "failed": "failed",
    "service": "service",
    "ttfb": "ttfb",
    "ttft": "ttft",
    "itl": "itl",
    "makespan": "makespan",
    "makespan_with_failures": "with failures",
    "recorded": "recorded",
}
_MEANINGS = {
    "response": "from the intended time, what the agent waited",
    "service": "from sending, the target's part",
    "ttfb": "from sending to the first byte",
    "ttft": "from sending to the first token",
    "itl": "between tokens",
    "makespan": "a whole session",
}
_RECORDED = "recorded: how long the same steps took when they were recorded"
_FAILURES = """\
these are of what was answered; with failures: a failed step, and a session
with one, is infinitely slow (∞)"""
_WITHIN = "the pauses within sessions (added up over all sessions)"
_VERDICT_STYLE = {"ok": "green", "suspect": "yellow", "saturated": "red"}


def print_summary(summary: Summary, directory: Path | None = None, console: Console | None = None) -> None:
    """Print the final figures of a run."""
    console = console or plain_console()
    _print_head(summary, console)
    if summary.counts.sent:
        console.print(fitted(_latency_table(summary), console))
        shown = [f"{name}: {meaning}" for name, meaning in _MEANINGS.items() if name in _latencies(summary)]
        console.print(Text("; ".join(shown), style="dim"))
        if "recorded" in summary.latency_ms:
            console.print(Text(_RECORDED, style="dim"))
        if summary.counts.failed:
            console.print(Text(_FAILURES, style="dim"))
        if len(summary.series) > 1:
            console.print()
            console.print(fitted(_series_table(summary), console))
        if "recorded" in summary.latency_ms:
            console.print()
            console.print(fitted(_recorded_table(summary), console))
        if len(summary.series) > 1:
            hidden = len(summary.series) - _SERIES_SHOWN
            if hidden > 0:
                console.print(Text(f"and {hidden} more step names; see summary.json", style="dim"))
    _print_generator(summary, console)
    if (spent := summary.spent) is not None:
        of = f"{money(spent.amount, spent.currency)} of {money(spent.budget, spent.currency)}"
        calls = (
            f"{count(spent.calls)} model calls, {count(spent.counted)} counted, {count(spent.assumed)} assumed"
        )
        console.print(Text(f"spent: {of}, on {calls}"))
    if summary.fidelity is not None and (said := fidelity_line(summary.fidelity, summary.counts)):
        style = "dim" if not summary.fidelity.reasons else "yellow"
        console.print(Text(said, style=style))
    for note in summary.notes:
        console.print(Text(f"note: {note}", style="dim"))
    if directory is not None:
        console.print(Text(f"recorded in {directory}", style="dim"), soft_wrap=True)


def _print_head(summary: Summary, console: Console) -> None:
    counts = summary.counts
    console.print()
    console.print(
        Text.assemble(
            (clean(summary.trace.name), "bold"),
            " → ",
            (clean(summary.target.name), "bold"),
            f"  {summary.target.url}",
        ),
        soft_wrap=True,
    )
    parts = [
        f"{counted(counts.sessions, 'session')}, {counted(counts.steps, 'step')} in {seconds(summary.elapsed_s)}"
    ]
    if summary.ended is not None:
        parts.append(f"the run was ended by {summary.ended.option}")
    elif ended := ending(summary.status):
        parts.append(ended)
    console.print(Text("; ".join(parts)))
    line = Text()
    line.append(f"{count(counts.ok)} ok", style="green" if counts.ok else "default")
    line.append(", ")
    line.append(f"{count(counts.failed)} failed", style="red" if counts.failed else "default")
    line.append(", ")
    line.append(f"{count(counts.unsent)} unsent", style="yellow" if counts.unsent else "default")
    if counts.waits:
        withheld = f", {count(counts.withheld)} of them withheld" if counts.withheld else ""
        line.append(f" ({count(counts.waits)} of the ok are waits that send nothing{withheld})")
    if counts.unlike_recorded:
        line.append(f"; {count(counts.unlike_recorded)} with a status other than recorded", style="yellow")
    console.print(line)
    for label, classes in (("failed", counts.errors), ("unsent", counts.unsent_reasons)):
        if classes:
            shown = ", ".join(
                f"{clean(name)} {count(n)}" for name, n in sorted(classes.items(), key=lambda x: -x[1])
            )
            console.print(indented(f"{label}: {shown}", 2))
    for error, why in counts.error_examples.items():
        console.print(indented(f"{clean(error)}, for example: {clean(why, 200)}", 4))
    rate = summary.rate
    if rate.achieved_rps is not None and rate.offered_rps is not None:
        peak = "" if rate.peak_in_flight is None else f", at most {count(rate.peak_in_flight)} in flight"
        console.print(
            Text(f"offered {number(rate.offered_rps)}/s, achieved {number(rate.achieved_rps)}/s{peak}")
        )
    console.print()


def _latency_table(summary: Summary) -> Table:
    table = _table("latency")
    for name, quantiles in _latencies(summary).items():
        table.add_row(_ROWS[name], *_cells(quantiles))
    return table


def _latencies(summary: Summary) -> dict[str, Quantiles]:
    """What there is to say of each row."""
    found = {}
    for name in _ROWS:
        quantiles = summary.latency_ms.get(name)
        if quantiles is None and f"{name}_with_failures" in summary.latency_ms:
            # Nothing was answered; without this row it would not be clear what the next one is of.
            quantiles = Quantiles(n=0)
        elif quantiles is None or not quantiles.n or quantiles.failed_ratio == 0:
            continue
        found[name] = quantiles
    return found


def _series_table(summary: Summary) -> Table:
    table = _table("by step", last="failed")
    for series in _shown_series(summary):
        failed = series.counts.get("failed", 0)
        table.add_row(
            f"{series.kind}:{clean(series.name, 32)}",
            *_cells(series.response),
            Text(count(failed), style="red" if failed else "dim"),
        )
    return table


def _recorded_table(summary: Summary) -> Table:
    """The steps that were answered, beside the recording of the same ones."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("beside the recording", no_wrap=True, style="bold")
    for head in RECORDED_HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    empty = Quantiles(n=0)
    latency = summary.latency_ms
    table.add_row("all steps", *_beside(latency.get("response", empty), latency["recorded"]))
    for series in _shown_series(summary) if len(summary.series) > 1 else ():
        if series.recorded is not None:
            table.add_row(f"{series.kind}:{clean(series.name, 24)}", *_beside(series.response, series.recorded))
    return table


def _beside(ours: Quantiles, recorded: Quantiles) -> list[Text]:
    return [Text(cell, style="dim" if cell.endswith("*") else "") for cell in recorded_cells(ours, recorded)]


def _shown_series(summary: Summary) -> list[Series]:
    return sorted(summary.series, key=lambda series: -series.response.n)[:_SERIES_SHOWN]


def _table(first: str, last: str = "") -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True, style="bold")
    table.add_column("n", justify="right", no_wrap=True)
    for name, _ in _QUANTILES:
        table.add_column(name.replace("_", "."), justify="right", no_wrap=True)
    table.add_column("max", justify="right", no_wrap=True)
    if last:
        table.add_column(last, overflow="fold", justify="right")
    return table


def _cells(quantiles: Quantiles) -> list[Text]:
    cells = [Text(count(quantiles.n))]
    for name, q in _QUANTILES:
        value: float | None = getattr(quantiles, name)
        # Fewer than 1 / (1 - q) values: the quantile is only the largest value under another name.
        is_thin = value is not None and not isinf(value) and quantiles.n * (1 - q) < 0.999
        cells.append(Text(milliseconds(value) + ("*" if is_thin else ""), style="dim" if is_thin else ""))
    cells.append(Text(milliseconds(quantiles.max)))
    return cells


def _print_generator(summary: Summary, console: Console) -> None:
    console.print()
    thin = [
        q.n for q in (*summary.latency_ms.values(), *(s.response for s in summary.series)) if 0 < q.n < 1000
    ]
    if thin and summary.counts.sent:
        console.print(
            Text("* too few steps for this percentile: it is only the largest value seen", style="dim")
        )
    lag = summary.dispatch_lag_us
    generator = summary.generator
    text = Text.assemble("this generator: ", (generator.verdict, f"bold {_VERDICT_STYLE[generator.verdict]}"))
    if lag.n and lag.p50 is not None and lag.p99 is not None:
        text.append(
            f", steps sent {milliseconds(lag.p50 / 1000)} late (p50), {milliseconds(lag.p99 / 1000)} (p99)"
        )
    if generator.cpu_percent is not None:
        text.append(f", {number(generator.cpu_percent)}% of a core")
    console.print(text)
    for reason in generator.reasons:
        console.print(indented(f"because {reason}", 2), style=_VERDICT_STYLE[generator.verdict])
    if generator.verdict != "ok":
        console.print(indented("so part of the latency above may be this machine's and not the target's", 2))
    span_s = summary.trace.recorded_span_s
    if (
        span_s is not None
        and summary.status == "finished"
        and (summary.removed_s or span_s > summary.elapsed_s)
    ):
        took = f"took {seconds(summary.elapsed_s)} for {seconds(span_s)} of the recording"
        console.print(Text(took, style="dim"))
    for where, shown in _left_out(summary.removed_s):
        console.print(Text(f"left out of {where}: {shown}", style="dim"))


def _left_out(removed_s: Mapping[str, float]) -> list[tuple[str, str]]:
    """What knobs left out of the recording, by where: a sum over sessions is no time that a run is shorter by."""
    out_of: dict[str, list[str]] = {}
    for knob, knob_s in removed_s.items():
        if knob_s:
            where = "the time between session starts" if knob == "arrivals" else _WITHIN
            out_of.setdefault(where, []).append(f"{seconds(knob_s)} by --{knob.replace('_', '-')}")
    return [(where, ", ".join(shown)) for where, shown in out_of.items()]


def _weight(forecast: Forecast, currency: str | None) -> list[tuple[str, str]]:
    """What the requests come to."""
    rows = []
    for name, counts in (("by method", forecast.methods), ("by host", forecast.hosts)):
        if counts:
            rows.append((name, ", ".join(f"{clean(key)} {count(n)}" for key, n in counts.items())))
    if min(len(forecast.methods), len(forecast.hosts)) > 1:
        both = [
            f"{clean(each.method)} to {clean(each.to)} {count(each.requests)}" for each in forecast.destinations
        ]
        rows.append(("by both", ", ".join(both)))
    if forecast.requests:
        rows.append(("request bytes", size(forecast.request_bytes)))
    if forecast.model_calls:
        tokens = (
            f"{count(forecast.input_tokens)} prompt and at most {count(forecast.output_tokens)} output tokens"
        )
        rows.append(("model calls", f"{count(forecast.model_calls)}, with {tokens}"))
        if forecast.images:
            rows.append(("images", f"{count(forecast.images)}, made to {size(forecast.image_bytes)} in all"))
        if forecast.tools_offered:
            made = f"definitions made to {size(forecast.tool_bytes)} in all"
            rows.append(("tools offered", f"in {counted(forecast.tools_offered, 'model call')}, {made}"))
        cost = "unknown: the target file has no price of model calls under [cost]"
        if forecast.model_cost is not None:
            cost = f"at most about {money(forecast.model_cost, currency)}, by the target's [cost]"
        rows.append(("they cost", cost))
    return rows


def _waits(forecast: Forecast) -> str:
    withheld = f"; {count(forecast.withheld)} withheld, as read-only" if forecast.withheld else ""
    return f"{count(forecast.waits)} (nothing is sent for them{withheld})"


def _need(need: ForecastNeed) -> str:
    """What an SLO needs, and the knob that gives it."""
    enough = "" if need.scale is None else f": add --scale {need.scale}"
    return f"{clean(need.slo)} needs at least {count(need.needed)} {need.of}, and has {count(need.planned)}{enough}"


def print_dry_run(forecast: Forecast, console: Console | None = None, currency: str | None = None) -> None:
    """Print what a run would send. currency: of the target's prices, where it is known."""
    console = console or plain_console()
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    peak = f"{number(forecast.peak_rps)}/s" if forecast.peak_rps is not None else "–"
    rows = [
        ("would send", f"{counted(forecast.requests, 'request')} of {counted(forecast.steps, 'step')}"),
        ("sessions", count(forecast.sessions)),
        ("waits", _waits(forecast)),
        ("wall time", f"about {seconds(forecast.wall_s)}, with the recorded durations"),
        ("span", f"{seconds(forecast.recorded_span_s)} as recorded"),
        ("peak rate", f"{peak}, in the busiest second"),
        ("peak in flight", f"about {count(forecast.peak_in_flight)}, with the recorded durations"),
    ]
    rows += _weight(forecast, currency)
    if forecast.identical_requests is not None:
        alike = "identical to an earlier one, except for traceparent and idempotency key"
        rows.append(("identical", f"{counted(forecast.identical_requests, 'request')}, {alike}"))
    rows += [("left out", f"{shown}, of {where}") for where, shown in _left_out(forecast.removed_s)]
    for name, said in rows:
        table.add_row(name, Text(said))
    console.print(Text.assemble((clean(forecast.trace), "bold"), " → ", (clean(forecast.target), "bold")))
    console.print(table)
    for need in forecast.needs:
        console.print(Text(_need(need), style="yellow" if need.planned < need.needed else ""))
    if forecast.first:
        console.print(Text("the first requests, secrets masked:", style="dim"))
        for command in forecast.first:
            console.print(Text(f"  {command}"), soft_wrap=True)
    for note in forecast.notes:
        console.print(Text(f"note: {note}", style="dim"))
    console.print("nothing was sent")
