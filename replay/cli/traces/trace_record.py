"""`replay trace record`: record what clients send through a reverse proxy."""

import gc
import ipaddress
import signal
import sys
from pathlib import Path
from typing import Any

import anyio
import click

from replay.cli.command import Command
from replay.cli.paths import PATH
from replay.cli.traces.mirrored import told_of_mirror
from replay.cli.traces.personal import PERSONAL, personal_data, personal_options
from replay.cli.units import DURATION, typed_duration
from replay.exit_codes import EXIT_CODES
from replay.planes.serving.output import Output
from replay.recording.capture import INCOMPLETE
from replay.recording.output import NothingRecorded, Written, write_trace
from replay.recording.recording import RecordOptions, finish_recording, journal_path, recording
from replay.recording.types import SessionRules
from replay.recording.upstreams import UpstreamError, parse_routes, parse_upstream
from replay.system.shortage import check_room_for_loop
from replay.trace.errors import TraceError, escaped, shown_path
from replay.trace.redaction.requests import PatternError
from replay.words.phrases import counted, were

_RULES = SessionRules()
_DEFAULT_LISTEN = "127.0.0.1:9000"


@click.command(
    cls=Command,
    parts={
        "Traffic": ("listen", "upstreams", "routes", "mirror", "mirror_unsafe", "duration", "recover"),
        "Session": ("session_header", "session_cookie", "idle_gap"),
        "Privacy": ("bodies", "responses", "patterns", "redact_personal", "redact_names"),
        "Output": ("out", "force", "name"),
    },
    examples=(
        "replay trace record --upstream http://127.0.0.1:8080 \\\n    --session-header x-session -o trace.jsonl.zst",
        "replay trace record --upstream http://127.0.0.1:8080 \\\n    --duration 10m -o trace.jsonl",
    ),
)
@click.option(
    "--listen",
    default=_DEFAULT_LISTEN,
    show_default=True,
    metavar="HOST:PORT",
    help="Address that clients send to; port 0 takes a free one.",
)
@click.option(
    "--upstream",
    "upstreams",
    multiple=True,
    metavar="[NAME=]URL",
    help="Where requests are forwarded to; with a name, those under /NAME/. May be repeated.",
)
@click.option(
    "--route",
    "routes",
    multiple=True,
    metavar="/PREFIX=NAME",
    help="Also forward requests under /PREFIX to this upstream, keeping the prefix. May be repeated.",
)
@click.option(
    "--mirror",
    metavar="URL",
    help="Also send each request to this second target, once it is answered; times and statuses of both are told at "
    "the end. Only requests that change nothing (GET, HEAD, OPTIONS, TRACE).",
)
@click.option("--mirror-unsafe", is_flag=True, help="With --mirror: requests too that may change something.")
@click.option("--session-header", metavar="NAME", help="The header whose value names the session.")
@click.option(
    "--session-cookie",
    metavar="NAME",
    help="The cookie that identifies sessions without a header or traceparent.",
)
@click.option(
    "--idle-gap",
    type=DURATION,
    default=typed_duration(_RULES.idle_gap_s),
    show_default=True,
    help="Silence that ends a session identified by cookie or client address.",
)
@click.option(
    "--bodies",
    type=click.Choice(["keep", "hash", "drop"]),
    default="keep",
    show_default=True,
    help="Keep requests' bodies up to 1 MiB, or only their size, with or without a hash.",
)
@click.option(
    "--responses",
    type=click.Choice(["keep", "drop"]),
    default="drop",
    show_default=True,
    help="Keep responses' headers and JSON bodies up to 64 KiB, for `replay trace correlate` and `replay plane "
    "serve --trace`.",
)
@click.option(
    "--redact",
    "patterns",
    multiple=True,
    metavar="REGEX",
    help="Replace what matches (or its group named secret) in paths, header values and bodies; RE2 syntax."
    f" May be repeated. {PERSONAL}: as --redact-personal.",
)
@personal_options
@click.option("-o", "--out", required=True, type=PATH, help="The trace to write; .zst compresses.")
@click.option("--force", is_flag=True, help="Replace a trace that is there already.")
@click.option("--name", help="The trace's name.  [default: from OUT]")
@click.option("--duration", type=DURATION, help="Stop after this.  [default: when interrupted]")
@click.option(
    "--recover",
    type=PATH,
    metavar="JOURNAL",
    help="Record nothing; make the trace from the journal that a killed recording left.",
)
@click.pass_context
def record(
    ctx: click.Context, /, out: Path, force: bool, name: str | None, recover: Path | None, **chosen: Any
) -> None:
    """Record requests through a reverse proxy, and write a trace when it is interrupted.

    Credentials, cookies, keys and tokens are replaced before anything is written. While it records, steps are in
    OUT.journal, at the latest a second after they ended.
    """
    if out.is_file() and out.stat().st_size and not force:
        raise TraceError(
            f"{shown_path(out)}: is there already. Choose another --out, or replace it with --force."
        )
    if recover is not None:
        _report(out, write_trace(recover, out, name))
        click.echo(f"{shown_path(recover)} was kept; remove it when the trace is what you expect.", err=True)
        return
    options = _options(out, name, chosen)
    if not ipaddress.ip_address(options.host).is_loopback:
        click.echo(
            f"replay: warning: {options.host} can be reached from other machines, and whoever reaches it can use "
            "the upstreams through it.",
            err=True,
        )
    check_room_for_loop()
    try:
        incomplete = anyio.run(
            _record, options, chosen["duration"], backend_options={"use_uvloop": sys.platform != "win32"}
        )
    except PatternError as error:
        raise click.UsageError(f"{error}") from error
    if incomplete is None:
        _report(out, finish_recording(options))
        return
    # What was recorded is kept; whoever asks for the exit code must not take it for all.
    try:
        written = finish_recording(options)
    except TraceError as error:
        where = "" if isinstance(error, NothingRecorded) else f" {_kept_in(options)}"
        click.echo(f"replay: {error}{where}", err=True)
    else:
        _report(out, written)
    click.echo(f"replay: {incomplete}", err=True)
    ctx.exit(EXIT_CODES["not_carried_out"])


def _kept_in(options: RecordOptions) -> str:
    journal = shown_path(journal_path(options.out))
    return f"What was recorded is in {journal}: make a trace of it with --recover when there is room."


def _stopping_signals() -> list[signal.Signals]:
    """Those that end a recording. SIGHUP only where nohup has not said that the terminal may go."""
    hang_up = getattr(signal, "SIGHUP", None)
    found = [signal.SIGINT, signal.SIGTERM]
    return found if hang_up is None or signal.getsignal(hang_up) is signal.SIG_IGN else [*found, hang_up]


async def _record(options: RecordOptions, duration_s: float | None) -> str | None:
    """Record until a signal or the end of the duration; what is missing of the recording, and why, or None."""
    told = Output(sys.stderr)
    with anyio.open_signal_receiver(*_stopping_signals()) as signals:
        async with recording(options) as going_on:
            # A full collection would look through all that was imported, which takes tens of milliseconds.
            gc.collect()
            gc.freeze()
            click.echo(f"recording on {going_on.url}, to {shown_path(journal_path(options.out))}", err=True)

            async def until_signal() -> None:
                async for _ in signals:
                    group.cancel_scope.cancel()

            async def until_failure() -> None:
                await going_on.failed.wait()
                told.say(f"replay: {going_on.failure} Nothing more is recorded; requests are still passed on.")

            with anyio.move_on_after(duration_s):
                async with anyio.create_task_group() as group:
                    group.start_soon(until_signal)
                    group.start_soon(until_failure)
        if going_on.mirrored is not None:
            for line in told_of_mirror(going_on.mirrored):
                click.echo(line, err=True)
        for (status, why), n in sorted(going_on.refused.items()):
            click.echo(f"{were(n, 'request')} refused with {status}: {why}", err=True)
        if going_on.recorder.faults:
            click.echo(
                f"replay: {were(going_on.recorder.faults, 'request')} recorded by times only, by a fault of the "
                f"program itself: {going_on.recorder.fault!r}. Please report it.",
                err=True,
            )
        told.close()
        if going_on.failure is None:
            return None
        missed, without_end = going_on.recorder.missed, going_on.recorder.without_end
        lost = [f"{were(missed, 'request')} not recorded"] if missed else []
        if without_end:
            lost.append(f"the end of {counted(without_end, 'request')} was not recorded")
        return f"the recording is incomplete: {', and '.join(lost)}. {going_on.failure}" if lost else None


def _options(out: Path, name: str | None, chosen: dict[str, Any]) -> RecordOptions:
    try:
        routes = parse_routes(chosen["upstreams"], chosen["routes"])
        mirror = parse_upstream(chosen["mirror"]) if chosen["mirror"] is not None else None
    except UpstreamError as error:
        raise click.UsageError(f"{error}") from error
    if mirror is None and chosen["mirror_unsafe"]:
        raise click.UsageError("--mirror-unsafe is for --mirror: name the second target.")
    host, port = _address(chosen["listen"])
    if any((route.upstream.host, route.upstream.port) == (host, port) for route in routes):
        raise click.UsageError(
            "the --upstream is the recorder's own --listen address; requests would go in circles."
        )
    if mirror is not None and (mirror.host, mirror.port) == (host, port):
        raise click.UsageError("the --mirror is the recorder's own --listen address. Name another target.")
    if out == Path("-"):
        raise TraceError("-: not a regular file. Name a .jsonl or .jsonl.zst file to write.")
    if out.is_dir():
        raise TraceError(f"{shown_path(out)}: a directory. Name a .jsonl or .jsonl.zst file to write.")
    if out.is_symlink() and not out.exists():
        raise TraceError(
            f"{shown_path(out)}: a link that leads nowhere. Name a .jsonl or .jsonl.zst file to write."
        )
    if out.exists() and not out.is_file():
        raise TraceError(f"{shown_path(out)}: not a regular file. Name a .jsonl or .jsonl.zst file to write.")
    return RecordOptions(
        routes=tuple(routes),
        out=out,
        host=host,
        port=port,
        sessions=SessionRules(
            header=chosen["session_header"], cookie=chosen["session_cookie"], idle_gap_s=chosen["idle_gap"]
        ),
        mirror=mirror,
        mirrors_unsafe=chosen["mirror_unsafe"],
        bodies=chosen["bodies"],
        responses=chosen["responses"],
        patterns=tuple(pattern for pattern in chosen["patterns"] if pattern != PERSONAL),
        personal=personal_data(
            chosen["redact_personal"] or PERSONAL in chosen["patterns"], chosen["redact_names"]
        ),
        name=name,
    )


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise click.UsageError(f"--listen {listen!r} is not HOST:PORT. Write for example {_DEFAULT_LISTEN}.")
    if host in ("", "localhost"):
        return "127.0.0.1", int(port)
    try:
        return str(ipaddress.ip_address(host)), int(port)
    except ValueError as error:
        text = (
            f"--listen {listen!r} needs an address of this machine, not a name: for example {_DEFAULT_LISTEN}."
        )
        raise click.UsageError(text) from error


def _report(out: Path, written: Written) -> None:
    told = ", ".join(f"{count} by {how}" for how, count in sorted(written.told_by.items()))
    click.echo(escaped(f"sessions told: {told}"), err=True)
    click.echo(
        f"edges: inferred from times; {counted(written.overlapping, 'step')} began while the step before still ran",
        err=True,
    )
    if written.unfinished:
        click.echo(f"{counted(written.unfinished, 'step')} did not end while they were recorded", err=True)
    if written.incomplete:
        click.echo(
            f"{counted(written.incomplete, 'request')} ended before all of the body had come; such a step has the "
            f"attribute {INCOMPLETE}, and is replayed with what came",
            err=True,
        )
    if written.by_counts:
        click.echo(
            f"{counted(written.by_counts, 'model call')} whose body was not kept: known by tokens, images and tools, "
            "and made by the [shape] of the target",
            err=True,
        )
    if written.damaged:
        click.echo(f"{counted(written.damaged, 'line')} of the journal could not be read: left out", err=True)
    if written.cut_bytes:
        click.echo(
            f"the journal's last line was cut off ({counted(written.cut_bytes, 'byte')}), and left out",
            err=True,
        )
    click.echo(f"{shown_path(out)}: {counted(written.sessions, 'session')}, {counted(written.steps, 'step')}")
