"""Message heads as a reverse proxy passes them on: without what belongs to one connection. Sans I/O.

RFC 9110, section 7.6; RFC 9112, sections 3, 5 and 9.
"""

import re
from typing import NamedTuple

from replay.http.framing import FramingError, Head, method_of, read_head, status_of
from replay.recording.types import Upstream

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_NOT_IN_HEAD = re.compile(rb"[\r\n\0]").search
_ORIGIN = re.compile(rb"[hH][tT][tT][pP][sS]?://[^/?#]*").match
_OF_THE_CONNECTION = frozenset({b"connection", b"keep-alive", b"proxy-connection"})
_NOT_SENT_ON = _OF_THE_CONNECTION | {b"host", b"upgrade", b"http2-settings", b"proxy-authorization", b"te"}


class Refused(Exception):
    """A request that the proxy does not pass on. status: of the answer; str() is its text."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class RequestHead(NamedTuple):
    """A client's request. target: path and query. lines: its header lines that are sent on."""

    head: Head
    method: str
    target: str
    headers: list[tuple[str, str]]
    lines: list[bytes]


class ResponseHead(NamedTuple):
    """An upstream's response. lines: the status line, and the header lines that are passed on."""

    head: Head
    status: int
    lines: list[bytes]
    content_type: str
    content_encoding: str

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The header lines that are passed on, as names and values."""
        pairs = (line.partition(b":") for line in self.lines[1:])
        return [(name.decode("latin-1").strip(), value.strip().decode("latin-1")) for name, _, value in pairs]


def read_request(data: bytes) -> RequestHead:
    """Read a request's head, its last empty line left off. Raises Refused."""
    try:
        head = read_head(data)
        method = method_of(head)
    except FramingError as fault:
        raise Refused(400, f"This is not an HTTP/1.1 request: {fault}.") from fault
    raw_target = head.first.split(b" ")[1]
    if method == b"CONNECT":
        raise Refused(501, "The recorder is a reverse proxy; it opens no tunnels.")
    if not _TOKEN(method) or _NOT_IN_HEAD(head.first):
        raise Refused(400, "This is not an HTTP/1.1 request: its first line is malformed.")
    origin = _ORIGIN(raw_target)
    if origin:
        raw_target = raw_target[origin.end() :]
        if not raw_target.startswith(b"/"):
            raw_target = b"/" + raw_target
    if not raw_target.startswith(b"/"):
        raise Refused(501, "The recorder passes on requests for paths only.")
    headers: list[tuple[str, str]] = []
    lines: list[bytes] = []
    for line in data.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if not _TOKEN(name) or _NOT_IN_HEAD(line):
            raise Refused(400, "This is not an HTTP/1.1 request: a header line is malformed.")
        key = name.lower()
        value = value.strip()
        # An offer to speak HTTP/2 may be passed over; any other protocol was asked for in earnest.
        if key == b"upgrade" and value.lower() != b"h2c":
            raise Refused(501, "The recorder passes on HTTP only; it cannot switch to another protocol.")
        headers.append((name.decode(), value.decode("latin-1")))
        if key not in _NOT_SENT_ON:
            lines.append(line)
    target = raw_target.partition(b"#")[0].decode("utf-8", "surrogateescape")
    return RequestHead(head, method.decode(), target, headers, lines)


def request_bytes(request: RequestHead, upstream: Upstream, path: str) -> bytes:
    """The request's head as it goes to the upstream, for this path below its URL."""
    first = f"{request.method} {upstream.base_path}{path} HTTP/1.1\r\nHost: {upstream.authority}"
    return b"\r\n".join((first.encode("utf-8", "surrogateescape"), *request.lines, b"", b""))


def read_response(data: bytes) -> ResponseHead:
    """Read a response's head, its last empty line left off. Raises FramingError."""
    head = read_head(data)
    status = status_of(head)
    if status == 101:
        raise FramingError("another protocol was not asked for")
    lines = [b"HTTP/1.1" + head.first[8:]]
    content_type = content_encoding = ""
    for line in data.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        key = name.lower()
        if key in _OF_THE_CONNECTION:
            continue
        if key == b"content-type":
            content_type = value.strip().decode("latin-1")
        elif key == b"content-encoding":
            content_encoding = value.strip().decode("latin-1")
        lines.append(line)
    return ResponseHead(head, status, lines, content_type, content_encoding)


def response_bytes(response: ResponseHead, closes: bool) -> bytes:
    """The response's head as it goes to the client. closes: whether the connection ends with the response."""
    return b"\r\n".join((*response.lines, *((b"Connection: close",) if closes else ()), b"", b""))


def own_answer(status: int, reason: str, why: str, closes: bool, has_body: bool) -> bytes:
    """An answer in the recorder's own name."""
    body = (why + "\n").encode()
    return (
        b"HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nVia: 1.1 replay\r\n%s\r\n%s"
        % (
            status,
            reason.encode(),
            len(body),
            b"Connection: close\r\n" if closes else b"",
            body if has_body else b"",
        )
    )
