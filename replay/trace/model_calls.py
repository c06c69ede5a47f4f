"""Model calls by their counts, as recordings tell of them: what a request carried beside its text. Pure."""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import msgspec

from replay.dialects.asked import is_model_path
from replay.dialects.bodies import read_body
from replay.dialects.carried import Carried, CarriedImage, carried_in, images_in
from replay.dialects.images import tokens_by_pixels
from replay.dialects.streams import StreamReader
from replay.dialects.types import Size, Usage
from replay.trace.file.carried_rules import (
    MOST_IMAGE_BYTES,
    MOST_IMAGES,
    MOST_PIXELS,
    MOST_SIDE,
    MOST_TOOL_BYTES,
    MOST_TOOLS,
    made_bytes,
)
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.redaction.secrets import without_secrets
from replay.trace.told_tokens import told_tokens
from replay.trace.types import LlmCall, LlmImage, LlmTools, Step

__all__ = [
    "Carried",
    "CarriedImage",
    "as_images",
    "call_by_counts",
    "carried_by",
    "definitions_told",
    "images_held",
    "images_in",
    "is_model_path",
    "model_in_path",
    "put_carried",
    "recorded_call",
]

_LONGEST_MODEL = 200
_in_path = re.compile(r"/models?/([^/:?]{1,200})[:/]").search


def carried_by(data: bytes | str | None) -> Carried:
    """What a request's body in JSON carries; nothing where it is none."""
    if not data:
        return Carried()
    try:
        return carried_in(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Carried()


def call_by_counts(
    path: str, asked: bytes, answer: bytes, id_of: Callable[[int], int | None]
) -> LlmCall | None:
    """The model call that a request was, as its answer counted it; None where it was none, or too little is told.

    path: with or without a query. asked: the request's body in JSON. answer: a body in JSON, or a stream of events.
    """
    if not is_model_path(path):
        return None
    document = _document_of(asked)
    is_stream = answer.lstrip()[:1] not in (b"{", b"[")
    usage = _usage_of_stream(answer) if is_stream else read_body(answer, "model").usage
    if document is None or usage is None or usage.input_tokens is None:
        return None
    model = document.get("model")
    llm = LlmCall(
        min(usage.input_tokens, MOST_TOKENS),
        min(usage.output_tokens or 0, MOST_TOKENS),
        (model if isinstance(model, str) and model else model_in_path(path)) or None,
        is_stream,
    )
    llm.model = None if llm.model is None else without_secrets(llm.model[:_LONGEST_MODEL])
    put_carried(llm, carried_in(document), id_of)
    return llm


def recorded_call(step: Step, id_of: Callable[[int], int | None]) -> LlmCall | None:
    """The model call that a recorded request is, by the counts that were recorded with it; None where it is none, or
    they were not.
    """
    request, told = step.request, step.attributes
    if step.kind != "llm" or request is None or not is_model_path(request.path):
        return None
    counts = [told_tokens(told, name) for name in ("input_tokens", "output_tokens")]
    document = _document_of(bytes(request.json) or (request.body or "").encode("utf-8", "surrogatepass"))
    if counts[0] is None or document is None:
        return None
    is_stream = told.get("stream") == "true" or _streams(request.path) is not None
    llm = LlmCall(counts[0], counts[1] or 0, told.get("model") or model_in_path(request.path), is_stream)
    put_carried(llm, carried_in(document), id_of)
    return llm


_streams = re.compile(r":streamGenerateContent|/converse-stream").search


def _document_of(data: bytes) -> dict[str, Any] | None:
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _usage_of_stream(answer: bytes) -> Usage | None:
    events = StreamReader("model")
    events.feed(answer, 1)
    events.finish()
    return events.usage


def put_carried(llm: LlmCall, carried: Carried, id_of: Callable[[int], int | None]) -> None:
    """Give a call what its request carried. id_of: what an image is called in the trace, by its id."""
    llm.images = as_images(carried.images, id_of)
    if carried.tools:
        llm.tools = tools_of(carried.tools, carried.tool_bytes)


def as_images(found: Iterable[CarriedImage], id_of: Callable[[int], int | None]) -> tuple[LlmImage, ...]:
    """These images as a trace has them, as many as one call may have."""
    kept: list[LlmImage] = []
    left_bytes = MOST_IMAGE_BYTES
    for image in found:
        made = LlmImage(image.size_bytes, image.media_type, id=id_of(image.id))
        size = image.size
        if (
            size is not None
            and min(size) >= 1
            and max(size) <= MOST_SIDE
            and size.width * size.height <= MOST_PIXELS
        ):
            made.width, made.height = size
        left_bytes -= made_bytes(made)
        if left_bytes < 0 or len(kept) == MOST_IMAGES:
            break
        kept.append(made)
    return tuple(kept)


def definitions_told(value: Any) -> LlmTools | None:
    """The number and size of definitions in a list, or in a text that is JSON with one; each may be a text itself."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
    if not isinstance(value, list) or not value:
        return None
    try:
        texts = [each.encode() if isinstance(each, str) else msgspec.json.encode(each) for each in value]
    except (UnicodeError, RecursionError, OverflowError):
        return None
    return tools_of(len(texts), sum(map(len, texts)) + len(texts) + 1)


def tools_of(count: int, size_bytes: int) -> LlmTools:
    """So many definitions of this size, as far as a trace may have them."""
    return LlmTools(min(count, MOST_TOOLS), min(size_bytes, MOST_TOOL_BYTES))


MOST_HELD = 100
"""Images of an agent's history that are taken to be sent again with each call: what Anthropic's API takes in one."""


def images_held(images: list[CarriedImage], input_tokens: int) -> list[CarriedImage]:
    """The latest images of a history that a prompt of so many tokens can have held."""
    held: list[CarriedImage] = []
    for image in reversed(images[-MOST_HELD:]):
        input_tokens -= tokens_by_pixels(image.size or Size(1, 1))
        if input_tokens < 0:
            break
        held.append(image)
    return held[::-1]


def model_in_path(path: str) -> str | None:
    """The model that a path names, as Gemini's and Bedrock's do."""
    found = _in_path(path)
    return None if found is None else unquote(found[1])
