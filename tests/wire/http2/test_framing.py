"""Frames of HTTP/2: read whole and cut at every byte, refused by the rules of RFC 9113, written as others read them."""

import itertools

import hyperframe.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.wire.http2 import framing
from replay.wire.http2.faults import (
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    ConnectionFault,
    StreamFault,
)
from replay.wire.http2.framing import (
    ACK,
    CONTINUATION,
    DATA,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    TOO_LONG,
    WINDOW_UPDATE,
    frame,
    frames_in,
)
from replay.wire.http2.settings import PeerSettings

FRAMES = st.lists(
    st.tuples(
        st.integers(0, 255), st.integers(0, 255), st.integers(0, framing.MOST_WINDOW), st.binary(max_size=40)
    ),
    max_size=6,
)


@given(FRAMES, st.lists(st.integers(0, 400), max_size=5))
def test_frames_are_the_same_however_they_are_cut(frames, cuts):
    data = b"".join(frame(*each) for each in frames)
    found, rest = [], b""
    for begin, end in itertools.pairwise(sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})):
        rest += data[begin:end]
        some, used = frames_in(rest)
        found += some
        rest = rest[used:]

    assert (found, rest) == (frames, b"")


def test_a_frame_that_is_cut_at_every_byte_comes_with_its_last():
    data = frame(HEADERS, 4, 1, b"\x88") + frame(DATA, 1, 1, b"ok")

    assert [len(frames_in(data[:n])[0]) for n in range(len(data) + 1)] == [0] * 10 + [1] * 11 + [2]


def test_a_frame_that_is_too_long_is_known_by_its_first_bytes():
    first = frame(PING, 0, 0, b"12345678")
    frames, used = frames_in(first + b"HTTP/1.1 400 Bad Request")

    assert [kind for kind, *_ in frames] == [PING, TOO_LONG]
    assert used == len(first + b"HTTP/1.1 400 Bad Request")
    with pytest.raises(ConnectionFault) as fault:
        framing.check(frames[1])
    assert fault.value.code == FRAME_SIZE_ERROR


REFUSED = [
    ((DATA, 0, 0, b""), ConnectionFault, PROTOCOL_ERROR),
    ((HEADERS, 4, 0, b"\x88"), ConnectionFault, PROTOCOL_ERROR),
    ((PRIORITY, 0, 0, b"12345"), ConnectionFault, PROTOCOL_ERROR),
    ((PRIORITY, 0, 1, b"1234"), StreamFault, FRAME_SIZE_ERROR),
    ((RST_STREAM, 0, 0, b"1234"), ConnectionFault, PROTOCOL_ERROR),
    ((RST_STREAM, 0, 1, b"123"), ConnectionFault, FRAME_SIZE_ERROR),
    ((SETTINGS, 0, 1, b""), ConnectionFault, PROTOCOL_ERROR),
    ((SETTINGS, 0, 0, b"12345"), ConnectionFault, FRAME_SIZE_ERROR),
    ((SETTINGS, ACK, 0, b"123456"), ConnectionFault, FRAME_SIZE_ERROR),
    ((PUSH_PROMISE, 4, 0, b""), ConnectionFault, PROTOCOL_ERROR),
    ((PING, 0, 1, b"12345678"), ConnectionFault, PROTOCOL_ERROR),
    ((PING, 0, 0, b"1234567"), ConnectionFault, FRAME_SIZE_ERROR),
    ((GOAWAY, 0, 1, b"12345678"), ConnectionFault, PROTOCOL_ERROR),
    ((GOAWAY, 0, 0, b"1234567"), ConnectionFault, FRAME_SIZE_ERROR),
    ((WINDOW_UPDATE, 0, 0, b"123"), ConnectionFault, FRAME_SIZE_ERROR),
    ((CONTINUATION, 4, 0, b""), ConnectionFault, PROTOCOL_ERROR),
]


@pytest.mark.parametrize(("given", "fault", "code"), REFUSED)
def test_what_no_frame_of_its_kind_can_be_is_refused(given, fault, code):
    with pytest.raises(fault) as raised:
        framing.check(given)
    assert raised.value.code == code


@pytest.mark.parametrize(
    "taken",
    [
        (DATA, 0, 1, b""),
        (PRIORITY, 0, 1, b"12345"),
        (SETTINGS, 0, 0, b""),
        (SETTINGS, ACK, 0, b""),
        (GOAWAY, 0, 0, b"12345678and why"),
        (WINDOW_UPDATE, 0, 7, b"1234"),
        (0xFA, 255, 3, b"of a later version"),
    ],
)
def test_what_a_frame_may_be_is_taken(taken):
    framing.check(taken)


@given(st.binary(max_size=50), st.integers(0, 60), st.booleans(), st.booleans())
def test_padding_and_priority_are_taken_off(body, padding, is_padded, has_priority):
    flags = (PADDED if is_padded else 0) | (HAS_PRIORITY if has_priority else 0)
    payload = (b"\0\0\0\0\x10" if has_priority else b"") + body
    if is_padded:
        payload = bytes((padding,)) + payload + bytes(padding)

    assert framing.block_part(flags, payload) == body


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x05abc"])
def test_padding_that_is_longer_than_its_frame_is_refused(payload):
    with pytest.raises(ConnectionFault) as fault:
        framing.unpadded(PADDED, payload)
    assert fault.value.code == PROTOCOL_ERROR


@pytest.mark.parametrize(("stream_id", "fault"), [(0, ConnectionFault), (5, StreamFault)])
def test_a_window_is_opened_by_something(stream_id, fault):
    assert framing.increment_of(stream_id, b"\x80\0\0\x07") == 7
    with pytest.raises(fault):
        framing.increment_of(stream_id, b"\x80\0\0\0")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        (2, 1, PROTOCOL_ERROR),
        (4, 1 << 31, FLOW_CONTROL_ERROR),
        (5, 16_383, PROTOCOL_ERROR),
        (5, 1 << 24, PROTOCOL_ERROR),
    ],
)
def test_settings_that_no_server_may_have_are_refused(name, value, code):
    peer = PeerSettings()
    with pytest.raises(ConnectionFault) as fault:
        peer.take(frame(SETTINGS, 0, 0, name.to_bytes(2, "big") + value.to_bytes(4, "big"))[9:])
    assert fault.value.code == code


def test_the_last_of_a_setting_holds_and_unknown_ones_are_ignored():
    peer = PeerSettings()
    peer.take(framing.settings({3: 7, 0x99: 5})[9:] + framing.settings({3: 9, 4: 0, 5: 1 << 20})[9:])

    assert (peer.streams, peer.window_bytes, peer.frame_bytes) == (9, 0, 1 << 20)


@given(st.binary(max_size=100), st.integers(1, 30), st.booleans())
def test_a_header_block_is_cut_into_frames_that_others_read(block, most, ends):
    data = framing.headers(7, block, most, ends=ends)
    parts, begun = [], None
    while data:
        found, size = hyperframe.frame.Frame.parse_frame_header(memoryview(data[:9]))
        found.parse_body(memoryview(data[9 : 9 + size]))
        begun = begun or found
        parts.append(found)
        data = data[9 + size :]

    assert b"".join(part.data for part in parts) == block
    assert all(len(part.data) <= most for part in parts)
    assert ["END_HEADERS" in part.flags for part in parts] == [False] * (len(parts) - 1) + [True]
    assert ("END_STREAM" in begun.flags) == ends
    assert isinstance(begun, hyperframe.frame.HeadersFrame)
