"""How a run was carried out: run.json, and the facts in it that its summary repeats."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from replay.results.types import Count, Milliseconds, Part, Seconds

RunStatus = Literal["running", "finished", "interrupted", "incomplete", "failed"]
"""incomplete: one of several workers was lost, and the others went on to the end."""

GeneratorVerdict = Literal["ok", "suspect", "saturated"]


Removed = Annotated[
    dict[str, float],
    Meta(
        description=(
            "Seconds that each knob of timing removed from the gaps within sessions, of all sessions together; "
            "arrivals, from between the session starts. Not how much shorter the run is."
        )
    ),
]


class TraceFacts(msgspec.Struct, omit_defaults=True):
    """Which trace was replayed, and how much of it the run planned, after scale and limits."""

    name: Annotated[str, Meta(description="The trace's name, from its header.")]
    sha256: Annotated[str, Meta(description="The SHA-256 of the trace file, in hexadecimal.")]
    sessions: Annotated[Count, Meta(description="Sessions that the run planned.")]
    steps: Annotated[Count, Meta(description="Steps that the run planned.")]
    resolution_ms: Annotated[
        Milliseconds | None, Meta(description="How fine the recording's timestamps were, in ms.")
    ] = None
    recorded_in_flight: Annotated[
        float | None,
        Meta(
            description=(
                "Mean requests in flight at once in the recording, as sped up or copied by this run; absent "
                "for a part of a trace."
            )
        ),
    ] = None
    recorded_span_s: Annotated[
        Seconds | None,
        Meta(
            description=(
                "How long the recording lasts, from its start to its last recorded end, in s; absent where the "
                "run takes a part of it, or goes through it more than once."
            )
        ),
    ] = None
    synthetic: Annotated[bool, Meta(description="Whether the trace was made rather than recorded.")] = False


class TargetFacts(msgspec.Struct, omit_defaults=True):
    """Where steps were sent."""

    name: Annotated[str, Meta(description="The target's name.")]
    url: Annotated[str, Meta(description="The target's URL, without secrets.")]
    plane: Annotated[
        str | None,
        Meta(description="How the target is executed: serverless, vm or hybrid, where its file says so."),
    ] = None


class Generator(msgspec.Struct, omit_defaults=True):
    """The self-check: did this machine keep up, so that the figures are the target's and not its own?"""

    verdict: Annotated[
        GeneratorVerdict,
        Meta(
            description=(
                "ok; suspect: the figures may be partly this machine's; saturated: they are not the target's."
            )
        ),
    ]
    reasons: Annotated[list[str], Meta(description="Why it is not ok, in sentences.")]
    cpu_percent: Annotated[
        float | None, Meta(description="CPU that the sending process used, in percent of one core.")
    ] = None
    max_loop_stall_ms: Annotated[
        float | None, Meta(description="The longest that its event loop stood still, in ms.")
    ] = None
    late_ms: Annotated[
        float | None,
        Meta(
            description=(
                "The most that this machine's lateness can have added to a time, in ms; given where lateness "
                "alone is suspect."
            )
        ),
    ] = None


class PlaneFigures(msgspec.Struct, omit_defaults=True):
    """What a plane that tells of its instances did."""

    instances: Annotated[int, Meta(description="Instances that were booted.")]
    most_instances: Annotated[int, Meta(description="The most instances at once.")]
    cold: Annotated[int, Meta(description="Requests that waited for a boot.")]
    refused: Annotated[int, Meta(description="Requests that were refused.")]
    timed_out: Annotated[int, Meta(description="Requests that timed out.")]
    instance_s: Annotated[float, Meta(description="Instance time in all, in s.")]
    busy_s: Annotated[float, Meta(description="Instance time with at least one request, in s.")]
    booting_s: Annotated[float, Meta(description="Instance time spent on boots, in s.")]
    parts: Annotated[
        dict[Part, "PlaneFigures"], Meta(description="Of a run with two planes, what each of them did.")
    ] = {}


class Ended(msgspec.Struct, frozen=True):
    """A run that was ended on purpose before its trace was, since going on would have done harm."""

    by: Annotated[
        Literal["aborted", "budget"], Meta(description="What ended it: a condition of --abort, or the budget.")
    ]
    why: Annotated[str, Meta(description="Why, in a sentence.")]

    @property
    def option(self) -> str:
        """What the user asked for it with."""
        return "--abort" if self.by == "aborted" else "--budget"


class Spent(msgspec.Struct, omit_defaults=True):
    """What the model calls of a run with a budget cost, by the prices of the target file."""

    amount: Annotated[float, Meta(description="What they cost in all, in the budget's currency.")]
    budget: Annotated[float, Meta(description="What they might cost at most.")]
    calls: Annotated[int, Meta(description="Attempts that were paid for.")]
    counted: Annotated[int, Meta(description="Those whose answer told what it used.")]
    assumed: Annotated[
        int, Meta(description="Those that keep what was set aside for them, since no usage is known.")
    ]
    input_tokens: Annotated[int, Meta(description="Tokens of the prompts of those that were counted.")] = 0
    output_tokens: Annotated[int, Meta(description="Tokens of the answers of those that were counted.")] = 0
    currency: Annotated[str | None, Meta(description="The currency, where one was named.")] = None


class WorkerFacts(msgspec.Struct, omit_defaults=True):
    """One of the processes that a run was dealt to, by session."""

    index: Annotated[Count, Meta(description="Its number, from 0; its part of the sessions has the same.")]
    sessions: Annotated[Count, Meta(description="Sessions that it planned.")] = 0
    steps: Annotated[Count, Meta(description="Steps that it planned.")] = 0
    status: Annotated[RunStatus, Meta(description="How its part of the run ended.")] = "running"
    host: Annotated[str | None, Meta(description="The machine that it ran on.")] = None
    core: Annotated[Count | None, Meta(description="The core that it was kept to, where it was.")] = None
    offset_ms: Annotated[
        float | None,
        Meta(description="How far its clock was ahead of the conductor's at the start, in ms."),
    ] = None
    uncertainty_ms: Annotated[
        float | None,
        Meta(
            description=(
                "How far its start may have been from the instant that was named for all, in ms, either way."
            )
        ),
    ] = None
    drift_ppm: Annotated[
        float | None,
        Meta(description="How much faster its clock ran than the conductor's, in millionths."),
    ] = None
    generator: Annotated[Generator | None, Meta(description="Whether it kept up.")] = None
    lost: Annotated[str | None, Meta(description="Why it was given up, if it was.")] = None
    lost_steps: Annotated[
        Count, Meta(description="Steps of which it left no record, since it was lost; they count as unsent.")
    ] = 0


class DataFacts(msgspec.Struct, omit_defaults=True):
    """The file of users that sessions took rows from: everything about it but what is in it."""

    file: Annotated[str, Meta(description="The file's name.")]
    sha256: Annotated[str, Meta(description="The SHA-256 of the file, in hexadecimal.")]
    rows: Annotated[int, Meta(description="How many rows it has.")]
    columns: Annotated[list[str], Meta(description="The names of its columns.")]
    order: Annotated[str, Meta(description="In which order rows were dealt: sequential or random.")] = (
        "sequential"
    )


class Manifest(msgspec.Struct, omit_defaults=True):
    """run.json: how the run was carried out; written first, and again at the end."""

    schema: Annotated[str, Meta(description="replay.run/1.")]
    status: Annotated[RunStatus, Meta(description="running, until the run ended in one way or another.")]
    version: Annotated[str, Meta(description="The version of agent-replay.")]
    started_at: Annotated[str, Meta(description="When the run started, in UTC (ISO 8601).")]
    trace: Annotated[TraceFacts, Meta(description="Which trace was replayed.")]
    target: Annotated[dict[str, Any], Meta(description="The target, every secret redacted.")]
    options: Annotated[dict[str, Any], Meta(description="The options of the run.")]
    seed: Annotated[int, Meta(description="The seed of everything random.")]
    host: Annotated[dict[str, Any], Meta(description="What machine it ran on.")]
    clock: Annotated[dict[str, Any], Meta(description="What clock it was timed by.")]
    run_id: Annotated[
        str | None,
        Meta(description="The key from which the trace ids and span ids of its requests are derived."),
    ] = None
    finished_at: Annotated[str | None, Meta(description="When the run ended, in UTC (ISO 8601).")] = None
    elapsed_s: Annotated[Seconds | None, Meta(description="How long the run took, in s.")] = None
    target_facts: Annotated[TargetFacts | None, Meta(description="The target in short.")] = None
    generator: Annotated[Generator | None, Meta(description="Whether this machine kept up.")] = None
    plane: Annotated[PlaneFigures | None, Meta(description="What the plane did, where it tells.")] = None
    removed_s: Removed = {}
    connections: Annotated[dict[str, Count], Meta(description="Connections by what became of them.")] = {}
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []
    data: Annotated[DataFacts | None, Meta(description="The file of users that sessions took rows from.")] = (
        None
    )
    error: Annotated[str | None, Meta(description="Why the run failed, if it did.")] = None
    ended: Annotated[Ended | None, Meta(description="Why the run was ended on purpose, if it was.")] = None
    spent: Annotated[Spent | None, Meta(description="What its model calls cost, in a run with a budget.")] = (
        None
    )
    share: Annotated[
        str | None, Meta(description="Which share of a run this is, such as 0 of 4, where it is a worker's.")
    ] = None
    workers: Annotated[
        list[WorkerFacts], Meta(description="The processes that it was dealt to, where there were several.")
    ] = []
