"""Heads of answers: what blocks say, which are looked up, and that a table of the target's is kept where it has one."""

import hpack
import pytest

from replay.wire.answers import Tells
from replay.wire.http2.faults import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    PROTOCOL_ERROR,
    ConnectionFault,
    StreamFault,
)
from replay.wire.http2.responses import HeadReader, KnownHeads, check_fields, read_head

OK = ((b":status", b"200"),)


def known_heads() -> KnownHeads:
    return KnownHeads(Tells(b"x-instance", b"x-cold"))


def encoded(encoder: hpack.Encoder, *fields: tuple[str, str]) -> bytes:
    return encoder.encode([(":status", "200"), *fields])


def test_a_head_says_how_to_read_the_rest_and_who_sent_it():
    head = read_head(
        (
            *OK,
            (b"content-type", b"Text/Event-Stream; charset=utf-8"),
            (b"content-encoding", b"gzip"),
            (b"content-length", b"12"),
            (b"x-instance", b"i-7"),
            (b"x-cold", b"true"),
            (b"retry-after", b"5"),
        ),
        Tells(b"x-instance", b"x-cold"),
    )

    assert head[:8] == (200, 12, b"gzip", True, "i-7", True, 5.0, False)
    assert head.fields[0][0] == b"content-type"


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ((b"x", b"y"), *OK),
        (*OK, *OK),
        (*OK, (b":path", b"/")),
        ((b":status", b"20"),),
        ((b":status", b"2000"),),
        ((b":status", b"099"),),
        ((b":status", b"+20"),),
        ((b":status", "²00".encode()),),
        ((b":status", b"101"),),
        (*OK, (b"content-length", b"-1")),
        (*OK, (b"content-length", b"1"), (b"content-length", b"2")),
        (*OK, (b"content-length", b"9" * 30)),
        (*OK, (b"X-Upper", b"y")),
        (*OK, (b"", b"y")),
        (*OK, (b"x y", b"z")),
        (*OK, (b"x:y", b"z")),
        (*OK, (b"x", b" y")),
        (*OK, (b"x", b"y\t")),
        (*OK, (b"x", b"a\r\nb: c")),
        (*OK, (b"x", b"a\0")),
        (*OK, (b"connection", b"close")),
        (*OK, (b"transfer-encoding", b"chunked")),
    ],
)
def test_what_is_no_head_is_a_fault_of_its_stream(fields):
    with pytest.raises(StreamFault) as fault:
        read_head(fields, Tells())
    assert fault.value.code == PROTOCOL_ERROR


def test_a_length_that_is_said_twice_is_said():
    assert read_head((*OK, (b"content-length", b"5"), (b"content-length", b"5")), Tells()).length == 5


def test_trailers_have_no_pseudo_headers():
    check_fields(((b"grpc-status", b"0"),))
    with pytest.raises(StreamFault):
        check_fields(OK)


def test_a_block_that_was_read_without_a_table_is_known_from_then_on():
    known, encoder = known_heads(), hpack.Encoder()
    encoder.header_table_size = 0
    reader = HeadReader(known)
    first, second = (encoded(encoder, ("server", "s")) for _ in range(2))
    reader.head(first)
    assert reader.is_stateless
    assert not known.of, "it changed the table"
    head = reader.head(second)

    assert known.of == {second: head}
    assert head.fields == ((b"server", b"s"),)


def test_a_target_that_keeps_its_table_is_read_right():
    """Its second block is another, and its third means what the first said only with the table."""
    known, encoder = known_heads(), hpack.Encoder()
    reader = HeadReader(known)
    blocks = [encoded(encoder, ("x-instance", "i-1"), ("server", "s")) for _ in range(3)]
    heads = [reader.head(block) for block in blocks]

    assert blocks[1] == blocks[2] != blocks[0]
    assert {head.instance for head in heads} == {"i-1"}
    assert not reader.is_stateless
    assert not known.of


def test_a_target_that_changes_its_table_is_read_right_before_and_after():
    known, encoder = known_heads(), hpack.Encoder()
    reader = HeadReader(known)
    said = []
    for size in (4096, 0, 0, 200, 200, 0, 0):
        if encoder.header_table_size != size:
            encoder.header_table_size = size
        block = encoded(encoder, ("x-instance", f"i-{size}"), ("x-a", "b"))
        head = known.of.get(block) if reader.is_stateless else None
        said.append((head or reader.head(block)).instance)

    assert said == ["i-4096", "i-0", "i-0", "i-200", "i-200", "i-0", "i-0"]
    assert len(known.of) == 1


def test_the_table_of_one_connection_is_not_that_of_another():
    known = known_heads()
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    first = HeadReader(known)
    blocks = [encoded(encoder, ("server", "s")) for _ in range(2)]
    for block in blocks:
        first.head(block)
    other = HeadReader(known)

    assert blocks[1] in known.of
    assert not other.is_stateless, "it has seen no block yet"


def test_a_table_that_is_larger_than_any_is_refused():
    with pytest.raises(ConnectionFault) as fault:
        HeadReader(known_heads()).head(b"\x3f\xe2\x1f\x88")
    assert fault.value.code == COMPRESSION_ERROR


@pytest.mark.parametrize(
    "block", [b"\x80", b"\xff\xff\xff\xff\xff\x0f", b"\x00\x05ab", b"\xbe", b"\x40\x81\xff\x00"]
)
def test_a_block_that_cannot_be_read_ends_the_connection(block):
    with pytest.raises(ConnectionFault) as fault:
        HeadReader(known_heads()).head(block)
    assert fault.value.code == COMPRESSION_ERROR


def test_a_short_block_that_unfolds_without_end_ends_the_connection():
    """A byte each for a field of 4000 bytes in the table."""
    encoder = hpack.Encoder()
    block = encoded(encoder, ("x", "y" * 4000)) + b"\xbe" * 60_000
    with pytest.raises(ConnectionFault) as fault:
        HeadReader(known_heads()).head(block)
    assert fault.value.code == ENHANCE_YOUR_CALM


def test_heads_that_never_repeat_are_given_up_on():
    known, encoder = known_heads(), hpack.Encoder()
    encoder.header_table_size = 0
    reader = HeadReader(known)
    for n in range(6000):
        reader.head(encoded(encoder, ("x-request-id", str(n))))

    assert len(known.of) <= 512
    assert known._filled == 9
