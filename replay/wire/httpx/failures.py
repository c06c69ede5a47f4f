"""What went wrong, by the exceptions of httpx and the layers below it, as classes of error."""

import re
import ssl
from typing import TypeVar

import h2.exceptions
import httpx

from replay.system.shortage import ShortageError
from replay.wire.httpx.asgi import AppError
from replay.wire.reasons import STREAM_ENDED, UNSENDABLE, ending, why_unreadable
from replay.wire.tls_words import tls_problem

Cause = TypeVar("Cause", bound=BaseException)

_STREAM_RESET = "<StreamReset"
# How httpcore, h11 and h2 word it that the other side went away; the rest of their complaints are about bytes.
_GONE = (
    "Server disconnected",
    "peer closed connection",
    _STREAM_RESET,
    "<ConnectionTerminated",
    "in state ConnectionState.CLOSED",
)
# How h2 words it when the connection had ended before the request's first byte was written.
_NEVER_SENT = "ConnectionInputs.SEND_HEADERS in state ConnectionState.CLOSED"

# The first that fits; all else that is raised by what was sent or received is a breach of protocol.
_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (AppError, "app"),
    (httpx.ProxyError, "proxy"),
    (httpx.TimeoutException, "timeout"),
    (httpx.NetworkError, "reset"),
    (OSError, "reset"),
)


def error_class(failure: Exception) -> str:
    """The class of a failure after its connection was open."""
    if isinstance(failure, httpx.ProtocolError) and any(words in str(failure) for words in _GONE):
        return "reset"
    if is_of_stream(failure):
        return "reset"
    if ending("", _cause_of(failure, ssl.SSLError))[0] == "tls":
        return "tls"
    return next((error for kind, error in _ERRORS if isinstance(failure, kind)), "protocol")


def is_of_stream(failure: Exception) -> bool:
    """Whether an HTTP/2 target ended this one stream; its connection is not stale.

    h2 says closed where the target answered before it had all of the request, which httpcore takes for an error.
    """
    return str(failure).startswith(_STREAM_RESET) or is_caused_by(failure, h2.exceptions.StreamClosedError)


def shortage_in(failure: BaseException) -> str | None:
    """What this machine had run out of, if that is what it failed for."""
    cause = _cause_of(failure, ShortageError)
    return None if cause is None else str(cause)


def is_caused_by(failure: BaseException, kind: type[BaseException]) -> bool:
    return _cause_of(failure, kind) is not None


def _cause_of(failure: BaseException, kind: type[Cause]) -> Cause | None:
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, kind):
        cause = cause.__cause__ or cause.__context__
    return cause


def why_failed(failure: Exception, error: str, phase: str) -> str | None:
    """What a failure of this class says beyond it, in a sentence; None where that is nothing."""
    if error == "app":
        # Without the application's own words, which may hold what it was asked with.
        return f"the application failed: {re.split('[:(]', str(failure), maxsplit=1)[0].strip()}"
    if error == "tls":
        cause = _cause_of(failure, ssl.SSLError)
        return None if cause is None else tls_problem(cause)
    if error == "reset":
        if is_of_stream(failure):
            return STREAM_ENDED
        return ending(phase, _cause_of(failure, ConnectionError))[1]
    if error != "protocol":
        return None
    return UNSENDABLE if phase in ("connect", "send") else why_unreadable(failure)


def was_never_sent(failure: Exception) -> bool:
    """Whether the connection had ended before the request's first byte was written."""
    return _NEVER_SENT in str(failure)
