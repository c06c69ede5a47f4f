"""What a run leaves behind: its files, the lines of steps.jsonl and what beside it is written line by line.

Instants are integer ns from the start of the run (CLOCK_MONOTONIC); wall time appears in the manifest only.
A field that was not measured is None, and absent from the file.
"""

from typing import Annotated, Final, Literal

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

Outcome = Literal["ok", "failed", "unsent"]
# Of a run with two planes: the one at the target's own URL, and the one to which its routes send steps.
Part = Literal["own", "elsewhere"]
OWN: Final = "own"
ELSEWHERE: Final = "elsewhere"
PARTS: tuple[Part, ...] = (OWN, ELSEWHERE)
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
        "that answers nothing where a model, an MCP server or a GraphQL server was asked, or a web page where "
        "something else was"
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
    recorded_bytes: Annotated[
        Count | None,
        Meta(
            description="The size of its answer's body in the recording, in bytes, where that is told without a head."
        ),
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
