"""Frames and messages: whole, cut at every byte, and against the rules; what `websockets` writes is read."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode

from replay.websocket.compression import Compression, agreed
from replay.websocket.frames import frame_bytes
from replay.websocket.messages import MessageReader, closing, code_in
from replay.websocket.types import (
    BAD_DATA,
    BINARY,
    BROKEN_RULES,
    CLOSE,
    CONTINUATION,
    NO_CODE,
    PING,
    PONG,
    TEXT,
    TOO_BIG,
    BrokenRule,
    is_code,
)


def said(opcode, payload=b"", final=True, bits=0):
    """A frame of a server, with whatever is wrong with it."""
    size = len(payload)
    head = (
        bytes([size])
        if size < 126
        else b"\x7e" + size.to_bytes(2)
        if size < 1 << 16
        else b"\x7f" + size.to_bytes(8)
    )
    return bytes([(0x80 if final else 0) | bits | opcode]) + head + payload


def read(data, cuts=None, **options):
    """The opcodes and payloads in these bytes, which come whole, or in pieces of this size."""
    reader = MessageReader(is_masked=False, **options)
    parts = [data] if cuts is None else [data[at : at + cuts] for at in range(0, len(data), cuts)]
    return [(one.opcode, one.payload) for n, part in enumerate(parts) for one in reader.feed(part, n)]


MESSAGES = [
    (TEXT, b""),
    (TEXT, "é".encode()),
    (BINARY, bytes(125)),
    (BINARY, bytes(126)),
    (TEXT, b"x" * 70_000),
    (PING, b"p"),
    (PONG, b""),
]


def test_messages_are_read_however_their_bytes_are_cut():
    data = b"".join(said(*message) for message in MESSAGES)

    for cuts in (None, 1, 2, 3, 7, 4096):
        assert read(data, cuts) == MESSAGES


def test_a_message_in_fragments_is_whole_with_control_frames_in_its_middle():
    data = said(TEXT, b"a\xc3", final=False) + said(PING, b"?") + said(CONTINUATION, b"", final=False)
    data += said(PONG) + said(CONTINUATION, b"\xa9z") + said(CLOSE, closing(1000))

    for cuts in (None, 1):
        assert read(data, cuts) == [(PING, b"?"), (PONG, b""), (TEXT, "aéz".encode()), (CLOSE, closing(1000))]


def test_a_message_began_when_its_first_byte_came():
    reader = MessageReader(is_masked=False)
    first = said(TEXT, b"one")
    began = [one.began_ns for at in range(len(first)) for one in reader.feed(first[at : at + 1], 100 + at)]
    began += [one.began_ns for one in reader.feed(said(TEXT, b"2") + said(TEXT, b"3", final=False), 200)]
    began += [one.began_ns for one in reader.feed(said(CONTINUATION, b"4"), 300)]

    assert began == [100, 200, 200]


HOSTILE = {
    "masked": (b"\x81\x81abcdx", BROKEN_RULES, "a frame that is masked"),
    "reserved bit": (said(TEXT, bits=0x20), BROKEN_RULES, "a reserved bit"),
    "compressed unasked": (said(TEXT, b"x", bits=0x40), BROKEN_RULES, "a reserved bit"),
    "unknown kind": (said(0x3), BROKEN_RULES, "an unknown kind"),
    "unknown control": (said(0xB), BROKEN_RULES, "an unknown kind"),
    "long ping": (said(PING, bytes(126)), BROKEN_RULES, "more than 125 bytes"),
    "ping in fragments": (said(PING, final=False), BROKEN_RULES, "a control frame in fragments"),
    "16 bits for 125": (b"\x82\x7e\x00\x7d" + bytes(125), BROKEN_RULES, "longer than it has to be"),
    "64 bits for 126": (b"\x82\x7f" + (126).to_bytes(8) + bytes(126), BROKEN_RULES, "longer than it has to be"),
    "2 to the 63": (b"\x82\x7f\xff" + bytes(7), TOO_BIG, "longer than any message may be"),
    "nothing to continue": (said(CONTINUATION, b"x"), BROKEN_RULES, "never began"),
    "one within another": (said(TEXT, b"x", final=False) + said(TEXT, b"y"), BROKEN_RULES, "within another"),
    "too long in parts": (said(BINARY, bytes(600), final=False) + said(CONTINUATION, bytes(600)), TOO_BIG, "longer"),
    "too long": (said(BINARY, bytes(1001)), TOO_BIG, "longer"),
    "no UTF-8": (said(TEXT, b"\xff"), BAD_DATA, "not UTF-8"),
    "half a letter": (said(TEXT, b"\xc3"), BAD_DATA, "not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_against_the_rules_is_told_as_such_however_it_is_cut(name):
    data, code, why = HOSTILE[name]
    for cuts in (None, 1):
        with pytest.raises(BrokenRule, match=why) as broken:
            read(data, cuts, most_bytes=1000)
        assert broken.value.code == code


def test_an_announced_length_takes_no_memory_before_its_bytes_come():
    reader = MessageReader(is_masked=False)
    assert list(reader.feed(b"\x82\x7f" + (1 << 24).to_bytes(8), 0)) == []
    with pytest.raises(BrokenRule):
        list(MessageReader(is_masked=False).feed(b"\x82\x7f" + ((1 << 24) + 1).to_bytes(8), 0))


@given(st.binary(max_size=300), st.sampled_from([TEXT, BINARY]))
def test_what_we_write_is_read_again_masked_and_not(payload, opcode):
    payload = payload if opcode == BINARY else payload.hex().encode()
    for is_masked in (True, False):
        data = frame_bytes(opcode, payload, is_masked=is_masked)
        reader = MessageReader(is_masked=is_masked)
        assert [
            (one.opcode, one.payload) for at in range(len(data)) for one in reader.feed(data[at : at + 1], 0)
        ] == [(opcode, payload)]


@given(st.lists(st.text(max_size=300), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_compressed_messages_of_another_implementation_are_read_and_ours_by_it(texts, keeps_ours, keeps_theirs):
    theirs = PerMessageDeflate(not keeps_ours, not keeps_theirs, 15, 15)
    ours = Compression(keeps_own=keeps_ours, keeps_other=keeps_theirs)
    for text in texts:
        payload = text.encode()
        came = theirs.encode(TheirFrame(Opcode.TEXT, payload))
        assert read(said(TEXT, bytes(came.data), bits=0x40), compression=ours) == [(TEXT, payload)]
        packed = theirs.decode(TheirFrame(Opcode.TEXT, ours.packed(payload), rsv1=True))
        assert bytes(packed.data) == payload


def test_what_unpacks_to_more_than_a_message_may_be_is_refused():
    bomb = Compression().packed(bytes(5_000_000))
    assert len(bomb) < 6_000
    with pytest.raises(BrokenRule, match="longer than any may be") as broken:
        read(said(BINARY, bomb, bits=0x40), compression=Compression(), most_bytes=100_000)
    assert broken.value.code == TOO_BIG


def test_what_cannot_be_unpacked_is_refused():
    with pytest.raises(BrokenRule, match="cannot be unpacked"):
        read(said(TEXT, b"\xff\xff", bits=0x40), compression=Compression())


@pytest.mark.parametrize(
    "answer",
    ["x-webkit-deflate-frame", "permessage-deflate; client_max_window_bits=9", "permessage-deflate; server_max_window_bits",
     "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_no_context_takeover=1",
     "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "permessage-deflate, permessage-deflate"],
)  # fmt: skip
def test_compression_that_was_not_asked_for_is_refused(answer):
    with pytest.raises(BrokenRule):
        agreed(answer)


def test_compression_may_be_narrowed_by_the_server():
    found = agreed(
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9"
    )
    message = bytes(range(200)) * 20

    for _ in range(2):
        # Each message stands for itself, either way.
        assert zlib.decompressobj(-15).decompress(found.packed(message) + b"\x00\x00\xff\xff") == message
        packer = zlib.compressobj(wbits=-9)
        theirs = packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH)
        assert found.unpacked(theirs.removesuffix(b"\x00\x00\xff\xff"), 10_000) == message


@pytest.mark.parametrize("payload", [b"\x03", closing(999), closing(1004), (1005).to_bytes(2), closing(1006), closing(5000), closing(1000) + b"\xff"])  # fmt: skip
def test_a_close_frame_with_a_code_that_is_none_is_refused(payload):
    with pytest.raises(BrokenRule):
        code_in(payload)


def test_a_close_frame_has_a_code_or_none():
    assert code_in(b"") == NO_CODE
    assert code_in(closing(4001) + "ä".encode()) == 4001
    assert [code for code in range(6000) if is_code(code)] == [
        *range(1000, 1004), *range(1007, 1015), *range(3000, 5000)
    ]  # fmt: skip
