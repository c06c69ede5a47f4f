"""Messages, put together from frames (RFC 6455, section 5.4), and what a close frame says. Pure."""

from collections.abc import Iterator

from replay.websocket.compression import Compression
from replay.websocket.frames import FrameCutter
from replay.websocket.telling import MOST_TOLD_BYTES, TOLD
from replay.websocket.types import (
    BAD_DATA,
    CLOSE,
    CONTINUATION,
    MOST_MESSAGE_BYTES,
    NO_CODE,
    TEXT,
    TOO_BIG,
    BrokenRule,
    Message,
    is_code,
)


class MessageReader:
    """Reads what one side of a connection sends. compression: what was agreed on; None for nothing. is_told: whether
    what tells of a message (telling.py) may come, which is then a message of its own opcode.
    """

    __slots__ = ("_compression", "_cutter", "_first", "_most_bytes", "_opcode", "_parts")

    def __init__(
        self,
        *,
        is_masked: bool,
        compression: Compression | None = None,
        most_bytes: int = MOST_MESSAGE_BYTES,
        is_told: bool = False,
    ) -> None:
        self._cutter = FrameCutter(is_masked=is_masked, most_bytes=most_bytes, is_told=is_told)
        self._compression = compression
        self._most_bytes = most_bytes
        self._parts = bytearray()
        self._opcode = CONTINUATION
        # Of the message that is under way: whether it is compressed, and when it began.
        self._first = (False, 0)

    def __repr__(self) -> str:
        return f"<MessageReader {'within' if self._opcode else 'between'} messages>"

    @property
    def lacking(self) -> int:
        """How many bytes the frame that has begun lacks, as far as is known."""
        return self._cutter.lacking

    def feed(self, data: bytes, now_ns: int) -> Iterator[Message]:
        """The messages and control frames that these bytes complete. Raises BrokenRule, after those before it."""
        for opcode, is_final, is_packed, payload, began_ns in self._cutter.feed(data, now_ns):
            if opcode >= CLOSE:
                yield Message(opcode, payload, began_ns)
                continue
            if opcode == TOLD:
                if not is_final or is_packed or self._opcode:
                    raise BrokenRule("what tells of a message within one, or in parts")
                if len(payload) > MOST_TOLD_BYTES:
                    raise BrokenRule("more told of a message than may be", TOO_BIG)
                yield Message(opcode, payload, began_ns)
                continue
            if is_packed and (self._compression is None or opcode == CONTINUATION):
                raise BrokenRule("a frame with a reserved bit that no extension has a meaning for")
            if opcode == CONTINUATION:
                if not self._opcode:
                    raise BrokenRule("the continuation of a message that never began")
                if len(self._parts) + len(payload) > self._most_bytes:
                    raise BrokenRule("a message that is longer than any may be", TOO_BIG)
                self._parts += payload
                if not is_final:
                    continue
                opcode, payload = self._opcode, bytes(self._parts)
                is_packed, began_ns = self._first
                self._parts.clear()
                self._opcode = CONTINUATION
            else:
                if self._opcode:
                    raise BrokenRule("a message within another message")
                if not is_final:
                    self._opcode, self._first = opcode, (is_packed, began_ns)
                    self._parts += payload
                    continue
            if is_packed:
                assert self._compression is not None
                payload = self._compression.unpacked(payload, self._most_bytes)
            if opcode == TEXT and not payload.isascii():
                _check_text(payload)
            yield Message(opcode, payload, began_ns)


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as cause:
        raise BrokenRule("a text that is not UTF-8", BAD_DATA) from cause


def code_in(payload: bytes) -> int:
    """The code of a close frame, NO_CODE where it has none. Raises BrokenRule for what no close frame may hold."""
    if not payload:
        return NO_CODE
    code = int.from_bytes(payload[:2])
    if len(payload) < 2 or not is_code(code):
        raise BrokenRule("a close frame with a code that is none")
    _check_text(payload[2:])
    return code


def closing(code: int) -> bytes:
    """The payload of a close frame with this code, and no words."""
    return b"" if code == NO_CODE else code.to_bytes(2)
