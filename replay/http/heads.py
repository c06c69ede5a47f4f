"""The heads of messages as whoever passes them on reads and writes them: strictly, hop by hop. Sans I/O.

What belongs to one connection is not passed on (RFC 9110, section 7.6.1): Connection and what it names, Keep-Alive,
Upgrade and their like; each side is told of its own connection. What could be read in two ways is refused rather than
guessed at, in requests and in responses (RFC 9112, sections 2.2, 3.2, 5.1, 6.1, 6.3 and 11.2).
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from replay.http.fields import OF_THE_CONNECTION
from replay.http.framing import UNTIL_CLOSE, Body, FramingError
from replay.http.statuses import reason_of

Lines = list[tuple[bytes, bytes]]
"""Header lines as they came, without line ends, each after its name in lower case."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_TEXT = rb"[\t\x20-\x7e\x80-\xff]*+"
_IS_TOKEN = re.compile(_TOKEN).fullmatch
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]++) HTTP/1\.([0-9])").fullmatch
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: " + _TEXT + rb")?").fullmatch
_FIELDS = re.compile(rb"(?:\r\n" + _TOKEN + rb":" + _TEXT + rb")*+").fullmatch
# An upstream's odd control characters are its client's business, as long as they end no line.
_ANSWERED_FIELDS = re.compile(rb"(?:\r\n" + _TOKEN + rb"[ \t]*+:[^\r\n\0]*+)*+").fullmatch
_DIGITS = re.compile(rb"[0-9]{1,18}").fullmatch
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE).match
_HOST = re.compile(rb"[!$%&'()*+,\-.:;=\[\]_~0-9A-Za-z]*").fullmatch
_BLANKS = b" \t"

_OF_THE_CONNECTION = frozenset(name.encode() for name in OF_THE_CONNECTION)
_NOT_SENT_ON = _OF_THE_CONNECTION | {b"proxy-authorization", b"te"}
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
_OF_THE_MESSAGE = _FRAMING | {b"host"}
_READ_IN_REQUESTS = _NOT_SENT_ON | _OF_THE_MESSAGE | {b"expect"}
# By which each side of a connection is told that it becomes a WebSocket.
_UPGRADE: Lines = [(b"connection", b"Connection: Upgrade"), (b"upgrade", b"Upgrade: websocket")]
_OF_CHUNKS = frozenset((b"transfer-encoding", b"trailer"))
_KNOWN_CODINGS = frozenset((b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"))


class Refused(Exception):
    """A request that is not passed on. status: of the answer; str() is its text."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class RequestHead(NamedTuple):
    """A client's request. target: as it is asked for of an origin server, a path with its query, or `*`.

    fields: all header lines. lines: those that are passed on, Host among them. length: of the body, None where the
    head gives none. is_old: whether the client speaks HTTP/1.0, so that chunks and interim responses mean nothing to
    it. keeps_alive: whether it may send another request on this connection. is_upgrade: whether it asks for a
    WebSocket, so that a response with 101 makes a tunnel of its connection.
    """

    method: bytes
    target: bytes
    fields: Lines
    lines: Lines
    length: int | None
    is_chunked: bool
    is_old: bool
    keeps_alive: bool
    is_upgrade: bool = False


class ResponseHead(NamedTuple):
    """A server's response. first: its status line. lines: the header lines that are passed on.

    keeps_alive: whether the server takes another request on this connection.
    """

    status: int
    first: bytes
    lines: Lines
    length: int | None
    is_chunked: bool
    keeps_alive: bool

    def value(self, key: bytes) -> str:
        """Of the last header with this name in lower case; empty where there is none."""
        found = ""
        for name, line in self.lines:
            if name == key:
                found = value_of(line).decode("latin-1")
        return found

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The header lines that are passed on, as names and values."""
        return pairs_of(self.lines)


def value_of(line: bytes) -> bytes:
    """The value of a header line."""
    return line.partition(b":")[2].strip(_BLANKS)


def pairs_of(lines: Lines) -> list[tuple[str, str]]:
    """Header lines as names, as they were written, and values."""
    parts = [line.decode("latin-1").partition(":") for _, line in lines]
    return [(name.rstrip(" \t"), value.strip(" \t")) for name, _, value in parts]


def read_request(data: bytes, *, takes_sockets: bool = False) -> RequestHead:
    """Read a request's head, its last empty line left off. takes_sockets: whether it may ask for a WebSocket. Raises
    Refused.
    """
    try:
        return _request(data, takes_sockets)
    except FramingError as fault:
        raise Refused(400, f"This is not an HTTP/1.1 request: {fault}.") from fault


def _request(data: bytes, takes_sockets: bool) -> RequestHead:
    line_end = data.find(b"\r\n")
    first = _REQUEST_LINE(data if line_end < 0 else data[:line_end])
    if first is None:
        raise FramingError("the request line is malformed")
    if line_end >= 0 and not _FIELDS(data, line_end):
        raise FramingError(_fault_of(data[line_end + 2 :]))
    method, target, minor = first[1], first[2], first[3]
    if method == b"CONNECT":
        raise Refused(501, "CONNECT is not supported here.")
    is_old = minor == b"0"
    fields: Lines = []
    found: dict[bytes, list[bytes]] = {}
    framing_line = b""
    for line in data.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        key = name.lower()
        fields.append((key, line))
        if key in _READ_IN_REQUESTS:
            found.setdefault(key, []).append(value.strip(_BLANKS))
            if key in _FRAMING:
                framing_line = line
    options = _options(found.get(b"connection", ()))
    is_upgrade = b"upgrade" in found and any(b"websocket" in value.lower() for value in found[b"upgrade"])
    if is_upgrade and not takes_sockets:
        raise Refused(
            501, "WebSocket is not supported here: only HTTP requests and their responses are passed on."
        )
    if is_upgrade and (is_old or method != b"GET" or b"upgrade" not in options):
        raise FramingError("it asks for a WebSocket otherwise than by GET and Connection: Upgrade")
    if not _OF_THE_MESSAGE.isdisjoint(options):
        raise FramingError("the Connection header names a header of the whole message")
    length, is_chunked = _framing_of_request(found, is_old)
    target, authority = _origin_form(target, method)
    _check_hosts(found.get(b"host", []), is_old)
    lines = fields
    if is_upgrade and (length or is_chunked):
        raise FramingError("it asks for a WebSocket and has a body")
    if b"expect" in found or not _NOT_SENT_ON.isdisjoint(found):
        left_out = _NOT_SENT_ON | options | ({b"expect"} if is_old else frozenset())
        lines = [pair for pair in fields if pair[0] not in left_out]
    if is_upgrade:
        lines = [*lines, *_UPGRADE]
    if length is not None or is_chunked:
        # As everybody reads it: no tabs, no odd letters, no zeros that some take for an octal number.
        framing = b": chunked" if length is None else b": %d" % length
        if not framing_line.endswith(framing):
            lines = [(key, line[: len(key)] + framing if key in _FRAMING else line) for key, line in lines]
    if authority is not None:
        # RFC 9112, section 3.2.2: the host of such a target counts, and the header does not.
        lines = [(b"host", b"Host: " + authority), *(pair for pair in lines if pair[0] != b"host")]
    return RequestHead(
        method,
        target,
        fields,
        lines,
        length,
        is_chunked,
        is_old,
        not is_upgrade and b"close" not in options and (not is_old or b"keep-alive" in options),
        is_upgrade,
    )


def _fault_of(fields: bytes) -> str:
    """What is wrong with these header lines."""
    for line in fields.split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            return "a header is folded across lines"
        name, colon, value = line.partition(b":")
        if not colon:
            return "a header line has no colon"
        if not _IS_TOKEN(name):
            return "a header name contains characters that are not allowed"
        if b"\n" in value or b"\r" in value:
            return "a header line does not end in CRLF"
    return "a header value contains control characters"


def _options(values: "list[bytes] | tuple[()]") -> frozenset[bytes]:
    """What Connection headers name, in lower case."""
    return frozenset([option.strip(_BLANKS).lower() for value in values for option in value.split(b",")])


def _framing_of_request(found: dict[bytes, list[bytes]], is_old: bool) -> tuple[int | None, bool]:
    lengths, codings = found.get(b"content-length", ()), found.get(b"transfer-encoding", ())
    if codings:
        if lengths:
            raise FramingError("it has both Content-Length and Transfer-Encoding")
        if is_old:
            raise FramingError("HTTP/1.0 has no chunked transfer coding")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            *before, last = (coding.strip(_BLANKS).lower() for coding in b",".join(codings).split(b","))
            if last == b"chunked" and _KNOWN_CODINGS.issuperset(before):
                raise Refused(501, "The only transfer coding supported here is chunked.")
            raise FramingError("its transfer coding is not chunked")
        return None, True
    if not lengths:
        return None, False
    if len(lengths) > 1:
        raise FramingError("it has more than one Content-Length")
    return _length(lengths[0]), False


def _length(value: bytes) -> int:
    if not _DIGITS(value):
        raise FramingError("its Content-Length is not a number")
    return int(value)


def _origin_form(target: bytes, method: bytes) -> tuple[bytes, bytes | None]:
    """A target as an origin server is asked for it, and the host where the target names one."""
    absolute = _ABSOLUTE(target)
    if absolute is not None:
        authority = absolute[1]
        if not authority or not _HOST(authority):
            raise FramingError("the request target has no valid host")
        rest = target[absolute.end() :].partition(b"#")[0]
        if method == b"OPTIONS" and not rest:
            return b"*", authority
        return rest if rest.startswith(b"/") else b"/" + rest, authority
    if target == b"*" and method == b"OPTIONS":
        return target, None
    if not target.startswith(b"/"):
        raise FramingError("the request target is not a path")
    return target.partition(b"#")[0], None


def _check_hosts(hosts: list[bytes], is_old: bool) -> None:
    if len(hosts) > 1:
        raise FramingError("it has more than one Host header")
    if not hosts and not is_old:
        raise FramingError("it has no Host header")
    if hosts and not _HOST(hosts[0]):
        raise FramingError("its Host header is malformed")


def request_body(head: RequestHead, on_data: Callable[[bytes], object] | None = None) -> Body:
    """The body that follows a request's head. on_data: as of a Body."""
    return Body(head.length or 0, head.is_chunked, on_data)


def request_bytes(head: RequestHead, target: bytes, lines: Lines) -> bytes:
    """A request's head as it goes to a server, whatever version its client speaks (RFC 9110, section 2.5)."""
    first = b"%s %s HTTP/1.1" % (head.method, target)
    return b"\r\n".join([first, *[line for _, line in lines], b"", b""])


def read_response(data: bytes, *, is_upgrade: bool = False) -> ResponseHead:
    """Read a response's head, its last empty line left off. is_upgrade: whether a WebSocket was asked for. Raises
    FramingError.
    """
    line_end = data.find(b"\r\n")
    first = data if line_end < 0 else data[:line_end]
    status_line = _STATUS_LINE(first)
    if status_line is None:
        raise FramingError("its status line is missing or malformed")
    status = int(status_line[2])
    if status == 101 and not is_upgrade:
        raise FramingError("it switches to a protocol that was not asked for")
    if line_end >= 0 and not _ANSWERED_FIELDS(data, line_end):
        raise FramingError("a header line is malformed")
    lines: Lines = []
    lengths: list[bytes] = []
    codings: list[bytes] = []
    connection: list[bytes] = []
    for line in data.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        key = name.lower().rstrip(_BLANKS)
        if key == b"content-length":
            if value.strip(_BLANKS) in lengths:
                continue  # said twice (RFC 9110, section 8.6): once is enough
            lengths.append(value.strip(_BLANKS))
        elif key == b"transfer-encoding":
            codings.append(value.strip(_BLANKS).lower())
        elif key in _OF_THE_CONNECTION:
            if key == b"connection":
                connection.append(value.strip(_BLANKS))
            continue
        # A blank before the colon has to go (RFC 9112, section 5.1).
        lines.append((key, line if len(name) == len(key) else name.rstrip(_BLANKS) + b":" + value))
    if len(lengths) > 1:
        raise FramingError("it has two different values of Content-Length")
    if codings and lengths:
        raise FramingError("it has both Content-Length and Transfer-Encoding")
    if codings and codings != [b"chunked"]:
        raise FramingError("it uses a transfer coding that was not asked for")
    options = _options(connection)
    named = options - _OF_THE_MESSAGE
    if status == 101:
        lines = [pair for pair in lines if pair[0] not in _FRAMING and pair[0] not in named]
        return ResponseHead(status, b"HTTP/1.1" + first[8:], [*lines, *_UPGRADE], None, False, False)
    is_old = status_line[1] == b"0"
    return ResponseHead(
        status,
        b"HTTP/1.1" + first[8:],
        [pair for pair in lines if pair[0] not in named] if named else lines,
        _length(lengths[0]) if lengths else None,
        bool(codings),
        # Chunks in HTTP/1.0 are read, but nothing after them is trusted (RFC 9112, section 6.1).
        b"close" not in options and (not is_old or (b"keep-alive" in options and not codings)),
    )


def response_body(head: ResponseHead, method: bytes) -> Body:
    """The body that follows a final response's head, in answer to this method."""
    if head.status == 101:
        return Body(UNTIL_CLOSE)
    if method == b"HEAD" or head.status in (204, 304):
        return Body(0)
    if head.is_chunked:
        return Body(0, True)
    return Body(UNTIL_CLOSE if head.length is None else head.length)


def response_bytes(head: ResponseHead, own: bytes, connection: bytes, without_chunks: bool = False) -> bytes:
    """A response's head as it goes to the client.

    own: header lines of whoever passes it on, with their ends. connection: what the client is told of its connection,
    empty for nothing. without_chunks: for a body whose chunks are taken off.
    """
    lines = [line for key, line in head.lines if not (without_chunks and key in _OF_CHUNKS)]
    if connection:
        lines.append(b"Connection: " + connection)
    return head.first + b"\r\n" + own + b"\r\n".join([*lines, b"", b""])


def own_answer(status: int, why: str, own: bytes, connection: bytes, has_body: bool) -> bytes:
    """An answer in the name of whoever passes requests on, and not of a server. own, connection: as above."""
    body = (why + "\n").encode()
    told = b"Connection: " + connection + b"\r\n" if connection else b""
    return b"HTTP/1.1 %d %s\r\n%sContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n%s" % (
        status,
        reason_of(status),
        own,
        len(body),
        told,
        body if has_body else b"",
    )
