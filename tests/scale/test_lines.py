"""Messages over a stream, however it is cut."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.scale.lines import MOST_BYTES, Frames, Line, LineError, framed
from replay.scale.messages import Beat, FromWorker, Hello, Lost, Pong

MESSAGES = [Hello(3, "1.0", "a-machine", 77), Beat(), Pong(1, 2, 3), Lost("why")]


@pytest.fixture
def ends():
    here, there = socket.socketpair()
    with here, there:
        yield Line(here, FromWorker), there


@given(st.lists(st.integers(1, 60), min_size=1))
def test_messages_come_whole_however_the_stream_is_cut(sizes):
    stream = b"".join(map(framed, MESSAGES))
    frames = Frames()
    found = []
    at = 0
    for size in [*sizes, len(stream)]:
        found += frames.add(stream[at : at + size])
        at += size

    assert found == [framed(message)[4:] for message in MESSAGES]


def test_a_line_hears_what_was_said_and_that_the_other_end_has_gone(ends):
    line, there = ends
    there.sendall(b"".join(map(framed, MESSAGES)))

    assert line.received() == MESSAGES
    assert line.is_open

    there.close()
    assert line.received() == []
    assert not line.is_open


def test_no_memory_is_given_to_a_message_that_says_it_is_huge():
    with pytest.raises(LineError):
        Frames().add(struct.pack(">I", MOST_BYTES + 1))


@pytest.mark.parametrize(
    "data", [b"\xc1", b"\x00", b"\x81\xa4type\xa4Evil", framed(Pong(1, 2, 3))[4:-1], b"\x91" * 5000]
)
def test_what_is_no_message_is_told(ends, data):
    line, there = ends
    there.sendall(struct.pack(">I", len(data)) + data)

    with pytest.raises(LineError):
        line.received()


def test_sending_never_blocks_and_goes_on_when_there_is_room(ends):
    line, there = ends
    for _ in range(40):
        line.send(Lost("x" * 50_000))

    assert line.has_more_to_send
    frames, got = Frames(), 0
    while got < 40:
        got += len(frames.add(there.recv(1 << 20)))
        line.flush()
    assert not line.has_more_to_send


def test_a_send_to_nobody_closes_the_line(ends):
    line, there = ends
    there.close()

    line.send(Beat())
    line.send(Beat())

    assert not line.is_open
