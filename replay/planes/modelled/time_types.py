"""Times that are drawn: distributions, and the usual ones where nobody says another."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from replay.planes.core.types import PlaneKind
from replay.trace.types import Kind


class Spread(msgspec.Struct, frozen=True):
    """A lognormal time. The mean is median_ms * exp(sigma^2 / 2), the p99 median_ms * exp(2.326 * sigma)."""

    median_ms: Annotated[float, Meta(description="Half of the times are below this, in ms.")]
    sigma: Annotated[float, Meta(description="The deviation of the logarithm; 0: always the same.")] = 0.0


class Constant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="constant"):
    """The same time whenever it is drawn."""

    ms: Annotated[float, Meta(description="The time, in ms.")]

    def __post_init__(self) -> None:
        _must_be_times("ms", (self.ms,))


class Lognormal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="lognormal"):
    """Lognormal, by two of its quantiles. The deviation of the logarithm is ln(p99_ms / p50_ms) / 2.326."""

    p50_ms: Annotated[float, Meta(description="Half of the times are below this, in ms.")]
    p99_ms: Annotated[float, Meta(description="One in a hundred is above this, in ms.")]

    def __post_init__(self) -> None:
        _must_be_times("p50_ms and p99_ms", (self.p50_ms, self.p99_ms))
        if not 0 < self.p50_ms <= self.p99_ms:
            raise ValueError("p50_ms must be above 0, and p99_ms no less than p50_ms")


class Empirical(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="empirical"):
    """One of the values that were seen, each as likely as the others."""

    values_ms: Annotated[tuple[float, ...], Meta(description="The values, in ms.")]

    def __post_init__(self) -> None:
        if not self.values_ms:
            raise ValueError("values_ms must hold at least one value")
        _must_be_times("values_ms", self.values_ms)


class Mixture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="mixture"):
    """A draw from one of the parts, which is chosen in proportion to its weight."""

    parts: Annotated[tuple[Constant | Lognormal | Empirical, ...], Meta(description="The parts.")]
    weights: Annotated[tuple[float, ...], Meta(description="Their weights, one for each.")]

    def __post_init__(self) -> None:
        if not self.parts or len(self.parts) != len(self.weights):
            raise ValueError("a mixture needs parts, and as many weights as parts")
        _must_be_times("weights", self.weights)
        if not sum(self.weights) > 0:
            raise ValueError("weights must not all be 0")


Distribution = Constant | Lognormal | Empirical | Mixture


def _must_be_times(name: str, values: tuple[float, ...]) -> None:
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise ValueError(f"{name} must be finite and not negative")


# Our choice, in the range that hosted models and internal services show; no measurement stands behind it.
USUAL_TIMES: Mapping[Kind, Spread] = MappingProxyType(
    {
        "llm": Spread(350.0, 0.35),
        "tool": Spread(120.0, 0.45),
        "mcp": Spread(60.0, 0.40),
        "http": Spread(40.0, 0.40),
        "ws": Spread(60.0, 0.40),
        "grpc": Spread(40.0, 0.40),
    }
)


# From the request for a container until it takes requests. Our choice, in the range in which Cloud Run services of one
# vCPU were seen to start (1 to 3 s, knmts.com/350); no vendor publishes one.
CONTAINER_BOOT = Lognormal(1000.0, 2000.0)
# From the request for a machine until its application takes requests. Until a 2-vCPU Debian machine of Compute Engine
# took SSH: 41.5 s on average of 20 (C. McAnlis, Understanding and profiling GCE cold-boot time, 2017); of 5,000, about
# 25 s, beside a rule of thumb of 1 to 2 minutes (R. Aboukhalil, Move fast and break the cloud, 2018). The start of the
# application comes on top. The p99 is our choice: the rule of thumb's upper end.
MACHINE_BOOT = Lognormal(45_000.0, 120_000.0)
USUAL_BOOTS: Mapping[PlaneKind, Distribution] = MappingProxyType(
    {"serverless": CONTAINER_BOOT, "vm": MACHINE_BOOT, "group": MACHINE_BOOT}
)
