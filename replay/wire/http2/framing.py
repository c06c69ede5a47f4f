"""Frames of HTTP/2 (RFC 9113, sections 4 and 6), read from bytes and written. No I/O, and no state."""

import struct
from typing import NamedTuple

from replay.wire.http2.faults import (
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    ConnectionFault,
    Http2Fault,
    StreamFault,
)

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(
    10
)
TOO_LONG = 0x100
"""No kind that a byte could say: that of a frame whose payload is longer than we take."""

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LEAST_FRAME_BYTES = 1 << 14
"""The largest payload that every endpoint takes, and the most that is sent to one that has not asked for more."""
MOST_WINDOW = (1 << 31) - 1

_HEAD = struct.Struct(">LBL")
_HEAD_BYTES = _HEAD.size
_WORD = struct.Struct(">L")
_TWO_WORDS = struct.Struct(">LL")
_SETTING = struct.Struct(">HL")
# The highest bit of a stream's id and of an increment is reserved, and ignored.
_LOW_31 = 0x7FFFFFFF

_OF_STREAM, _OF_CONNECTION, _OF_EITHER = range(3)


class _Rule(NamedTuple):
    """Whose a kind of frame is, and how long its payload may be. is_of_one: a wrong length is one stream's fault."""

    whose: int
    least: int = 0
    most: int | None = None
    is_of_one: bool = False


_RULES = {
    DATA: _Rule(_OF_STREAM),
    HEADERS: _Rule(_OF_STREAM),
    PRIORITY: _Rule(_OF_STREAM, 5, 5, is_of_one=True),
    RST_STREAM: _Rule(_OF_STREAM, 4, 4),
    SETTINGS: _Rule(_OF_CONNECTION),
    PUSH_PROMISE: _Rule(_OF_STREAM),
    PING: _Rule(_OF_CONNECTION, 8, 8),
    GOAWAY: _Rule(_OF_CONNECTION, 8),
    WINDOW_UPDATE: _Rule(_OF_EITHER, 4, 4),
    CONTINUATION: _Rule(_OF_STREAM),
}


Frame = tuple[int, int, int, bytes]
"""Kind, flags, stream id and payload; the kind may be one that nobody knows yet, which is to be ignored.

No named tuple, which takes three times as long to make.
"""


class Farewell(NamedTuple):
    """What a GOAWAY says: streams beyond last_stream_id were not processed, and never will be."""

    last_stream_id: int
    code: int


def frames_in(data: bytes) -> tuple[list[Frame], int]:
    """The whole frames that these bytes begin with, and how many bytes those are.

    One that is longer than we take comes as soon as that is known, as TOO_LONG, and for a payload it has its own head;
    what follows it is nothing.
    """
    frames: list[Frame] = []
    unpack, add = _HEAD.unpack_from, frames.append
    at, end = 0, len(data)
    while end - at >= _HEAD_BYTES:
        size_and_kind, flags, stream_id = unpack(data, at)
        begin = at + _HEAD_BYTES
        stop = begin + (size_and_kind >> 8)
        if stop > end or stop - begin > LEAST_FRAME_BYTES:
            if stop - begin > LEAST_FRAME_BYTES:
                add((TOO_LONG, flags, stream_id & _LOW_31, data[at:begin]))
                at = end
            break
        add((size_and_kind & 0xFF, flags, stream_id & _LOW_31, data[begin:stop]))
        at = stop
    return frames, at


def check(frame: Frame) -> None:
    """Raises ConnectionFault or StreamFault where a frame cannot be one of its kind."""
    kind, flags, stream_id, payload = frame
    if kind == TOO_LONG:
        spoken = (
            "an answer in HTTP/1.1"
            if payload.startswith(b"HTTP/1")
            else "a frame that is longer than was allowed"
        )
        raise ConnectionFault(FRAME_SIZE_ERROR, spoken)
    rule = _RULES.get(kind)
    if rule is None:
        return
    if rule.whose != _OF_EITHER and (rule.whose == _OF_CONNECTION) != (stream_id == 0):
        raise ConnectionFault(PROTOCOL_ERROR, "a frame of a stream that is of the connection, or the reverse")
    size = len(payload)
    is_bad = size < rule.least or (rule.most is not None and size > rule.most)
    if kind == SETTINGS:
        is_bad = size > 0 if flags & ACK else size % _SETTING.size > 0
    if is_bad:
        fault: type[Http2Fault] = StreamFault if rule.is_of_one else ConnectionFault
        raise fault(FRAME_SIZE_ERROR, "a frame that is not as long as its kind is")


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of a DATA or HEADERS frame without its padding. Raises ConnectionFault."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(PROTOCOL_ERROR, "padding that is longer than its frame")
    return payload[1 : len(payload) - payload[0]]


def block_part(flags: int, payload: bytes) -> bytes:
    """What a HEADERS frame has of a header block. Raises ConnectionFault."""
    payload = unpadded(flags, payload)
    if not flags & HAS_PRIORITY:
        return payload
    if len(payload) < 5:
        raise ConnectionFault(FRAME_SIZE_ERROR, "a HEADERS frame without room for its priority")
    return payload[5:]


def settings_of(payload: bytes) -> list[tuple[int, int]]:
    """The settings in a frame that was checked, in order."""
    return list(_SETTING.iter_unpack(payload))


def increment_of(stream_id: int, payload: bytes) -> int:
    """By how much a WINDOW_UPDATE that was checked opens a window. Raises ConnectionFault or StreamFault for zero."""
    (by,) = _WORD.unpack(payload)
    by &= _LOW_31
    if not by:
        fault: type[Http2Fault] = StreamFault if stream_id else ConnectionFault
        raise fault(PROTOCOL_ERROR, "a window that is opened by nothing")
    return int(by)


def code_of(payload: bytes) -> int:
    """Why a stream was reset, by a frame that was checked."""
    return int(_WORD.unpack(payload)[0])


def farewell_of(payload: bytes) -> Farewell:
    """What a GOAWAY that was checked says."""
    last, code = _TWO_WORDS.unpack_from(payload)
    return Farewell(last & _LOW_31, code)


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream_id) + payload


def headers(stream_id: int, block: bytes, most_bytes: int, *, ends: bool) -> bytes:
    """A header block as one HEADERS frame, or with as many CONTINUATIONs as it takes. ends: no body follows."""
    flags = END_STREAM if ends else 0
    if len(block) <= most_bytes:
        return _HEAD.pack(len(block) << 8 | HEADERS, flags | END_HEADERS, stream_id) + block
    parts = [block[at : at + most_bytes] for at in range(0, len(block), most_bytes)]
    out = [frame(HEADERS, flags, stream_id, parts[0])]
    out += [frame(CONTINUATION, 0, stream_id, part) for part in parts[1:-1]]
    out.append(frame(CONTINUATION, END_HEADERS, stream_id, parts[-1]))
    return b"".join(out)


def lone_headers(stream_id: int, block: bytes) -> bytes:
    """All of a request without a body, whose block is short enough for one frame."""
    return _HEAD.pack(len(block) << 8 | HEADERS, END_STREAM | END_HEADERS, stream_id) + block


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*item) for item in values.items()))


def window_update(stream_id: int, by: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, _WORD.pack(by))


def reset(stream_id: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream_id, _WORD.pack(code))


def farewell(code: int) -> bytes:
    """The GOAWAY of a client, of whom no stream was ever asked."""
    return frame(GOAWAY, 0, 0, _TWO_WORDS.pack(0, code))


SETTINGS_TAKEN = frame(SETTINGS, ACK, 0, b"")
