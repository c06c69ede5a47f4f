"""Times as distributions: how a value is drawn, and the short text form of the command line."""

import math
import re
from random import Random
from statistics import NormalDist

from replay.planes.modelled.time_types import Constant, Distribution, Empirical, Lognormal, Mixture
from replay.trace.errors import shortened

_P99 = NormalDist().inv_cdf(0.99)
_TIME = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|min|h)")
_UNIT_MS = {"ms": 1.0, "s": 1000.0, "m": 60_000.0, "min": 60_000.0, "h": 3_600_000.0}
# What no clock of ours overflows at.
_LONGEST_MS = 1e12
_FORMS = "800ms, lognormal:P50,P99, empirical:T1,T2,... or mixture:WEIGHT*TIME+WEIGHT*TIME"


def draw(distribution: Distribution, random: Random) -> float:
    """Return a time in ms, 0 or more; the same for the same state of random."""
    match distribution:
        case Constant(ms=ms):
            return ms
        case Lognormal(p50_ms=p50_ms, p99_ms=p99_ms):
            return p50_ms * math.exp(random.gauss(0.0, math.log(p99_ms / p50_ms) / _P99))
        case Empirical(values_ms=values_ms):
            return values_ms[random.randrange(len(values_ms))]
        case Mixture(parts=parts, weights=weights):
            return draw(random.choices(parts, weights)[0], random)


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
    raise ValueError(f"{text!r} is not a valid time or distribution. Write {_FORMS}.")


def _weighted(text: str) -> tuple[float, Constant | Lognormal | Empirical]:
    weight, star, rest = text.partition("*")
    try:
        number = float(weight)
    except ValueError:
        star = ""
        number = 0.0
    if not star:
        raise ValueError(
            f"{text.strip()!r} is not a valid part of a mixture. Write a weight before each, as in 9*800ms."
        )
    part = parse_distribution(rest)
    if isinstance(part, Mixture):
        raise ValueError("a mixture cannot hold another. Write all its parts in one.")
    return number, part


def _time_ms(text: str) -> float:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text.strip()!r} is not a valid time or distribution. Write {_FORMS}.")
    ms = float(found[1]) * _UNIT_MS[found[2]]
    if ms > _LONGEST_MS:
        raise ValueError(f"{shortened(text.strip())} is too long; at most 31 years are allowed.")
    return ms
