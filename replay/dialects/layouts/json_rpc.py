"""JSON-RPC 2.0, and MCP over it: what a server sends is an answer, or a notification or request of its own.

An answer has `result` or `error`. A tool that failed says so within its result: `isError` is true. A call that cannot
go on without the agent's user ends in a result of the type `input_required`, or, before 2026-07-28, in a request of
the server's own, for which it would wait. Nothing here is a token: an answer comes whole.

Sources: https://www.jsonrpc.org/specification, https://modelcontextprotocol.io/specification/2025-11-25/server/tools,
https://modelcontextprotocol.io/specification/2026-07-28/basic
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from replay.dialects.documents import MOST_BYTES, read_document
from replay.dialects.facts import Facts
from replay.dialects.mcp import ASKS_CLIENT, LISTEN
from replay.dialects.sse import EventCutter, fields_of
from replay.dialects.types import Dialect, Document, Shown

TELLS_OF: Mapping[str, tuple[Any, str]] = {
    "/result/isError": (True, "tool_error"),
    "/result/resultType": ("input_required", "input_required"),
}
"""What an answer says where, and what is then wrong with it."""
ERROR_MEMBER = "/error"


class Awaited(NamedTuple):
    """What ends a request whose answer is an event stream. listens: its beginning does; else the answer with this id,
    as text.
    """

    listens: bool
    message_id: str = ""

    def is_in(self, document: Document) -> bool:
        """Whether this message of the server's is the answer. An error may lack the id, where that was not readable."""
        said = document.get("id")
        return "method" not in document and (
            is_same_id(said, self.message_id) or (said is None and "error" in document)
        )

    def is_prevented_by(self, document: Document) -> bool:
        """Whether the server waits for an answer of the agent's user, before it gives its own."""
        return document.get("method") in ASKS_CLIENT


def is_same_id(said: object, message_id: str) -> bool:
    """Whether an answer's id is that of a call, which is given as text. Some servers answer a number by a string, or by
    a number with a fraction of nothing.
    """
    return _as_text(said) == message_id


def _as_text(message_id: object) -> str:
    """An id without a fraction of nothing."""
    if isinstance(message_id, float) and message_id.is_integer():
        message_id = int(message_id)
    return str(message_id)


def awaited_by(method: str, body: bytes) -> Awaited | None:
    """What a request of JSON-RPC waits for; None where that is the stream's end. method: of HTTP."""
    if method == "GET":
        return Awaited(listens=True)
    document = read_document(body) if len(body) <= MOST_BYTES else None
    if not isinstance(document, dict) or document.get("id") is None:
        return None
    return Awaited(document.get("method") == LISTEN, _as_text(document["id"]))


def is_batch_of_calls(body: bytes) -> bool:
    """Whether a request is several messages, one of which at least is to be answered (JSON-RPC 2.0, section 6)."""
    if not body.lstrip().startswith(b"[") or len(body) > MOST_BYTES:
        return False
    document = read_document(body)
    messages = document if isinstance(document, list) else []
    return any(isinstance(message, dict) and message.get("id") is not None for message in messages)


def answer_among(events: bytes, awaited: Awaited | None) -> bytes:
    """The message among those of an event stream that is awaited; empty where there is none."""
    cutter = EventCutter()
    for block in [*cutter.feed(events), cutter.unfinished()]:
        value = fields_of(block)[1] or b""
        document = read_document(value)
        if awaited is not None and isinstance(document, dict) and awaited.is_in(document):
            return value
    return b""


def _is_message(document: Document, _kind: str = "") -> bool:
    return "jsonrpc" in document


def _read_message(document: Document, _kind: str, facts: Facts) -> Shown:
    _read_answer(document, facts)
    return ""


def _read_answer(document: Document, facts: Facts) -> None:
    if "method" in document:
        return
    if document.get("error") is not None:
        facts.note_error("rpc_error")
        facts.has_said_end = True
    elif "result" in document:
        facts.has_said_end = True
        result = document["result"]
        if isinstance(result, dict):
            if result.get("isError") is True:
                facts.note_error("tool_error")
            elif result.get("resultType") == "input_required":
                facts.note_error("input_required")


JSON_RPC = Dialect("json-rpc", "rpc", _is_message, _is_message, _read_message, _read_answer)
