"""`replay trace`: import and record traces, look at them, and check them."""

import contextlib
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from replay.cli.trace_correlate import correlate
from replay.cli.trace_record import record
from replay.cli.units import DURATION
from replay.trace.arrivals import ArrivalsError
from replay.trace.errors import TraceError, escaped, shortened, shown, shown_path
from replay.trace.file import TraceWriter, find_errors, scan
from replay.trace.importers import IMPORTERS
from replay.trace.importers.claude_sessions import DEFAULT_ARRIVALS
from replay.trace.importers.inputs import first_bytes, spooled
from replay.trace.importers.mooncake import DEFAULT_BLOCK_SIZE
from replay.trace.importers.types import ImportOptions
from replay.trace.profile import Quantiles, TraceProfile, profile

_MOST_ERRORS = 20
_SNIFFED_BYTES = 1 << 16
_IS_TRACE = re.compile(rb'\s*\{\s*"format"\s*:\s*"replay-trace"').match


@click.group()
def trace() -> None:
    """Import, record, inspect and check traces."""


@trace.command(
    "import",
    epilog="Example: replay trace import claude-sessions sessions/ -o trace.jsonl.zst --arrivals poisson:6/min",
    help="Turn a recording into a trace.\n\nFORMAT is one of:\n\n\b\n"
    + "\n".join(f"  {importer.name:<16} {importer.describe}" for importer in IMPORTERS.values())
    + "\n\nIt may be left out where the recording tells. A PATH is a file, also compressed with gzip or zstandard, a "
    "folder, or - for stdin.",
)
@click.argument("words", metavar="[FORMAT] PATH...", nargs=-1, required=True)
@click.option("--from", "from_format", metavar="FORMAT", help="The format, if not given as first argument.")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The trace to write; .zst or .gz compresses.",
)
@click.option("--name", help="The trace's name. [default: from PATH]")
@click.option(
    "--arrivals",
    metavar="SPEC",
    help="When sessions start, if the recording does not say: poisson:6/min, uniform:2/s, every:10s, at-once. "
    f"[default: {DEFAULT_ARRIVALS} for several sessions]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the arrivals.")
@click.option(
    "--block-size",
    type=click.IntRange(1, 1_000_000),
    help=f"Tokens in a prefix block. [default: as recorded; mooncake: {DEFAULT_BLOCK_SIZE}]",
)
@click.option(
    "--stream/--no-stream",
    default=True,
    show_default=True,
    help="For formats that do not say if calls were streamed.",
)
@click.option(
    "--subagent-t",
    type=click.Choice(["spawn", "end"]),
    default="spawn",
    show_default=True,
    help="claude-sessions: whether a sub-agent's t is its spawn or its end.",
)
@click.option(
    "--session-by",
    metavar="FIELD",
    help="The field, header or query parameter (query:NAME) whose value names the session, for logs of single "
    "requests.",
)
@click.option(
    "--idle-gap",
    "idle_gap_s",
    type=DURATION,
    default="300s",
    show_default=True,
    help="Where sessions are told by client alone: silence that ends one.",
)
@click.option(
    "--responses",
    type=click.Choice(["keep", "drop"]),
    default="drop",
    show_default=True,
    help="har, mitmproxy: keep responses' headers and JSON bodies up to 64 KiB, for `replay trace correlate`.",
)
def import_(words: tuple[str, ...], from_format: str | None, out: Path, **chosen: Any) -> None:
    with contextlib.ExitStack() as spools:
        names: dict[str, str] = {}
        words = tuple(_readable(word, spools, names) for word in words)
        format_name, paths = _format_and_paths(words, from_format)
        if any(_is_same_file(out, path) for path in paths):
            raise TraceError(f"{shown_path(out)}: is the input. Write the trace to another file.")
        try:
            result = IMPORTERS[format_name].read(paths, ImportOptions(**chosen))
        except ArrivalsError as error:
            raise click.BadParameter(str(error), param_hint="--arrivals") from error
        with TraceWriter(out, result.header) as writer:
            for session in result.sessions():
                writer.write(session)
        for note in result.notes:
            for spool, name in names.items():
                note = note.replace(spool, name)
            click.echo(escaped(note), err=True)
        click.echo(f"{shown_path(out)}: {writer.sessions} sessions, {writer.steps} steps")


def _readable(word: str, spools: contextlib.ExitStack, names: dict[str, str]) -> str:
    """The word, or a file with what stdin (for `-`) or a named pipe holds: importing reads its input twice.

    names: what people call such files, by path.
    """
    if word == "-":
        if sys.stdin.isatty():
            raise click.UsageError(
                "- reads the recording from stdin, which is a terminal. Pipe the recording in."
            )
        return _spooled(sys.stdin.buffer, "stdin", spools, names)
    if Path(word).is_fifo():
        with open(word, "rb") as pipe:
            return _spooled(pipe, shown_path(word), spools, names)
    return word


def _spooled(source: BinaryIO, name: str, spools: contextlib.ExitStack, names: dict[str, str]) -> str:
    path = str(spools.enter_context(spooled(source, name)))
    names[path] = name
    return path


def _format_and_paths(words: tuple[str, ...], from_format: str | None) -> tuple[str, list[Path]]:
    """The format, as an option, the first word or the input itself says it, and the inputs."""
    if from_format is not None:
        _check_format(from_format)
        return from_format, [Path(word) for word in words]
    if words[0] in IMPORTERS:
        if len(words) == 1:
            raise click.UsageError(f"name the file or folder to import after {words[0]}.")
        return words[0], [Path(word) for word in words[1:]]
    paths = [Path(word) for word in words]
    if not paths[0].exists():
        if len(paths) > 1:
            _check_format(words[0])
        raise TraceError(f"{shown_path(paths[0])}: no such file.")
    return _sniffed(paths[0]), paths


def _check_format(name: str) -> None:
    if name not in IMPORTERS:
        raise click.UsageError(f"{shown(name)} is not a known format. Known are: {', '.join(IMPORTERS)}.")


def _sniffed(path: Path) -> str:
    file = _first_file(path) if path.is_dir() else path
    start = first_bytes(file, _SNIFFED_BYTES)
    if not start:
        raise TraceError(f"{shown_path(file)}: empty.")
    if _IS_TRACE(start):
        raise TraceError(f"{shown_path(file)}: is a trace already. Use it as it is.")
    for importer in IMPORTERS.values():
        if importer.sniff(start):
            return importer.name
    raise click.UsageError(
        f"cannot tell the format of {shown_path(path)}. Name it before the path: {', '.join(IMPORTERS)}."
    )


def _first_file(folder: Path) -> Path:
    """The file that tells the format of a folder: by name the first with JSON in it, or else the first."""
    for find in (folder.glob, folder.rglob):
        inside = sorted(entry for entry in find("[!.]*") if entry.is_file())
        if inside:
            return next((file for file in inside if ".json" in file.name), inside[0])
    raise TraceError(f"{shown_path(folder)}: no files in this folder.")


def _is_same_file(out: Path, path: Path) -> bool:
    if not out.exists() or not path.exists():
        return False
    return out.samefile(path) or (path.is_dir() and any(out.samefile(file) for file in path.iterdir()))


@trace.command(epilog="Example: replay trace info trace.jsonl.zst")
@click.argument("path", metavar="TRACE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--top", type=click.IntRange(1), default=10, show_default=True, help="How many step names to list."
)
def info(path: Path, as_json: bool, top: int) -> None:
    """Describe the shape of a trace."""
    found = profile(path, progress=_progress())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    for line in _described(found, top):
        click.echo(line)


@trace.command(epilog="Example: replay trace validate trace.jsonl --all")
@click.argument("path", metavar="TRACE", type=click.Path(path_type=Path))
@click.option("--all", "show_all", is_flag=True, help=f"Go on after the first error, up to {_MOST_ERRORS}.")
def validate(path: Path, show_all: bool) -> None:
    """Check every line of a trace."""
    if show_all:
        errors = 0
        for error in find_errors(path, _MOST_ERRORS):
            errors += 1
            click.echo(str(error), err=True)
        if errors:
            more = " or more" if errors == _MOST_ERRORS else ""
            raise TraceError(f"{shown_path(path)}: {errors}{more} error(s), listed above.")
    found = scan(path, check_ids=True, progress=_progress())
    click.echo(f"ok: {found.sessions} sessions, {found.steps} steps")


def _progress() -> Callable[[int, int], None] | None:
    """Percent read, on a terminal only."""
    if not sys.stderr.isatty():
        return None
    last = -1

    def show(read: int, size: int) -> None:
        nonlocal last
        percent = 100 * read // size if size else 100
        if percent != last and size > 1 << 24:
            last = percent
            click.echo(f"\r{percent:3d} %" + ("\r     \r" if percent == 100 else ""), nl=False, err=True)

    return show


def _described(found: TraceProfile, top: int) -> list[str]:
    header = found.header
    resolution = "not stated" if header.resolution_ms is None else f"{header.resolution_ms:g} ms"
    rows = [
        ("trace", shortened(header.name)),
        ("source", shortened(header.source) if header.source else "not stated"),
        ("resolution", resolution),
        ("sessions", f"{found.sessions:,}"),
        ("steps", f"{found.steps:,} ({found.waits:,} of them waits)"),
        ("span", _duration(found.span_ms)),
    ]
    if found.sessions_per_min is not None:
        rows.append(("arrivals", f"{found.sessions_per_min:,.3g} sessions/min"))
    rows += [
        ("edges", f"{found.edges:,} ({found.joins:,} steps join several)"),
        ("input tokens", f"{found.input_tokens:,}"),
        ("output tokens", f"{found.output_tokens:,}"),
    ]
    lines = [f"{name:<15}{value}" for name, value in rows]
    lines += _load_lines(found)
    lines += ["", f"{'':<24}{'n':>10}{'min':>10}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}"]
    for name, spread, show in (
        ("steps per session", found.steps_per_session, _count),
        ("depth of session", found.depth, _count),
        ("fan-out of step", found.fan_out, _count),
        ("gap on edge", found.gap_ms, _duration),
        ("recorded duration", found.took_ms, _duration),
        ("input tokens per call", found.input_tokens_per_call, _count),
        ("output tokens per call", found.output_tokens_per_call, _count),
    ):
        lines.append(f"{name:<24}" + _spread(spread, show))
    lines += ["", f"{'kind':<6}{'name':<40}{'steps':>10}"]
    for series in found.series[:top]:
        lines.append(f"{series.kind:<6}{shortened(series.name, 36):<40}{series.steps:>10,}")
    if len(found.series) > top:
        rest = sum(series.steps for series in found.series[top:])
        lines.append(f"{'':<6}{f'and {len(found.series) - top} more names':<40}{rest:>10,}")
    return lines


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
            shown = ", ".join(f"{value:.3g} by {window}" for window, value in by_window.items())
            lines.append(f"{name:<15}{shown}")
    if load.cv_of_gaps is not None:
        lines.append(f"{'gaps':<15}CV {load.cv_of_gaps:.3g} between session starts (1: Poisson)")
    if load.under_way_mean is not None:
        lines.append(
            f"{'under way':<15}{load.under_way_mean:.3g} steps in the mean, at most {load.under_way_most:,}"
        )
    for bucket in load.buckets:
        rate = bucket.mean_per_slot / load.window_s
        shown = (
            f"{bucket.time_ratio:.0%} of the time, {bucket.events_ratio:.0%} of the steps, {rate:.3g} steps/s"
        )
        lines.append(f"{bucket.name:<15}{shown}")
    return lines


def _spread(spread: Quantiles, show: Callable[[float], str]) -> str:
    values = (spread.min, spread.p50, spread.p90, spread.p99, spread.max)
    return f"{spread.n:>10,}" + "".join(f"{'-' if value is None else show(value):>10}" for value in values)


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _duration(ms: float) -> str:
    if ms < 1_000:
        return f"{ms:.3g} ms"
    if ms < 60_000:
        return f"{ms / 1_000:.3g} s"
    if ms < 3_600_000:
        return f"{ms / 60_000:.3g} min"
    return f"{ms / 3_600_000:,.3g} h"


trace.add_command(record)
trace.add_command(correlate)
