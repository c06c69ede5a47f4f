"""Where the body of an HTTP/1.1 message ends, found while its bytes pass through unchanged. Sans I/O.

Whoever passes bytes on as they are must know when a message is over, and must not know it differently from whoever
reads them next: two readers that disagree take a part of one client's request for the next client's. So what could
be read in two ways is an error here, also where RFC 9112 lets a recipient guess. RFC 9112, sections 6 and 7.
"""

import re
from collections.abc import Callable

MOST_HEAD_BYTES = 64 * 1024
UNTIL_CLOSE = -1

_MOST_LINE_BYTES = 16 * 1024
# Of all trailers together: as of a head, which they are merged with.
_MOST_TRAILER_BYTES = MOST_HEAD_BYTES
_CRLF = b"\r\n"
# An extension follows the size at once: blanks before it are read by some, and end the size for others.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?").fullmatch
_TRAILER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t\x20-\x7e\x80-\xff]*").fullmatch
# Whoever merges trailers into the head must not find another length, or another host, there (RFC 9110, section 6.5.1).
_NOT_IN_TRAILERS = frozenset((b"content-length", b"transfer-encoding", b"host"))


class FramingError(ValueError):
    """These bytes are no HTTP/1.1 message; str() says why."""


class Body:
    """How much of a message's body is still to come. length: in bytes, or UNTIL_CLOSE.

    on_data: called with what is in the chunks, without their framing, as it comes; not called for other bodies.
    """

    __slots__ = (
        "_in_trailer",
        "_is_chunked",
        "_left",
        "_line",
        "_line_end",
        "_on_data",
        "_trailer_bytes",
        "is_over",
    )

    def __init__(
        self, length: int, is_chunked: bool = False, on_data: Callable[[bytes], object] | None = None
    ) -> None:
        self._is_chunked = is_chunked
        self._left = 0 if is_chunked else length
        self._line = b""
        self._line_end = b""  # what is still to come of the line end after a chunk's data
        self._in_trailer = False
        self._trailer_bytes = 0
        self._on_data = on_data
        self.is_over = not is_chunked and length == 0

    def __repr__(self) -> str:
        return f"<Body {'over' if self.is_over else 'chunked' if self._is_chunked else self._left}>"

    @property
    def ends_with_connection(self) -> bool:
        return not self._is_chunked and self._left == UNTIL_CLOSE

    def take(self, data: bytes, at: int = 0) -> int:
        """How many of these bytes, from the one at this place, belong to the body. Raises FramingError."""
        if self.is_over:
            return 0
        if self._is_chunked:
            return self._take_chunks(data, at)
        return self.take_unseen(len(data) - at)

    def take_unseen(self, size: int) -> int:
        """How many of so many bytes belong to the body, whatever they are; of a chunk, none behind its data."""
        if self.is_over:
            return 0
        if self._left == UNTIL_CLOSE:
            return size
        taken = min(self._left, size)
        self._left -= taken
        if not self._is_chunked:
            self.is_over = not self._left
        elif taken and not self._left:
            self._line_end = _CRLF
        return taken

    def _take_chunks(self, data: bytes, begin: int) -> int:
        at, end = begin, len(data)
        while at < end and not self.is_over:
            if self._left:
                step = min(self._left, end - at)
                if self._on_data is not None:
                    self._on_data(data[at : at + step])
                self._left -= step
                at += step
                if not self._left:
                    self._line_end = _CRLF
            elif self._line_end:
                step = min(len(self._line_end), end - at)
                if data[at : at + step] != self._line_end[:step]:
                    raise FramingError("a chunk is longer than its stated size")
                self._line_end = self._line_end[step:]
                at += step
            else:
                at = self._take_line(data, at)
        return at - begin

    def _take_line(self, data: bytes, at: int) -> int:
        """Take the line of a chunk's size, or of a trailer, as far as it has come; where it ends."""
        line_end = data.find(b"\n", at)
        stop = len(data) if line_end < 0 else line_end + 1
        self._line += data[at:stop]
        if len(self._line) > _MOST_LINE_BYTES:
            raise FramingError("a chunk size or a trailer is too long")
        if line_end < 0:
            return stop
        line, self._line = self._line, b""
        if not line.endswith(_CRLF):
            raise FramingError("a line between chunks does not end in CRLF")
        if self._in_trailer:
            self._take_trailer(line[:-2])
            return stop
        size = _SIZE(line, 0, len(line) - 2)
        if size is None:
            raise FramingError("a chunk size is not a hexadecimal number")
        self._left = int(size[1], 16)
        self._in_trailer = not self._left
        return stop

    def _take_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if not line:
            self.is_over = True
            return
        found = _TRAILER(line)
        if found is None or self._trailer_bytes > _MOST_TRAILER_BYTES:
            raise FramingError("its trailers are malformed or too many")
        if found[1].lower() in _NOT_IN_TRAILERS:
            raise FramingError("a trailer belongs in the head")
