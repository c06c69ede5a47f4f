"""Where an HTTP/1.1 message ends, found while its bytes pass through unchanged. Sans I/O.

A gateway forwards bytes as they are; it must only know when a message is over, so that the next one can go to
another instance. RFC 9112, sections 6 and 7.
"""

from typing import NamedTuple

MOST_HEAD_BYTES = 64 * 1024
_MOST_LINE_BYTES = 16 * 1024
UNTIL_CLOSE = -1


class FramingError(ValueError):
    """These bytes are no HTTP/1.1 message; str() says why."""


class Head(NamedTuple):
    """What a message's head says of its framing. first: its first line. length: None where it gives none. upgrade: the
    protocols that it asks for instead of HTTP/1.1, in lower case.
    """

    first: bytes
    length: int | None
    is_chunked: bool
    keeps_alive: bool
    upgrade: bytes = b""


class Body:
    """How much of a message's body is still to come. length: in bytes, or UNTIL_CLOSE."""

    __slots__ = ("_in_trailer", "_is_chunked", "_left", "_line", "is_over")

    def __init__(self, length: int, is_chunked: bool = False) -> None:
        self._is_chunked = is_chunked
        self._left = 0 if is_chunked else length
        self._line = b""
        self._in_trailer = False
        self.is_over = not is_chunked and length == 0

    def __repr__(self) -> str:
        return f"<Body {'over' if self.is_over else 'chunked' if self._is_chunked else self._left}>"

    @property
    def ends_with_connection(self) -> bool:
        return not self._is_chunked and self._left == UNTIL_CLOSE

    def take(self, data: bytes) -> int:
        """How many of these bytes, from the first, belong to the body. Raises FramingError."""
        if self.is_over:
            return 0
        if self._is_chunked:
            return self._take_chunks(data)
        if self._left == UNTIL_CLOSE:
            return len(data)
        taken = min(self._left, len(data))
        self._left -= taken
        self.is_over = not self._left
        return taken

    def _take_chunks(self, data: bytes) -> int:
        at, end = 0, len(data)
        while at < end and not self.is_over:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                at += step
                continue
            line_end = data.find(b"\n", at)
            if line_end < 0:
                self._line += data[at:]
                at = end
                if len(self._line) > _MOST_LINE_BYTES:
                    raise FramingError("a chunk's size or a trailer is too long")
                continue
            line = (self._line + data[at:line_end]).rstrip(b"\r")
            self._line = b""
            at = line_end + 1
            if self._in_trailer:
                self.is_over = not line
                continue
            size = _hex(line.partition(b";")[0].strip())
            # The line end that follows a chunk's data is passed over with it.
            self._left = size + 2 if size else 0
            self._in_trailer = not size
        return at


def read_head(head: bytes) -> Head:
    """Read a head, its last empty line left off. Raises FramingError."""
    lines = head.split(b"\r\n")
    length: int | None = None
    is_chunked = False
    first = lines[0]
    upgrade = b""
    is_old = b"HTTP/1.0" in first
    keeps_alive = not is_old
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon:
            raise FramingError("a header line has no colon")
        key = name.lower()
        if key == b"content-length":
            found = _decimal(value.strip())
            if length is not None and length != found:
                raise FramingError("two different lengths")
            length = found
        elif key == b"transfer-encoding":
            is_chunked = value.strip().lower().endswith(b"chunked")
        elif key == b"upgrade":
            upgrade += value.strip().lower() + b" "
        elif key == b"connection":
            options = value.lower()
            keeps_alive = b"close" not in options and (not is_old or b"keep-alive" in options)
    if is_chunked and length is not None:
        # The classic way to make two parties disagree on where a request ends.
        raise FramingError("both a length and chunks")
    return Head(first, length, is_chunked, keeps_alive, upgrade.strip())


def without_upgrade(head: bytes) -> bytes:
    """A head as it would be had it not asked to go on in another protocol, which whoever passes it on may leave out.

    Source: RFC 9110, section 7.8: a server may ignore the field; 7.6.1: it belongs to one connection alone.
    """
    lines = head.split(b"\r\n")
    kept = [
        line
        for line in lines
        if line.partition(b":")[0].lower() not in (b"upgrade", b"http2-settings")
        and not (line.lower().startswith(b"connection:") and b"upgrade" in line.lower())
    ]
    return b"\r\n".join(kept)


def request_body(head: Head) -> Body:
    """The body that follows a request's head."""
    return Body(head.length or 0, head.is_chunked)


def response_body(head: Head, status: int, method: bytes) -> Body:
    """The body that follows a final response's head, in answer to this method."""
    if method == b"HEAD" or status in (204, 304):
        return Body(0)
    if head.is_chunked:
        return Body(0, True)
    return Body(UNTIL_CLOSE if head.length is None else head.length)


def status_of(head: Head) -> int:
    """A response's status. Raises FramingError."""
    parts = head.first.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not (parts[1].isdigit() and len(parts[1]) == 3):
        raise FramingError("no status line")
    return int(parts[1])


def method_of(head: Head) -> bytes:
    """A request's method. Raises FramingError."""
    parts = head.first.split(b" ")
    if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
        raise FramingError("no request line")
    return parts[0]


def _decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 18:
        raise FramingError("a length that is not a number")
    return int(digits)


def _hex(digits: bytes) -> int:
    if not digits or len(digits) > 15 or any(digit not in b"0123456789abcdefABCDEF" for digit in digits):
        raise FramingError("a chunk's size that is not a number")
    return int(digits, 16)
