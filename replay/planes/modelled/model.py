"""Modelled service times: pure, and the same for the same seed and request.

Every request has a key: its `traceparent` where it carries one, so that a replay gets the same times in any
order of arrival, else its number on this server. Seed and key are hashed to 64 bits; those start a
counter-based generator (splitmix64), whose n-th number belongs to the n-th thing that the request needs:
whether it fails, how long until the first byte, then the gap before each further token. No two share any.
"""

import math
from hashlib import blake2b
from statistics import NormalDist

from replay.planes.modelled.time_types import USUAL_TIMES, Spread
from replay.planes.modelled.types import Answer, Asked, ServiceModel
from replay.trace.types import Kind

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FAILS, _FIRST, _GAPS = 0, 1, 2
_LONGEST_MS = 86_400_000.0
_quantile = NormalDist().inv_cdf


def uniform(draw: int, n: int) -> float:
    """Return the n-th number of `draw`, strictly between 0 and 1.

    Source: splitmix64, Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
    """
    z = (draw + (n + 1) * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (((z ^ (z >> 31)) >> 12) + 0.5) / (1 << 52)


def time_ms(spread: Spread, u: float) -> float:
    """Return the u quantile of a spread (0 < u < 1)."""
    if not spread.sigma:
        return spread.median_ms
    return spread.median_ms * math.exp(spread.sigma * _quantile(u))


class Model:
    """Plans the answer to a request from the service model, its kind, its name and its key."""

    def __init__(self, service: ServiceModel) -> None:
        self._service = service
        self._seed = blake2b(str(service.seed).encode(), digest_size=32).digest()
        self._gap_ms = Spread(service.between_tokens.median_ms / service.speed, service.between_tokens.sigma)

    def __repr__(self) -> str:
        service = self._service
        return f"<Model seed {service.seed}, {service.speed:g}x, {service.error_ratio:.1%} errors>"

    def answer(self, kind: Kind, name: str, asked: Asked, key: bytes) -> Answer:
        service = self._service
        draw = int.from_bytes(blake2b(key, digest_size=8, key=self._seed).digest(), "little")
        spread = service.by_name.get(name) or service.by_kind.get(kind) or USUAL_TIMES[kind]
        wait_ms = min(time_ms(spread, uniform(draw, _FIRST)) / service.speed, _LONGEST_MS)
        if service.error_ratio and uniform(draw, _FAILS) < service.error_ratio:
            return Answer(503, wait_ms)
        if kind != "llm":
            return Answer(200, wait_ms)
        wanted = service.default_tokens if asked.max_tokens is None else asked.max_tokens
        tokens = max(1, min(wanted, service.token_limit))
        if not asked.stream:
            wait_ms = min(wait_ms + self._gaps_ms(tokens - 1, uniform(draw, _GAPS)), _LONGEST_MS)
        return Answer(200, wait_ms, tokens, asked.stream, draw)

    def gap_ms(self, draw: int, token: int) -> float:
        """Return the time between token number `token` (from 1) and the one before it."""
        return min(time_ms(self._gap_ms, uniform(draw, _GAPS + token)), _LONGEST_MS)

    def _gaps_ms(self, n: int, u: float) -> float:
        """Return the u quantile of n gaps together, taken as normal: drawing each would stall the loop."""
        spread = self._gap_ms
        mean_ms = spread.median_ms * math.exp(spread.sigma**2 / 2)
        deviation_ms = mean_ms * math.sqrt(math.expm1(spread.sigma**2))
        return max(0.0, n * mean_ms + math.sqrt(n) * deviation_ms * _quantile(u))
