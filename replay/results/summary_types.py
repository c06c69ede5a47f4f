"""The figures of a run: summary.json, and those of one under way. In ms unless a name says otherwise."""

from typing import Annotated

import msgspec
from msgspec import Meta

from replay.results.manifest_types import (
    Ended,
    Generator,
    PlaneFigures,
    Removed,
    RunStatus,
    Spent,
    TargetFacts,
    TraceFacts,
    WorkerFacts,
)

SUMMARY_SCHEMA = "replay.summary/1"


class Quantiles(msgspec.Struct, omit_defaults=True):
    """A distribution of times, in the unit of the field that holds it. With n = 0 the rest is absent. A figure that
    falls among failures, where those count as infinitely slow, is null.
    """

    n: Annotated[int, Meta(description="How many values there are.")]
    mean: Annotated[float | None, Meta(description="The arithmetic mean.")] = None
    min: Annotated[float | None, Meta(description="The least value.")] = None
    p50: Annotated[float | None, Meta(description="The median.")] = None
    p90: Annotated[float | None, Meta(description="The 90th percentile.")] = None
    p95: Annotated[float | None, Meta(description="The 95th percentile.")] = None
    p99: Annotated[float | None, Meta(description="The 99th percentile.")] = None
    p99_9: Annotated[float | None, Meta(description="The 99.9th percentile.")] = None
    max: Annotated[float | None, Meta(description="The largest value.")] = None
    failed_ratio: Annotated[
        float | None,
        Meta(description="The share of n that failed, from 0 to 1, where failures count as infinitely slow."),
    ] = None


class Counts(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What became of the steps: ok + failed + unsent = steps."""

    sessions: Annotated[int, Meta(description="Sessions planned.")]
    steps: Annotated[int, Meta(description="Steps planned.")]
    sent: Annotated[int, Meta(description="Steps of which at least one attempt was sent.")]
    ok: Annotated[int, Meta(description="Steps that were answered as expected; waits among them.")]
    failed: Annotated[int, Meta(description="Steps whose last attempt failed.")]
    unsent: Annotated[int, Meta(description="Steps that were never sent.")]
    retries: Annotated[int, Meta(description="Attempts beyond the first of their step.")]
    waits: Annotated[int, Meta(description="Steps without a request, which end as ok without being sent.")]
    errors: Annotated[dict[str, int], Meta(description="Failed steps by class of failure.")]
    unsent_reasons: Annotated[dict[str, int], Meta(description="Unsent steps by the reason why.")]
    error_examples: Annotated[
        dict[str, str],
        Meta(description="What was wrong, in a sentence, with the first step of a class that tells (why)."),
    ] = {}
    unlike_recorded: Annotated[
        int, Meta(description="Steps that are ok, though their status is another than the recorded one.")
    ] = 0
    redirected: Annotated[
        int,
        Meta(
            description="Steps that are ok, though they were answered with a redirect that is not as recorded, and "
            "that was not followed."
        ),
    ] = 0
    withheld: Annotated[
        int, Meta(description="Waits that have a request, which a read-only run kept back.")
    ] = 0
    followed: Annotated[
        int,
        Meta(
            description="Redirects that were followed, each a request of its own, where the target asks for it."
        ),
    ] = 0
    handshakes: Annotated[
        int,
        Meta(
            description=(
                "Requests of the run's own that logged sessions in, or opened or closed them with MCP servers; no "
                "steps."
            )
        ),
    ] = 0
    connections_opened: Annotated[int | None, Meta(description="Connections that were opened.")] = None
    connections_new: Annotated[
        int | None, Meta(description="Attempts on a connection that was opened for them.")
    ] = None
    connections_reused: Annotated[
        int | None,
        Meta(description="Attempts on a connection that was open already, and carried nothing else."),
    ] = None
    connections_shared: Annotated[
        int | None, Meta(description="Attempts on a connection that carried other requests at the time.")
    ] = None
    stale_connections: Annotated[
        int | None, Meta(description="Kept-alive connections that turned out closed when they were used.")
    ] = None
    out_of_range: Annotated[
        int | None, Meta(description="Times beyond what the histograms of latency.hlog hold.")
    ] = None


class Rate(msgspec.Struct, omit_defaults=True):
    """Rates over the whole run, whether or not the target was still there."""

    offered_rps: Annotated[float | None, Meta(description="Requests a second that the schedule asked for.")] = (
        None
    )
    achieved_rps: Annotated[float | None, Meta(description="Steps answered a second, failures left out.")] = (
        None
    )
    peak_in_flight: Annotated[
        int | None, Meta(description="The most requests that were under way at once.")
    ] = None


class Series(msgspec.Struct, omit_defaults=True):
    """The steps of one kind and name."""

    kind: Annotated[str, Meta(description="Their kind: llm, tool, http, mcp, ws or grpc.")]
    name: Annotated[str, Meta(description="Their name.")]
    response: Annotated[Quantiles, Meta(description="Response times of those that were answered, in ms.")]
    service: Annotated[Quantiles, Meta(description="Service times of those that were answered, in ms.")]
    counts: Annotated[dict[str, int], Meta(description="How many of them there are, by outcome.")]
    failed: Annotated[Quantiles | None, Meta(description="Response times of those that failed, in ms.")] = None
    recorded: Annotated[
        Quantiles | None, Meta(description="Durations of the same steps in the recording, in ms.")
    ] = None


class Window(msgspec.Struct, omit_defaults=True):
    """The steady part of a run, without warm-up and drain."""

    from_s: Annotated[float, Meta(description="When it begins, in seconds from the run's start.")]
    to_s: Annotated[float, Meta(description="When it ends, in seconds from the run's start.")]
    steps: Annotated[int, Meta(description="Steps that were intended in it.")]
    offered_rps: Annotated[
        float | None, Meta(description="Requests a second that the schedule asked for in it.")
    ] = None
    achieved_rps: Annotated[float | None, Meta(description="Steps answered a second in it.")] = None
    latency_ms: Annotated[
        dict[str, Quantiles], Meta(description="Distributions of its times in ms, by measure.")
    ] = {}


class Fidelity(msgspec.Struct, omit_defaults=True):
    """Did the replay mean the same as the recording? Ratios from 0 to 1, absent where there is nothing to hold them
    to.
    """

    ratio: Annotated[float | None, Meta(description="The least of the ratios below, but for requests.")] = None
    sessions: Annotated[
        float | None, Meta(description="Sessions of which every step was tried, of those planned.")
    ] = None
    steps: Annotated[float | None, Meta(description="Steps that were tried, of those planned.")] = None
    statuses: Annotated[
        float | None, Meta(description="Steps with the recorded status, of those that are ok.")
    ] = None
    output_tokens: Annotated[
        float | None, Meta(description="Output tokens counted against recorded, the smaller over the larger.")
    ] = None
    input_tokens: Annotated[
        float | None, Meta(description="Input tokens counted against recorded, the smaller over the larger.")
    ] = None
    streams: Annotated[float | None, Meta(description="Answers streamed as in the recording.")] = None
    arrivals: Annotated[
        float | None,
        Meta(
            description=(
                "Steps that this client was ready to send when due, within 50 ms or the recording's resolution."
            )
        ),
    ] = None
    made_up_bodies: Annotated[
        float | None, Meta(description="Requests whose body did not have to be made up.")
    ] = None
    answer_bodies: Annotated[
        float | None, Meta(description="Answers that had a body, or had none when they were recorded.")
    ] = None
    answer_sizes: Annotated[
        float | None,
        Meta(
            description=(
                "Answers that are not of nearly one size whatever was asked for, where the recorded ones were of many."
            )
        ),
    ] = None
    stream_sizes: Annotated[
        float | None,
        Meta(
            description=(
                "Streams with a twelfth of the recorded bytes or more, of those whose recorded tokens are not known; "
                "given where half of them or more have less."
            )
        ),
    ] = None
    requests: Annotated[
        float | None,
        Meta(
            description=(
                "Requests sent, of those that a run that is not read-only would have sent; no shortfall."
            )
        ),
    ] = None
    in_flight: Annotated[
        float | None, Meta(description="Mean requests in flight at once in the run; no ratio.")
    ] = None
    recorded_in_flight: Annotated[
        float | None, Meta(description="Mean requests in flight at once in the recording; no ratio.")
    ] = None
    reasons: Annotated[list[str], Meta(description="What fell short, in sentences.")] = []
    tokens: Annotated[
        dict[str, tuple[int, int]],
        Meta(description="Of output_tokens and input_tokens: the numbers counted and recorded."),
    ] = {}


class Summary(msgspec.Struct, omit_defaults=True):
    """summary.json: the final figures of a run, in ms unless a name says otherwise."""

    schema: Annotated[str, Meta(description="replay.summary/1.")]
    status: Annotated[RunStatus, Meta(description="How the run ended.")]
    elapsed_s: Annotated[float, Meta(description="How long the run took, in s.")]
    trace: Annotated[TraceFacts, Meta(description="Which trace was replayed.")]
    target: Annotated[TargetFacts, Meta(description="Where its steps were sent.")]
    counts: Annotated[Counts, Meta(description="What became of the steps.")]
    rate: Annotated[Rate, Meta(description="Rates over the whole run.")]
    latency_ms: Annotated[
        dict[str, Quantiles],
        Meta(
            description=(
                "Distributions in ms by measure. response, service, ttfb, ttft and itl are of answered "
                "attempts, makespan of sessions without a failure, failed of attempts that failed; "
                "response_with_failures and makespan_with_failures are of all, failures infinitely slow; "
                "recorded is of the same steps in the recording."
            )
        ),
    ]
    series: Annotated[list[Series], Meta(description="The same for each kind and name of steps.")]
    dispatch_lag_us: Annotated[Quantiles, Meta(description="How late requests were sent, in µs.")]
    generator: Annotated[Generator, Meta(description="Whether this machine kept up.")]
    removed_s: Removed
    steady: Annotated[Window | None, Meta(description="The steady part of the run.")] = None
    plane: Annotated[PlaneFigures | None, Meta(description="What the plane did, where it tells.")] = None
    fidelity: Annotated[
        Fidelity | None, Meta(description="Whether the replay meant the same as the recording.")
    ] = None
    ended: Annotated[Ended | None, Meta(description="Why the run was ended on purpose, if it was.")] = None
    error: Annotated[str | None, Meta(description="What a run that broke off was ended by.")] = None
    spent: Annotated[Spent | None, Meta(description="What its model calls cost, in a run with a budget.")] = (
        None
    )
    workers: Annotated[
        list[WorkerFacts], Meta(description="The processes that it was dealt to, where there were several.")
    ] = []
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []


class Snapshot(msgspec.Struct, omit_defaults=True):
    """A run under way. Times of latency in ms; None where there is nothing yet.

    state: "running", "stopping", or what is waited for before the first step; elapsed_s is then how long. parts: of the
    steps that each selector means, where some are followed, how many were sent, and how many of them are in flight.
    """

    trace: str
    target: str
    elapsed_s: float
    steps: int
    done: int
    sent: int
    failed: int
    unsent: int
    in_flight: int
    sessions: int
    sessions_done: int
    offered_rps: float
    achieved_rps: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    lag_p99_us: float | None = None
    left_s: float | None = None
    state: str = "running"
    parts: list[tuple[int, int]] = []
