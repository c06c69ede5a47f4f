"""What an answer says of itself, and what a dialect is: how models are asked in it, and how they answer."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

ModelLayout = Literal[
    "openai-chat",
    "openai-completions",
    "openai-responses",
    "openai-embeddings",
    "anthropic-messages",
    "gemini-generate",
    "bedrock-converse",
]
Layout = Literal[ModelLayout, "json-rpc"]
Family = Literal["model", "rpc", "graphql"]
GrpcStatus = Literal[
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]
"""How a gRPC call ends, by its code: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md"""
AnswerError = Literal["model_error", "rpc_error", "tool_error", "input_required", "graphql_error"]
# What a document shows: the one string that makes it a token; True where it takes more than one string, or none
# alone, to say so; "" where it shows nothing.
Shown = str | bool
Document = dict[str, Any]


class Size(NamedTuple):
    """Of an image, in pixels."""

    width: int
    height: int


class Usage(NamedTuple):
    """Token counts as an answer tells them; None where it does not.

    input_tokens: with those that came from a cache. cached_tokens: how many of them did. output_tokens: with those that
    the model thought. reasoning_tokens: how many of them it did.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class BodyFacts(NamedTuple):
    """What one whole answer says. finish_reasons, tool_names: distinct, in order of appearance."""

    error: AnswerError | None = None
    usage: Usage | None = None
    finish_reasons: tuple[str, ...] = ()
    tool_names: tuple[str, ...] = ()


class StreamFacts(Protocol):
    """What one event stream says: of itself, as BodyFacts, and of its layout.

    is_cut_short: a model's answer ended without its layout's end, and without an error that would say why; to be asked
    once the response is over. further_itl_ns: of the gaps between token events that are listed nowhere, how often each
    came. awaited: what of JSON-RPC the request waits for (replay/dialects/layouts/json_rpc.py), None where that is the
    end. hidden_tokens: of those that the usage counts, how many were thought and not shown; None where it is silent.
    """

    @property
    def layout(self) -> Layout | None: ...

    @property
    def awaited(self) -> Any: ...

    @property
    def error(self) -> AnswerError | None: ...

    @property
    def is_cut_short(self) -> bool: ...

    @property
    def usage(self) -> Usage | None: ...

    @property
    def hidden_tokens(self) -> int | None: ...

    @property
    def finish_reasons(self) -> tuple[str, ...]: ...

    @property
    def tool_names(self) -> tuple[str, ...]: ...

    further_itl_ns: dict[int, int]


class Conversing(NamedTuple):
    """How models are asked on a WebSocket, which keeps the answers that later messages go on from.

    opening(model), closing(limit): as of Prompting. with_images(model, images): the opening of Carrying.
    following(message, earlier): the message, to go on from an answer of this id. id_of(document): the id of the answer
    that an event, the last, ends.
    """

    opening: Callable[[bytes], bytes]
    closing: Callable[[int], bytes]
    with_images: Callable[[bytes, Sequence[bytes]], bytes]
    following: Callable[[bytes, str], bytes]
    id_of: Callable[[Document], str | None]


class Carrying(NamedTuple):
    """What a request carries beside its prompt: images, and definitions of tools.

    image(media_type, data): an image, its bytes in base64. opening(model, images): the body up to the prompt, with
    these images, for the model's name as JSON. ends: what ends the text of such a prompt, in place of the quotation
    mark that a closing begins with. image_tokens: how many tokens the API counts for an image.
    tool(name, description, schema): a definition, the schema being of an object. tools(definitions): the members of the
    body with these, separated by commas; where that can be said they say that the model is to call none, so that it
    answers in tokens, and no server refuses it for want of a way to read calls. most_tools: that the API takes.
    """

    image: Callable[[bytes, bytes], bytes]
    opening: Callable[[bytes, Sequence[bytes]], bytes]
    ends: bytes
    image_tokens: Callable[[Size], int]
    tool: Callable[[bytes, bytes, bytes], bytes]
    tools: Callable[[bytes], bytes]
    most_tools: int | None = None


class Prompting(NamedTuple):
    """How a model is asked by a prompt alone: a body in JSON, in which the prompt is the text of a string.

    path: where, unless a target says otherwise; {model} in it stands for the model's name. opening(model): the body up
    to the prompt, for the model's name as JSON. closing(limit, is_stream, ignores_eos): what follows the prompt, from
    the quotation mark on that ends its text, for an answer of so many tokens at most, all of which the server is asked
    to generate where it ignores the end of sequence.
    stream_path: where streams are asked for, if elsewhere. can_ignore_eos: whether a server can be asked for that.
    conversing: None where it has no WebSocket. carrying: None where it takes neither images nor tools.
    """

    path: str
    opening: Callable[[bytes], bytes]
    closing: Callable[[int, bool, bool], bytes]
    stream_path: str | None = None
    can_ignore_eos: bool = False
    conversing: Conversing | None = None
    carrying: Carrying | None = None


class Scripted(NamedTuple):
    """An answer that no model gave. name: 16 characters, its id or in it. tokens: how many it has. prompt: how many
    were asked. tells_usage: whether a stream was asked to tell both, in a layout that does so only then.
    """

    name: bytes
    tokens: int
    prompt: int
    tells_usage: bool = False


class Answering(NamedTuple):
    """How a scripted answer is written. Its text needs no escapes in JSON.

    whole(answer, text): one that does not stream. begin(answer), token(name, text), end(answer, text): the events
    before the first token of a stream, that bring one token, and with which it ends; None where a layout has no
    streams. stream_type: the content type of a stream.
    """

    whole: Callable[[Scripted, bytes], bytes]
    begin: Callable[[Scripted], Sequence[bytes]] | None = None
    token: Callable[[bytes, bytes], bytes] | None = None
    end: Callable[[Scripted, bytes], Sequence[bytes]] | None = None
    stream_type: bytes = b"text/event-stream; charset=utf-8"


class Dialect(NamedTuple):
    """One model API or protocol: its layout of answers, as functions over JSON documents that were read already, and
    how requests in it look.

    is_event, is_body: whether a document tells that the answer is in this layout.
    read_event(document, kind, facts), read_body(document, facts): note what it says; kind is the event's own type
    (Anthropic, Responses). An event's reader returns what the event shows.
    ends_with_done: `[DONE]` is an end of this layout.
    paths: patterns of how the paths end at which a model is asked, whatever stands before. limits: the members of a
    request's body that bound the tokens of its answer; an earlier one goes before a later; with none, it generates
    nothing. streams_at: how those of the paths end at which answers are streamed, where the path tells it and not a
    request's body. prompting, answering: None where nothing is asked, or answered, in it by this program.
    """

    layout: Layout
    family: Family
    is_event: Callable[[Document, str], bool]
    is_body: Callable[[Document], bool]
    read_event: Callable[[Document, str, Any], Shown]
    read_body: Callable[[Document, Any], None]
    ends_with_done: bool = False
    paths: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    streams_at: str | None = None
    prompting: Prompting | None = None
    answering: Answering | None = None
