"""What a trace is made of: a header, sessions, steps, and the edges between steps.

These mirror the trace file (JSON Lines) field for field. Times are milliseconds, as recorded; the engine
converts once, when a session is loaded. Fields that this version does not know are kept in `extra`, so that
reading, transforming and writing a trace loses nothing: they stand beside the known fields in the file.

Decoding is strict (unknown fields are refused), because that is the fast way and nearly every line has none;
replay/trace/file/stream.py sets the unknown fields of the other lines aside first.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from replay.dialects.types import GrpcStatus

FORMAT = "replay-trace"
VERSION = 1

# The name under which msgspec itself would read and write `extra`; the file room never lets it reach a file.
EXTRA = "(unknown fields)"

Kind = Literal["llm", "tool", "http", "mcp", "ws", "grpc"]
WsAction = Literal["message", "open", "ping", "close"]
Anchor = Literal["end", "first_byte", "start"]
# Whether a recording or an import keeps what responses held.
Responses = Literal["keep", "drop"]


class Edge(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Why a step waits for another: `delay_ms` after that step's start, first byte or end."""

    step: Annotated[str, Meta(description="The id of the step that is waited for, in the same session.")]
    anchor: Annotated[Anchor, Meta(description="What of it is waited for.")] = "end"
    delay_ms: Annotated[float, Meta(description="Think time from then on, in ms.")] = 0.0
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class Request(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One recorded HTTP request; at most one of body, json, body_base64 and body_bytes is set."""

    method: Annotated[str, Meta(description="The HTTP method.")]
    path: Annotated[str, Meta(description="The path with its query, below the target's URL.")]
    headers: Annotated[dict[str, str], Meta(description="Headers, by name.")] = {}
    body: Annotated[str | None, Meta(description="The body, as text.")] = None
    json: Annotated[msgspec.Raw, Meta(description="The body, as a JSON value.")] = msgspec.Raw(b"")
    body_base64: Annotated[str | None, Meta(description="The body, in base64.")] = None
    body_bytes: Annotated[
        int | None,
        Meta(
            description=(
                "The size of a body that was not kept, in bytes; one is filled in, the same in every run."
            )
        ),
    ] = None
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class LlmImage(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """An image that a model call carried, by its size; another of that size is made in its place."""

    bytes: Annotated[int, Meta(description="Its size as a file, in bytes.")]
    media_type: Annotated[
        str, Meta(description="Its media type; where that is none of PNG, JPEG and WebP, a PNG is made.")
    ] = "image/png"
    width: Annotated[int, Meta(description="Its width, in pixels.")] = 1024
    height: Annotated[int, Meta(description="Its height, in pixels.")] = 1024
    id: Annotated[
        int | None,
        Meta(
            description=(
                "Equal ids are equal images, so that what remembers images sees the same reuse; absent: no other is "
                "like it."
            )
        ),
    ] = None
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class LlmTools(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """The tools that a model call offered, by their number and size; others of that size are made in their place."""

    count: Annotated[int, Meta(description="How many.")]
    bytes: Annotated[int, Meta(description="The size of their definitions as JSON, in bytes.")]
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class LlmCall(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A model call by its token counts; the target's shape turns it into a request."""

    input_tokens: Annotated[
        int, Meta(description="Tokens of the prompt, those of images and tools included.")
    ] = 0
    output_tokens: Annotated[int, Meta(description="Tokens of the answer.")] = 0
    model: Annotated[str | None, Meta(description="The model that was asked.")] = None
    stream: Annotated[bool, Meta(description="Whether the answer was streamed.")] = False
    prefix: Annotated[
        tuple[int, ...],
        Meta(
            description=(
                "Ids of the prompt's blocks, in order. Equal ids are equal blocks, so that prefix caches see "
                "the same reuse."
            )
        ),
    ] = ()
    prefix_block_tokens: Annotated[int | None, Meta(description="Tokens in one such block.")] = None
    images: Annotated[tuple[LlmImage, ...], Meta(description="The images that it carried, in order.")] = ()
    tools: Annotated[LlmTools | None, Meta(description="The tools that it offered.")] = None
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)

    @property
    def carried(self) -> tuple[LlmImage | LlmTools, ...]:
        """What it carries beside its text."""
        return self.images if self.tools is None else (*self.images, self.tools)


class McpCall(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A message to a server of the Model Context Protocol; the target's protocol version turns it into a request."""

    method: Annotated[
        str, Meta(description="The method: tools/call, tools/list, resources/read, or any other.")
    ]
    tool: Annotated[str | None, Meta(description="The tool that tools/call calls.")] = None
    name: Annotated[str | None, Meta(description="The prompt that prompts/get asks for.")] = None
    uri: Annotated[str | None, Meta(description="The resource that resources/read reads.")] = None
    arguments: Annotated[
        msgspec.Raw, Meta(description="The arguments of the tool, or of the prompt: an object.")
    ] = msgspec.Raw(b"")
    params: Annotated[
        msgspec.Raw,
        Meta(
            description="The parameters of any method, as an object, instead of the fields that name its own."
        ),
    ] = msgspec.Raw(b"")
    version: Annotated[
        str | None, Meta(description="The protocol version that the recording spoke, such as 2025-11-25.")
    ] = None
    server: Annotated[
        str | None,
        Meta(
            description=(
                "Which of several servers: its name, as the recording has it, or the path at which it takes messages."
            )
        ),
    ] = None
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class Until(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Which message that comes in ends a step; all that is given must hold of it, and nothing fits any message."""

    json: Annotated[
        str | None, Meta(description="A JSON pointer (RFC 6901) that leads to something in the message.")
    ] = None
    equals: Annotated[Any, Meta(description="The value that the pointer leads to.")] = msgspec.UNSET
    text: Annotated[str | None, Meta(description="A text that is in the message.")] = None
    messages: Annotated[int, Meta(description="Which of the messages that fit: 1 is the first.")] = 1


class WsCall(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What a step does on a WebSocket that its session holds: send a message, open it, ping, or close it.

    The connection is opened by the first step that needs it. A message has exactly one of text, json,
    base64 and message_bytes.
    """

    path: Annotated[str, Meta(description="Where the connection is, below the target's URL, with its query.")]
    connection: Annotated[
        str | None,
        Meta(description="A name for it, where a session has several to one path; they are told apart by it."),
    ] = None
    action: Annotated[
        WsAction, Meta(description="message: send one. open, ping and close: of the connection itself.")
    ] = "message"
    text: Annotated[str | None, Meta(description="The message, as text.")] = None
    json: Annotated[msgspec.Raw, Meta(description="The message, as a JSON value, sent as text.")] = msgspec.Raw(
        b""
    )
    base64: Annotated[str | None, Meta(description="The message, as binary data in base64.")] = None
    message_bytes: Annotated[
        int | None,
        Meta(
            description=(
                "The size of a message that was not kept, in bytes; binary data is filled in, the same in every run."
            )
        ),
    ] = None
    until: Annotated[
        Until | None,
        Meta(
            description=(
                "The message that ends the step; absent: it ends when it was sent, and what comes in is not its own."
            )
        ),
    ] = None
    code: Annotated[
        int | None, Meta(description="The code that the connection is closed with; absent: 1000.")
    ] = None
    headers: Annotated[
        dict[str, str], Meta(description="Headers of the request that opens the connection, by name.")
    ] = {}
    protocols: Annotated[
        tuple[str, ...], Meta(description="The subprotocols that are asked for, the preferred one first.")
    ] = ()
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class GrpcCall(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A unary gRPC call; at most one of message, message_base64 and message_bytes is set, and with none the message is
    empty.
    """

    method: Annotated[str, Meta(description="What is called: package.Service/Method.")]
    message: Annotated[
        msgspec.Raw,
        Meta(
            description=(
                "The message, as JSON (https://protobuf.dev/programming-guides/json); the target names the descriptors "
                "by which it is encoded."
            )
        ),
    ] = msgspec.Raw(b"")
    message_base64: Annotated[str | None, Meta(description="The message as it is sent, in base64.")] = None
    message_bytes: Annotated[
        int | None,
        Meta(
            description=(
                "The size of a message that was not kept, in bytes: 0, or 4 and more. One is filled in that any "
                "protobuf message may be read from, the same in every run."
            )
        ),
    ] = None
    metadata: Annotated[
        dict[str, str], Meta(description="Metadata, by name; values of names that end in -bin are base64.")
    ] = {}
    timeout_ms: Annotated[
        float | None,
        Meta(
            description="The deadline, in ms: the server is told of it, and an answer that comes later is a failure."
        ),
    ] = None
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class Recorded(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What the recording saw of the response."""

    status: Annotated[int | None, Meta(description="The HTTP status.")] = None
    ttft_ms: Annotated[float | None, Meta(description="Time to first token, in ms.")] = None
    request_bytes: Annotated[int | None, Meta(description="The size of the request's body, in bytes.")] = None
    request_counts_head: Annotated[
        bool,
        Meta(description="Whether request_bytes counts the request's head, too, as load balancers' logs do."),
    ] = False
    response_bytes: Annotated[int | None, Meta(description="The size of the response's body, in bytes.")] = None
    counts_head: Annotated[
        bool,
        Meta(description="Whether response_bytes counts the response's head, too, as load balancers' logs do."),
    ] = False
    content_type: Annotated[
        str | None, Meta(description="The media type of the response's body, as text/html, without parameters.")
    ] = None
    cold: Annotated[
        bool | None, Meta(description="Whether it was a cold start, where the recording tells.")
    ] = None
    response_json: Annotated[
        Any,
        Meta(
            description=(
                "A small JSON body, where the recording was to keep it, for `replay trace correlate` and "
                "`replay plane serve --trace`."
            )
        ),
    ] = None
    response_headers: Annotated[
        dict[str, str],
        Meta(
            description=(
                "Headers without secrets, where the recording was to keep them, for `replay trace correlate` and "
                "`replay plane serve --trace`."
            )
        ),
    ] = {}
    grpc_status: Annotated[GrpcStatus | None, Meta(description="How a gRPC call ended.")] = None
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class Extract(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Where a value is in a step's response: exactly one of these says it."""

    json: Annotated[str | None, Meta(description="A JSON pointer (RFC 6901) into the body.")] = None
    header: Annotated[str | None, Meta(description="The name of a header.")] = None
    regex: Annotated[
        str | None,
        Meta(
            description=("A regular expression over the body; its first group counts, or else the whole match.")
        ),
    ] = None


JsonType = Literal["string", "number", "integer", "boolean", "array", "object", "null"]


class JsonCheck(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What a JSON pointer into a body has to lead to; all that is given must hold."""

    exists: Annotated[bool | None, Meta(description="Whether there is anything.")] = None
    equals: Annotated[Any, Meta(description="The value that is there.")] = msgspec.UNSET
    type: Annotated[JsonType | None, Meta(description="The type of the value.")] = None
    min: Annotated[float | None, Meta(description="The least that a number may be.")] = None
    max: Annotated[float | None, Meta(description="The most that a number may be.")] = None


class Expect(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What a step's answer has to be; all that is given must hold. Without a status, that is held to the recorded
    one.
    """

    status: Annotated[
        int | str | tuple[int | str, ...],
        Meta(description='The status, or several of which it is one: numbers, or classes such as "2xx".'),
    ] = ()
    header: Annotated[
        dict[str, str], Meta(description="Headers with their value, in which * stands for anything.")
    ] = {}
    contains: Annotated[str | tuple[str, ...], Meta(description="Texts that are in the body.")] = ()
    matches: Annotated[str | None, Meta(description="A regular expression that is found in the body.")] = None
    json: Annotated[
        dict[str, JsonCheck], Meta(description="What JSON pointers (RFC 6901) into the body have to lead to.")
    ] = {}
    max_bytes: Annotated[int | None, Meta(description="The most that the body may have, in bytes.")] = None
    grpc_status: Annotated[
        GrpcStatus | tuple[GrpcStatus, ...],
        Meta(description="How a gRPC call ends, or several ways of which it is one."),
    ] = ()


class Step(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One call the agent made; with none of request, llm, mcp, ws and grpc, a pure wait of took_ms."""

    id: Annotated[str, Meta(description="Its id, unique in the session.")]
    kind: Annotated[Kind, Meta(description="What sort of call it is.")]
    name: Annotated[str, Meta(description="What is called; steps of one kind and name are judged together.")]
    after: Annotated[
        tuple[Edge, ...],
        Meta(description="The steps that it waits for; it starts when the last of these edges is over."),
    ] = ()
    at_ms: Annotated[
        float, Meta(description="When it started in the recording, in ms from the session's start.")
    ] = 0.0
    took_ms: Annotated[
        float | None, Meta(description="How long it took in the recording, in ms; absent where unknown.")
    ] = None
    request: Annotated[Request | None, Meta(description="The request to send.")] = None
    llm: Annotated[LlmCall | None, Meta(description="The model call to send, instead of a request.")] = None
    recorded: Annotated[Recorded | None, Meta(description="What the recording saw of the response.")] = None
    attributes: Annotated[dict[str, str], Meta(description="Facts for audits, by name.")] = {}
    extract: Annotated[
        dict[str, Extract],
        Meta(
            description=(
                "Values to take from its response, by name; `{{name}}` stands for them in later requests of "
                "the session."
            )
        ),
    ] = {}
    expect: Annotated[
        Expect | None,
        Meta(description="What its answer has to be; absent: what was recorded, or else a status below 400."),
    ] = None
    mcp: Annotated[
        McpCall | None, Meta(description="The message to an MCP server to send, instead of a request.")
    ] = None
    ws: Annotated[
        WsCall | None, Meta(description="What to do on a WebSocket of the session, instead of a request.")
    ] = None
    grpc: Annotated[GrpcCall | None, Meta(description="The gRPC call to make, instead of a request.")] = None
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)

    @property
    def is_wait(self) -> bool:
        return (
            self.request is None
            and self.llm is None
            and self.mcp is None
            and self.ws is None
            and self.grpc is None
        )


class Session(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One agent run: a line of a trace, after its header."""

    id: Annotated[str, Meta(description="Its id, unique in the trace.")]
    start_ms: Annotated[float, Meta(description="When it starts, in ms from the trace's start.")]
    steps: Annotated[list[Step], Meta(description="Its steps, in recorded order.")]
    attributes: Annotated[dict[str, str], Meta(description="Facts for audits, by name.")] = {}
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class Header(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The first line of a trace."""

    format: Annotated[str, Meta(description="replay-trace.")]
    version: Annotated[int, Meta(description="1.")]
    name: Annotated[str, Meta(description="The trace's name.")]
    source: Annotated[str | None, Meta(description="What it was made from.")] = None
    resolution_ms: Annotated[
        float | None, Meta(description="How fine the recording's timestamps were, in ms.")
    ] = None
    attributes: Annotated[dict[str, Any], Meta(description="Facts about the trace, by name.")] = {}
    origins: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "Where its requests went when it was recorded; a replay is not to go there by mistake."
            )
        ),
    ] = ()
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)
