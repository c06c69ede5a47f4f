"""What a target may do to an HTTP/2 connection: floods, streams that are over, windows beyond bounds. No sockets."""

import struct

import hpack
import pytest

from replay.wire.http2 import framing, receiving, settings
from replay.wire.http2.connection import Connection, Limits
from replay.wire.http2.framing import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    WINDOW_UPDATE,
    frame,
    frames_in,
)
from replay.wire.types import Exchange
from tests.fuzz.harnesses.answers import Transport, Turns
from tests.fuzz.harnesses.http2 import connected, http2_wire

SETTINGS = framing.settings({settings.MAX_CONCURRENT_STREAMS: 100}) + framing.SETTINGS_TAKEN
OK = b"\x88"
LIMITS = Limits(1_000, 1_000, 1_000)


class Peer:
    """A connection with so many exchanges under way, and the target's side of it in a test's hands."""

    def __init__(self, asked: int = 1, body: bytes = b"", **options: object) -> None:
        self.wire = http2_wire()
        self.conn: Connection
        self.transport: Transport
        self.conn, self.transport = connected(self.wire)
        self.turns = Turns()
        self.says(SETTINGS)
        self.transport.written.clear()
        self.ended: list[Exchange] = []
        self.asked = [
            Exchange(b"GET / HTTP/1.1\r\nhost: t\r\n\r\n", body, "GET", self.ended.append, **options) for _ in range(asked)
        ]  # fmt: skip
        for exchange in self.asked:
            self.wire.send(exchange)

    def says(self, *frames: bytes) -> None:
        with self.turns:
            self.conn.data_received(b"".join(frames))

    @property
    def told(self) -> list[tuple[int, int, int, bytes]]:
        """The frames that we sent since it said its settings."""
        return frames_in(bytes(self.transport.written))[0]

    @property
    def codes(self) -> dict[int, int]:
        """With which codes we ended streams, and by 0 the connection."""
        last = slice(-4, None)
        return {
            stream_id: int.from_bytes(payload[last], "big")
            for kind, _, stream_id, payload in self.told
            if kind in (RST_STREAM, GOAWAY)
        }


def test_answers_that_are_asked_for_and_not_read_end_the_connection():
    peer = Peer()
    peer.conn.pause_writing()
    peer.says(frame(PING, 0, 0, b"12345678") * 1001)
    while peer.turns._waiting:
        with peer.turns:
            peer.turns.take()

    assert [x.error for x in peer.ended] == ["protocol"]
    assert peer.conn.is_closed
    assert peer.transport.is_closed


@pytest.mark.parametrize("part", [b"", b"x" * 1000])
def test_a_header_block_without_end_ends_the_connection(part):
    peer = Peer(2)
    peer.says(frame(HEADERS, 0, 1, OK))
    for _ in range(70_000):
        if peer.conn.is_closed:
            break
        peer.says(frame(CONTINUATION, 0, 1, part))

    assert [x.error for x in peer.ended] == ["protocol"] * 2
    assert peer.codes == {0: 11}


def test_interim_heads_without_end_end_their_stream():
    peer = Peer(2)
    hint = frame(HEADERS, END_HEADERS, 1, hpack.Encoder().encode([(":status", "103"), ("link", "x" * 500)]))
    same = frame(HEADERS, END_HEADERS, 1, b"\xbf\xbe")
    peer.says(hint)
    for _ in range(70_000):
        if peer.ended:
            break
        peer.says(same)

    assert peer.ended == [peer.asked[0]]
    assert peer.asked[0].error == "protocol"
    assert not peer.conn.is_closed


def test_a_flood_of_frames_is_looked_at_over_many_turns_and_happened_when_it_came():
    peer = Peer(is_stream=True)
    event = b"data: x\n\n"
    head = frame(HEADERS, END_HEADERS, 1, hpack.Encoder().encode([(":status", "200")]))
    peer.says(head + frame(DATA, 0, 1, event) * 20_000)
    seen_at_once = peer.asked[0].response_bytes
    came_ns = peer.conn.read_ns
    peer.conn.expire(came_ns + 10_000_000_000, Limits(10**12, 1_000, 10**12))
    assert not peer.ended, "what is held back is no silence of the target"
    with peer.turns:
        while peer.turns._waiting:
            peer.turns.take()
    peer.says(frame(DATA, END_STREAM, 1, event))

    assert seen_at_once < 20_000
    assert (peer.asked[0].error, peer.asked[0].response_bytes) == (None, 20_001 * len(event))
    assert sum(peer.asked[0].itl_ns or ()) <= peer.asked[0].end_ns - came_ns


def test_a_limit_that_had_passed_when_frames_came_ends_the_step_there():
    peer = Peer()
    began_ns = next(iter(peer.conn.streams.values())).began_ns
    peer.conn.expire(began_ns + 5_000_000, LIMITS)

    assert (peer.asked[0].error, peer.asked[0].censored) == ("timeout", True)
    assert peer.asked[0].end_ns == peer.asked[0].sent_ns + 1_000
    assert peer.codes[1] == 8


def test_what_comes_for_a_stream_that_is_over_counts_for_the_window_and_for_the_table(monkeypatch):
    monkeypatch.setattr(receiving, "_CREDIT_BYTES", 1000)
    peer = Peer(2)
    began_ns = next(iter(peer.conn.streams.values())).began_ns
    peer.asked[1].sent_ns = peer.conn.read_ns = began_ns + 10_000_000
    peer.conn.expire(began_ns + 5_000_000, LIMITS)
    encoder = hpack.Encoder()
    first = encoder.encode([(":status", "200"), ("x-a", "b")])
    second = encoder.encode([(":status", "200"), ("x-a", "b")])
    peer.asked[1].captured_headers = []
    peer.says(
        frame(HEADERS, END_HEADERS, 1, first),
        frame(DATA, END_STREAM, 1, b"x" * 1200),
        frame(HEADERS, END_HEADERS | END_STREAM, 3, second),
    )

    assert [x.error for x in peer.asked] == ["timeout", None]
    assert peer.asked[1].captured_headers == [(b"x-a", b"b")]
    assert (WINDOW_UPDATE, 0, 0, struct.pack(">L", 1200)) in peer.told


def test_windows_are_opened_again_as_bodies_come(monkeypatch):
    monkeypatch.setattr(receiving, "_CREDIT_BYTES", 1000)
    peer = Peer()
    peer.says(frame(HEADERS, END_HEADERS, 1, OK), *[frame(DATA, 0, 1, b"x" * 400)] * 5)
    opened = [
        (stream_id, int.from_bytes(by, "big")) for kind, _, stream_id, by in peer.told if kind == WINDOW_UPDATE
    ]

    assert opened == [(1, 1200), (0, 2000)]


@pytest.mark.parametrize(
    ("said", "codes", "errors"),
    [
        (framing.window_update(0, framing.MOST_WINDOW) * 2, {0: 3}, ["protocol"] * 2),
        (framing.window_update(3, framing.MOST_WINDOW), {3: 3}, ["protocol"]),
        (framing.window_update(1, 0), {1: 1}, ["protocol"]),
        (framing.window_update(0, 0), {0: 1}, ["protocol"] * 2),
        (framing.window_update(9, 1), {0: 1}, ["protocol"] * 2),
        (framing.window_update(1, 100_000) + framing.settings({4: framing.MOST_WINDOW}), {0: 3}, ["protocol"] * 2),
        (frame(DATA, 0, 1, b"x"), {1: 1}, ["protocol"]),
        (frame(DATA, END_STREAM, 5, b""), {0: 1}, ["protocol"] * 2),
        (frame(HEADERS, END_HEADERS, 2, OK), {0: 1}, ["protocol"] * 2),
        (frame(HEADERS, 0, 1, OK) + frame(DATA, 0, 1, b""), {0: 1}, ["protocol"] * 2),
        (frame(CONTINUATION, END_HEADERS, 1, OK), {0: 1}, ["protocol"] * 2),
        (frame(HEADERS, END_HEADERS, 1, OK) + frame(HEADERS, END_HEADERS, 1, OK), {1: 1}, ["protocol"]),
        (frame(HEADERS, END_HEADERS, 1, OK) + frame(HEADERS, 5, 1, OK), {1: 1}, ["protocol"]),
        (frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x08\x03103"), {1: 1}, ["protocol"]),
        (frame(framing.PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2\x82"), {0: 1}, ["protocol"] * 2),
        (frame(PING, 0, 0, b"short"), {0: 6}, ["protocol"] * 2),
        (frame(0xFA, 255, 1, b"of a later version"), {}, []),
        (frame(framing.PRIORITY, 0, 1, b"12345"), {}, []),
        (framing.SETTINGS_TAKEN * 3, {}, []),
    ],
)  # fmt: skip
def test_a_fault_reaches_as_far_as_rfc_9113_says(said, codes, errors):
    peer = Peer(2, body=b"x" * 100_000)
    peer.transport.written.clear()
    peer.says(said)

    assert peer.codes == codes
    assert [x.error for x in peer.ended] == errors
    assert peer.conn.is_closed == (0 in codes)


def test_a_connection_that_does_not_begin_with_settings_is_none():
    wire = http2_wire()
    conn, transport = connected(wire)
    conn.data_received(frame(PING, 0, 0, b"12345678"))

    assert conn.is_closed
    assert transport.is_closed


def test_after_a_goodbye_nothing_more_is_started_and_what_was_taken_goes_on():
    peer = Peer(3)
    peer.says(frame(GOAWAY, 0, 0, struct.pack(">LL", framing.MOST_WINDOW, 0)))
    late = Exchange(b"GET / HTTP/1.1\r\nhost: t\r\n\r\n", b"", "GET", peer.ended.append)
    peer.wire.send(late)
    peer.says(frame(GOAWAY, 0, 0, struct.pack(">LL", 3, 0)))
    waiting = list(peer.wire._lane.waiting)
    peer.says(*(frame(HEADERS, END_HEADERS | END_STREAM, n, OK) for n in (1, 3)))

    assert waiting == [peer.asked[2], late]
    assert [x.status for x in peer.ended] == [200, 200]
    assert peer.conn.is_closed
    assert (peer.asked[2].stale_retries, late.stale_retries) == (1, 0)


def test_the_last_stream_id_is_the_last():
    peer = Peer(0)
    peer.conn._receiving.next_id = framing.MOST_WINDOW
    peer.wire.send(one := Exchange(b"GET / HTTP/1.1\r\nhost: t\r\n\r\n", b"", "GET", peer.ended.append))

    assert peer.conn.is_draining
    peer.says(frame(HEADERS, END_HEADERS | END_STREAM, framing.MOST_WINDOW, OK))
    assert one.status == 200
    assert peer.conn.is_closed
