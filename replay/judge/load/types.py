"""A level of load, and what a search over levels finds: the ceiling, the knee, the verdict."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from replay.judge.types import Decision

GivesWay = Literal["latency", "errors", "refusals", "throughput", "generator", "max"]


class Failures(NamedTuple):
    """So many of so many requests: those that failed, or those that took too long. together: as many of them tell no
    more than one that comes by itself would, since sessions fail as a whole.
    """

    errors: int
    requests: int
    together: float = 1.0

    def __add__(self, other: "Failures") -> "Failures":  # type: ignore[override]
        return Failures(
            self.errors + other.errors,
            self.requests + other.requests,
            max(self.together, other.together),
        )

    def by_themselves(self, together: float) -> "Failures":
        """As many as there would be if each came by itself, where so many come together."""
        return Failures(round(self.errors / together), round(self.requests / together))

    @property
    def percent(self) -> float:
        return 100 * self.errors / self.requests if self.requests else 0.0


class Level(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One run at one load. Figures are of its settled part; a failure is infinitely slow in p50 and p99, and is left
    out of the mean.
    """

    scale: Annotated[float, Meta(description="How many times as fast sessions arrived as in the trace.")]
    offered_rps: Annotated[float, Meta(description="Requests a second that the schedule asked for.")]
    achieved_rps: Annotated[float, Meta(description="Steps answered a second.")]
    sessions_per_s: Annotated[float, Meta(description="Sessions started a second.")]
    sessions: Annotated[int, Meta(description="Sessions started in its settled part.")] = 0
    p50_ms: Annotated[
        float | None, Meta(description="The median response time, in ms; null among failures.")
    ] = None
    p99_ms: Annotated[
        float | None, Meta(description="The 99th percentile of response time, in ms; null among failures.")
    ] = None
    mean_ms: Annotated[float | None, Meta(description="The mean response time of those answered, in ms.")] = (
        None
    )
    errors: Annotated[int, Meta(description="Steps that failed.")] = 0
    error_percent: Annotated[float, Meta(description="Steps that failed, in percent.")] = 0.0
    in_flight: Annotated[float, Meta(description="Mean requests in flight at once.")] = 0.0
    at_once: Annotated[
        float | None,
        Meta(
            description="Requests in flight that a request found, itself among them: one in twenty found more."
        ),
    ] = None
    verdict: Annotated[Decision, Meta(description="Whether it held.")] = "inconclusive"
    limited_by: Annotated[GivesWay | None, Meta(description="What did not hold.")] = None
    reason: Annotated[str, Meta(description="Why, in a sentence.")] = ""
    at_any_load: Annotated[
        bool, Meta(description="Whether every request failed, in a way that a lower load would not change.")
    ] = False
    is_sure: Annotated[
        bool,
        Meta(
            description=(
                "Whether it was decided by an interval or by something that leaves no doubt, not by the "
                "figure alone."
            )
        ),
    ] = False
    planned_rps: Annotated[
        float | None,
        Meta(
            description=(
                "Requests a second that the sessions which began in it come to once they are over; more than "
                "offered_rps where sessions last longer than the level or wait for the target."
            )
        ),
    ] = None
    requests: Annotated[int, Meta(description="Steps in its settled part, those that failed included.")] = 0
    busiest_rps: Annotated[
        float | None,
        Meta(
            description=(
                "Requests a second that the schedule asked for in the busiest tenth of its settled part; absent where "
                "that is about offered_rps."
            )
        ),
    ] = None
    tries_rps: Annotated[
        float | None,
        Meta(
            description="Tries a second that the target was sent, further ones included; absent where there are none."
        ),
    ] = None
    refused_percent: Annotated[
        float, Meta(description="Tries that the target refused (429, 503, 529), in percent.")
    ] = 0.0
    allowed_percent: Annotated[
        float | None,
        Meta(description="Steps that may fail, in percent, where more of them did than that."),
    ] = None
    errors_together: Annotated[
        float,
        Meta(
            description=(
                "As many failures as tell no more than one that comes by itself, since sessions fail as a whole: their "
                "design effect."
            )
        ),
    ] = 1.0
    slo: Annotated[str | None, Meta(description="The SLO that did not hold, as it was written.")] = None
    beyond: Annotated[
        dict[str, tuple[int, int]],
        Meta(
            description=(
                "Of each SLO on a percentile: how many steps were beyond its limit, those that failed included, and of "
                "how many."
            )
        ),
    ] = {}
    settled_from_s: Annotated[
        float | None, Meta(description="When response times had settled, in s from the run's start.")
    ] = None
    run: Annotated[str | None, Meta(description="The name of its run directory.")] = None
    usual_bytes: Annotated[
        dict[str, list[tuple[int, int]]],
        Meta(
            description=(
                "By kind and name of steps: the sizes of body that most of the answers had, in bytes, and how many had "
                "each."
            )
        ),
    ] = {}

    @property
    def answered_nothing(self) -> bool:
        """Whether every request failed, and there were enough of them for that to be no chance."""
        return self.is_sure and self.error_percent == 100

    @property
    def failures(self) -> Failures:
        return Failures(self.errors, self.requests, self.errors_together)

    def slow(self, slo: str) -> Failures:
        """The steps beyond the limit of this SLO on a percentile."""
        return Failures(*self.beyond.get(slo, (0, 0)))


class Ceiling(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The highest load that held."""

    scale: Annotated[float, Meta(description="How many times as fast sessions arrived as in the trace.")]
    rps: Annotated[float, Meta(description="Requests a second that were answered at it.")]
    sessions_per_s: Annotated[float, Meta(description="Sessions a second at it.")]
    in_flight: Annotated[float, Meta(description="Mean requests in flight at once at it.")]
    ci_scale: Annotated[
        tuple[float, float | None],
        Meta(
            description=(
                "The bracket that the search ended with, as scales: the highest that held, and the lowest that "
                "did not, null where nothing gave way. It is as narrow as was asked for, whatever chance has in it."
            )
        ),
    ]
    limited_by: Annotated[GivesWay, Meta(description="What gave way beyond it.")]
    ci_rps: Annotated[
        tuple[float, float | None] | None,
        Meta(
            description=(
                "The same bracket in requests a second: what was answered at the highest load that held, and what was "
                "asked for at the lowest that did not, null where nothing gave way."
            )
        ),
    ] = None
    sure_scale: Annotated[
        tuple[float | None, float | None] | None,
        Meta(
            description=(
                "Where the ceiling lies for certain, as scales: the highest that held by its own interval with no "
                "lower one that did not, and the lowest that did not by its own with no higher one that held; null "
                "where no load did so."
            )
        ),
    ] = None
    mean_scale: Annotated[
        float | None,
        Meta(
            description=(
                "How many times the mean rate of the whole trace its requests are, where levels played a part that is "
                "busier; scale is for the trace as it is, its busiest part included."
            )
        ),
    ] = None
    tries_rps: Annotated[
        float | None,
        Meta(
            description="Tries a second that it was sent at it, further ones included; absent where there are none."
        ),
    ] = None
    at_once: Annotated[
        float | None,
        Meta(
            description=(
                "Requests in flight that a request found at it, itself among them: one in twenty found more."
            )
        ),
    ] = None


class Knee(msgspec.Struct, omit_defaults=True):
    """The level at which throughput over mean response time is largest."""

    scale: Annotated[float, Meta(description="How many times as fast sessions arrived as in the trace.")]
    rps: Annotated[float, Meta(description="Requests a second at it.")]
    in_flight: Annotated[float, Meta(description="Mean requests in flight at once at it.")]
    mean_ms: Annotated[float, Meta(description="The mean response time at it, in ms.")]


class Usl(msgspec.Struct, omit_defaults=True):
    """The Universal Scalability Law, fitted to levels of load; intervals are at 95 %, by the curvature at the fit."""

    gamma_rps: Annotated[float, Meta(description="Requests a second with one under way.")]
    alpha: Annotated[float, Meta(description="Contention: the share that must wait for its turn.")]
    beta: Annotated[float, Meta(description="Coherency: what must be agreed among all.")]
    alpha_ci: Annotated[tuple[float, float], Meta(description="The interval of alpha.")]
    beta_ci: Annotated[tuple[float, float], Meta(description="The interval of beta.")]
    r_squared: Annotated[float, Meta(description="How much of the throughputs' variance it explains, up to 1.")]
    levels: Annotated[int, Meta(description="Levels that it was fitted to.")]
    peak_in_flight: Annotated[
        float | None,
        Meta(
            description=(
                "Requests under way at which throughput would be largest; absent where it never falls."
            )
        ),
    ] = None
    peak_rps: Annotated[float | None, Meta(description="The largest throughput, in requests a second.")] = None


class CeilingVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """verdict.json of `replay ceiling`."""

    schema: Annotated[str, Meta(description="replay.verdict/1.")]
    command: Annotated[Literal["ceiling"], Meta(description="ceiling.")]
    verdict: Annotated[
        Literal["found", "at_least", "not_reached", "inconclusive"],
        Meta(
            description=(
                "at_least: nothing of the target's gave way; not_reached: not even the lowest load held."
            )
        ),
    ]
    reasons: Annotated[list[str], Meta(description="Why, in sentences.")]
    ceiling: Annotated[Ceiling | None, Meta(description="The highest load that held; null where none did.")]
    levels: Annotated[list[Level], Meta(description="The loads that were tried.")]
    usl: Annotated[
        Usl | None, Meta(description="The Universal Scalability Law through the levels, where it fits.")
    ] = None
    knee: Annotated[Knee | None, Meta(description="The knee of the levels, where they show one.")] = None
    recovery_s: Annotated[
        float | None,
        Meta(
            description=(
                "From the end of an overload until response times are back, in s; absent where not tried or "
                "not seen."
            )
        ),
    ] = None
    slos: Annotated[list[str], Meta(description="The SLOs that had to hold, as they were written.")] = []
    target: Annotated[str | None, Meta(description="The target's name.")] = None
    trace: Annotated[str | None, Meta(description="The trace's name.")] = None
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []


def failures_in(levels: Sequence[Level]) -> Failures:
    return sum((level.failures for level in levels), Failures(0, 0))


def slow_in(levels: Sequence[Level], slo: str) -> Failures:
    """The steps beyond the limit of this SLO at all of these levels."""
    return sum((level.slow(slo) for level in levels), Failures(0, 0))
