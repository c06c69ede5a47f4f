"""What a run leaves behind: the lines of steps.jsonl, run.json and summary.json, with units in the names.

Instants are integer ns from the start of the run (CLOCK_MONOTONIC); wall time appears in the manifest only.
A field that was not measured is None, and absent from the file.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

# What numbers may be in files that anybody may have written; so many ns are 73 years.
Ns = Annotated[int, msgspec.Meta(ge=0, le=1 << 61)]
# From the run's start; what was there before it has one below zero.
Instant = Annotated[int, msgspec.Meta(ge=-(1 << 61), le=1 << 61)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 56)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=1e13)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e10)]
Status = Annotated[int, msgspec.Meta(ge=0, le=999)]
Attempt = Annotated[int, msgspec.Meta(ge=1, le=(1 << 31) - 1)]

RunStatus = Literal["running", "finished", "interrupted", "incomplete", "failed"]
"""incomplete: one of several workers was lost, and the others went on to the end."""

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
"""What a body is. coded: in a content coding that cannot be decoded here."""


SUMMARY_SCHEMA = "replay.summary/1"
ANSWERS_SCHEMA = "replay.answers/1"
STEPS_FILE = "steps.jsonl"
HLOG_FILE = "latency.hlog"
MANIFEST_FILE = "run.json"
SUMMARY_FILE = "summary.json"
INSTANCES_FILE = "instances.jsonl"
EVENTS_FILE = "events.jsonl"
PLANE_FILE = "plane.jsonl"
ANSWERS_FILE = "answers.jsonl"
RUN_FILES = frozenset(
    (MANIFEST_FILE, STEPS_FILE, HLOG_FILE, SUMMARY_FILE, INSTANCES_FILE, EVENTS_FILE, PLANE_FILE, ANSWERS_FILE)
)
"""The names of the files that a run leaves."""

INTERRUPTED = "interrupted"
"""The error class of an attempt whose response was not waited for, because the run was ended."""

SIMULATED = "simulated in virtual time: nothing was sent, and the network took no time"
"""The note of a run of which nothing was sent: no answer of it has a body."""

ERROR_CLASSES: dict[str, str] = {
    "timeout": "a time limit passed before the response was complete",
    "connect": "no connection could be opened",
    "local": "this machine ran out of descriptors, ports or memory",
    "reset": "the connection ended before the response was complete",
    "closed": "the target closed a WebSocket before the message that ends the step",
    "protocol": (
        "what came back is not HTTP, breaks the rules of WebSocket, or is a web page, plain text, nothing or JSON "
        "that answers nothing where a model, an MCP server or a GraphQL server was asked"
    ),
    "tls": "TLS failed",
    "dns": "the name could not be resolved",
    "proxy": "the proxy refused, or ended the connection",
    "app": "the in-process application failed before its response was complete",
    "status_4xx": "a status of 400 to 499 that was not expected",
    "status_5xx": "a status of 500 or more that was not expected",
    "status": "a status below 400 where another was expected",
    "check": "a header or a body that is not as expected",
    "rpc_error": "a JSON-RPC error",
    "grpc_error": "a gRPC status that was not expected",
    "tool_error": "an MCP tool result with isError",
    "graphql_error": "errors in the answer of a GraphQL server",
    "input_required": "an MCP call that asked for the user's input, which a replay cannot give",
    "model_error": "an error object in a model's answer, or an error event in its stream",
    "cut_short": "a model's stream that ended without its layout's end, or an MCP server's without the answer",
    "redirect": "a redirect that could not be followed, or where a model, an MCP server or a GraphQL server was asked",
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


def status_class(status: int) -> str:
    """The class of failure of a status that was not expected."""
    return "status_5xx" if status >= 500 else "status_4xx" if status >= 400 else "status"


class StepRecord(msgspec.Struct, gc=False, omit_defaults=True):
    """One line of steps.jsonl: one attempt of one step, or, with outcome unsent, a step that was never sent.

    Lag is sent_ns - intended_ns, response time end_ns - intended_ns, service time end_ns - sent_ns. What begins with
    recorded_ is the same of this step in the recording.
    """

    session: Annotated[str, Meta(description="The id of the session in the trace.")]
    step: Annotated[str, Meta(description="The id of the step in its session.")]
    kind: Annotated[str, Meta(description="What sort of call it is: llm, tool, http, mcp, ws or grpc.")]
    name: Annotated[str, Meta(description="The step's name in the trace.")]
    target: Annotated[str, Meta(description="The name of the target.")]
    outcome: Annotated[Outcome, Meta(description="ok, failed, or unsent: it was never sent.")]
    intended_ns: Annotated[
        Ns | None, Meta(description="When it was to be sent, in ns from the run's start.")
    ] = None
    sent_ns: Annotated[
        Ns | None,
        Meta(description="When its last request byte was handed to the kernel, in ns from the run's start."),
    ] = None
    first_byte_ns: Annotated[
        Ns | None, Meta(description="When the first byte of the response was read, in ns from the run's start.")
    ] = None
    first_token_ns: Annotated[
        Ns | None,
        Meta(description="When the first token event of a stream was read, in ns from the run's start."),
    ] = None
    last_token_ns: Annotated[
        Ns | None,
        Meta(description="When the last token event of a stream was read, in ns from the run's start."),
    ] = None
    end_ns: Annotated[
        Ns | None,
        Meta(description="When the response was complete, or the attempt failed, in ns from the run's start."),
    ] = None
    attempt: Annotated[Attempt, Meta(description="Which attempt of the step it is; the first is 1.")] = 1
    final: Annotated[
        bool,
        Meta(
            description=(
                "Whether it is the step's last attempt; false for one that was retried (failed), and for a redirect "
                "that was followed (ok)."
            )
        ),
    ] = True
    handshake: Annotated[
        bool,
        Meta(
            description=(
                "Whether it logged a session in, opened or closed one with an MCP server, or cancelled a call there: a "
                "request of the run's own, no step's."
            )
        ),
    ] = False
    status: Annotated[Status | None, Meta(description="The HTTP status of the response.")] = None
    grpc_status: Annotated[
        str | None,
        Meta(description="How a gRPC call ended, such as OK or UNAVAILABLE, where its answer says so."),
    ] = None
    request_bytes: Annotated[
        Count | None, Meta(description="The size of the request, head and body, in bytes.")
    ] = None
    response_bytes: Annotated[
        Count | None, Meta(description="The size of the response body as received, in bytes.")
    ] = None
    stream: Annotated[bool, Meta(description="Whether an event stream was asked for.")] = False
    streamed: Annotated[bool, Meta(description="Whether the answer was an event stream.")] = False
    layout: Annotated[str | None, Meta(description="The stream's layout, where it is known.")] = None
    tokens: Annotated[Count | None, Meta(description="Token events seen in the stream.")] = None
    input_tokens: Annotated[
        Count | None, Meta(description="Tokens of the prompt, as the answer's own usage counts them.")
    ] = None
    output_tokens: Annotated[
        Count | None, Meta(description="Tokens of the answer, as the answer's own usage counts them.")
    ] = None
    hidden_tokens: Annotated[
        Count | None,
        Meta(
            description="Of output_tokens, how many the model thought and did not show, where its usage tells."
        ),
    ] = None
    error: Annotated[
        str | None,
        Meta(
            description=(
                "The class of failure, such as timeout or status_5xx; of an unsent step, why it was not sent."
            )
        ),
    ] = None
    phase: Annotated[
        str | None, Meta(description="Where the transport failed: connect, send, first_byte or body.")
    ] = None
    check: Annotated[
        str | None,
        Meta(description="The name of the expectation that was not met; never a value of the answer."),
    ] = None
    why: Annotated[
        str | None,
        Meta(
            description=(
                "More of a failure than its class says, in a sentence; never words of the answer, but for the first "
                "gRPC failure of each method and status, without secrets."
            )
        ),
    ] = None
    censored: Annotated[
        bool,
        Meta(description="Whether a time limit came before the response had ended; end_ns is then the limit."),
    ] = False
    connection: Annotated[
        Literal["new", "reused", "shared"] | None,
        Meta(
            description=(
                "Whether its connection was opened for it (new), was open already (reused), or carried other requests "
                "at the time (shared)."
            )
        ),
    ] = None
    connect_ns: Annotated[
        Ns | None,
        Meta(
            description=(
                "Time spent on opening its connection, in ns, with the opening handshake of a WebSocket; absent where "
                "it was reused."
            )
        ),
    ] = None
    tls_ns: Annotated[
        Ns | None, Meta(description="Time spent on the TLS handshake of its connection, in ns.")
    ] = None
    dns_ns: Annotated[
        Ns | None, Meta(description="Time spent on looking the host's name up for its connection, in ns.")
    ] = None
    waited_ns: Annotated[
        Ns | None,
        Meta(
            description="How much of the lag it waited for a connection or room in a socket, in ns; absent below 1 ms."
        ),
    ] = None
    instance: Annotated[
        str | None, Meta(description="The instance that served it, where the target tells.")
    ] = None
    cold: Annotated[
        bool | None,
        Meta(description="Whether the target called it a cold start; absent where the target does not tell."),
    ] = None
    messages: Annotated[Count | None, Meta(description="Messages that came in for it on a WebSocket.")] = None
    close_code: Annotated[
        int | None,
        Meta(
            description="The code with which its WebSocket was closed while it was under way; 1006: without one."
        ),
    ] = None
    warmup: Annotated[bool, Meta(description="Whether it was intended in the warm-up.")] = False
    recorded_ms: Annotated[
        Milliseconds | None, Meta(description="How long it took in the recording, in ms.")
    ] = None
    recorded_at_ms: Annotated[
        Milliseconds, Meta(description="When it started in the recording, in ms from its session's start.")
    ] = 0.0
    recorded_status: Annotated[Status | None, Meta(description="Its HTTP status in the recording.")] = None
    recorded_ttft_ms: Annotated[
        Milliseconds | None, Meta(description="Its time to first token in the recording, in ms.")
    ] = None
    recorded_input_tokens: Annotated[
        Count | None, Meta(description="Tokens of its prompt in the recording.")
    ] = None
    recorded_output_tokens: Annotated[
        Count | None, Meta(description="Tokens of its answer in the recording.")
    ] = None
    recorded_stream: Annotated[bool, Meta(description="Whether its answer was streamed in the recording.")] = (
        False
    )
    made_up: Annotated[
        bool, Meta(description="Whether its body was filled in, since the recording has only the body's size.")
    ] = False
    emptied: Annotated[
        bool, Meta(description="Whether its answer had no body, where the recorded one had one.")
    ] = False
    withheld: Annotated[
        bool,
        Meta(
            description=("Whether a read-only run waited instead of sending it, since it may change something.")
        ),
    ] = False
    attributes: Annotated[
        dict[str, str] | None, Meta(description="The step's audit attributes in the trace.")
    ] = None


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


class InstanceRecord(msgspec.Struct, gc=False, omit_defaults=True):
    """One line of instances.jsonl: what one instance of an embedded or simulated plane did. What was there before the
    run has instants below zero.
    """

    instance: Annotated[str, Meta(description="The instance's id.")]
    requested_ns: Annotated[Instant, Meta(description="When it was asked for, in ns from the run's start.")]
    ready_ns: Annotated[
        Instant | None, Meta(description="When it was ready for requests, in ns from the run's start.")
    ] = None
    first_request_ns: Annotated[
        Ns | None, Meta(description="When it got its first request, in ns from the run's start.")
    ] = None
    gone_ns: Annotated[
        Instant | None,
        Meta(description="When it went, in ns from the run's start; absent if it was there at the end."),
    ] = None
    served: Annotated[Count, Meta(description="Requests that it served.")] = 0
    busy_ns: Annotated[Ns, Meta(description="Time with at least one request, in ns.")] = 0
    request_ns: Annotated[Ns, Meta(description="The sum of its requests' times, in ns.")] = 0
    part: Annotated[
        Part,
        Meta(
            description=(
                "In a run with two planes, which of them it was of: the target's own, or the one elsewhere."
            )
        ),
    ] = OWN


class EventRecord(msgspec.Struct, omit_defaults=True):
    """One line of events.jsonl: what was done to the target in the middle of a run."""

    at_ns: Annotated[Ns, Meta(description="When it was begun, in ns from the run's start.")]
    what: Annotated[str, Meta(description="What was done, in a few words; of a command its program alone.")]
    ended_ns: Annotated[
        Ns | None, Meta(description="When it was over, in ns from the run's start; absent if the run ended it.")
    ] = None
    exit_code: Annotated[int | None, Meta(description="The exit code, of a command.")] = None
    answer: Annotated[str | None, Meta(description="What a plane answered that was asked for a fault.")] = None
    done: Annotated[bool, Meta(description="Whether it was done; false where it certainly was not.")] = True


class AnswersHead(msgspec.Struct, gc=False, omit_defaults=True, tag_field="is", tag="head"):
    """The first line of answers.jsonl: what is recorded of the answers."""

    schema: Annotated[str, Meta(description="replay.answers/1.")]
    keeps: Annotated[AnswersKept, Meta(description="What is recorded: shapes, or digests of values too.")]
    key_id: Annotated[
        str | None,
        Meta(
            description=(
                "The id of the secret key that digests were made with; only digests of one key compare. The "
                "key is never written."
            )
        ),
    ] = None


class ShapeRecord(msgspec.Struct, gc=False, omit_defaults=True, tag_field="is", tag="shape"):
    """A line of answers.jsonl: the shape of a JSON document, which answers refer to by its id."""

    id: Annotated[int, Meta(description="The number by which answers refer to it.")]
    paths: Annotated[
        list[tuple[str, str]],
        Meta(
            description=(
                "Each path of the document with the types seen there, joined by `|`, in order of paths. A "
                "path is a JSON pointer (RFC 6901) in which `*` stands for every element of an array, and for "
                "every name of an object that is a map of ids; a name that is `*` itself is written `~2`. "
                "Types are those of JSON, integer apart from number, and absent where some of several objects "
                "lack the member."
            )
        ),
    ]
    is_partial: Annotated[bool, Meta(description="Whether the document has more than is read of one.")] = False


class AnswerRecord(msgspec.Struct, gc=False, omit_defaults=True, tag_field="is", tag="answer"):
    """A line of answers.jsonl: what the last attempt of a step was answered."""

    session: Annotated[str, Meta(description="The id of the session in the trace.")]
    step: Annotated[str, Meta(description="The id of the step in its session.")]
    kind: Annotated[str, Meta(description="The step's kind: llm, tool, http, mcp, ws or grpc.")]
    name: Annotated[str, Meta(description="The step's name.")]
    status: Annotated[
        Status | None, Meta(description="The HTTP status; absent where no whole answer came.")
    ] = None
    error: Annotated[
        str | None,
        Meta(
            description=(
                "Why no whole answer came; or what a whole one says of itself: model_error, rpc_error, "
                "tool_error, graphql_error, input_required or cut_short."
            )
        ),
    ] = None
    bytes: Annotated[Count, Meta(description="The size of the body as received, in bytes.")] = 0
    content: Annotated[
        AnswerContent,
        Meta(description="What the body is; coded: in a content coding that could not be undone."),
    ] = "empty"
    layout: Annotated[str | None, Meta(description="The layout of a stream.")] = None
    shape: Annotated[int | None, Meta(description="The id of the shape of a JSON body.")] = None
    finish_reasons: Annotated[
        tuple[str, ...], Meta(description="Why the model stopped, as the answer says.")
    ] = ()
    tool_names: Annotated[tuple[str, ...], Meta(description="The tools that the answer calls, by name.")] = ()
    is_cut: Annotated[
        bool,
        Meta(
            description=("Whether the body is longer than what is kept of one, so that its shape was not read.")
        ),
    ] = False
    values: Annotated[
        list[tuple[int, str, str]] | None,
        Meta(
            description=(
                "For each path of the shape, by its place in it: the keyed digest of its values in order, and "
                "one that does not depend on their order."
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
    removed_s: Annotated[
        dict[str, float],
        Meta(
            description=(
                "Seconds that each knob of timing removed from the gaps within sessions, of all sessions together; "
                "arrivals, from between the session starts. Not how much shorter the run is."
            )
        ),
    ]
    steady: Annotated[Window | None, Meta(description="The steady part of the run.")] = None
    plane: Annotated[PlaneFigures | None, Meta(description="What the plane did, where it tells.")] = None
    fidelity: Annotated[
        Fidelity | None, Meta(description="Whether the replay meant the same as the recording.")
    ] = None
    ended: Annotated[Ended | None, Meta(description="Why the run was ended on purpose, if it was.")] = None
    spent: Annotated[Spent | None, Meta(description="What its model calls cost, in a run with a budget.")] = (
        None
    )
    workers: Annotated[
        list[WorkerFacts], Meta(description="The processes that it was dealt to, where there were several.")
    ] = []
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []


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
    removed_s: Annotated[
        dict[str, float],
        Meta(
            description=(
                "Seconds that each knob of timing removed from the gaps within sessions, of all sessions together; "
                "arrivals, from between the session starts. Not how much shorter the run is."
            )
        ),
    ] = {}
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
