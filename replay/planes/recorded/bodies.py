"""The bodies of answers: what was kept, or something of the recorded size. Pure.

A body is filled up with blanks, which JSON may end with, and of which all bodies share one buffer: so the size that a
trace asks for costs no memory a request.
"""

from typing import NamedTuple

import msgspec

from replay.planes.recorded.keys import document_of
from replay.planes.recorded.types import Question, RecordedAnswer

MOST_BODY_BYTES = 64 << 20
"""A larger body is given as one of this size."""

_UNKNOWN = b'{"answer":"recorded"}'
_NO_CONTENT = 205
NO_BODY = (204, 304)
"""Statuses whose answers have no body, nor a length of one (RFC 9110, section 8.6)."""
_BLANKS = memoryview(b" " * (256 << 10))


class Filled(NamedTuple):
    """A body: a text, and so many blanks after it."""

    text: bytes
    blanks: int = 0

    @property
    def size(self) -> int:
        return len(self.text) + self.blanks

    def between(self, start: int, stop: int) -> list[bytes | memoryview]:
        """The bytes of a part of it."""
        stop = min(stop, self.size)
        parts: list[bytes | memoryview] = [self.text[start:stop]]
        left = stop - max(start, len(self.text))
        while left > 0:
            parts.append(_BLANKS[:left])
            left -= len(parts[-1])
        return parts


def filled(text: bytes, size: int | None) -> Filled:
    """A text filled up to a size that is known, where it is not longer."""
    return Filled(text, 0 if size is None else max(0, min(size, MOST_BODY_BYTES) - len(text)))


def body_of(answer: RecordedAnswer, question: Question) -> Filled:
    """The body of an answer that is no model's by its tokens: as it was kept, or of the recorded size."""
    if answer.status is None:
        return Filled(b'{"error":"the request that was recorded here failed, and has no answer"}')
    if answer.status in (*NO_BODY, _NO_CONTENT):
        return Filled(b"")
    asked = document_of(question.body)
    is_call = isinstance(asked, dict) and "jsonrpc" in asked
    if answer.json:
        return filled(
            _numbered(answer.json, asked["id"]) if is_call and "id" in asked else answer.json, answer.body_bytes
        )
    size = answer.body_bytes
    if is_call and "id" in asked and answer.status < 300:
        result = (
            {"content": [{"type": "text", "text": "recorded"}]} if asked.get("method") == "tools/call" else {}
        )
        return filled(msgspec.json.encode({"jsonrpc": "2.0", "id": asked["id"], "result": result}), size)
    if size is None or size >= len(_UNKNOWN):
        return filled(_UNKNOWN, size)
    return filled(b"{}" if size >= 2 else b"0" * size, size)


def _numbered(json: bytes, number: object) -> bytes:
    """An answer to a JSON-RPC call, with the call's own number."""
    document = msgspec.json.decode(json)
    if not isinstance(document, dict) or "jsonrpc" not in document:
        return json
    return msgspec.json.encode({**document, "id": number})
