"""verdict.json of `replay coldstart`, and its parts."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from replay.results.summary_types import Quantiles

Method = Literal["header", "instance", "inferred", "none"]
Confidence = Literal["certain", "high", "low", "none"]


class Cold(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The cold steps of a run, and how they were told."""

    method: Annotated[
        Method,
        Meta(
            description=(
                "How they were told: by the target's cold header, its instance header, or inferred from times."
            )
        ),
    ]
    confidence: Annotated[Confidence, Meta(description="How sure that is.")]
    count: Annotated[int, Meta(description="Cold steps.")]
    share: Annotated[float, Meta(description="Cold steps, as a share of all steps sent, from 0 to 1.")]
    why: Annotated[str, Meta(description="How they were told, in a sentence.")]
    latency_ms: Annotated[Quantiles, Meta(description="Service times of cold steps, in ms.")]
    warm_ms: Annotated[Quantiles, Meta(description="Service times of warm steps, in ms.")]
    added_ms: Annotated[
        float | None,
        Meta(
            description=(
                "What a cold start adds, in ms: by how much the steps that woke the target, having found it cold "
                "with nothing in flight, took longer than the median warm one of their kind and name, in the median."
            )
        ),
    ] = None
    added_ci_ms: Annotated[
        tuple[float, float] | None,
        Meta(description="The interval of added_ms at 95 %; null where too few steps woke the target."),
    ] = None
    added_of: Annotated[
        int, Meta(description="How many steps that woke the target added_ms is the median of.")
    ] = 0
    added_why: Annotated[
        str, Meta(description="Why added_ms is not known, where there are cold steps; else empty.")
    ] = ""
    waves: Annotated[
        int,
        Meta(
            description=("Waves: groups of steps that found the target idle, or came before it answered again.")
        ),
    ] = 0


class Tail(msgspec.Struct, omit_defaults=True):
    """What of the tail of response times is cold, and what it would be without."""

    p99_ms: Annotated[float | None, Meta(description="The 99th percentile of response time, in ms.")] = None
    p99_cold_share: Annotated[
        float | None, Meta(description="The share of cold steps at it and beyond, from 0 to 1.")
    ] = None
    p99_without_cold_ms: Annotated[
        float | None, Meta(description="The 99th percentile without cold steps, in ms.")
    ] = None
    p99_9_ms: Annotated[float | None, Meta(description="The 99.9th percentile of response time, in ms.")] = None
    p99_9_cold_share: Annotated[
        float | None, Meta(description="The share of cold steps at it and beyond, from 0 to 1.")
    ] = None
    p99_9_without_cold_ms: Annotated[
        float | None, Meta(description="The 99.9th percentile without cold steps, in ms.")
    ] = None


class IdleBucket(msgspec.Struct, omit_defaults=True):
    """Waves after an idle time of the target within these bounds."""

    idle_s: Annotated[float, Meta(description="The least idle time, in s.")]
    to_s: Annotated[float, Meta(description="The idle time that is too long for it, in s.")]
    n: Annotated[int, Meta(description="How many waves there were.")]
    cold: Annotated[int, Meta(description="How many of them were cold.")]
    share: Annotated[float, Meta(description="The share of them that was cold, from 0 to 1.")]
    ci: Annotated[tuple[float, float], Meta(description="The interval of that share, from 0 to 1.")]


class Burst(msgspec.Struct, omit_defaults=True):
    """A burst of requests at once to an idle target."""

    size: Annotated[int, Meta(description="How many requests.")]
    cold: Annotated[int, Meta(description="How many of them were cold.")]
    slowest_ms: Annotated[float, Meta(description="The longest response time, in ms.")]
    median_ms: Annotated[float, Meta(description="The median response time, in ms.")]
    instances: Annotated[int | None, Meta(description="Instances that were woken, where the target tells.")] = (
        None
    )


class ColdVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """verdict.json of `replay coldstart`."""

    schema: Annotated[str, Meta(description="replay.verdict/1.")]
    command: Annotated[Literal["coldstart"], Meta(description="coldstart.")]
    cold: Annotated[Cold, Meta(description="The cold steps.")]
    tail: Annotated[Tail, Meta(description="What they do to the tail.")]
    idle_curve: Annotated[
        list[IdleBucket], Meta(description="How many waves were cold, by the idle time before them.")
    ]
    keep_alive_s: Annotated[
        tuple[float, float | None] | None,
        Meta(
            description=(
                "The target stays warm for longer than the first, and goes cold before the second, in s; "
                "absent where the run does not show it."
            )
        ),
    ] = None
    bursts: Annotated[list[Burst], Meta(description="Bursts that were sent to an idle target.")] = []
    probes: Annotated[int | None, Meta(description="Probes that were sent, where it was probed.")] = None
    target: Annotated[str | None, Meta(description="The target's name.")] = None
    run: Annotated[str | None, Meta(description="The name of the run directory.")] = None
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []

    @property
    def missed_by_times(self) -> bool:
        """Whether cold starts were looked for by times alone, and none was found: shorter boots may have been there."""
        return self.cold.method == "inferred" and not self.cold.count
