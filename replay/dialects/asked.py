"""Where models are asked, over all dialects: by which paths such requests are known, and what bounds their answers."""

import re
from functools import lru_cache

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

# Whatever stands before: a gateway's prefix, Azure's /openai/deployments/NAME, Vertex's
# /v1/projects/.../endpoints/openapi.
_is_asked = re.compile(
    f".*(?:{'|'.join([*(path for dialect in DIALECTS for path in dialect.paths), *_OTHER_PATHS])})/?", re.DOTALL
).fullmatch
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


def asks_for_stream(path: str, body: bytes) -> bool:
    """Whether a model's request, to a path with or without a query, asks for its answer as an event stream."""
    return _is_streamed_at(path) is not None or _says_stream(body) is not None


@lru_cache(maxsize=1024)
def answered_in(path: bytes) -> Dialect | None:
    """The dialect in which a path, without its query, is answered by models that are not there; None: in none."""
    return next((dialect for is_its_own, dialect in _ANSWERED if is_its_own(path)), None)


def prompting_of(layout: ModelLayout) -> Prompting:
    """How models are asked by prompts alone in a layout."""
    return next(
        dialect.prompting for dialect in DIALECTS if dialect.layout == layout and dialect.prompting is not None
    )
