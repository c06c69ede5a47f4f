"""Why an attempt failed, in a sentence: what its class alone does not tell. Pure.

The sentences are ours. What the other side sent chooses among them, and never stands in one.
"""

import ssl
from collections.abc import Mapping

from replay.websocket.types import NO_CODE
from replay.wire.tls_words import tls_problem

NO_HTTP = "the answer does not begin with a status line of HTTP/1"
LOW_STATUS = "the answer has a status below 100"
ENDLESS_HEAD = "the head of the answer has no end"
ENDLESS_TRAILERS = "what follows the body of the answer has no end"
UPGRADED = "the answer switches to another protocol (101), though no upgrade was requested"
UNSENDABLE = "the request cannot be sent as it is: its method, path or headers break the rules of HTTP"
STREAM_ENDED = "the target ended this one stream of its connection"
STREAM_REFUSED = "the target refused to begin it, as often as it was asked"

_TLS = "the answer is TLS: the target's URL may have to begin with https://"
_HTTP2 = "the answer is HTTP/2, where HTTP/1.1 was spoken"
_UNREADABLE = "the answer breaks the rules of HTTP"
# By what llhttp and h11 call it, of which the first that is in their words counts.
_COMPLAINTS: Mapping[str, str] = {
    "content-length": "the Content-Length of the answer is not one whole number",
    "chunk": "a chunk of the answer's body is malformed",
    "version": "the answer is of another version of HTTP than 1.0 and 1.1",
    "status line": NO_HTTP,
    "request line": NO_HTTP,
    "response line": NO_HTTP,
    "status": "the status of the answer is not a number from 100 to 999",
    "header": "a header of the answer is malformed",
    "too long": ENDLESS_HEAD,
}
_WHILE = {
    "send": "while the request was being sent",
    "first_byte": "before it answered",
    "body": "in the middle of its answer",
}


SENTENCES = frozenset(
    (
        NO_HTTP,
        LOW_STATUS,
        ENDLESS_HEAD,
        ENDLESS_TRAILERS,
        UPGRADED,
        _TLS,
        _HTTP2,
        _UNREADABLE,
        *_COMPLAINTS.values(),
    )
)
"""All that `why_unreadable` says."""


class AnswerError(ValueError):
    """What came is no answer that can be read. str() is a sentence of this module."""


def why_unreadable(failure: Exception, start: bytes = b"") -> str:
    """Why what came is no HTTP. start: of the answer, where its head is not known to be one of HTTP."""
    said = str(failure)
    if said in SENTENCES and said != NO_HTTP:
        return said
    start = start.lstrip(b"\r\n")
    if start[:1] in (b"\x14", b"\x15", b"\x16", b"\x17") and start[1:2] == b"\x03":
        # A record of TLS begins with its type and the version 3.x (RFC 8446, section 5.1).
        return _TLS
    if start[3:4] == b"\x04" and start[5:9] == bytes(4):
        # As every HTTP/2 server begins: a frame of settings on stream 0 (RFC 9113, section 3.4).
        return _HTTP2
    if said == NO_HTTP or (start and not b"HTTP/".startswith(start[:5])):
        return NO_HTTP
    # h11 quotes what came, after a colon.
    words = said.partition(":")[0].lower()
    return next((sentence for complaint, sentence in _COMPLAINTS.items() if complaint in words), _UNREADABLE)


def why_broken(rule: str) -> str:
    """What the target sent that HTTP/2 does not have. rule: what that was, in words of ours."""
    return f"the target broke the rules of HTTP/2: {rule}"


def why_broken_socket(rule: str) -> str:
    """What the target sent that a WebSocket does not have. rule: what that was, in words of ours."""
    return f"the target broke the rules of WebSocket: {rule}"


def why_closed(code: int) -> str:
    """How the target closed a WebSocket. code: as its close frame had it."""
    said = "without a code" if code == NO_CODE else f"with the code {code}"
    return f"the target closed the connection {said}"


def why_no_socket(status: int) -> str:
    """Why an answer opened no WebSocket."""
    return f"the target answered the opening with the status {status} instead of switching to WebSocket (101)"


def why_reset(phase: str, *, is_abrupt: bool) -> str:
    """How a connection ended too early. is_abrupt: by a reset, rather than by being closed."""
    return f"the target {'reset' if is_abrupt else 'closed'} the connection {_WHILE.get(phase, '')}".rstrip()


def ending(phase: str, failure: Exception | None) -> tuple[str, str]:
    """The class of failure of a connection that ended too early, and how it ended.

    failure: as the event loop tells it. A server of TLS 1.3 looks at a client's certificate only when the client has
    done its part of the handshake and sent its request, so that a refusal comes in place of the answer (RFC 8446,
    section 4.4.2.4).
    """
    if isinstance(failure, ssl.SSLError) and "_ALERT_" in (failure.reason or ""):
        return "tls", tls_problem(failure)
    return "reset", why_reset(phase, is_abrupt=isinstance(failure, ConnectionError))
