"""What a run leaves behind: the lines of steps.jsonl, run.json and summary.json, with units in the names.

Instants are integer ns from the start of the run (CLOCK_MONOTONIC); wall time appears in the manifest only.
A field that was not measured is None, and absent from the file.
"""

from typing import Any, Literal

import msgspec

RunStatus = Literal["running", "finished", "interrupted", "failed"]
Outcome = Literal["ok", "failed", "unsent"]
GeneratorVerdict = Literal["ok", "suspect", "saturated"]

SUMMARY_SCHEMA = "replay.summary/1"
STEPS_FILE = "steps.jsonl"
HLOG_FILE = "latency.hlog"
MANIFEST_FILE = "run.json"
SUMMARY_FILE = "summary.json"
INSTANCES_FILE = "instances.jsonl"
EVENTS_FILE = "events.jsonl"
INTERRUPTED = "interrupted"
"""The error class of an attempt whose response was not waited for, because the run was ended."""


class StepRecord(msgspec.Struct, gc=False, omit_defaults=True):
    """One line of steps.jsonl: one attempt of one step (or, with outcome unsent, a step never sent).

    error: the class of failure (timeout, connect, reset, status_5xx, status_4xx, protocol, tls, dns, shape),
    or for an unsent step why it was not sent. phase: where it failed (connect, send, first_byte, body).
    final: False for an attempt that was retried. censored: the response had not ended when the limit came;
    end_ns is then the limit. connect_ns, tls_ns, dns_ns: time spent on a connection opened for this attempt.
    tokens: token events seen in a stream. lag is sent_ns - intended_ns; response time end_ns - intended_ns;
    service time end_ns - sent_ns.
    """

    session: str
    step: str
    kind: str
    name: str
    target: str
    outcome: Outcome
    intended_ns: int | None = None
    sent_ns: int | None = None
    first_byte_ns: int | None = None
    first_token_ns: int | None = None
    end_ns: int | None = None
    attempt: int = 1
    final: bool = True
    status: int | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
    tokens: int | None = None
    error: str | None = None
    phase: str | None = None
    censored: bool = False
    connection: Literal["new", "reused"] | None = None
    connect_ns: int | None = None
    tls_ns: int | None = None
    dns_ns: int | None = None
    instance: str | None = None
    cold: bool | None = None
    warmup: bool = False
    attributes: dict[str, str] | None = None


class Quantiles(msgspec.Struct, omit_defaults=True):
    """A latency distribution in ms (dispatch lag: µs). n = 0 leaves the rest absent."""

    n: int
    mean: float | None = None
    min: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    max: float | None = None


class TraceFacts(msgspec.Struct, omit_defaults=True):
    """Which trace was replayed; sessions and steps are what the run planned, after scale and limits."""

    name: str
    sha256: str
    sessions: int
    steps: int
    resolution_ms: float | None = None


class TargetFacts(msgspec.Struct, omit_defaults=True):
    name: str
    url: str
    plane: str | None = None


class Counts(msgspec.Struct, omit_defaults=True, kw_only=True):
    """ok + failed + unsent = steps. sent counts steps of which at least one attempt went out; waits (steps
    without a request) end as ok without being sent and are counted in waits. retries counts extra attempts.
    """

    sessions: int
    steps: int
    sent: int
    ok: int
    failed: int
    unsent: int
    retries: int
    waits: int
    errors: dict[str, int]
    unsent_reasons: dict[str, int]
    connections_opened: int | None = None
    connections_new: int | None = None
    connections_reused: int | None = None
    stale_connections: int | None = None
    out_of_range: int | None = None


class Rate(msgspec.Struct, omit_defaults=True):
    """Offered: what the schedule asked for; achieved: what was completed. Both by the time of sending."""

    offered_rps: float | None = None
    achieved_rps: float | None = None
    peak_in_flight: int | None = None


class Series(msgspec.Struct, omit_defaults=True):
    kind: str
    name: str
    response: Quantiles
    service: Quantiles
    counts: dict[str, int]


class Generator(msgspec.Struct, omit_defaults=True):
    """The self-check: did this machine keep up, so that the figures are the target's and not ours?"""

    verdict: GeneratorVerdict
    reasons: list[str]
    cpu_percent: float | None = None
    max_loop_stall_ms: float | None = None


class Window(msgspec.Struct, omit_defaults=True):
    """The steady part of a run, without warm-up and drain, in seconds from the run's start."""

    from_s: float
    to_s: float
    steps: int
    offered_rps: float | None = None
    achieved_rps: float | None = None
    latency_ms: dict[str, Quantiles] = {}


class InstanceRecord(msgspec.Struct, gc=False, omit_defaults=True):
    """One line of instances.jsonl: what one instance of a plane of our own did, in ns from the run's start.

    busy_ns: time with at least one request; request_ns: the sum of its requests' times. gone_ns absent: it was there
    at the end.
    """

    instance: str
    requested_ns: int
    ready_ns: int | None = None
    first_request_ns: int | None = None
    gone_ns: int | None = None
    served: int = 0
    busy_ns: int = 0
    request_ns: int = 0


class EventRecord(msgspec.Struct, omit_defaults=True):
    """One line of events.jsonl: what was done to the target in the middle of a run, in ns from the run's start.

    ended_ns absent: it was ended with the run. exit_code: of a command. answer: of a plane that was asked for a fault.
    """

    at_ns: int
    what: str
    ended_ns: int | None = None
    exit_code: int | None = None
    answer: str | None = None


class PlaneFigures(msgspec.Struct, omit_defaults=True):
    """What a plane of our own did: instances that were booted, and at most at once; requests that waited for a boot,
    were refused, or timed out; and its instance time, in all, busy and booting.
    """

    instances: int
    most_instances: int
    cold: int
    refused: int
    timed_out: int
    instance_s: float
    busy_s: float
    booting_s: float


class Summary(msgspec.Struct, omit_defaults=True):
    """summary.json, schema replay.summary/1."""

    schema: str
    status: RunStatus
    elapsed_s: float
    trace: TraceFacts
    target: TargetFacts
    counts: Counts
    rate: Rate
    latency_ms: dict[str, Quantiles]
    series: list[Series]
    dispatch_lag_us: Quantiles
    generator: Generator
    removed_s: dict[str, float]
    steady: Window | None = None
    plane: PlaneFigures | None = None
    notes: list[str] = []


class Manifest(msgspec.Struct, omit_defaults=True):
    """run.json: written first and again at the end. Every secret in target is redacted. run_id: the key from which
    the trace ids and span ids of its requests are derived (see replay/engine/render.py).
    """

    schema: str
    status: RunStatus
    version: str
    started_at: str
    trace: TraceFacts
    target: dict[str, Any]
    options: dict[str, Any]
    seed: int
    host: dict[str, Any]
    clock: dict[str, Any]
    run_id: str | None = None
    finished_at: str | None = None
    elapsed_s: float | None = None
    target_facts: TargetFacts | None = None
    generator: Generator | None = None
    plane: PlaneFigures | None = None
    removed_s: dict[str, float] = {}
    connections: dict[str, int] = {}
    notes: list[str] = []
    error: str | None = None


class Forecast(msgspec.Struct, omit_defaults=True):
    """What a run would send, foreseen with the durations of the recording; nothing was sent for it.

    peak_rps is that of the busiest second; wall_s the time until the last response.
    """

    schema: str
    trace: str
    target: str
    sessions: int
    steps: int
    requests: int
    waits: int
    unsent: int
    peak_rps: float | None
    peak_in_flight: int
    recorded_span_s: float
    wall_s: float
    removed_s: dict[str, float]
    notes: list[str] = []


class Snapshot(msgspec.Struct, omit_defaults=True):
    """A run under way. Times of latency in ms; None where there is nothing yet."""

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
