"""Where models are asked, over all dialects: by which paths such requests are known, and what bounds their answers."""

import re
from functools import lru_cache
from typing import Any

import msgspec

from replay.dialects.registry import DIALECTS
from replay.dialects.types import Dialect, ModelLayout, Prompting

# Of APIs whose answers are read by no dialect yet: Anthropic's older one, Bedrock's, and other models' on Vertex.
_OTHER_PATHS = (
    r"/v\d[^/]*/complete",
    r"/model/[^/]+/(?:invoke|invoke-with-response-stream)",
    r":(?:rawPredict|streamRawPredict)",
)
_OTHER_LIMITS = ("max_tokens_to_sample",)

# Where the path alone says that the answer is to be an event stream. Gemini answers with a list of documents unless
# its query asks for events.
_STREAMS_AT = (r"/converse-stream", r"/invoke-with-response-stream", r":streamRawPredict")
_is_streamed_at = re.compile(
    rf".*(?:(?:{'|'.join(_STREAMS_AT)})/?(?:\?.*)?|:streamGenerateContent\?(?:.*&)?alt=sse(?:&.*)?)", re.DOTALL
).fullmatch
# In a string its quotation marks are escaped.
_says_stream = re.compile(rb'"stream"\s*:\s*true\b').search
# Paths that others' APIs have, too: messages of a chat, responses of a survey.
_is_common = re.compile(
    r".*/(?:messages|responses|embeddings|(?<!/chat/)completions|complete)/?", re.DOTALL
).fullmatch
_NAMES_MODEL = "/deployments/"

# Whatever stands before: a gateway's prefix, Azure's /openai/deployments/NAME, Vertex's
# /v1/projects/.../endpoints/openapi.
_PATHS = tuple(path for dialect in DIALECTS for path in dialect.paths)
_is_asked = re.compile(f".*(?:{'|'.join([*_PATHS, *_OTHER_PATHS])})/?", re.DOTALL).fullmatch
_is_asked_in_layout = re.compile(f".*(?:{'|'.join(_PATHS)})/?", re.DOTALL).fullmatch
_ANSWERED = [
    (re.compile(f".*(?:{'|'.join(dialect.paths)})".encode(), re.DOTALL).fullmatch, dialect)
    for dialect in DIALECTS
    if dialect.answering is not None
]

LIMITS = tuple(dict.fromkeys([*(limit for dialect in DIALECTS for limit in dialect.limits), *_OTHER_LIMITS]))
"""Members of a request's body that bound the tokens of its answer, in any dialect."""


def is_model_path(path: str) -> bool:
    """Whether models are asked at a path, which is with or without a query."""
    return _is_asked(path.partition("?")[0]) is not None


def asks_model(path: str, body: bytes) -> bool:
    """Whether a request, to a path with or without a query, is surely one to a model: where others' APIs have such
    paths, too, its body has to name a model.
    """
    path = path.partition("?")[0]
    return _is_asked(path) is not None and _is_models_own(path, body)


def asks_known_layout(path: str, body: bytes) -> bool:
    """Whether a request is surely one to a model whose answers are in a layout that is read here."""
    path = path.partition("?")[0]
    return _is_asked_in_layout(path) is not None and _is_models_own(path, body)


def _is_models_own(path: str, body: bytes) -> bool:
    return _is_common(path) is None or _NAMES_MODEL in path or b'"model"' in body


def asks_for_stream(path: str, body: bytes) -> bool:
    """Whether a model's request, to a path with or without a query, asks for its answer as an event stream."""
    if _is_streamed_at(path) is not None:
        return True
    if _says_stream(body) is None:
        return False
    # What a tool is called with may have a member of that name.
    try:
        return msgspec.json.decode(body, type=_Asked).stream is True
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


class _Asked(msgspec.Struct):
    stream: Any = None


@lru_cache(maxsize=1024)
def answered_in(path: bytes) -> Dialect | None:
    """The dialect in which a path, without its query, is answered by models that are not there; None: in none."""
    return next((dialect for is_its_own, dialect in _ANSWERED if is_its_own(path)), None)


def prompting_of(layout: ModelLayout) -> Prompting:
    """How models are asked by prompts alone in a layout."""
    return next(
        dialect.prompting for dialect in DIALECTS if dialect.layout == layout and dialect.prompting is not None
    )
