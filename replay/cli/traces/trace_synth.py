"""`replay trace synth`: make a trace that nobody recorded."""

from pathlib import Path

import click
import msgspec

from replay.cli.command import Command
from replay.cli.units import DURATION
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from replay.trace.synthesis.likeness import likeness_of
from replay.trace.synthesis.making import from_likeness, from_recipe, likeness_header, recipe_header
from replay.trace.synthesis.presets import PRESETS, preset_text
from replay.trace.synthesis.recipe import Recipe, RecipeError, parse_recipe
from replay.words.numbers import exact, number
from replay.words.phrases import counted

_RECIPE_BYTES = 1 << 20
_DEFAULT_S = 600.0


@click.command(
    cls=Command,
    examples=(
        "replay trace synth bursty --duration 1h --seed 7 -o bursty.jsonl.zst",
        "replay trace synth --like trace.jsonl --sessions 5000 -o larger.jsonl.zst",
    ),
)
@click.argument("preset", type=click.Choice(PRESETS), required=False)
@click.option("--recipe", type=click.Path(path_type=Path), help="A recipe of your own (TOML).")
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    help="Make a likeness of this trace: its sessions, arriving in the same pattern.",
)
@click.option(
    "--duration", type=DURATION, help="Start all sessions within this.  [default: 10m, or as long as --like]"
)
@click.option("--sessions", type=click.IntRange(1), help="Make this many sessions.")
@click.option("--rate", type=float, help="Mean sessions a minute, instead of the recipe's.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Random seed; the same seed makes the same trace."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The trace to write; .zst compresses.")
@click.option("--print-recipe", is_flag=True, help="Print the preset's recipe, to change and use as --recipe.")
def synth(
    preset: str | None,
    recipe: Path | None,
    like: Path | None,
    duration: float | None,
    sessions: int | None,
    rate: float | None,
    seed: int,
    output: Path | None,
    print_recipe: bool,
) -> None:
    """Make a trace: from a PRESET (interactive, bursty, steady), a recipe, or in the likeness of another."""
    if sum(source is not None for source in (preset, recipe, like)) != 1:
        raise click.UsageError("name one of a PRESET, --recipe and --like.")
    if print_recipe:
        if preset is None:
            raise click.UsageError("--print-recipe prints a PRESET's recipe.")
        click.echo(preset_text(preset), nl=False)
        return
    if output is None:
        raise click.UsageError("say where to write it with -o, for example -o trace.jsonl.")
    if rate is not None and not 0 < rate < 1e7:
        raise click.BadParameter(
            f"{exact(rate)} is not a valid rate; write sessions a minute, more than 0.", param_hint="'--rate'"
        )
    if like is not None:
        _in_likeness(like, output, seed, duration, sessions, rate)
        return
    written = _recipe(preset, recipe, rate)
    if duration is None and sessions is None:
        duration = _DEFAULT_S
    with TraceWriter(output, recipe_header(written, seed)) as writer:
        for session in from_recipe(written, seed, duration, sessions):
            writer.write(session)
    _say(writer, output)


def _recipe(preset: str | None, path: Path | None, rate: float | None) -> Recipe:
    try:
        found = parse_recipe(preset_text(preset), preset) if preset is not None else parse_recipe(*_read(path))
    except RecipeError as error:
        raise TraceError(str(error)) from error
    return found if rate is None else _at_rate(found, rate)


def _at_rate(recipe: Recipe, rate: float) -> Recipe:
    return msgspec.structs.replace(recipe, arrivals=msgspec.structs.replace(recipe.arrivals, per_min=rate))


def _read(path: Path | None) -> tuple[str, str]:
    assert path is not None
    try:
        with path.open("rb") as source:
            return source.read(_RECIPE_BYTES).decode(), str(path)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: is not UTF-8 text.") from error


def _in_likeness(
    trace: Path, output: Path, seed: int, duration: float | None, sessions: int | None, rate: float | None
) -> None:
    found = likeness_of(trace, seed)
    if rate is not None:
        # The same sessions in a longer or a shorter time.
        span_s = found.span_s * found.arrivals.per_min / rate
        arrivals = msgspec.structs.replace(found.arrivals, per_min=rate)
        found = found._replace(arrivals=arrivals, span_s=span_s)
    with TraceWriter(output, likeness_header(found, seed)) as writer:
        for session in from_likeness(found, seed, duration, sessions):
            writer.write(session)
    how = found.arrivals
    click.echo(f"arrivals: {how.process}, {number(how.per_min, 4)} a minute, fitted to {trace}", err=True)
    _say(writer, output)


def _say(writer: TraceWriter, output: Path) -> None:
    click.echo(f"{output}: {counted(writer.sessions, 'session')}, {counted(writer.steps, 'step')}", err=True)
