"""A recipe: how sessions arrive and what they are made of, in a small TOML file.

Pure. Times of steps are lognormal, given by their median and 99th percentile; counts are uniform between two ends.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from replay.toml import TomlError, read_toml
from replay.trace.types import Kind

ProcessName = Literal["poisson", "gamma", "on-off", "bursts", "even"]
Ends = tuple[int, int]


class RecipeError(ValueError):
    """A recipe cannot be used as it is written; str() is the whole message."""


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lognormal time by two of its quantiles."""

    p50_ms: Annotated[float, Meta(description="The median, in ms.")]
    p99_ms: Annotated[float, Meta(description="The 99th percentile, in ms; no less than the median.")]

    def __post_init__(self) -> None:
        if not 0 < self.p50_ms <= self.p99_ms < 1e9:
            raise ValueError("p50_ms must be above 0, and p99_ms no less than p50_ms")


class ArrivalRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How sessions arrive."""

    process: Annotated[
        ProcessName,
        Meta(
            description=(
                "poisson: independent. even: equal gaps. gamma: independent gaps, spread by cv. on-off: two "
                "states that alternate. bursts: several sessions at once, the bursts independent."
            )
        ),
    ] = "poisson"
    per_min: Annotated[float, Meta(description="Sessions a minute, on average.")] = 10.0
    cv: Annotated[float, Meta(description="With gamma, the coefficient of variation of the gaps.")] = 1.0
    on_s: Annotated[float, Meta(description="With on-off, the mean length of an on state, in s.")] = 20.0
    off_s: Annotated[float, Meta(description="With on-off, the mean length of an off state, in s.")] = 60.0
    off_ratio: Annotated[
        float, Meta(description="With on-off, the rate while off, as a share of that while on.")
    ] = 0.05
    burst_size: Annotated[Ends, Meta(description="With bursts, the least and the most sessions of one.")] = (
        5,
        20,
    )
    day: Annotated[
        tuple[float, ...],
        Meta(
            description=(
                "24 factors of the rate, by the hour since the trace's start; their mean is taken as 1."
            )
        ),
    ] = ()

    def __post_init__(self) -> None:
        if not 0 < self.per_min < 1e7:
            raise ValueError("per_min must be above 0")
        if not 0.01 <= self.cv <= 100 or not 0 <= self.off_ratio < 1:
            raise ValueError("cv must be from 0.01 to 100, off_ratio from 0 to below 1")
        if not (1e-3 <= self.on_s <= 1e7 and 1e-3 <= self.off_s <= 1e7):
            raise ValueError("on_s and off_s must be from 0.001 to 10,000,000")
        _check_ends("burst_size", self.burst_size, 1, 100_000)
        if self.day and (
            len(self.day) != 24 or not all(0 <= factor < 1e9 for factor in self.day) or not any(self.day)
        ):
            raise ValueError("day must be 24 factors of zero or more, one for each hour, not all of them zero")


class StepRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One step of a turn."""

    kind: Annotated[Kind, Meta(description="What sort of call it is.")]
    name: Annotated[str, Meta(description="Its name.")]
    took: Annotated[Spread, Meta(description="How long it takes.")]
    fan_out: Annotated[Ends, Meta(description="The least and the most of them side by side.")] = (1, 1)
    chance: Annotated[float, Meta(description="The probability that a turn has it, from 0 to 1.")] = 1.0
    input_tokens: Annotated[
        Ends, Meta(description="Of a model call, the least and the most tokens of the prompt.")
    ] = (200, 2000)
    output_tokens: Annotated[
        Ends, Meta(description="Of a model call, the least and the most tokens of the answer.")
    ] = (20, 200)
    stream: Annotated[bool, Meta(description="Whether the answer of a model call is streamed.")] = True
    path: Annotated[
        str | None,
        Meta(
            description=(
                "The path that is asked for. Without one: /tools/NAME; of model calls, what the target's "
                "shape has."
            )
        ),
    ] = None
    method: Annotated[str, Meta(description="The HTTP method.")] = "POST"
    wait: Annotated[bool, Meta(description="Whether it is a wait, with no request; only without a path.")] = (
        False
    )

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 200 or not self.name.isprintable():
            raise ValueError("name must have 1 to 200 printable characters")
        if not 0 <= self.chance <= 1:
            raise ValueError("chance must be from 0 to 1")
        _check_ends("fan_out", self.fan_out, 0, 1000)
        _check_ends("input_tokens", self.input_tokens, 0, 10_000_000)
        _check_ends("output_tokens", self.output_tokens, 0, 1_000_000)
        if self.path is not None and not (
            self.path.startswith("/") and self.path.isprintable() and " " not in self.path
        ):
            raise ValueError("path must begin with / and hold no spaces")


class SessionRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a session is: turns, each of the steps in their order."""

    steps: Annotated[tuple[StepRecipe, ...], Meta(description="The steps of a turn.")]
    turns: Annotated[Ends, Meta(description="The least and the most turns of a session.")] = (1, 1)
    think: Annotated[Spread | None, Meta(description="The time between turns; absent: none.")] = None
    overhead: Annotated[Spread, Meta(description="The time between the steps of a turn.")] = Spread(4.0, 15.0)
    attributes: Annotated[dict[str, str], Meta(description="Attributes of every session.")] = {}

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("a session needs at least one step")
        _check_ends("turns", self.turns, 1, 10_000)


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `replay trace synth` makes a trace of."""

    name: Annotated[str, Meta(description="The trace's name.")]
    arrivals: Annotated[ArrivalRecipe, Meta(description="How sessions arrive.")]
    session: Annotated[SessionRecipe, Meta(description="What they are.")]

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 200 or not self.name.isprintable():
            raise ValueError("name must have 1 to 200 printable characters")


def _check_ends(name: str, ends: Ends, least: int, most: int) -> None:
    low, high = ends
    if not least <= low <= high <= most:
        raise ValueError(
            f"{name} must be two numbers, the first no more than the second, from {least} to {most}"
        )


def parse_recipe(text: str, where: str) -> Recipe:
    """A recipe from its TOML. Raises RecipeError, saying what is wrong and where."""
    try:
        return msgspec.convert(read_toml(text.encode("utf-8", "surrogatepass")), Recipe)
    except TomlError as cause:
        raise RecipeError(f"{where}: {cause}.") from cause
    except msgspec.ValidationError as cause:
        what, _, at = str(cause).partition(" - at `$")
        key = at.rstrip("`").lstrip(".")
        raise RecipeError(f"{where}: {key + ': ' if key else ''}{what.replace('`', chr(34))}.") from cause
