"""What a run leaves behind: the lines of steps.jsonl, run.json and summary.json, with units in the names.

Instants are integer ns from the start of the run (CLOCK_MONOTONIC); wall time appears in the manifest only.
A field that was not measured is None, and absent from the file.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

# What numbers may be in files that anybody may have written; so many ns are 73 years.
Ns = Annotated[int, msgspec.Meta(ge=0, le=1 << 61)]
# From the run's start; what was there before it has one below zero.
Instant = Annotated[int, msgspec.Meta(ge=-(1 << 61), le=1 << 61)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 56)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=1e13)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e10)]
Status = Annotated[int, msgspec.Meta(ge=0, le=999)]
Attempt = Annotated[int, msgspec.Meta(ge=1, le=(1 << 31) - 1)]

RunStatus = Literal["running", "finished", "interrupted", "failed"]
Outcome = Literal["ok", "failed", "unsent"]
GeneratorVerdict = Literal["ok", "suspect", "saturated"]
# Of a run with two planes: the one at the target's own URL, and the one to which its routes send steps.
Part = Literal["own", "elsewhere"]
OWN: Final = "own"
ELSEWHERE: Final = "elsewhere"
PARTS: tuple[Part, ...] = (OWN, ELSEWHERE)
AnswersKept = Literal["shape", "values"]
"""What is recorded of answers: their shapes; or digests of their values too."""

AnswerContent = Literal["json", "text", "stream", "empty", "coded"]
"""What a body is. coded: in a content coding that cannot be undone here."""


SUMMARY_SCHEMA = "replay.summary/1"
ANSWERS_SCHEMA = "replay.answers/1"
STEPS_FILE = "steps.jsonl"
HLOG_FILE = "latency.hlog"
MANIFEST_FILE = "run.json"
SUMMARY_FILE = "summary.json"
INSTANCES_FILE = "instances.jsonl"
EVENTS_FILE = "events.jsonl"
ANSWERS_FILE = "answers.jsonl"
INTERRUPTED = "interrupted"
"""The error class of an attempt whose response was not waited for, because the run was ended."""

ERROR_CLASSES: dict[str, str] = {
    "timeout": "a time limit passed before the response was complete",
    "connect": "no connection could be opened",
    "local": "this machine ran out of descriptors, ports or memory",
    "reset": "the connection ended before the response was complete",
    "protocol": "what came back is not HTTP",
    "tls": "TLS failed",
    "dns": "the name could not be resolved",
    "proxy": "the proxy refused, or ended the connection",
    "app": "the in-process application failed before its response was complete",
    "status_4xx": "a status of 400 to 499 that was not expected",
    "status_5xx": "a status of 500 or more that was not expected",
    "status": "a status below 400 where another was expected",
    "check": "a header or a body that is not as expected",
    "rpc_error": "a JSON-RPC error",
    "tool_error": "an MCP tool result with isError",
    "model_error": "an error object in a model's answer, or an error event in its stream",
    "cut_short": "a model's stream that ended without its layout's end",
    "extract": "the response, or an earlier one, lacks a value that the trace takes from it",
}
"""Every class of failure that an attempt which ends its step can have, and what it says. SLOs, retries, tables and
reports know these and no others.
"""

TRANSIENT_STATUSES = (408, 425, 429)
"""With 5xx, what a recording may hold by chance: an answer that production did not mean to give."""


def is_transient(status: int) -> bool:
    """Whether a recorded status says nothing of what the answer should be."""
    return status >= 500 or status in TRANSIENT_STATUSES


class StepRecord(msgspec.Struct, gc=False, omit_defaults=True):
    """One line of steps.jsonl: one attempt of one step (or, with outcome unsent, a step never sent).

    error: the class of failure (see ERROR_CLASSES), or for an unsent step why it was not sent. phase: where the
    transport failed (connect, send, first_byte, body). check: the name of the expectation that was not met, never
    the value. final: False for an attempt that was retried. censored: the response had not ended when the limit
    came; end_ns is then the limit. connect_ns, tls_ns, dns_ns: time spent on a connection opened for this attempt.
    waited_ns: how much of the lag it waited for a connection, until one came free or was open, where that is a
    millisecond or more; the rest of it is this client's own.
    lag is sent_ns - intended_ns; response time end_ns - intended_ns; service time end_ns - sent_ns.

    streamed: the answer was an event stream; stream: one was asked for. layout: the stream's, where it is known.
    tokens: token events seen in it. input_tokens, output_tokens: as the answer's own usage counts them.

    recorded_*: the same of this step in the recording: its duration, its start from the session's (absent: at its
    start), its status, its time to first token, the tokens of its prompt and of its answer, and whether that was
    streamed. made_up: the recording has no body, only its size, so one was filled in.

    withheld: a wait in place of a request that may change something, in a read-only run.
    """

    session: str
    step: str
    kind: str
    name: str
    target: str
    outcome: Outcome
    intended_ns: Ns | None = None
    sent_ns: Ns | None = None
    first_byte_ns: Ns | None = None
    first_token_ns: Ns | None = None
    last_token_ns: Ns | None = None
    end_ns: Ns | None = None
    attempt: Attempt = 1
    final: bool = True
    status: Status | None = None
    request_bytes: Count | None = None
    response_bytes: Count | None = None
    stream: bool = False
    streamed: bool = False
    layout: str | None = None
    tokens: Count | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    error: str | None = None
    phase: str | None = None
    check: str | None = None
    censored: bool = False
    connection: Literal["new", "reused"] | None = None
    connect_ns: Ns | None = None
    tls_ns: Ns | None = None
    dns_ns: Ns | None = None
    waited_ns: Ns | None = None
    instance: str | None = None
    cold: bool | None = None
    warmup: bool = False
    recorded_ms: Milliseconds | None = None
    recorded_at_ms: Milliseconds = 0.0
    recorded_status: Status | None = None
    recorded_ttft_ms: Milliseconds | None = None
    recorded_input_tokens: Count | None = None
    recorded_output_tokens: Count | None = None
    recorded_stream: bool = False
    made_up: bool = False
    withheld: bool = False
    attributes: dict[str, str] | None = None


class Quantiles(msgspec.Struct, omit_defaults=True):
    """A latency distribution in ms (dispatch lag: µs). n = 0 leaves the rest absent.

    failed_ratio: where failures count as infinitely slow, their share of n; a figure that falls among them is
    infinite here, and null in the file.
    """

    n: int
    mean: float | None = None
    min: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    max: float | None = None
    failed_ratio: float | None = None


class TraceFacts(msgspec.Struct, omit_defaults=True):
    """Which trace was replayed; sessions and steps are what the run planned, after scale and limits.

    recorded_in_flight: requests under way at once in the mean of the recording, as this run speeds it up or copies it;
    absent where the run takes a part of the trace. synthetic: no recording, but made; its header's attributes say so.
    """

    name: str
    sha256: str
    sessions: Count
    steps: Count
    resolution_ms: Milliseconds | None = None
    recorded_in_flight: float | None = None
    synthetic: bool = False


class TargetFacts(msgspec.Struct, omit_defaults=True):
    name: str
    url: str
    plane: str | None = None


class Counts(msgspec.Struct, omit_defaults=True, kw_only=True):
    """ok + failed + unsent = steps. sent counts steps of which at least one attempt went out; waits (steps
    without a request) end as ok without being sent and are counted in waits. withheld: those of the waits that have a
    request, which a read-only run kept back. retries counts extra attempts.
    unlike_recorded: steps that are ok, though their status is another than the recorded one.
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
    unlike_recorded: int = 0
    withheld: int = 0
    connections_opened: int | None = None
    connections_new: int | None = None
    connections_reused: int | None = None
    stale_connections: int | None = None
    out_of_range: int | None = None


class Rate(msgspec.Struct, omit_defaults=True):
    """Rates over the whole run, whether or not the target was still there. offered_rps: what the schedule asked for;
    achieved_rps: steps that were answered, which a failure is not.
    """

    offered_rps: float | None = None
    achieved_rps: float | None = None
    peak_in_flight: int | None = None


class Series(msgspec.Struct, omit_defaults=True):
    """The steps of one kind and name. response, service: of those that were answered. failed: response times of those
    that failed. recorded: durations of the same steps in the recording.
    """

    kind: str
    name: str
    response: Quantiles
    service: Quantiles
    counts: dict[str, int]
    failed: Quantiles | None = None
    recorded: Quantiles | None = None


class Generator(msgspec.Struct, omit_defaults=True):
    """The self-check: did this machine keep up, so that the figures are the target's and not ours?

    late_ms: the most that this machine's own lateness can have added to any time; absent unless the generator was
    suspect, and that for lateness alone.
    """

    verdict: GeneratorVerdict
    reasons: list[str]
    cpu_percent: float | None = None
    max_loop_stall_ms: float | None = None
    late_ms: float | None = None


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
    at the end. What was there before the run was asked for, and ready, before its start. part: which plane it was
    of, in a run that had two.
    """

    instance: str
    requested_ns: Instant
    ready_ns: Instant | None = None
    first_request_ns: Ns | None = None
    gone_ns: Instant | None = None
    served: Count = 0
    busy_ns: Ns = 0
    request_ns: Ns = 0
    part: Part = OWN


class EventRecord(msgspec.Struct, omit_defaults=True):
    """One line of events.jsonl: what was done to the target in the middle of a run, in ns from the run's start.

    ended_ns absent: it was ended with the run. exit_code: of a command. answer: of a plane that was asked for a fault.
    """

    at_ns: Ns
    what: str
    ended_ns: Ns | None = None
    exit_code: int | None = None
    answer: str | None = None


class AnswersHead(msgspec.Struct, gc=False, omit_defaults=True, tag_field="is", tag="head"):
    """The first line of answers.jsonl: what is recorded of the answers.

    key_id: which secret key the digests of values were made with. Only digests of the same key can be compared; the
    key itself was never written.
    """

    schema: str
    keeps: AnswersKept
    key_id: str | None = None


class ShapeRecord(msgspec.Struct, gc=False, omit_defaults=True, tag_field="is", tag="shape"):
    """A line of answers.jsonl: the shape of a JSON document, which answers refer to by its id.

    paths: each path that the document has, with the types seen there, joined by `|`, in order of paths. A path is a
    JSON pointer (RFC 6901) in which `*` stands for every element of an array, and for every name of an object that is
    a map of ids; a name that is `*` itself is written `~2`. Types: null, boolean, integer, number (with a fraction or
    an exponent), string, array, object; and absent, where some of several objects at one path lack the member.
    is_partial: the document has more than is read of one.
    """

    id: int
    paths: list[tuple[str, str]]
    is_partial: bool = False


class AnswerRecord(msgspec.Struct, gc=False, omit_defaults=True, tag_field="is", tag="answer"):
    """A line of answers.jsonl: what the last attempt of a step was answered.

    status: None where no whole answer came; error then says why. Else error is what a whole answer says of itself
    (model_error, rpc_error, tool_error, cut_short). bytes: of the body, as received. content: what the body is;
    layout: of a stream. shape: of JSON. is_cut: the body is longer than what is kept of one, so its shape was not read.
    values: for each path of the shape (by its place in it) that has texts, numbers or truth values, their keyed digest
    in order, and where there are several another one that does not depend on their order.
    """

    session: str
    step: str
    kind: str
    name: str
    status: Status | None = None
    error: str | None = None
    bytes: Count = 0
    content: AnswerContent = "empty"
    layout: str | None = None
    shape: int | None = None
    finish_reasons: tuple[str, ...] = ()
    tool_names: tuple[str, ...] = ()
    is_cut: bool = False
    values: list[tuple[int, str, str]] | None = None


class PlaneFigures(msgspec.Struct, omit_defaults=True):
    """What a plane of our own did: instances that were booted, and at most at once; requests that waited for a boot,
    were refused, or timed out; and its instance time, in all, busy and booting. parts: of a run with two planes, what
    each of them did.
    """

    instances: int
    most_instances: int
    cold: int
    refused: int
    timed_out: int
    instance_s: float
    busy_s: float
    booting_s: float
    parts: dict[Part, "PlaneFigures"] = {}


class Ended(msgspec.Struct, frozen=True):
    """A run that was ended on purpose before its trace was, since going on would have done harm. by: what said so."""

    by: Literal["aborted", "budget"]
    why: str

    @property
    def option(self) -> str:
        """What the user asked for it with."""
        return "--abort" if self.by == "aborted" else "--budget"


class Spent(msgspec.Struct, omit_defaults=True):
    """What the model calls of a run with a budget cost, by the prices of the target file.

    calls: attempts that were paid for. counted: those whose answer told what it used; input_tokens, output_tokens: of
    these. assumed: those that keep what was set aside for them, since no usage is known.
    """

    amount: float
    budget: float
    calls: int
    counted: int
    assumed: int
    input_tokens: int = 0
    output_tokens: int = 0
    currency: str | None = None


class Fidelity(msgspec.Struct, omit_defaults=True):
    """Did the replay mean the same as the recording? Ratios from 0 to 1, absent where there is nothing to hold them to.

    ratio: the least of the others but for requests, in_flight and what follows it. sessions: those of which every
    step was tried, of those planned; steps: steps tried, of those planned. statuses: steps with the recorded
    status, of those that are ok. output_tokens, input_tokens: tokens counted against recorded, the smaller over the
    larger. streams: answers streamed as in the recording. arrivals: steps that this client was ready to send when
    they were due, within a twentieth of a second or the recording's resolution. made_up_bodies: requests whose body
    did not have to be made up. requests: those sent, of those that would have been had the run not been read-only;
    it was to be, so that is no shortfall. in_flight, recorded_in_flight: requests under way at once in the mean, of
    the run and of the recording; no ratios, since a target that is faster has fewer. tokens: of output_tokens and
    input_tokens, the numbers counted and recorded.
    """

    ratio: float | None = None
    sessions: float | None = None
    steps: float | None = None
    statuses: float | None = None
    output_tokens: float | None = None
    input_tokens: float | None = None
    streams: float | None = None
    arrivals: float | None = None
    made_up_bodies: float | None = None
    requests: float | None = None
    in_flight: float | None = None
    recorded_in_flight: float | None = None
    reasons: list[str] = []
    tokens: dict[str, tuple[int, int]] = {}


class Summary(msgspec.Struct, omit_defaults=True):
    """summary.json, schema replay.summary/1.

    latency_ms: response, service, ttfb, ttft and itl are of the attempts that were answered, makespan of the sessions
    in which nothing failed; failed has the response times of attempts that failed; response_with_failures and
    makespan_with_failures are of all, those that failed infinitely slow; recorded has the durations of the same steps
    in the recording.
    """

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
    fidelity: Fidelity | None = None
    ended: Ended | None = None
    spent: Spent | None = None
    notes: list[str] = []


class DataFacts(msgspec.Struct, omit_defaults=True):
    """The file of users that sessions took rows from: everything about it but what is in it. order: of the rows."""

    file: str
    sha256: str
    rows: int
    columns: list[str]
    order: str = "sequential"


class Manifest(msgspec.Struct, omit_defaults=True):
    """run.json: written first and again at the end. Every secret in target is redacted. run_id: the key from which
    the trace ids and span ids of its requests are derived (see replay/engine/requests/render.py).
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
    elapsed_s: Seconds | None = None
    target_facts: TargetFacts | None = None
    generator: Generator | None = None
    plane: PlaneFigures | None = None
    removed_s: dict[str, float] = {}
    connections: dict[str, Count] = {}
    notes: list[str] = []
    data: DataFacts | None = None
    error: str | None = None
    ended: Ended | None = None
    spent: Spent | None = None


class Forecast(msgspec.Struct, omit_defaults=True):
    """What a run would send, foreseen with the durations of the recording; nothing was sent for it.

    peak_rps is that of the busiest second; wall_s the time until the last response. withheld: those of the waits that
    are requests which a read-only run keeps back. methods, hosts: requests by them, after routes. request_bytes: of all
    of them, credentials left out. input_tokens, output_tokens: of the model calls, what they ask for at most, and
    model_cost what that costs by the target's [cost]; None where that has no price of model calls. identical_requests:
    how many have the bytes of one before them, but for traceparent and idempotency key.
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
    withheld: int = 0
    methods: dict[str, int] = {}
    hosts: dict[str, int] = {}
    request_bytes: int = 0
    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    model_cost: float | None = None
    notes: list[str] = []
    identical_requests: int | None = None


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
