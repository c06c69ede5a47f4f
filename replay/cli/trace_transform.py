"""`replay trace transform`: change a trace, step by step in the order of the options."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from replay.cli.units import DURATION, Factor, Percent
from replay.trace.errors import TraceError, escaped, shown_path
from replay.trace.file import TraceWriter, open_trace
from replay.trace.transforms.idle import IdleCap
from replay.trace.transforms.requests import SetHeader, parse_header, parse_rewrite
from replay.trace.transforms.selecting import Between, Filter, Sample, Waits, parse_selector
from replay.trace.transforms.timing import Shift, Speed
from replay.trace.transforms.triggers import Merge
from replay.trace.transforms.types import Tally, Transform, TransformError
from replay.trace.types import Session


def _batch(text: str) -> Merge:
    count, slash, window = text.partition("/")
    if not slash or not count.isdecimal() or not int(count[:9]):
        raise TransformError("write how many and how long, for example 10/5s.")
    return Merge(DURATION.convert(window, None, None) * 1000.0, int(count[:9]))


_MAKE: dict[str, Callable[[Any, int], Transform]] = {
    "from": lambda value, seed: Between(from_ms=value * 1000.0),
    "to": lambda value, seed: Between(to_ms=value * 1000.0),
    "keep": lambda value, seed: Filter(parse_selector(value), "keep"),
    "drop": lambda value, seed: Filter(parse_selector(value), "drop"),
    "wait": lambda value, seed: Waits(parse_selector(value)),
    "sample": lambda value, seed: Sample(value / 100.0, seed),
    "speed": lambda value, seed: Speed(value),
    "idle_cap": lambda value, seed: IdleCap(value * 1000.0),
    "debounce": lambda value, seed: Merge(value * 1000.0),
    "batch": lambda value, seed: _batch(value),
    "shift": lambda value, seed: Shift(value * 1000.0),
    "rewrite_path": lambda value, seed: parse_rewrite(value),
    "set_header": lambda value, seed: parse_header(value),
    "remove_header": lambda value, seed: SetHeader(value, None),
}
# How a converted value is written again.
_UNITS = {"from": "s", "to": "s", "shift": "s", "debounce": "s", "idle_cap": "s", "sample": "%"}


class _InOrder(click.Command):
    """A command that notes the order of its options, each time they occur; click itself forgets it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["replay.order"] = self.make_parser(ctx).parse_args(list(args))[2]
        return super().parse_args(ctx, args)


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
    epilog="Example: replay trace transform trace.jsonl.zst -o tools.jsonl.zst --keep kind=tool --speed 2",
)
@click.argument("path", metavar="TRACE", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The trace to write.")
@_repeated("from", DURATION, "Sessions that start at this time or later.")
@_repeated("to", DURATION, "Sessions that start before this time.")
@_repeated("keep", str, "Only these steps (kind=tool, name=crm*) or sessions (attr.model=m-1).")
@_repeated("drop", str, "All but these; followers of a dropped step keep their recorded times.")
@_repeated("wait", str, "These steps become waits of their recorded duration.")
@_repeated("sample", Percent(), "About this share of sessions.")
@_repeated("speed", Factor(), "Divide all recorded times by this.")
@_repeated("idle-cap", DURATION, "No think time on an edge longer than this.")
@_repeated("debounce", DURATION, "Merge an agent's sessions until none came for this long.")
@_repeated("batch", str, "10/5s: merge an agent's sessions up to this many or this long.")
@_repeated("shift", DURATION, "Start every session later by this.")
@_repeated("rewrite-path", str, "REGEX=>TEXT, on every path.")
@_repeated("set-header", str, "'name: value', on every request.")
@_repeated("remove-header", str, "Off every request.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of samples.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def transform(path: Path, out: Path, seed: int, as_json: bool, **chosen: Any) -> None:
    """Change a trace: the options are applied in the order in which they are given."""
    if out.exists() and path.exists() and out.samefile(path):
        raise TraceError(f"{shown_path(out)}: is the input. Write the trace to another file.")
    values = {name: iter(given) for name, given in chosen.items()}
    names = [param.name for param in click.get_current_context().meta["replay.order"] if param.name in values]
    if not names:
        raise click.UsageError("nothing to do. Name a change, for example --speed 2.")
    done: list[tuple[str, Tally]] = []
    with open_trace(path) as reader:
        sessions: Iterator[Session] = iter(reader)
        for name in names:
            option, value, tally = f"--{name.replace('_', '-')}", next(values[name]), Tally()
            try:
                sessions = _MAKE[name](value, seed).apply(sessions, tally)
            except TransformError as error:
                raise click.BadParameter(escaped(str(error)), param_hint=option) from error
            done.append((f"{option} {value}{_UNITS.get(name, '')}", tally))
        header = reader.header
        earlier = header.attributes.get("transforms", [])
        texts = [option for option, _ in done]
        header.attributes["transforms"] = [*(earlier if isinstance(earlier, list) else [earlier]), *texts]
        with TraceWriter(out, header) as writer:
            for session in sessions:
                writer.write(session)
    for option, tally in done:
        changes = ", ".join(f"{n:,} {what}" for what, n in tally.items() if n) or "nothing changed"
        click.echo(f"{escaped(option)}: {changes}.", err=True)
    if not writer.sessions:
        click.echo(f"{shown_path(out)}: no session is left.", err=True)
    if as_json:
        document = _Document(writer.sessions, writer.steps, [_Done(text, dict(tally)) for text, tally in done])
        click.echo(msgspec.json.encode(document).decode())
        return
    click.echo(f"{shown_path(out)}: {writer.sessions} sessions, {writer.steps} steps")
