"""`replay trace import`: turn a recording of another format into a trace."""

import contextlib
import itertools
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from replay.assembly.types import DEFAULT_BLOCK_SIZE, Importer, ImportOptions
from replay.cli.command import Command
from replay.cli.paths import EMPTY, TRACE_FILE, replace_trace
from replay.cli.traces.personal import personal_data, personal_options, redact_option
from replay.cli.units import DURATION, WORKERS_ON_ALL_CORES, WholeNumber
from replay.importers import IMPORTERS
from replay.importers.closing_table import closing_table
from replay.importers.doubts import Doubts, is_much
from replay.importers.explained import Explained
from replay.importers.foreign import foreign, is_binary
from replay.importers.mixed_folders import note_on_others
from replay.importers.mixed_lines import of_most_lines, other_format
from replay.importers.others import ImporterFault, OtherImporter, other_importers
from replay.live.working import working
from replay.reading.inputs import SNIFFED_BYTES, first_bytes, spooled, telling_files
from replay.reading.nearest import nearest, told
from replay.reading.unread import unread
from replay.system.files import open_written
from replay.trace.arrivals import DEFAULT_ARRIVALS, ArrivalsError
from replay.trace.errors import TraceError, escaped, shown, shown_path
from replay.trace.file.import_doubts import with_import_doubts
from replay.trace.file.stream import TraceWriter, replace_header
from replay.trace.transforms.personal import RedactPersonal
from replay.trace.transforms.types import Tally
from replay.trace.types import Header
from replay.words.phrases import agreed, counted, tallied


class _ImportCommand(Command):
    """Its help tells what other packages bring, too; they are asked only for that."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Formats"):
            formatter.write_dl([(importer.name, f"{importer.describe}.") for importer in IMPORTERS.values()])
        others, left_out = other_importers()
        rows = [(name, _described(importer)) for name, importer in others.items()]
        rows += [("(none)", why) for why in left_out]
        if rows:
            with formatter.section("Formats of other packages"):
                formatter.write_dl(rows)
        super().format_options(ctx, formatter)


def _described(importer: OtherImporter) -> str:
    try:
        return importer.describe
    except ImporterFault as fault:
        return str(fault)


@click.command(
    "import",
    cls=_ImportCommand,
    parts={
        "Format": ("from_format", "log_format", "keys", "block_size", "stream", "subagent_t", "strict"),
        "Session": ("session_by", "idle_gap_s", "arrivals", "seed"),
        "Privacy": ("responses", "redact_personal", "redact_names", "redact"),
        "Output": ("out", "name", "workers"),
    },
    examples=(
        "replay trace import capture.har -o trace.jsonl.zst",
        "replay trace import claude-sessions sessions/ -o trace.jsonl.zst \\\n    --arrivals poisson:6/min",
    ),
    help="Turn a recording into a trace.\n\nFORMAT may be left out where the recording shows it. A PATH is a "
    "file, also "
    "compressed with gzip or zstandard, a folder, or - for stdin.",
)
@click.argument("words", metavar="[FORMAT] PATH...", nargs=-1, required=True)
@click.option("--from", "from_format", metavar="FORMAT", help="The format, if it is not the first argument.")
@click.option(
    "-o",
    "--out",
    required=True,
    type=TRACE_FILE,
    help="The trace to write; .zst or .gz compresses.",
)
@click.option("--name", help="The trace's name.  [default: from PATH]")
@click.option(
    "--arrivals",
    metavar="SPEC",
    help="When sessions start, if the recording does not say: poisson:6/min, uniform:2/s, every:10s, at-once.  "
    f"[default: {DEFAULT_ARRIVALS} for several sessions]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Random seed of the arrivals.")
@click.option(
    "--block-size",
    type=WholeNumber(1, 1_000_000),
    help=f"Tokens in a prefix block.  [default: as recorded; mooncake: {DEFAULT_BLOCK_SIZE}]",
)
@click.option(
    "--stream/--no-stream",
    default=True,
    show_default=True,
    help="Whether calls were streamed, for formats that do not say.",
)
@click.option(
    "--subagent-t",
    type=click.Choice(["spawn", "end"]),
    default="spawn",
    show_default=True,
    help="claude-sessions: whether the field t of a sub-agent is when it was spawned or when it ended.",
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
    help="Silence that ends a session, where only the client tells sessions apart.",
)
@click.option(
    "--log-format",
    metavar="FORMAT",
    help="access-log: how its lines are laid out, as nginx's log_format or Apache's LogFormat says it.",
)
@click.option(
    "--keys",
    metavar="NAME=KEY,...",
    help="json-log: which keys tell what: start or end, path, and duration_s, duration_ms, duration_us or duration_ns, "
    "method, status, session, host, client, user_agent, bytes, request_bytes. KEY may be dotted.",
)
@click.option(
    "--responses",
    type=click.Choice(["keep", "drop"]),
    default="drop",
    show_default=True,
    help="har, mitmproxy: keep responses' headers and JSON bodies up to 64 KiB, for `replay trace correlate`.",
)
@click.option(
    "--strict", is_flag=True, help="Fail at the first line that cannot be read, instead of leaving it out."
)
@click.option(
    "--workers",
    type=WORKERS_ON_ALL_CORES,
    default="auto",
    show_default=True,
    help="access-log, json-log: have this many processes share a log of 64 MiB or more, or auto: one for each core.",
)
@personal_options
@redact_option
def import_(
    words: tuple[str, ...],
    from_format: str | None,
    out: Path,
    redact_personal: bool,
    redact_names: Path | None,
    redact: str | None,
    **chosen: Any,
) -> None:
    personal = personal_data(redact_personal or redact is not None, redact_names)
    redaction = None if personal is None else RedactPersonal(personal)
    with contextlib.ExitStack() as spools:
        names: dict[str, str] = {}
        words = tuple(_readable(word, spools, names) for word in words)
        importer, paths = _importer_and_paths(words, from_format or _told_by_option(words, chosen))
        _refuse_idle(importer, chosen)
        replace_trace(out, *paths)
        work = spools.enter_context(working("importing", *paths))
        try:
            result = importer.read(paths, ImportOptions(**chosen))
        except ArrivalsError as error:
            raise click.BadParameter(str(error), param_hint="--arrivals") from error
        doubts = _doubts_of(result.header, importer, paths)
        header, tally = result.header, Tally()
        header = msgspec.structs.replace(header, source=header.source and agreed(header.source))
        if redaction is not None:
            header = redaction.header(header)
        lines = None if redaction is not None else result.lines
        with TraceWriter(out, header) as writer:
            if lines is not None:
                for these in map(doubts.seen_lines, lines(writer.pack)):
                    writer.write_lines(these.text, these.starts_ms, these.steps)
            else:
                sessions = result.sessions() if redaction is None else redaction.apply(result.sessions(), tally)
                for session in map(doubts.seen, sessions):
                    writer.write(session)
        doubted = list(doubts.told())
        if doubted:  # known once all is written
            _put_doubts(out, with_import_doubts(header, [agreed(f"{n} {what}") for n, what in doubted]))
        work.end()
        others = filter(None, (_note_on_others(path, importer) for path in paths if path.is_dir()))
        notes = (*result.notes, *others)
        sentences, table = closing_table(notes, writer.sessions, writer.steps, doubted)
        for note in (*sentences, *table):
            for spool, name in names.items():
                note = note.replace(spool, name)
            click.echo(escaped(agreed(note)), err=True)
        if redaction is not None:
            click.echo(f"{', '.join(tallied(n, what) for what, n in tally.items())}.", err=True)
        click.echo(f"{shown_path(out)}: {counted(writer.sessions, 'session')}, {counted(writer.steps, 'step')}")


def _note_on_others(folder: Path, importer: Importer) -> str | None:
    beginnings = ((file.name, _beginning(file)) for file in telling_files(folder))
    return note_on_others(beginnings, importer, IMPORTERS)


def _doubts_of(header: Header, importer: Importer, paths: list[Path]) -> Doubts:
    """What is to be doubted, by what an importer says; those of other packages may say what they like."""
    told = header.attributes.get("import")
    told = told if isinstance(told, dict) else {}
    counts = [told.get(name) for name in ("unreadable", "lines")]
    unreadable, lines = (n if isinstance(n, int) and n >= 0 else 0 for n in counts)
    like = None
    if is_much(unreadable, lines):
        like = other_format(importer, _beginning(next(telling_files(paths[0]))), IMPORTERS)
    return Doubts(told.get("first_unix_ns"), time.time_ns(), unreadable=unreadable, lines=lines, like=like)


def _readable(word: str, spools: contextlib.ExitStack, names: dict[str, str]) -> str:
    """The word, or a file with what stdin (for `-`) or a named pipe holds: importing reads its input twice.

    names: what people call such files, by path.
    """
    if not word:
        raise click.UsageError(f"a path {EMPTY}")
    if word == "-":
        if sys.stdin.isatty():
            raise click.UsageError(
                "- reads the recording from stdin, which is a terminal. Pipe the recording in."
            )
        return _spooled(sys.stdin.buffer, "stdin", spools, names)
    if Path(word).is_fifo():
        try:
            pipe = open_written(Path(word))
        except OSError as cause:
            why = (cause.strerror or str(cause)).lower()
            raise TraceError(f"{shown_path(word)}: cannot be read: {why}.") from cause
        with pipe:
            return _spooled(pipe, shown_path(word), spools, names)
    return word


def _spooled(source: BinaryIO, name: str, spools: contextlib.ExitStack, names: dict[str, str]) -> str:
    path = str(spools.enter_context(spooled(source, name)))
    names[path] = name
    return path


def _importer_and_paths(words: tuple[str, ...], from_format: str | None) -> tuple[Importer, list[Path]]:
    """The importer, as an option, the first word or the input itself says it, and the inputs."""
    if from_format is not None:
        return _named(from_format), [Path(word) for word in words]
    paths = [Path(word) for word in words]
    if words[0] in IMPORTERS or (not paths[0].exists() and len(words) > 1):
        importer = _named(words[0])
        if len(words) == 1:
            raise click.UsageError(f"name the file or folder to import after {words[0]}.")
        return importer, paths[1:]
    if not paths[0].exists():
        raise TraceError(f"{shown_path(paths[0])}: no such file.")
    return _sniffed(paths[0]), paths


# Options that only one format has a use for; a file in it need not be recognised.
_TELLING = {"log_format": "access-log", "keys": "json-log"}


def _told_by_option(words: tuple[str, ...], chosen: dict[str, Any]) -> str | None:
    """The format that an option tells, where none is named in front of the path."""
    told = next((name for option, name in _TELLING.items() if chosen[option] is not None), None)
    is_named = words[0] in IMPORTERS or (len(words) > 1 and not Path(words[0]).exists())
    return None if is_named else told


def _refuse_idle(importer: Importer, chosen: dict[str, Any]) -> None:
    for option, name in _TELLING.items():
        if chosen[option] is not None and importer.name != name:
            text = (
                f"--{option.replace('_', '-')} is for {name}, and the format is {importer.name}. Leave one out."
            )
            raise click.UsageError(text)


def _named(name: str) -> Importer:
    if name in IMPORTERS:
        return IMPORTERS[name]
    others, left_out = other_importers()
    if name in others:
        return Explained(others[name], IMPORTERS)
    why = "".join(f" {_sentence(each)}" for each in left_out)
    raise click.UsageError(
        f"{shown(name)} is not a known format. Known are: {', '.join((*IMPORTERS, *others))}.{why}"
    )


def _sniffed(path: Path) -> Importer:
    files = telling_files(path)
    file = next(files)
    start = first_bytes(file, SNIFFED_BYTES)
    for beginning in itertools.chain([start], map(_beginning, files)):
        if (importer := _known(beginning)) is not None:
            return importer
    if not start.strip():
        raise TraceError(f"{shown_path(file)}: there is nothing in it to import.")
    if (kind := foreign(start)) is not None:
        raise TraceError(f"{shown_path(file)}: is {kind.what}. {kind.to_do or 'It is not a recording.'}")
    others, left_out = other_importers()
    for why in left_out:
        click.echo(_sentence(why), err=True)
    for name, other in others.items():
        try:
            if other.sniff(start):
                return other
        except ImporterFault as fault:
            click.echo(f"{_sentence(str(fault))} It is not asked whether {name} is the format.", err=True)
    if known := unread(start):
        raise TraceError(f"{shown_path(file)}: {known}")
    about = " It is binary data." if is_binary(start) else told(nearest(start))
    raise click.UsageError(
        f"cannot tell the format of {shown_path(path)}.{about} Name it before the path: "
        f"{', '.join((*IMPORTERS, *others))}."
    )


def _beginning(path: Path) -> bytes:
    try:
        return first_bytes(path, SNIFFED_BYTES)
    except TraceError:
        return b""


def _known(beginning: bytes) -> Importer | None:
    if not beginning.strip() or foreign(beginning) is not None:
        return None
    first = next((importer for importer in IMPORTERS.values() if importer.sniff(beginning)), None)
    return None if first is None else of_most_lines(first, beginning, IMPORTERS)


def _put_doubts(out: Path, header: Header) -> None:
    """Give the trace that has been written this header. Raises TraceError where there is no room for it twice."""
    try:
        replace_header(out, header)
    except TraceError as error:
        raise TraceError(
            f"{shown_path(out)}: is written, but for what is doubted of it, since there is no room for it a second "
            "time. Make room, and import it again."
        ) from error


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
