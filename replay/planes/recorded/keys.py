"""What a request is looked up by: its body without what differs from run to run, its names, as 64-bit keys. Pure."""

import base64
import binascii
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import msgspec

from replay.dialects.mcp import prepares
from replay.planes.recorded.types import Ids, Question
from replay.trace.edges.names import grouped_name
from replay.trace.types import Kind, Request, Step
from replay.words.copies import COPY, LAP

_LONGEST_TOOL = 200
MOST_BODY_BYTES = 1 << 20
"""Bodies above this are not looked at, neither a request's nor a recorded one's."""

_DIGITS = "0123456789"
# A copy in a lap of a trace that had such marks before.
_MOST_MARKS = 4


class Keys:
    """Makes keys that nobody can foresee who does not know the secret, so that no trace makes two things look alike."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "<Keys>"

    def of_step(self, ids: Ids) -> int:
        return self._of(b"step", *map(_bytes, ids))

    def of_body(self, method: bytes, target: bytes, body: bytes) -> int:
        return self._of(b"body", method, target, comparable(body))

    def of_path(self, method: bytes, target: bytes) -> int:
        return self._of(b"path", method, target)

    def of_name(self, kind: Kind, name: str) -> int:
        return self._of(b"name", kind.encode(), _bytes(name))

    def of_model(self, model: str) -> int:
        return self._of(b"model", _bytes(model))

    def _of(self, *parts: bytes) -> int:
        digest = blake2b(digest_size=8, key=self._secret)
        for part in parts:
            digest.update(b"%d:" % len(part))
            digest.update(part)
        return int.from_bytes(digest.digest())


def comparable(body: bytes) -> bytes:
    """A body without what differs while it means the same: in JSON blanks, order, and the number of a JSON-RPC call."""
    document = document_of(body)
    if document is None:
        return body
    if isinstance(document, dict) and "jsonrpc" in document:
        document = {name: value for name, value in document.items() if name != "id"}
    return msgspec.json.encode(document, order="sorted")


def document_of(body: bytes | None) -> Any:
    """The JSON object or array that a body is; None where it is neither."""
    if body is None or body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def recorded_body(request: Request) -> bytes | None:
    """The body of a recorded request; None where it was not kept, or is not looked at."""
    if request.json:
        body = bytes(request.json)
    elif request.body is not None:
        body = _bytes(request.body)
    elif request.body_base64 is not None:
        try:
            body = base64.b64decode(request.body_base64)
        except binascii.Error:
            return None
    elif request.body_bytes:
        return None
    else:
        body = b""
    return body if len(body) <= MOST_BODY_BYTES else None


def possible_ids(ids: Ids) -> Iterator[Ids]:
    """The step itself, then those that it may be a copy of: a run calls copies and laps of a session so."""
    session, step = ids
    yield ids
    for _ in range(_MOST_MARKS):
        marked = session.rstrip(_DIGITS)
        original = marked.rstrip(COPY + LAP)
        if session == marked or original in ("", marked):
            return
        session = original
        yield session, step


def names_asked(question: Question) -> Iterator[tuple[Kind, str]]:
    """Kinds and names that a request may have in a recording, the likeliest first."""
    if question.told is not None:
        yield question.told
    kind, name = question.usual
    if is_preparing(question):
        if (called := _called(document_of(question.body))) is not None:
            yield "mcp", called
        return
    method, target = question.method.decode("latin-1"), question.target.decode("latin-1")
    if kind != "http":
        yield kind, name
    document = document_of(question.body)
    if isinstance(document, dict) and (called := _called(document)) is not None:
        params = document.get("params")
        tool = params.get("name") if isinstance(params, dict) else None
        if called == "tools/call" and isinstance(tool, str):
            yield "mcp", f"{called} {tool}"
            yield "mcp", tool
            yield "tool", tool
        yield "mcp", called
    grouped = grouped_name(method, target)
    yield kind, grouped
    if kind != "http":
        yield "http", grouped


def is_preparing(question: Question) -> bool:
    """Whether a client of MCP says beside its work what the trace of an agent seldom has: any such server answers it.

    So is its request for messages of the server's own, and its leave.
    """
    if question.method in (b"GET", b"DELETE"):
        return question.usual[0] == "mcp"
    if question.usual[0] == "ws":
        return False
    body = question.body
    if not body or b'"jsonrpc"' not in body:
        return False
    called = _called(document_of(body))
    return called is not None and prepares(called)


def names_recorded(step: Step) -> Iterator[str]:
    """What a step may be asked for by, of its kind: its name, and what its message to an MCP server calls."""
    yield step.name
    if step.mcp is not None:
        called = f"{step.mcp.method} {step.mcp.tool or ''}".strip()
        if called != step.name:
            yield called


def tool_called(step: Step) -> str | None:
    """The tool of an MCP server that a step calls; None where it calls none, or one with no name to be listed by."""
    name = None if step.mcp is None else step.mcp.tool
    if step.kind == "mcp" and step.request is not None:
        body = recorded_body(step.request) or b""
        document = document_of(body) if b'"tools/call"' in body else None
        params = document.get("params") if isinstance(document, dict) else None
        name = params.get("name") if isinstance(params, dict) else None
    is_name = isinstance(name, str) and 0 < len(name) <= _LONGEST_TOOL and name.isprintable()
    return name if is_name else None


def model_asked(body: bytes | None) -> str | None:
    """The model that a request's body names."""
    document = document_of(body)
    model = document.get("model") if isinstance(document, dict) else None
    return model if isinstance(model, str) and model else None


def model_recorded(step: Step) -> str | None:
    """The model that a recorded step asked."""
    return (step.llm.model if step.llm is not None else None) or step.attributes.get("model")


def _called(document: Any) -> str | None:
    """The method of a JSON-RPC message."""
    called = document.get("method") if isinstance(document, dict) else None
    return called if isinstance(called, str) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
