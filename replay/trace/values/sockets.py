"""What a step sends on a WebSocket, seen as a request, and which message it waits for. Pure.

Seen so, all that is done to requests is done to it: path, headers and message are filled in, cleaned, compared alike.
"""

from typing import Any

import msgspec

from replay.trace.types import Request, Until, WsCall
from replay.trace.values.pointer import MISSING, pointed

_NO_JSON = msgspec.Raw(b"")
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def as_request(call: WsCall) -> Request:
    """The request that opens its connection, with the message for a body."""
    return Request(
        "GET",
        call.path,
        call.headers,
        body=call.text,
        json=call.json,
        body_base64=call.base64,
        body_bytes=call.message_bytes,
    )


def with_request(call: WsCall, request: Request) -> WsCall:
    """The same with what became of the request that it was seen as."""
    return msgspec.structs.replace(
        call,
        path=request.path,
        headers=request.headers,
        text=request.body,
        json=request.json,
        base64=request.body_base64,
        message_bytes=request.body_bytes,
    )


class Named:
    """The message that ends a step: of those that fit, the one of this number."""

    __slots__ = ("_equals", "_mark", "_pointer", "_text", "messages")

    def __init__(self, until: Until) -> None:
        self._pointer, self._equals = until.json, until.equals
        self._text = None if until.text is None else until.text.encode("utf-8", "surrogatepass")
        self.messages = until.messages
        self._mark = b""
        if isinstance(until.equals, str):
            written = _encode(until.equals)
            # Written without escapes, as servers write it, too: a message with neither these bytes nor any escape is
            # another one.
            self._mark = b"" if b"\\" in written else written

    def __repr__(self) -> str:
        return f"<Named {self._pointer or self._text!r}>"

    def fits(self, message: bytes) -> bool:
        """Whether a message is such a one."""
        if self._text is not None and self._text not in message:
            return False
        if self._pointer is None:
            return True
        if self._mark not in message and b"\\" not in message:
            return False
        try:
            found: Any = pointed(_decode(message), self._pointer)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        if self._equals is msgspec.UNSET:
            return found is not MISSING
        # A truth value is no number, though Python has them equal.
        return bool(found == self._equals) and isinstance(found, bool) == isinstance(self._equals, bool)
