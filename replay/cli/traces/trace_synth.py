"""`replay trace synth`: make a trace that nobody recorded."""

from pathlib import Path

import click

from replay.cli.command import Command
from replay.cli.paths import PATH, TRACE_FILE, replace_trace
from replay.cli.units import DURATION, WholeNumber
from replay.trace.synthesis.presets import PRESETS, preset_text
from replay.trace.synthesis.recipe import Recipe
from replay.trace.synthesis.writing import Wanted, preset_recipe, read_recipe, write_likeness, write_of_recipe
from replay.words.numbers import exact, number
from replay.words.phrases import counted


@click.command(
    cls=Command,
    examples=(
        "replay trace synth bursty --duration 1h --seed 7 -o bursty.jsonl.zst",
        "replay trace synth --like trace.jsonl --sessions 5000 -o larger.jsonl.zst",
    ),
)
@click.argument("preset", type=click.Choice(PRESETS), required=False)
@click.option("--recipe", type=PATH, help="A recipe of your own (TOML).")
@click.option(
    "--like",
    type=PATH,
    help="Make a likeness of this trace: its sessions, arriving in the same pattern.",
)
@click.option(
    "--duration", type=DURATION, help="Start all sessions within this.  [default: 10m, or as long as --like]"
)
@click.option("--sessions", type=WholeNumber(1), help="Make this many sessions.")
@click.option("--rate", type=float, help="Mean sessions a minute, instead of the recipe's.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Random seed; the same seed makes the same trace."
)
@click.option("-o", "--output", type=TRACE_FILE, help="The trace to write; .zst compresses.")
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
    replace_trace(output, *(path for path in (like, recipe) if path is not None))
    wanted = Wanted(seed, duration, sessions, rate)
    if like is not None:
        made = write_likeness(output, like, wanted)
        how = made.arrivals
        click.echo(f"arrivals: {how.process}, {number(how.per_min, 4)} a minute, fitted to {like}", err=True)
    else:
        made = write_of_recipe(output, _recipe(preset, recipe), wanted)
    click.echo(f"{output}: {counted(made.sessions, 'session')}, {counted(made.steps, 'step')}")


def _recipe(preset: str | None, path: Path | None) -> Recipe:
    if preset is not None:
        return preset_recipe(preset)
    assert path is not None
    return read_recipe(path)
