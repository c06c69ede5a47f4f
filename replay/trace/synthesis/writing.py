"""A made trace, written: from a shipped recipe, one of the user's own, or in the likeness of a recording."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from replay.trace.synthesis.likeness import Likeness, likeness_of
from replay.trace.synthesis.making import from_likeness, from_recipe, likeness_header, recipe_header
from replay.trace.synthesis.presets import preset_text
from replay.trace.synthesis.recipe import ArrivalRecipe, Recipe, RecipeError, parse_recipe

_DEFAULT_S = 600.0
_RECIPE_BYTES = 1 << 20


class Wanted(NamedTuple):
    """How much of it: sessions that start within duration_s, or so many of them.

    seed: the same one makes the same trace. per_min: sessions a minute in the mean; None: as the recipe says, or as in
    the recording.
    """

    seed: int = 1
    duration_s: float | None = None
    sessions: int | None = None
    per_min: float | None = None


class Made(NamedTuple):
    """What was written. sessions, steps: how many. arrivals: how the sessions arrive, said or fitted."""

    path: Path
    sessions: int
    steps: int
    arrivals: ArrivalRecipe


def preset_recipe(name: str) -> Recipe:
    return parse_recipe(preset_text(name), name)


def read_recipe(path: Path) -> Recipe:
    """Raises TraceError where the file cannot be read, or is no recipe."""
    try:
        with path.open("rb") as source:
            return parse_recipe(source.read(_RECIPE_BYTES).decode(), str(path))
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: is not UTF-8 text.") from error
    except RecipeError as error:
        raise TraceError(str(error)) from error


def write_of_recipe(output: Path, recipe: Recipe, wanted: Wanted) -> Made:
    """Where nobody says how much, it is of ten minutes."""
    if wanted.per_min is not None:
        recipe = msgspec.structs.replace(recipe, arrivals=_at_rate(recipe.arrivals, wanted.per_min))
    if wanted.duration_s is None and wanted.sessions is None:
        wanted = wanted._replace(duration_s=_DEFAULT_S)
    with TraceWriter(output, recipe_header(recipe, wanted.seed)) as writer:
        for session in from_recipe(recipe, wanted.seed, wanted.duration_s, wanted.sessions):
            writer.write(session)
    return Made(output, writer.sessions, writer.steps, recipe.arrivals)


def write_likeness(output: Path, trace: Path, wanted: Wanted) -> Made:
    """Of the sessions of a trace; where nobody says how much, as many as it has, over as long a time.

    Raises TraceError for a trace that cannot be read, or is too short to be drawn from.
    """
    found = likeness_of(trace, wanted.seed)
    if wanted.per_min is not None:
        found = _sped_up(found, wanted.per_min)
    with TraceWriter(output, likeness_header(found, wanted.seed)) as writer:
        for session in from_likeness(found, wanted.seed, wanted.duration_s, wanted.sessions):
            writer.write(session)
    return Made(output, writer.sessions, writer.steps, found.arrivals)


def _sped_up(found: Likeness, per_min: float) -> Likeness:
    """The same sessions in a longer or a shorter time."""
    span_s = found.span_s * found.arrivals.per_min / per_min
    return found._replace(arrivals=_at_rate(found.arrivals, per_min), span_s=span_s)


def _at_rate(arrivals: ArrivalRecipe, per_min: float) -> ArrivalRecipe:
    return msgspec.structs.replace(arrivals, per_min=per_min)
