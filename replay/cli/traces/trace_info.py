"""`replay trace info` and `replay trace validate`: look at traces, and check them."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.cli.drawing import DRAWN, draw
from replay.cli.paths import OUTPUT_FILE, PATH
from replay.cli.units import WholeNumber
from replay.live.working import working
from replay.report.page.charts import Chart
from replay.report.page.trace_chart import trace_load
from replay.report.words.levels import level_of
from replay.trace.errors import TraceError, shortened, shown_path
from replay.trace.file.import_doubts import import_doubts
from replay.trace.file.stream import find_errors, scan
from replay.trace.profile.shape import Quantiles, TraceProfile, profile
from replay.words.names import clean
from replay.words.numbers import count, milliseconds, number, percent, size
from replay.words.phrases import counted

_MOST_ERRORS = 20
_MOST_REFERENCES = 20


@click.command(
    cls=Command,
    examples=(
        "replay trace info traces/support-agent.jsonl",
        "replay trace info traces/support-agent.jsonl --plot load.html",
    ),
)
@click.argument("path", metavar="TRACE", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--top", type=WholeNumber(1), default=10, show_default=True, help="How many step names to list.")
@click.option(
    "--plot",
    type=OUTPUT_FILE,
    help="Draw the load over time into this file: .svg, .png or .html (needs the extra report).",
)
def info(path: Path, as_json: bool, top: int, plot: Path | None) -> None:
    """Describe the shape of a trace."""
    if plot is not None and plot.suffix not in DRAWN:
        raise click.BadParameter(f"{plot.name!r} must end in {', '.join(DRAWN)}.", param_hint="'--plot'")
    with working(f"reading {path}", path):
        found = profile(path)
    if plot is not None:
        draw(_load_chart(found), plot)
    if as_json:
        print_json(found)
        return
    for line in _described(found, top):
        click.echo(line)
    for doubt in import_doubts(found.header):
        click.echo(f"doubt: {doubt}", err=True)


@click.command(
    cls=Command,
    examples=("replay trace validate traces/support-agent.jsonl", "replay trace validate trace.jsonl --all"),
)
@click.argument("path", metavar="TRACE", type=PATH)
@click.option("--all", "show_all", is_flag=True, help=f"Continue after the first error, up to {_MOST_ERRORS}.")
def validate(path: Path, show_all: bool) -> None:
    """Check every line of a trace."""
    if show_all:
        errors = 0
        for error in find_errors(path, _MOST_ERRORS):
            errors += 1
            click.echo(str(error), err=True)
        if errors:
            more = " or more" if errors == _MOST_ERRORS else ""
            listed = f"{errors}{more} errors" if more else counted(errors, "error")
            raise TraceError(f"{shown_path(path)}: {listed}, listed above.")
    with working(f"checking {path}", path):
        found = scan(path)
    for doubt in found.doubts:
        click.echo(f"doubt: {doubt}", err=True)
    click.echo(f"ok: {counted(found.sessions, 'session')}, {counted(found.steps, 'step')}")
    if found.uses is not None and found.uses.counts:
        click.echo(f"references: {_references(found.uses.counts)}")


def _described(found: TraceProfile, top: int) -> list[str]:
    header = found.header
    resolution = "not stated" if header.resolution_ms is None else milliseconds(header.resolution_ms)
    rows = [
        ("trace", shortened(header.name)),
        ("source", shortened(header.source) if header.source else "not stated"),
        ("recorded at", _origins(header.origins)),
        ("resolution", resolution),
        ("sessions", f"{found.sessions:,}"),
        ("steps", f"{found.steps:,} ({found.waits:,} of them waits)"),
        ("span", milliseconds(found.span_ms)),
    ]
    if found.sessions_per_min is not None:
        rows.append(("arrivals", f"{number(found.sessions_per_min)} sessions/min"))
    rows += [
        ("edges", f"{found.edges:,} (several meet at {counted(found.joins, 'step')})"),
        ("input tokens", f"{found.input_tokens:,}"),
        ("output tokens", f"{found.output_tokens:,}"),
    ]
    if found.images:
        weight = f"{size(found.image_bytes)} in all"
        rows.append(("images", f"{found.images:,} in model calls, {weight}"))
    if found.tools_offered:
        weight = f"{size(found.tool_bytes)} of definitions"
        rows.append(("tools offered", f"in {counted(found.tools_offered, 'model call')}, {weight}"))
    if found.references:
        rows.append(("references", _references(found.references)))
    lines = [f"{name:<15}{value}" for name, value in rows]
    lines += _load_lines(found)
    lines += ["", f"{'':<24}{'n':>9}{'min':>9}{'p50':>9}{'p90':>9}{'p99':>9}{'max':>9}"]
    for name, spread, show in (
        ("steps per session", found.steps_per_session, _whole),
        ("depth of session", found.depth, _whole),
        ("fan-out of step", found.fan_out, _whole),
        ("gap on edge", found.gap_ms, milliseconds),
        ("recorded duration", found.took_ms, milliseconds),
        ("input tokens per call", found.input_tokens_per_call, _whole),
        ("output tokens per call", found.output_tokens_per_call, _whole),
    ):
        lines.append(f"{name:<24}" + _spread(spread, show))
    lines += ["", f"{'kind':<6}{'name':<40}{'steps':>10}"]
    for series in found.series[:top]:
        lines.append(f"{series.kind:<6}{shortened(series.name, 36):<40}{series.steps:>10,}")
    if len(found.series) > top:
        rest = sum(series.steps for series in found.series[top:])
        names = f"and {counted(len(found.series) - top, 'more name')}"
        lines.append(f"{'':<6}{names:<40}{rest:>10,}")
    return lines


def _references(counts: dict[str, int]) -> str:
    """The references that a run gives values to, and how many steps use each."""
    shown = [
        f"{{{{{name}}}}} in {counted(count, 'step')}"
        for name, count in sorted(counts.items())[:_MOST_REFERENCES]
    ]
    more = len(counts) - len(shown)
    return f"{', '.join(shown)}{f' and {more} more' if more > 0 else ''}"


def _origins(origins: Sequence[str]) -> str:
    said = ", ".join(shortened(origin, 40) for origin in origins[:3])
    return f"{said} and {len(origins) - 3} more" if len(origins) > 3 else said or "not stated"


def _load_lines(found: TraceProfile) -> list[str]:
    """How the load comes: a line over time, its kind and the rule, and the three levels of it."""
    load = found.load
    most = max(load.steps_by_window, default=0)
    bars = "".join(
        "▁▂▃▄▅▆▇█"[min(7, 8 * count // (most + 1))] if count else " " for count in load.steps_by_window
    )
    lines = ["", f"{'load over time':<15}{bars}", f"{'pattern':<15}{load.pattern.name}"]
    lines += [f"{'':<15}{part}" for part in textwrap.wrap(load.pattern.rule, 64)]
    rows = [("dispersion", load.dispersion), ("peak to mean", load.peak_to_mean)]
    for name, by_window in rows:
        if by_window:
            shown = ", ".join(f"{number(value)} by {window}" for window, value in by_window.items())
            lines.append(f"{name:<15}{shown}")
    if load.cv_of_gaps is not None:
        lines.append(f"{'gaps':<15}CV {number(load.cv_of_gaps)} between session starts (1: Poisson)")
    if load.under_way_mean is not None:
        lines.append(
            f"{'in flight':<15}{number(load.under_way_mean)} requests on average, at most {load.under_way_most:,}"
        )
    for bucket in load.buckets:
        rate = bucket.mean_per_slot / load.window_s
        shown = (
            f"{percent(bucket.time_ratio)} of the time, {percent(bucket.events_ratio)} of the steps, "
            f"{number(rate)} steps/s"
        )
        lines.append(f"{f'{level_of(bucket.name)} load':<15}{shown}")
    return lines


def _spread(spread: Quantiles, show: Callable[[float], str]) -> str:
    values = (spread.min, spread.p50, spread.p90, spread.p99, spread.max)
    return f"{spread.n:>9,}" + "".join(f"{'–' if value is None else show(value):>9}" for value in values)


def _whole(value: float) -> str:
    return count(round(value))


def _load_chart(found: TraceProfile) -> Chart | None:
    load = found.load
    levels = [(level_of(bucket.name), bucket.mean_per_slot / load.window_s) for bucket in load.buckets]
    return trace_load(
        clean(found.header.name), found.span_ms / 1000, load.steps_by_window, load.under_way_by_window, levels
    )
