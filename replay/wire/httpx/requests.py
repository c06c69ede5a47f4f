"""What goes out through httpx: the exchange's own head, byte for byte, as a request of httpx's."""

from typing import Any

import httpx

from replay.http.fields import OF_THE_CONNECTION
from replay.wire.types import Exchange

# What RFC 9113, section 8.2.2, forbids in HTTP/2.
_HTTP1_ONLY = frozenset(name.encode() for name in OF_THE_CONNECTION) | {b"te", b"transfer-encoding"}

Headers = list[tuple[bytes, bytes]]


def read_head(head: bytes) -> tuple[bytes, Headers]:
    """The request target and the headers of a rendered HTTP/1.1 head.

    Raises ValueError if it is not one: bad line ends, no Host, or not exactly method, target and version.
    """
    if not head.endswith(b"\r\n\r\n"):
        raise ValueError("the head does not end in an empty line")
    request_line, *lines = head[:-4].split(b"\r\n")
    parts = request_line.split(b" ")
    if len(parts) != 3 or parts[2] != b"HTTP/1.1" or not parts[1]:
        raise ValueError("the request line is not method, target and HTTP/1.1")
    headers = []
    has_host = False
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise ValueError("a header line has no name")
        has_host = has_host or name.lower() == b"host"
        headers.append((name, value.strip(b" \t")))
    if not has_host:
        raise ValueError("there is no Host header")
    return parts[1], headers


def http2_headers(headers: Headers) -> Headers:
    """Those of the headers that HTTP/2 allows; `te: trailers` is the one exception that it makes."""
    named = {
        token.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for token in value.split(b",")
    }
    return [
        (name, value)
        for name, value in headers
        if (key := name.lower()) not in named
        and (key not in _HTTP1_ONLY or (key == b"te" and value.lower() == b"trailers"))
    ]


def request_of(
    exchange: Exchange, base: httpx.URL, extensions: dict[str, Any], *, is_http2: bool
) -> httpx.Request:
    """The exchange's request to whatever base names. Raises ValueError if the exchange's head cannot be read."""
    target, headers = read_head(exchange.head)
    return _ExactRequest(
        exchange.method,
        base,
        headers=http2_headers(headers) if is_http2 else headers,
        stream=httpx.ByteStream(exchange.body),
        extensions=extensions,
    ).to(exchange.method, _quoted(target))


class _ExactUrl(httpx.URL):
    """A URL whose request target goes out byte for byte; httpx would quote it anew, and take long to."""

    def __init__(self, base: httpx.URL, target: bytes) -> None:
        super().__init__(base)
        self._target = target

    @property
    def raw_path(self) -> bytes:
        return self._target


class _ExactRequest(httpx.Request):
    """A request with exactly this method, which httpx writes in capitals, for exactly this target, which a URL of httpx
    could not say.
    """

    def to(self, method: str, target: bytes) -> "_ExactRequest":
        self.method = method
        self.url = _ExactUrl(self.url, target)
        return self


def _quoted(target: bytes) -> bytes:
    """The request target with what h11 refuses, bytes beyond ASCII, percent-encoded."""
    return target if target.isascii() else b"".join(b"%c" % b if b < 0x80 else b"%%%02X" % b for b in target)
