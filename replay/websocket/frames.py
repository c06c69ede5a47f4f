"""Frames (RFC 6455, section 5): cut from bytes as they come, and written. Pure."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from replay.websocket.telling import TOLD
from replay.websocket.types import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MOST_CONTROL_BYTES,
    MOST_MESSAGE_BYTES,
    PING,
    PONG,
    TEXT,
    TOO_BIG,
    BrokenRule,
)

_FINAL, _PACKED, _RESERVED, _OPCODE = 0x80, 0x40, 0x30, 0x0F
_MASKED, _LENGTH = 0x80, 0x7F
_KNOWN = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))


class Frame(NamedTuple):
    """is_packed: whether its message is compressed, which the first frame of one says. began_ns: when its first byte
    came.
    """

    opcode: int
    is_final: bool
    is_packed: bool
    payload: bytes
    began_ns: int


class FrameCutter:
    """Cuts what one side sends into frames. is_masked: whether that side masks, as clients do and servers must not.
    is_told: whether our extension was agreed on, so that side may tell of its messages (telling.py).
    """

    __slots__ = ("_began_ns", "_is_masked", "_known", "_most_bytes", "_needed", "_rest")

    def __init__(self, *, is_masked: bool, most_bytes: int = MOST_MESSAGE_BYTES, is_told: bool = False) -> None:
        self._is_masked = is_masked
        self._most_bytes = most_bytes
        self._known = _KNOWN | {TOLD} if is_told else _KNOWN
        self._rest = bytearray()
        # How many bytes there have to be before it is worth looking at them.
        self._needed = 2
        self._began_ns = 0

    def __repr__(self) -> str:
        return f"<FrameCutter {len(self._rest)} of {self._needed} bytes>"

    @property
    def lacking(self) -> int:
        """How many bytes the frame that has begun lacks, as far as is known."""
        return self._needed - len(self._rest)

    def feed(self, data: bytes, now_ns: int) -> Iterator[Frame]:
        """The frames that these bytes complete. Raises BrokenRule, after those before the broken one."""
        rest = self._rest
        if not rest:
            self._began_ns = now_ns
        rest += data
        at = 0
        while len(rest) - at >= self._needed:
            found = self._frame(rest, at)
            if found is None:
                continue
            frame, at = found
            self._needed = 2
            self._began_ns = now_ns
            if at == len(rest):
                rest.clear()
                at = 0
            yield frame
        if at:
            del rest[:at]

    def _frame(self, data: bytearray, at: int) -> tuple[Frame, int] | None:
        """The frame that begins here, and where it ends; None if more bytes are needed, which `_needed` then says."""
        first, size = data[at], data[at + 1] & _LENGTH
        _check(first, data[at + 1], self._known, is_masked=self._is_masked)
        head = 2
        if size > MOST_CONTROL_BYTES:
            head = 4 if size == 126 else 10
            if len(data) - at < head:
                self._needed = head
                return None
            shortest = 126 if size == 126 else 1 << 16
            size = int.from_bytes(data[at + 2 : at + head])
            if size < shortest:
                raise BrokenRule("a frame whose length is written longer than it has to be")
        if size > self._most_bytes:
            raise BrokenRule("a frame that is longer than any message may be", TOO_BIG)
        mask_bytes = 4 if self._is_masked else 0
        end = at + head + mask_bytes + size
        if len(data) < end:
            self._needed = end - at
            return None
        payload = bytes(data[end - size : end])
        if self._is_masked:
            payload = masked(payload, bytes(data[at + head : at + head + 4]))
        opcode = first & _OPCODE
        return Frame(opcode, bool(first & _FINAL), bool(first & _PACKED), payload, self._began_ns), end


def _check(first: int, second: int, known: frozenset[int], *, is_masked: bool) -> None:
    """Raises BrokenRule for what the first two bytes of a frame must not say."""
    opcode = first & _OPCODE
    if first & _RESERVED:
        raise BrokenRule("a frame with a reserved bit that no extension has a meaning for")
    if opcode not in known:
        raise BrokenRule("a frame of an unknown kind")
    if bool(second & _MASKED) != is_masked:
        raise BrokenRule("a frame that is not masked" if is_masked else "a frame that is masked")
    if opcode >= CLOSE:
        if second & _LENGTH > MOST_CONTROL_BYTES:
            raise BrokenRule("a control frame of more than 125 bytes")
        if not first & _FINAL:
            raise BrokenRule("a control frame in fragments")
        if first & _PACKED:
            raise BrokenRule("a control frame that is compressed")


def masked(payload: bytes, key: bytes) -> bytes:
    """The payload with the mask on, or off again. key: 4 bytes."""
    size = len(payload)
    whole = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(whole)).to_bytes(size)


def frame_bytes(opcode: int, payload: bytes, *, is_masked: bool, is_packed: bool = False) -> bytes:
    """A whole message, or a control frame, as it goes out in one frame."""
    first, mask = opcode | (_PACKED if is_packed else 0), _MASKED if is_masked else 0
    head = frame_head(first, len(payload), mask)
    if not is_masked:
        return head + payload
    key = os.urandom(4)
    return head + key + masked(payload, key)


def frame_head(opcode: int, size: int, mask: int = 0) -> bytes:
    """What goes before the payload of a whole message; opcode and mask with the bits that stand beside them."""
    first = _FINAL | opcode
    if size <= MOST_CONTROL_BYTES:
        return bytes((first, mask | size))
    if size < 1 << 16:
        return bytes((first, mask | 126)) + size.to_bytes(2)
    return bytes((first, mask | 127)) + size.to_bytes(8)
