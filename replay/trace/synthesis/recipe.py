"""A recipe: how sessions arrive and what they are made of, in a small TOML file.

Pure. Times of steps are lognormal, given by their median and 99th percentile; counts are uniform between two ends.
"""

from typing import Literal

import msgspec

from replay.toml import TomlError, read_toml
from replay.trace.types import Kind

ProcessName = Literal["poisson", "gamma", "on-off", "bursts", "even"]
Ends = tuple[int, int]


class RecipeError(ValueError):
    """A recipe cannot be used as it is written; str() is the whole message."""


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lognormal time by two of its quantiles, in ms."""

    p50_ms: float
    p99_ms: float

    def __post_init__(self) -> None:
        if not 0 < self.p50_ms <= self.p99_ms < 1e9:
            raise ValueError("p50_ms must be above 0, and p99_ms no less than p50_ms")


class ArrivalRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How sessions arrive. per_min: in the mean.

    poisson: independent. even: equal gaps. gamma: independent gaps with this coefficient of variation, cv. on-off: two
    states of a Markov process that last on_s and off_s in the mean; off, the rate is off_ratio of that of on. bursts:
    burst_size sessions at once, the bursts independent. day: 24 factors of the rate, by the hour since the trace's
    start; the mean of them is taken as 1.
    """

    process: ProcessName = "poisson"
    per_min: float = 10.0
    cv: float = 1.0
    on_s: float = 20.0
    off_s: float = 60.0
    off_ratio: float = 0.05
    burst_size: Ends = (5, 20)
    day: tuple[float, ...] = ()

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
    """One step of a turn. fan_out: so many of them side by side. chance: that a turn has it. input_tokens,
    output_tokens: of model calls. A step without a path is a wait if wait is set, else it asks for /tools/NAME (model
    calls: the target's shape).
    """

    kind: Kind
    name: str
    took: Spread
    fan_out: Ends = (1, 1)
    chance: float = 1.0
    input_tokens: Ends = (200, 2000)
    output_tokens: Ends = (20, 200)
    stream: bool = True
    path: str | None = None
    method: str = "POST"
    wait: bool = False

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
    """What a session is: so many turns, each of the steps in their order; think: between turns. overhead: between the
    steps of a turn. attributes: of every session.
    """

    steps: tuple[StepRecipe, ...]
    turns: Ends = (1, 1)
    think: Spread | None = None
    overhead: Spread = Spread(4.0, 15.0)
    attributes: dict[str, str] = {}

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("a session needs at least one step")
        _check_ends("turns", self.turns, 1, 10_000)


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole recipe."""

    name: str
    arrivals: ArrivalRecipe
    session: SessionRecipe

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
