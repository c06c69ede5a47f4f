"""What a run would send: the document of a dry run."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class ForecastDestination(msgspec.Struct):
    """Requests of one method that go to one place."""

    method: Annotated[str, Meta(description="The method.")]
    to: Annotated[str, Meta(description="The host, after routes.")]
    requests: Annotated[int, Meta(description="How many.")]


class ForecastSteps(msgspec.Struct):
    """Requests of the steps of one kind and name."""

    kind: Annotated[str, Meta(description="The kind of the steps.")]
    name: Annotated[str, Meta(description="The name of the steps.")]
    requests: Annotated[int, Meta(description="How many.")]


class ForecastNeed(msgspec.Struct, omit_defaults=True, kw_only=True):
    """How many values an SLO needs at least, if they do not depend on one another, and how many there would be."""

    slo: Annotated[str, Meta(description="The SLO.")]
    of: Annotated[Literal["steps", "sessions"], Meta(description="What is counted.")]
    needed: Annotated[int, Meta(description="The least number that can settle it.")]
    planned: Annotated[int, Meta(description="How many the run would have.")]
    scale: Annotated[
        int | None, Meta(description="The --scale that gives enough; absent: there are enough.")
    ] = None


class Forecast(msgspec.Struct, omit_defaults=True):
    """What a run would send, foreseen with the durations of the recording; nothing was sent for it."""

    schema: Annotated[str, Meta(description="replay.forecast/1.")]
    trace: Annotated[str, Meta(description="The trace's name.")]
    target: Annotated[str, Meta(description="The target's name.")]
    sessions: Annotated[int, Meta(description="Sessions that would be replayed.")]
    steps: Annotated[int, Meta(description="Steps that would be replayed.")]
    requests: Annotated[int, Meta(description="Requests that would be sent.")]
    waits: Annotated[int, Meta(description="Steps that would be waited for, without a request.")]
    unsent: Annotated[int, Meta(description="Steps that would not be sent.")]
    peak_rps: Annotated[float | None, Meta(description="Requests in the busiest second.")]
    peak_in_flight: Annotated[int, Meta(description="The most requests in flight at once.")]
    recorded_span_s: Annotated[float, Meta(description="How long the recording is, in s.")]
    wall_s: Annotated[float, Meta(description="Time until the last response, in s.")]
    removed_s: Annotated[
        dict[str, float],
        Meta(
            description=(
                "Seconds that each knob of timing removes from the gaps within sessions, of all sessions together; "
                "arrivals, from between the session starts. Not how much shorter the run is."
            )
        ),
    ]
    withheld: Annotated[int, Meta(description="Waits that are requests which a read-only run keeps back.")] = 0
    methods: Annotated[dict[str, int], Meta(description="Requests by method.")] = {}
    hosts: Annotated[dict[str, int], Meta(description="Requests by host, after routes.")] = {}
    destinations: Annotated[
        list[ForecastDestination], Meta(description="Requests by method and host, after routes.")
    ] = []
    first: Annotated[
        list[str], Meta(description="The first few requests as commands for curl, secrets masked.")
    ] = []
    request_bytes: Annotated[
        int, Meta(description="The size of all requests, without credentials, in bytes.")
    ] = 0
    model_calls: Annotated[int, Meta(description="Requests that are model calls.")] = 0
    input_tokens: Annotated[int, Meta(description="Tokens of the prompts of the model calls.")] = 0
    output_tokens: Annotated[int, Meta(description="Tokens that the model calls ask for at most.")] = 0
    images: Annotated[
        int, Meta(description="Images that model calls carry which are known by their counts.")
    ] = 0
    image_bytes: Annotated[int, Meta(description="The size of these images as files, in bytes.")] = 0
    tools_offered: Annotated[
        int, Meta(description="Model calls that are known by their counts and offer tools.")
    ] = 0
    tool_bytes: Annotated[int, Meta(description="The size of the definitions of these tools, in bytes.")] = 0
    model_cost: Annotated[
        float | None,
        Meta(description="What the model calls cost at most, by the target's [cost]; null without a price."),
    ] = None
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []
    by_step: Annotated[list[ForecastSteps], Meta(description="Requests by the kind and name of steps.")] = []
    needs: Annotated[list[ForecastNeed], Meta(description="What the SLOs need, where there are some.")] = []
    identical_requests: Annotated[
        int | None,
        Meta(description="Requests with the bytes of an earlier one, but for traceparent and idempotency key."),
    ] = None
