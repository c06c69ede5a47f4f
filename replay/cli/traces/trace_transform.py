"""`replay trace transform`: change a trace, step by step in the order of the options."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.cli.paths import PATH, TRACE_FILE, replace_trace
from replay.cli.traces.personal import personal_data, personal_options, redact_option
from replay.cli.units import DURATION, Factor, Percent, WholeNumber
from replay.live.working import working
from replay.trace.errors import TraceError, escaped, shown, shown_path
from replay.trace.file.stream import TraceWriter, open_trace, scan
from replay.trace.transforms.anonymise import Anonymise
from replay.trace.transforms.idle import IdleCap
from replay.trace.transforms.merging import Scale, merged, merged_header
from replay.trace.transforms.personal import RedactPersonal
from replay.trace.transforms.requests import SetHeader, parse_header, parse_rewrite
from replay.trace.transforms.selecting import Between, Filter, Sample, Waits, parse_selector
from replay.trace.transforms.timing import Shift, Speed
from replay.trace.transforms.triggers import Merge
from replay.trace.transforms.types import Tally, Transform, TransformError
from replay.trace.types import Session
from replay.words.phrases import counted, tallied


def _batch(text: str, by: str) -> Merge:
    count, slash, window = text.partition("/")
    if not slash or not count.isdecimal() or not int(count[:9]):
        raise TransformError("write how many and how long, for example 10/5s.")
    return Merge(DURATION.convert(window, None, None) * 1000.0, int(count[:9]), by)


class _Common(msgspec.Struct, frozen=True):
    """What options share.

    key, names: of pseudonyms, and whether step names become some. gap_ms: mean, between starts of the traces as read.
    by: the attribute that tells whose triggers are merged.
    """

    seed: int
    key: str
    names: bool
    gap_ms: float
    by: str


# Options that all ask for the same.
_PERSONAL = ("redact_personal", "redact_names", "redact")

_MAKE: dict[str, Callable[[Any, _Common], Transform]] = {
    "from": lambda value, common: Between(from_ms=value * 1000.0),
    "to": lambda value, common: Between(to_ms=value * 1000.0),
    "keep": lambda value, common: Filter(parse_selector(value), "keep"),
    "drop": lambda value, common: Filter(parse_selector(value), "drop"),
    "wait": lambda value, common: Waits(parse_selector(value)),
    "sample": lambda value, common: Sample(value / 100.0, common.seed),
    "scale": lambda value, common: Scale(value, common.seed, common.gap_ms),
    "speed": lambda value, common: Speed(value),
    "idle_cap": lambda value, common: IdleCap(value * 1000.0),
    "debounce": lambda value, common: Merge(value * 1000.0, by=common.by),
    "batch": lambda value, common: _batch(value, common.by),
    "shift": lambda value, common: Shift(value * 1000.0),
    "rewrite_path": lambda value, common: parse_rewrite(value),
    "set_header": lambda value, common: parse_header(value),
    "anonymise": lambda value, common: Anonymise(common.key, common.names),
    **dict.fromkeys(_PERSONAL, lambda value, common: RedactPersonal(value)),
    "remove_header": lambda value, common: SetHeader(value, None),
}
# How a converted value is written again.
_UNITS = {"from": "s", "to": "s", "shift": "s", "debounce": "s", "idle_cap": "s", "sample": "%"}
_MERGING = {"debounce", "batch"}
# Their texts may name what pseudonyms are to hide.
_TELLING = {"keep", "drop", "wait", "rewrite_path", "set_header", "remove_header", *_MERGING}


class _InOrder(Command):
    """A command that notes the order of its options, each time they occur; click itself forgets it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        order: list[str] = []
        for param in self.make_parser(ctx).parse_args(list(args))[2]:
            if param.name and (param.multiple or param.name not in order):
                order.append(param.name)
        ctx.meta["replay.order"] = order
        return super().parse_args(ctx, args)


class _Change(NamedTuple):
    """One transform as it was written, as the trace's header may tell it, and what it changed."""

    text: str
    told: str
    made: Transform
    tally: Tally


def _changes(names: list[str], chosen: dict[str, Any], common: _Common) -> Iterator[_Change]:
    """The transforms of these options, in this order. Raises click.BadParameter."""
    values = {name: iter(given) for name, given in chosen.items()}
    for name in names:
        option, value = f"--{name.replace('_', '-')}", next(values[name])
        try:
            made = _MAKE[name](value, common)
        except TransformError as error:
            raise click.BadParameter(escaped(str(error)), param_hint=option) from error
        text = option if value is True or name in _PERSONAL else f"{option} {value}{_UNITS.get(name, '')}"
        if name in _MERGING and common.by != "agent":
            text += f" --by attr.{common.by}"
        is_hidden = name in _TELLING and "anonymise" in names
        yield _Change(text, option if is_hidden else text, made, Tally())


def _attribute(text: str) -> str:
    name = text.removeprefix("attr.")
    if name == text or not name:
        raise click.BadParameter(
            f"{shown(text)} is not a valid attribute. Write for example attr.agent.", param_hint="--by"
        )
    return name


def _mean_gap_ms(paths: tuple[Path, ...]) -> float:
    """Between starts of the traces' sessions; the first reading of two."""
    for path in paths:
        if path.exists() and not path.is_file():
            raise TraceError(
                f"{shown_path(path)}: is not a file, and --scale reads a trace twice. Write it to a file."
            )
    scans = [found for found in map(scan, paths) if found.sessions]
    sessions = sum(found.sessions for found in scans)
    if sessions < 2:
        return 1000.0
    first_ms = min(found.first_start_ms for found in scans)
    return (max(found.last_start_ms for found in scans) - first_ms) / (sessions - 1) or 1000.0


class _Done(msgspec.Struct):
    """One transform as it was written, and what it changed."""

    option: str
    changed: dict[str, int]


class _Document(msgspec.Struct):
    """What --json prints."""

    sessions: int
    steps: int
    transforms: list[_Done]


def _repeated(name: str, kind: Any, text: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", name.replace("-", "_"), type=kind, multiple=True, help=text)


@click.command(
    cls=_InOrder,
    parts={
        "Choice": ("from", "to", "keep", "drop", "sample"),
        "Load": ("scale", "debounce", "batch", "by", "seed"),
        "Time": ("speed", "idle_cap", "shift", "wait"),
        "Request": ("rewrite_path", "set_header", "remove_header"),
        "Privacy": ("anonymise", "anonymise_names", "redact_personal", "redact_names", "redact"),
        "Output": ("out", "as_json"),
    },
    examples=(
        "replay trace transform trace.jsonl -o tools.jsonl --keep kind=tool --speed 2",
        "replay trace transform monday.jsonl tuesday.jsonl -o both.jsonl.zst",
    ),
)
@click.argument("paths", metavar="TRACE...", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=TRACE_FILE, help="The trace to write.")
@_repeated("from", DURATION, "Keep sessions that start at this time or later.")
@_repeated("to", DURATION, "Keep sessions that start before this time.")
@_repeated("keep", str, "Keep only these steps (kind=tool, name=crm*) or sessions (attr.model=m-1).")
@_repeated("drop", str, "Drop these; steps that follow a dropped one keep their recorded times.")
@_repeated("wait", str, "Turn these steps into waits of their recorded duration.")
@_repeated("sample", Percent(most=100.0), "Keep about this share of the sessions.")
@_repeated(
    "scale",
    WholeNumber(1, 10_000),
    "Repeat each session this many times, its copies spread over a mean gap.",
)
@_repeated("speed", Factor(), "Divide all recorded times by this.")
@_repeated("idle-cap", DURATION, "Shorten longer think times to this.")
@_repeated("debounce", DURATION, "Merge an agent's sessions until none has come for this long.")
@_repeated("batch", str, "Merge an agent's sessions up to this many or for this long: 10/5s.")
@click.option(
    "--by", metavar="attr.NAME", help="Attribute that says whose sessions to merge (default attr.agent)."
)
@_repeated("shift", DURATION, "Start every session later by this.")
@_repeated("rewrite-path", str, "Replace in every path: REGEX=>TEXT.")
@_repeated("set-header", str, "Set on every request: 'name: value'.")
@_repeated("remove-header", str, "Remove this header from every request.")
@click.option("--anonymise", is_flag=True, help="Replace who and where by pseudonyms, and content by its size.")
@click.option("--anonymise-names", is_flag=True, help="With --anonymise: replace step names, too.")
@personal_options
@redact_option
@click.option(
    "--seed", type=int, help="Random seed of samples (default 1) and pseudonyms (default: a new secret)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def transform(
    paths: tuple[Path, ...],
    out: Path,
    seed: int | None,
    anonymise: bool,
    anonymise_names: bool,
    redact_personal: bool,
    redact_names: Path | None,
    redact: str | None,
    by: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Change a trace, or several merged: the options are applied in the order in which they are given."""
    if anonymise_names and not anonymise:
        raise click.UsageError("--anonymise-names adds to --anonymise. Give both.")
    if anonymise:
        chosen["anonymise"] = (True,)
    personal = personal_data(redact_personal or redact is not None, redact_names)
    if personal is not None:
        given = (redact_personal, redact_names, redact)
        chosen[next(name for name, each in zip(_PERSONAL, given, strict=True) if each)] = (personal,)
    replace_trace(out, *paths)
    names = [name for name in click.get_current_context().meta["replay.order"] if name in chosen]
    if not names and len(paths) == 1:
        raise click.UsageError("nothing to do. Name a change, for example --speed 2.")
    if by is not None and not _MERGING & set(names):
        raise click.UsageError("--by tells --debounce and --batch what to merge by. Give one of them.")
    common = _Common(
        1 if seed is None else seed,
        secrets.token_hex() if seed is None else str(seed),
        anonymise_names,
        _mean_gap_ms(paths) if "scale" in names else 0.0,
        "agent" if by is None else _attribute(by),
    )
    changes = list(_changes(names, chosen, common))
    done = [(change.text, change.tally) for change in changes]
    told = [change.told for change in changes]
    with ExitStack() as opened:
        readers = [opened.enter_context(open_trace(path)) for path in paths]
        header = merged_header([reader.header for reader in readers])
        sessions: Iterator[Session] = iter(readers[0])
        if len(readers) > 1:
            done.insert(0, (f"{len(readers)} traces merged", Tally()))
            told.insert(0, done[0][0])
            sessions = merged(readers, done[0][1])
        for change in changes:
            sessions = change.made.apply(sessions, change.tally)
            if isinstance(change.made, Anonymise):
                header = change.made.header(header)
        earlier = header.attributes.get("transforms", [])
        header.attributes["transforms"] = [*(earlier if isinstance(earlier, list) else [earlier]), *told]
        for change in changes:
            if isinstance(change.made, RedactPersonal):
                header = change.made.header(header)
        with TraceWriter(out, header) as writer:
            with working("transforming", *paths):
                for session in sessions:
                    writer.write(session)
            if not writer.sessions:
                _tell(done)
                raise TraceError(f"{shown_path(out)}: no session is left, so it was not written.")
    _print(out, writer, done, as_json)


def _tell(done: list[tuple[str, Tally]]) -> None:
    for option, tally in done:
        changes = ", ".join(tallied(n, what) for what, n in tally.items() if n) or "nothing changed"
        click.echo(f"{escaped(option)}: {changes}.", err=True)


def _print(out: Path, writer: TraceWriter, done: list[tuple[str, Tally]], as_json: bool) -> None:
    _tell(done)
    if as_json:
        document = _Document(writer.sessions, writer.steps, [_Done(text, dict(tally)) for text, tally in done])
        print_json(document, indent=-1)
        return
    click.echo(f"{shown_path(out)}: {counted(writer.sessions, 'session')}, {counted(writer.steps, 'step')}")
