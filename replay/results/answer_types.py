"""What is recorded of answers: the lines of answers.jsonl, shapes and digests, never the values themselves."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from replay.results.types import Count, Status

AnswersKept = Literal["shape", "values"]
"""What is recorded of answers: their shapes; or digests of their values too."""

AnswerContent = Literal["json", "text", "stream", "empty", "coded"]
"""What a body is. coded: in a content coding that cannot be decoded here."""

ANSWERS_SCHEMA = "replay.answers/1"


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
