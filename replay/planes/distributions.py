"""Times as distributions: their types, how a value is drawn, and the short text form of the command line."""

import math
import re
from functools import cached_property
from random import Random
from statistics import NormalDist

import msgspec

_P99 = NormalDist().inv_cdf(0.99)
_TIME = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|min|h)")
_UNIT_MS = {"ms": 1.0, "s": 1000.0, "m": 60_000.0, "min": 60_000.0, "h": 3_600_000.0}
_FORMS = "800ms, lognormal:P50,P99, empirical:T1,T2,... or mixture:WEIGHT*TIME+WEIGHT*TIME"


class Constant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="constant"):
    """The same time whenever it is drawn."""

    ms: float

    def __post_init__(self) -> None:
        _must_be_times("ms", (self.ms,))

    def draw(self, random: Random) -> float:
        """Return a time in ms."""
        return self.ms


class Lognormal(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="lognormal", dict=True
):
    """Lognormal, by two of its quantiles: half of the times are below p50_ms, 1 in 100 is above p99_ms.

    The deviation of the logarithm is ln(p99_ms / p50_ms) / 2.326.
    """

    p50_ms: float
    p99_ms: float

    def __post_init__(self) -> None:
        _must_be_times("p50_ms and p99_ms", (self.p50_ms, self.p99_ms))
        if not 0 < self.p50_ms <= self.p99_ms:
            raise ValueError("p50_ms must be above 0, and p99_ms no less than p50_ms")

    @cached_property
    def sigma(self) -> float:
        """The deviation of the logarithm."""
        return math.log(self.p99_ms / self.p50_ms) / _P99

    def draw(self, random: Random) -> float:
        """Return a time in ms."""
        return self.p50_ms * math.exp(random.gauss(0.0, self.sigma))


class Empirical(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="empirical"):
    """One of the values that were seen, each as likely as the others."""

    values_ms: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values_ms:
            raise ValueError("values_ms must hold at least one value")
        _must_be_times("values_ms", self.values_ms)

    def draw(self, random: Random) -> float:
        """Return a time in ms."""
        return self.values_ms[random.randrange(len(self.values_ms))]


class Mixture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="mixture"):
    """A draw from one of the parts, which is chosen in proportion to its weight."""

    parts: tuple[Constant | Lognormal | Empirical, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.parts or len(self.parts) != len(self.weights):
            raise ValueError("a mixture needs parts, and as many weights as parts")
        _must_be_times("weights", self.weights)
        if not sum(self.weights) > 0:
            raise ValueError("weights must not all be 0")

    def draw(self, random: Random) -> float:
        """Return a time in ms."""
        return random.choices(self.parts, self.weights)[0].draw(random)


Distribution = Constant | Lognormal | Empirical | Mixture


def parse_distribution(text: str) -> Distribution:
    """Read the short form: 800ms, lognormal:800ms,2s, empirical:1s,1.2s,3s or mixture:9*800ms+1*lognormal:2s,5s.

    Raises ValueError, whose message says what is wrong and how it is written.
    """
    form, colon, rest = text.strip().partition(":")
    if not colon:
        return Constant(_time_ms(form))
    if form == "mixture":
        weights, parts = zip(*(_weighted(part) for part in rest.split("+")), strict=True)
        return Mixture(parts, weights)
    times_ms = tuple(_time_ms(part) for part in rest.split(","))
    if form == "lognormal" and len(times_ms) == 2:
        return Lognormal(*times_ms)
    if form == "empirical":
        return Empirical(times_ms)
    raise ValueError(f"{text!r} is no time or distribution. Write {_FORMS}.")


def _weighted(text: str) -> tuple[float, Constant | Lognormal | Empirical]:
    weight, star, rest = text.partition("*")
    try:
        number = float(weight)
    except ValueError:
        star = ""
        number = 0.0
    if not star:
        raise ValueError(
            f"{text.strip()!r} is no part of a mixture. Write a weight before each, as in 9*800ms."
        )
    part = parse_distribution(rest)
    if isinstance(part, Mixture):
        raise ValueError("a mixture cannot hold another. Write all its parts in one.")
    return number, part


def _time_ms(text: str) -> float:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text.strip()!r} is no time or distribution. Write {_FORMS}.")
    return float(found[1]) * _UNIT_MS[found[2]]


def _must_be_times(name: str, values: tuple[float, ...]) -> None:
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise ValueError(f"{name} must be finite and not negative")
