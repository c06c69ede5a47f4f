"""gRPC's framing, deadlines and trailers, as bytes have them."""

import grpc as grpcio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects import grpc
from replay.dialects.grpc import Answer, filler, framed, read_answer, timeout_text
from tests.support.grpc_servers import messages

HEAD = ((b"content-type", b"application/grpc"),)
OK = ((b"grpc-status", b"0"),)


def said(body: bytes, trailers=OK, head=HEAD) -> Answer:
    return read_answer(head, trailers, body[:1000], len(body))


def test_statuses_stand_by_their_codes():
    assert {code.value[0]: code.name for code in grpcio.StatusCode} == dict(enumerate(grpc.STATUSES))
    assert set(grpc.STATUSES) > grpc.TRANSIENT


def test_one_whole_message_is_an_answer():
    assert said(framed(b"abc")) == Answer("OK")
    assert said(framed(b"")) == Answer("OK")


@given(message=st.binary(max_size=40), more=st.binary(min_size=1, max_size=10))
def test_a_message_that_is_cut_anywhere_or_followed_by_anything_is_no_answer(message, more):
    whole = framed(message)
    for at in range(1, len(whole)):
        assert said(whole[:at]).problem == grpc.CUT_MESSAGE
    assert said(b"").problem == grpc.NO_MESSAGE
    assert said(whole + more).problem == grpc.MORE_MESSAGES
    assert said(whole + whole).problem == grpc.MORE_MESSAGES


@given(body=st.binary(max_size=30), trailers=st.none() | st.lists(
    st.tuples(st.sampled_from([b"grpc-status", b"grpc-message", b"x"]), st.binary(max_size=8)), max_size=3), head=st.lists(
    st.tuples(st.sampled_from([b"content-type", b"grpc-status", b"grpc-encoding"]), st.sampled_from([b"application/grpc", b"0", b"gzip", b"\xff"])), max_size=3))  # fmt: skip
def test_whatever_comes_is_an_answer_or_has_a_problem(body, trailers, head):
    found = read_answer(head, trailers, body, len(body))

    assert (found.status in grpc.STATUSES) == (found.problem is None)


@pytest.mark.parametrize(
    ("body", "trailers", "head", "answer"),
    [
        (b"", None, (*HEAD, (b"grpc-status", b"5"), (b"grpc-message", b"no%20such")), Answer("NOT_FOUND", "no such")),
        (b"", None, (*HEAD, (b"grpc-status", b"0")), Answer(problem=grpc.NO_MESSAGE)),
        (b"", None, HEAD, Answer(problem=grpc.NO_TRAILERS)),
        (framed(b"x"), None, (*HEAD, (b"grpc-status", b"0")), Answer(problem=grpc.NO_TRAILERS)),
        (framed(b"x"), (), (*HEAD, (b"grpc-status", b"0")), Answer(problem=grpc.NO_STATUS)),
        (framed(b"x"), ((b"grpc-status", b"OK"),), HEAD, Answer(problem=grpc.BAD_STATUS)),
        (framed(b"x"), ((b"grpc-status", b""),), HEAD, Answer(problem=grpc.BAD_STATUS)),
        (framed(b"x"), ((b"grpc-status", b"-1"),), HEAD, Answer(problem=grpc.BAD_STATUS)),
        (framed(b"x"), ((b"grpc-status", b"0"), (b"grpc-status", b"2")), HEAD, Answer(problem=grpc.BAD_STATUS)),
        (framed(b"x"), ((b"grpc-status", b"0"), (b"grpc-status", b"0")), HEAD, Answer("OK")),
        (framed(b"x"), ((b"grpc-status", b"99"),), HEAD, Answer("UNKNOWN")),
        (b"", ((b"Grpc-Status", b" 14 "),), HEAD, Answer("UNAVAILABLE")),
        (b"half", ((b"grpc-status", b"8"),), HEAD, Answer("RESOURCE_EXHAUSTED")),
        (b"<html>", None, ((b"content-type", b"text/html"),), Answer(problem=grpc.NOT_GRPC)),
        (framed(b"x"), OK, (), Answer(problem=grpc.NOT_GRPC)),
        (framed(b"x"), OK, ((b"content-type", b"application/grpc-web"),), Answer(problem=grpc.NOT_GRPC)),
        (framed(b"x"), OK, ((b"Content-Type", b"application/grpc+proto"),), Answer("OK")),
        (framed(b"x"), OK, ((b"content-type", b"application/grpc; charset=utf-8"),), Answer("OK")),
        (b"\x02" + framed(b"x")[1:], OK, HEAD, Answer(problem=grpc.BAD_FLAG)),
        (b"\x01" + framed(b"x")[1:], OK, HEAD, Answer(problem=grpc.BAD_CODING)),
        (b"\x01" + framed(b"x")[1:], OK, (*HEAD, (b"grpc-encoding", b"snappy")), Answer(problem=grpc.BAD_CODING)),
        (b"\x01" + framed(b"x")[1:], OK, (*HEAD, (b"grpc-encoding", b"gzip")), Answer("OK", coding="gzip")),
        (framed(b"x"), OK, (*HEAD, (b"grpc-encoding", b"snappy")), Answer("OK")),
    ],
)  # fmt: skip
def test_an_answer_says(body, trailers, head, answer):
    assert said(body, trailers, head) == answer


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"a%20b%C3%A9", "a bé"),
        (b"100%", "100%"),
        (b"%zz %ff", "%zz �"),
        (b"two%0Alines%0d%00", "two lines \0"),
        (b"x" * 100_000, "x" * 200),
        (b"%C3%A9" * 100_000, "é" * 200),
    ],
)
def test_the_words_of_a_server_are_decoded_and_cut(value, text):
    assert said(b"", ((b"grpc-status", b"2"), (b"grpc-message", value))).text == text


@given(size=st.just(0) | st.integers(4, 70_000))
def test_a_message_of_a_size_is_one_of_any_type(size):
    made = filler(size)

    assert len(made) == size
    for kind in messages():
        read = kind.FromString(made)
        assert (read.ByteSize(), read.ListFields()) == (size, [])


@pytest.mark.parametrize(
    "size", [4, 130, 131, 132, 133, 134, 16_386, 16_387, 16_388, 16_389, (1 << 21) + 6, 1 << 24]
)
def test_a_size_at_which_a_length_takes_one_byte_more_is_met_too(size):
    assert messages()[0].FromString(filler(size)).ByteSize() <= size == len(filler(size))


@given(ms=st.floats(0.001, 99_999_999_000))
def test_a_deadline_is_one_that_grpc_has_and_never_shorter(ms):
    text = timeout_text(ms)
    number, unit = int(text[:-1]), {"u": 0.001, "m": 1, "S": 1_000}[text[-1]]

    assert 0 < number <= 99_999_999
    assert number * unit >= ms * 0.999_999
    assert number * unit <= ms * 1.01 + unit


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0.5, "500u"), (1, "1m"), (1.5, "1500u"), (2_000, "2000m"), (1e8, "100000S"), (1.0005, "1001u")],
)
def test_a_deadline_reads(ms, text):
    assert timeout_text(ms) == text
