"""Amazon's event streams (application/vnd.amazon.eventstream), as Bedrock streams its answers: messages in binary.

A message is its length, that of its headers, a checksum of the two, headers, a payload in JSON, and a checksum.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import zlib
from struct import Struct, error, pack

from replay.dialects.documents import MOST_BYTES

CONTENT_TYPE = b"application/vnd.amazon.eventstream"
_PRELUDE = Struct(">III")
_AROUND_BYTES = _PRELUDE.size + 4
# As the format bounds them.
_MOST_HEADERS_BYTES = 128 << 10
_MOST_MESSAGE_BYTES = (24 << 20) + _MOST_HEADERS_BYTES + _AROUND_BYTES
# The sizes of header values by their type: true, false, byte, short, integer, long, bytes, text, time, UUID.
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES_TYPE, _TEXT_TYPE = 6, 7
_NAMES = (b":event-type", b":exception-type", b":error-code")


class FrameCutter:
    """Fed with a stream's bytes; gives each message as the block of a server-sent event, of the same name and data.

    Exceptions become events called error. Of a message longer than MOST_BYTES nothing is kept, and nothing of what
    follows bytes that are no message. is_between: always False, for messages have no end that is seen in the bytes.
    """

    __slots__ = ("_is_broken", "_rest", "_skipped_bytes")

    is_between = False

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipped_bytes = 0
        self._is_broken = False

    def feed(self, data: bytes) -> list[bytes]:
        """The blocks that these bytes complete."""
        if self._is_broken:
            return []
        self._rest += data
        blocks = []
        while (block := self._next()) is not None:
            if block:
                blocks.append(block)
        return blocks

    def unfinished(self) -> bytes:
        """A message that was cut says nothing."""
        return b""

    def _next(self) -> bytes | None:
        """The next block; empty for a message that says nothing, None where more bytes are needed."""
        rest = self._rest
        if self._skipped_bytes:
            taken = min(self._skipped_bytes, len(rest))
            del rest[:taken]
            self._skipped_bytes -= taken
        if len(rest) < _PRELUDE.size:
            return None
        size, headers_bytes, checksum = _PRELUDE.unpack_from(rest)
        is_sound = (
            _AROUND_BYTES + headers_bytes <= size <= _MOST_MESSAGE_BYTES
            and headers_bytes <= _MOST_HEADERS_BYTES
            and zlib.crc32(rest[:8]) == checksum
        )
        if not is_sound:
            self._is_broken = True
            rest.clear()
            return None
        if size > MOST_BYTES:
            self._skipped_bytes = size
            return b""
        if len(rest) < size:
            return None
        payload_at = _PRELUDE.size + headers_bytes
        headers, payload = bytes(rest[_PRELUDE.size : payload_at]), bytes(rest[payload_at : size - 4])
        del rest[:size]
        return _block(headers, payload)


def _block(headers: bytes, payload: bytes) -> bytes:
    try:
        told = _texts_in(headers)
    except (IndexError, error):
        return b""
    is_error = told.get(b":message-type") in (b"exception", b"error")
    name = b"error" if is_error else next((told[name] for name in _NAMES if name in told), b"")
    return b"event: %b\ndata: %b" % (_in_line(name), _in_line(payload))


def _in_line(value: bytes) -> bytes:
    """Without line ends, which in JSON are no more than blanks, and in a name are none."""
    return value.replace(b"\r", b" ").replace(b"\n", b" ")


def _texts_in(headers: bytes) -> dict[bytes, bytes]:
    """The headers that are texts, by name. Raises IndexError or struct.error where a header is cut."""
    found = {}
    at = 0
    while at < len(headers):
        name_end = at + 1 + headers[at]
        name, kind = headers[at + 1 : name_end], headers[name_end]
        at = name_end + 1
        if kind in (_BYTES_TYPE, _TEXT_TYPE):
            size = int.from_bytes(headers[at : at + 2], "big")
            at += 2
            if kind == _TEXT_TYPE:
                found[name] = headers[at : at + size]
        else:
            # A type that is not known: nothing tells where its value ends.
            size = _FIXED_SIZES.get(kind, len(headers))
        at += size
    return found


def frame(event: bytes, payload: bytes) -> bytes:
    """A message: an event of this type, with this JSON."""
    headers = b"".join(
        bytes((len(name),)) + name + bytes((_TEXT_TYPE,)) + len(value).to_bytes(2, "big") + value
        for name, value in (
            (b":event-type", event),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        )
    )
    lengths = pack(">II", _AROUND_BYTES + len(headers) + len(payload), len(headers))
    message = lengths + pack(">I", zlib.crc32(lengths)) + headers + payload
    return message + pack(">I", zlib.crc32(message))
