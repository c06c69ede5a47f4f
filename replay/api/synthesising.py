"""Making a trace that nobody recorded."""

from typing import Literal

from replay.api.inputs import AnyPath, path_of
from replay.errors import InputError
from replay.trace.synthesis.presets import PRESETS
from replay.trace.synthesis.writing import (
    Made,
    Wanted,
    preset_recipe,
    read_recipe,
    write_likeness,
    write_of_recipe,
)


def synth(
    path: AnyPath,
    *,
    preset: Literal["interactive", "bursty", "steady"] | None = None,
    recipe: AnyPath | None = None,
    like: AnyPath | None = None,
    duration_s: float | None = None,
    sessions: int | None = None,
    per_min: float | None = None,
    seed: int = 1,
) -> Made:
    """Make a trace from a preset, from a recipe, or in the likeness of a recorded one, and write it to a file.

    path: the trace to write; `.zst` compresses. preset: a recipe that is shipped: "interactive", people who talk to an
    assistant; "bursty", webhooks; "steady", a pipeline. recipe: the path of a recipe of your own (TOML). like: the path
    of a trace whose sessions are drawn from, arriving in the same pattern. duration_s: sessions start within this, by
    default within ten minutes, or for as long as `like` does. sessions: or so many of them. per_min: sessions a minute
    in the mean, instead of the recipe's. seed: the same one makes the same trace.

    Returns how many sessions and steps were written, and how the sessions arrive.

    Raises InputError for a recipe or a trace that cannot be used.
    """
    if sum(source is not None for source in (preset, recipe, like)) != 1:
        raise InputError("synth takes one of preset, recipe and like.")
    for name, value in (("duration_s", duration_s), ("sessions", sessions), ("per_min", per_min)):
        if value is not None and not 0 < value < 1e7:
            raise InputError(f"replay.synth cannot take {name}={value!r}: it is above 0 and below 10 million.")
    wanted = Wanted(seed, duration_s, sessions, per_min)
    if like is not None:
        return write_likeness(path_of(path), path_of(like), wanted)
    if recipe is not None:
        return write_of_recipe(path_of(path), read_recipe(path_of(recipe)), wanted)
    if preset not in PRESETS:
        raise InputError(f"replay.synth cannot take preset={preset!r}: use one of {', '.join(PRESETS)}.")
    return write_of_recipe(path_of(path), preset_recipe(preset), wanted)
