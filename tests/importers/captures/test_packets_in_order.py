"""What a side of a connection sent, out of its packets: in order, in time that grows with them, whatever they hold."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.importers.captures.packets.found import Found
from replay.importers.captures.packets.http1 import Http1
from replay.importers.captures.packets.http2 import PREFACE, Http2
from replay.importers.captures.packets.streams import SentBytes
from replay.importers.captures.packets.types import Ends, Packet, Piece

ENDS = Ends("0", "10.0.0.1:1", "10.0.0.2:2")


def packet(seq, data=b"", *, at_ns=0, size=None, reassembled=b""):
    size = len(data) if size is None else size
    return Packet(at_ns, "0", ENDS.client, ENDS.server, seq, None, False, False, False, size, data, reassembled)


def sent(*packets):
    """What is in order, the holes in it as so many points, and the end of the file."""
    side = SentBytes()
    pieces = [piece for each in packets for piece in side.take(each)] + list(side.give_up())
    return b"".join(b"." * piece.lacking + piece.data for piece in pieces)


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=30), st.randoms(), st.integers(0, 40))
def test_packets_in_any_order_say_what_was_sent_also_where_numbers_begin_again(parts, drawn, before_the_end):
    seq, packets = (1 << 32) - before_the_end, []
    for part in parts:
        packets.append(packet(seq % (1 << 32), part, at_ns=len(packets)))
        seq += len(part)
    first, *others = packets
    others += drawn.choices(packets, k=3)
    drawn.shuffle(others)

    assert sent(first, *others) == b"".join(parts)


def test_holes_that_are_never_filled_stand_where_they_were():
    assert sent(packet(1, b"ab"), packet(9, b"ij"), packet(5, b"ef"), packet(6, b"fg")) == b"ab..efg.ij"


@given(st.text("ab", max_size=12), st.text("ab", min_size=1, max_size=12))
def test_of_a_message_that_ends_within_a_packet_what_is_in_front_of_it_is_taken(whole, data):
    message, held = whole.encode(), data.encode()
    shared = max(n for n in range(len(held) + 1) if message.endswith(held[:n]))

    before = message[: len(message) - shared] if shared else b""
    assert sent(packet(1_000, held, reassembled=message)) == before + held


def http1_of(data):
    Http1(Found(lambda _: None, lambda *_: None, lambda _: None), ENDS).sent(Piece(data, 0))


def http2_of(data):
    Http2(Found(lambda _: None, lambda *_: None, lambda _: None), ENDS).sent(Piece(PREFACE + data, 0))


def lacking(n):
    """A body of which a GiB is missing, again and again."""
    conversation = Http1(Found(lambda _: None, lambda *_: None, lambda _: None), ENDS)
    conversation.sent(Piece(f"POST / HTTP/1.1\r\nContent-Length: {n << 30}\r\n\r\n".encode(), 0))
    for _ in range(n):
        conversation.sent(Piece(b"", 0, False, 1 << 30))


CONTINUED = b"\x00\x00\x01\x09\x00\x00\x00\x00\x01\x00"


@pytest.mark.parametrize(
    ("n", "read"),
    [
        (8_000, lambda n: sent(packet(1, b"a" * n + b"b", reassembled=b"a" * n))),
        (8_000, lambda n: sent(packet(1, b"ab" * n, reassembled=b"ba" * n + b"c"))),
        (250, lambda n: sent(*(packet(1 + 2 * (n - k), b"x") for k in range(n)), packet(0, b"x"))),
        (250, lambda n: sent(packet(0, b"x"), *(packet(9 + 2 * (n - k), b"x") for k in range(n)))),
        (250, lambda n: sent(packet(0, b"x"), *(packet(9 + 2 * k, b"x") for k in range(n)))),
        (2_000, lambda n: http1_of(b"GET / HTTP/1.1\r\n\r\n" * n)),
        (2_000, lambda n: http1_of(b"PUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx" * n)),
        (
            2_000,
            lambda n: http1_of(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" * n),
        ),
        (30_000, lambda n: http2_of(b"\x00\x00\x01\x01\x00\x00\x00\x00\x01\x00" + CONTINUED * n)),
        (1_000, lacking),
    ],
    ids=[
        "all but the end shared",
        "nothing shared",
        "backwards",
        "backwards behind a hole",
        "holes",
        "requests",
        "bodies",
        "chunked",
        "headers in pieces",
        "lacking",
    ],
)
def test_time_grows_with_what_was_captured(n, read):
    def took_s(size):
        begun = time.process_time()
        read(size)
        return time.process_time() - begun

    short_s = min(took_s(n) for _ in range(3))

    # Where time grows as the square of it the ratio is 256, whatever the machine.
    assert took_s(16 * n) < 100 * short_s


def test_a_hole_of_a_gigabyte_costs_no_more_than_one_of_a_byte():
    found = []
    conversation = Http1(Found(found.append, lambda *_: None, lambda _: None), ENDS)
    conversation.sent(Piece(b"POST / HTTP/1.1\r\nContent-Length: 3000000000\r\n\r\n", 0))
    conversation.sent(Piece(b"", 1, False, 3_000_000_000))
    conversation.came(Piece(b"HTTP/1.1 204 No Content\r\n\r\n", 2))

    [exchange] = found
    assert (exchange.content.size, exchange.content.is_kept, exchange.is_asked) == (3_000_000_000, False, True)


def test_a_hole_in_a_chunk_ends_with_it_at_most():
    for size, ended in ((4, True), (5, False)):
        found, losses = [], []
        conversation = Http1(Found(found.append, lambda *_: None, losses.append), ENDS)
        conversation.sent(Piece(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nab", 0))
        conversation.sent(Piece(b"", 1, False, size))
        conversation.sent(Piece(b"\r\n0\r\n\r\n", 1))
        conversation.came(Piece(b"HTTP/1.1 204 No Content\r\n\r\n", 2))
        conversation.end()

        assert [exchange.is_asked for exchange in found] == [ended]
        assert len(losses) == (not ended)
