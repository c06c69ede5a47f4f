"""Amazon's event streams: cut anywhere, with headers of every type, over-long, damaged; and read as a model's answer."""

import json
import zlib
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.aws_frames import FrameCutter, frame
from replay.dialects.documents import MOST_BYTES
from replay.dialects.streams import StreamReader, is_event_stream


def message(headers: bytes, payload: bytes) -> bytes:
    lengths = pack(">II", 16 + len(headers) + len(payload), len(headers))
    begin = lengths + pack(">I", zlib.crc32(lengths)) + headers + payload
    return begin + pack(">I", zlib.crc32(begin))


def header(name: bytes, kind: int, value: bytes) -> bytes:
    return bytes((len(name),)) + name + bytes((kind,)) + value


def text(name: bytes, value: bytes) -> bytes:
    return header(name, 7, pack(">H", len(value)) + value)


ANSWER = [
    frame(b"messageStart", b'{"role":"assistant"}'),
    frame(b"contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abc"}'),
    frame(b"contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":" you"},"p":"abcdef"}'),
    frame(b"contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":" all"},"p":"a"}'),
    frame(b"messageStop", b'{"stopReason":"end_turn"}'),
    frame(
        b"metadata", b'{"usage":{"inputTokens":4,"outputTokens":3,"totalTokens":7},"metrics":{"latencyMs":1}}'
    ),
]
THROTTLED = message(
    text(b":message-type", b"exception") + text(b":exception-type", b"throttlingException"),
    b'{"message":"slow"}',
)


def fed(*reads: bytes) -> StreamReader:
    reader = StreamReader("model")
    for at, data in enumerate(reads, 1):
        reader.feed(data, at * 10)
    reader.finish()
    return reader


def test_an_answer_is_read_as_its_tokens_come():
    reader = fed(*ANSWER)

    assert (reader.layout, reader.token_count, reader.first_token_ns) == ("bedrock-converse", 3, 20)
    assert reader.itl_ns == [10, 10]
    assert (reader.usage.input_tokens, reader.usage.output_tokens) == (4, 3)
    assert not reader.is_cut_short


@given(st.lists(st.integers(0, len(b"".join(ANSWER))), max_size=30))
def test_where_it_is_cut_into_reads_changes_nothing(cuts):
    whole = b"".join(ANSWER)
    cuts = sorted(cuts)
    reader = fed(*(whole[at:until] for at, until in zip([0, *cuts], [*cuts, len(whole)], strict=True)))

    assert (reader.token_count, reader.layout, reader.is_cut_short) == (3, "bedrock-converse", False)


@pytest.mark.parametrize("events", range(1, 5))
def test_one_that_breaks_off_is_cut_short(events):
    assert fed(*ANSWER[:events], ANSWER[events][:9]).is_cut_short


def test_an_exception_in_mid_answer_is_an_error_of_the_model():
    reader = fed(*ANSWER[:3], THROTTLED)

    assert (reader.error, reader.token_count, reader.is_cut_short) == ("model_error", 2, False)


def test_headers_of_every_type_are_passed_over():
    headers = b"".join(
        [
            header(b"yes", 0, b""),
            header(b"no", 1, b""),
            header(b"byte", 2, b"1"),
            header(b"short", 3, b"12"),
            header(b"int", 4, b"1234"),
            header(b"long", 5, b"12345678"),
            header(b"bytes", 6, b"\x00\x03abc"),
            header(b"time", 8, b"12345678"),
            header(b"uuid", 9, b"0123456789abcdef"),
            text(b":event-type", b"x"),
        ]
    )
    assert FrameCutter().feed(message(headers, b"{}")) == [b"event: x\ndata: {}"]


def test_line_ends_in_a_payload_make_no_lines_of_their_own():
    blocks = FrameCutter().feed(frame(b"x\ndata: [DONE]", b'{\r\n"a": 1\n\n}'))

    assert blocks == [b'event: x data: [DONE]\ndata: {  "a": 1  }']


@pytest.mark.parametrize(
    "headers",
    [b"\xff", header(b"a", 99, b"") + text(b":event-type", b"x"), b"\x01a\x07\x00"],
    ids=["name", "type", "size"],
)
def test_headers_that_are_damaged_cost_no_more_than_their_message(headers):
    cutter = FrameCutter()
    blocks = cutter.feed(message(headers, b"{}") + ANSWER[0])

    assert blocks[-1] == b'event: messageStart\ndata: {"role":"assistant"}'


@pytest.mark.parametrize(
    "damage",
    [
        b"\x00" * 12,
        b"\x00\x00\x00\x20" + b"\x00" * 8,
        pack(">II", 1 << 31, 0) + pack(">I", zlib.crc32(pack(">II", 1 << 31, 0))),
        pack(">II", 16, 1) + pack(">I", zlib.crc32(pack(">II", 16, 1))),
    ],
)
def test_nothing_is_read_behind_what_is_no_message(damage):
    cutter = FrameCutter()

    assert cutter.feed(ANSWER[0] + damage + ANSWER[1]) == cutter.feed(ANSWER[0]) + FrameCutter().feed(ANSWER[0])
    assert cutter.feed(ANSWER[1] * 1000) == []


def test_a_message_that_is_too_long_is_passed_over_in_bounded_memory():
    long = frame(b"x", b" " * (MOST_BYTES + 5))
    cutter = FrameCutter()
    blocks = []
    for at in range(0, len(long), 65_536):
        blocks += cutter.feed(long[at : at + 65_536])
        assert len(cutter._rest) <= 65_536

    assert [*blocks, *cutter.feed(ANSWER[0])] == FrameCutter().feed(ANSWER[0])


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(data):
    cutter = FrameCutter()
    blocks = cutter.feed(message(data, b"{}") + ANSWER[0])

    # Whatever its headers are, a message that is whole costs no other one.
    assert blocks[-1:] == FrameCutter().feed(ANSWER[0])
    assert fed(b"\x00" + data).token_count == 0


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (b"text/event-stream; charset=utf-8", True),
        (b"Text/Event-Stream", True),
        (b"application/vnd.amazon.eventstream", True),
        (b"application/json", False),
        (b"application/vndXamazon.eventstream", False),
    ],
)
def test_a_content_type_tells_of_a_stream(value, is_one):
    assert (is_event_stream(value) is not None) == is_one


def test_what_is_written_is_what_is_read():
    payload = json.dumps({"delta": {"text": "\u00e9"}}).encode()

    assert FrameCutter().feed(frame(b"contentBlockDelta", payload)) == [
        b"event: contentBlockDelta\ndata: " + payload
    ]
