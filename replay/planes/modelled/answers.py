"""The bytes of modelled answers, but for model calls' bodies: heads, and answers that come whole."""

from functools import lru_cache

import msgspec

from replay.http.statuses import reason_of
from replay.planes.modelled.wording import CONTENT_TYPE
from replay.websocket.handshake import VERSION

ANSWERED = b'{"answer":"modelled"}'
FAILED = b'{"error":"this modelled instance fails a share of its requests on purpose"}'
NOT_RECORDED = (
    b'{"error":"nothing in the recording answers this request: it has no step of this method and path, and none of '
    b'this kind and name"}'
)
AWAY = b'{"error":"what this modelled instance depends on is away"}'
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\ncache-control: no-store\r\n"
_CLOSE = b"connection: close\r\n"
# Longer ones are cut: what is asked for comes from outside, and its answer is kept.
_MOST_NAME = 64
_UPGRADE_REQUIRED = 426
_VERSIONS = b"sec-websocket-version: " + VERSION.encode() + b"\r\n"


@lru_cache(maxsize=1024)
def answered(name: str) -> bytes:
    """The answer to what is no model call, with the name of what was asked for.

    Without it all tools would answer alike, and a gate takes that for a page to sign in at.
    """
    return msgspec.json.encode({"answer": "modelled", "name": name[:_MOST_NAME]})


def head_of(
    status: int, content_type: bytes, framing: bytes, *, keep_alive: bool = True, first: bytes = b""
) -> bytes:
    """framing: header lines that say where the body ends. first: those that go before all others."""
    closing = b"" if keep_alive else _CLOSE
    return b"HTTP/1.1 %d %s\r\n%scontent-type: %s\r\n%s%s\r\n" % (
        status,
        reason_of(status),
        first,
        content_type,
        framing,
        closing,
    )


def plain(
    status: int, body: bytes, *, keep_alive: bool = True, head_only: bool = False, first: bytes = b""
) -> bytes:
    """A whole answer in JSON, or its head alone, as HEAD has it."""
    framing = b"content-length: %d\r\n" % len(body)
    head = head_of(status, CONTENT_TYPE, framing, keep_alive=keep_alive, first=first)
    return head if head_only else head + body


def opens_nothing(first: bytes = b"") -> bytes:
    """The answer to an opening of a WebSocket that is none of the standard. Source: RFC 6455, section 4.4."""
    return plain(_UPGRADE_REQUIRED, b"", keep_alive=False, first=first + _VERSIONS)
