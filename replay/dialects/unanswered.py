"""Why a whole answer in JSON is none to what was asked, though it names no error. Pure.

A gateway that answers in its own words, a stand-in, a server of another API at the same path: all send JSON with status
200, and soon. A model's answer has its choices, its candidates or its content, and tokens that were counted are none
of these; a call of JSON-RPC has its result, or its error, with its own id; GraphQL has data or errors. Looked for are
these members by their names, whose quotation marks would be escaped within a string, so a document is parsed only where
ids of others stand in it beside the call's own, or a member named data is null: what is surely missing is told, and
nothing else. What does not end as JSON does was cut, whatever length its head gave.
"""

import re

from replay.dialects.asked import asks_known_layout
from replay.dialects.documents import read_document
from replay.dialects.layouts.json_rpc import Awaited, is_batch_of_calls, is_same_id
from replay.dialects.types import Family

# Members one of which is in every answer of a layout that is known, and in those of most that are not.
_TELLS_MODEL = re.compile(
    rb'"(?:choices|candidates|promptFeedback|content|output|outputs|embeddings?|response)"\s*:'
).search
# Where there is one of these, an empty list of choices may be an argument that a model gives to a tool, or say that
# the prompt was refused.
_TELLS_OTHERWISE = re.compile(
    rb'"(?:content|output|response|promptFeedback)"\s*:|"(?:choices|candidates)"\s*:\s*\[\s*[^\]\s]'
).search
_HAS_NO_CHOICES = re.compile(rb'"(?:choices|candidates)"\s*:\s*(?:\[\s*\]|null)').search
_TELLS_RPC = re.compile(rb'"(?:result|error)"\s*:').search
_IS_ERROR = re.compile(rb'"error"\s*:').search
_NAMES_NULL_DATA = re.compile(rb'"data"\s*:\s*null').search
_TELLS_GRAPHQL = re.compile(rb'"(?:data|errors)"\s*:').search
# No JSON writes such an id in two ways, but for a number that may have a fraction of nothing.
_is_plain_id = re.compile(r"[A-Za-z0-9_.:-]+").fullmatch
_IDS = re.compile(rb'"id"\s*:\s*(?:"([^"\\]*)"|(-?\d+(?:\.\d+)?)(?![\d.eE]))').findall
_FRACTION_OF_NOTHING = re.compile(rb"\.0+\Z")

# Of servers in C, the end of a string may come along.
_AFTER_JSON = b" \t\r\n\0"

CUT = "JSON that ends too early"
OF_NO_MODEL = "JSON without anything that a model says"
WITHOUT_CHOICES = "JSON with no choices"
OF_NO_RPC = "JSON with neither a result nor an error"
OF_ANOTHER_CALL = "an answer to another call"
OF_NO_GRAPHQL = "JSON with neither data nor errors"


def why_unanswered(
    family: Family, body: bytes, *, awaited: Awaited | None = None, path: str | None = None, asked: bytes = b""
) -> str | None:
    """What the answer is instead; None where it may be one.

    body: whole, without its coding. asked: the request's body. awaited: what one of JSON-RPC waits for, None where it
    is several messages, or none that is answered. path: where a model was asked; None: as a target's shape asks it.
    """
    if family == "model" and path is not None and not asks_known_layout(path, asked):
        # Of an interface that is not known, text may be an answer, and begin with a bracket.
        return None
    if not body.rstrip(_AFTER_JSON).endswith((b"}", b"]")):
        return CUT
    if family == "rpc":
        if awaited is None:
            return OF_NO_RPC if _TELLS_RPC(body) is None and is_batch_of_calls(asked) else None
        return None if awaited.listens else _why_no_answer_to_call(body, awaited.message_id)
    if family == "graphql":
        return OF_NO_GRAPHQL if _TELLS_GRAPHQL(body) is None or _has_null_data(body) else None
    if _TELLS_MODEL(body) is None:
        return OF_NO_MODEL
    is_hollow = _HAS_NO_CHOICES(body) is not None and _TELLS_OTHERWISE(body) is None
    return WITHOUT_CHOICES if is_hollow else None


def _has_null_data(body: bytes) -> bool:
    """Whether the document has no data, of which GraphQL would tell by errors (section 7.1 of its specification)."""
    if _NAMES_NULL_DATA(body) is None:
        return False
    document = read_document(body)
    return isinstance(document, dict) and document.get("data") is None and "errors" not in document


def _why_no_answer_to_call(body: bytes, message_id: str) -> str | None:
    if _TELLS_RPC(body) is None:
        return OF_NO_RPC
    # An error may lack the id, where that was not readable.
    if not _is_plain_id(message_id) or _IS_ERROR(body) is not None:
        return None
    ids = {text or _FRACTION_OF_NOTHING.sub(b"", digits) for text, digits in _IDS(body)}
    if message_id.encode() not in ids:
        return OF_ANOTHER_CALL
    return None if len(ids) == 1 or _is_among_messages(body, message_id) else OF_ANOTHER_CALL


def _is_among_messages(body: bytes, message_id: str) -> bool:
    """Whether a message has the id itself, and not only something in its result. A body that cannot be read may."""
    document = read_document(body)
    messages = document if isinstance(document, list) else [document]
    own = [message.get("id") for message in messages if isinstance(message, dict)]
    return not own or any(is_same_id(said, message_id) for said in own)
