"""What a gRPC call ends as, by what came: status, message, and what was expected of them."""

import gzip

import pytest

from replay.dialects import grpc
from replay.dialects.grpc import framed
from replay.engine.outcome import Outcomes
from replay.target.grpc import Grpc
from replay.target.target import Target
from replay.trace.types import Expect, GrpcCall, JsonCheck, Step
from replay.wire.http2.framing import DATA, END_HEADERS, END_STREAM, HEADERS, frame
from tests.fuzz.harnesses.calls import answered_call
from tests.fuzz.harnesses.http2 import header_block
from tests.support.attempts import attempt
from tests.support.grpc_servers import SEARCH, descriptor_file, messages

TARGET = Target(url="http://t", grpc=Grpc(str(descriptor_file())))
HEAD = [(b"content-type", b"application/grpc")]
OK = ((b"grpc-status", b"0"),)
FOUND = messages()[1](names=["a"]).SerializeToString()


def call(**fields) -> Step:
    return Step("a", "grpc", "x", grpc=GrpcCall(SEARCH, timeout_ms=fields.pop("timeout_ms", None)), **fields)


def settled(step, body=b"", trailers=OK, head=(), status=200, outcomes=None, size=None, **fields):
    ended = attempt(step, head=b"POST / HTTP/1.1\r\nx-api-key: sesame-0pen\r\n\r\n", status=status, **fields)
    ended.captured, ended.captured_headers = bytearray(body), [*HEAD, *head, *(trailers or ())]
    ended.trailers, ended.response_bytes = trailers, len(body) if size is None else size
    (outcomes or Outcomes(TARGET)).of(step, b"").settle(ended)
    return ended


def test_a_message_becomes_json_with_the_fields_that_have_their_default():
    ended = settled(call(), framed(FOUND))

    assert (ended.error, ended.grpc_status) == (None, "OK")
    assert bytes(ended.captured) == b'{"names": ["a"], "count": 0, "pad": ""}'


def test_a_message_that_is_not_of_the_type_stays_as_it_is():
    ended = settled(call(), framed(b"\xff\xff"))

    assert (ended.error, bytes(ended.captured)) == (None, b"\xff\xff")


@pytest.mark.parametrize("status", [302, 404, 503])
def test_a_status_of_http_goes_before_all_else(status):
    ended = settled(call(), b"busy", None, status=status)

    assert (ended.error, ended.grpc_status) == (
        {302: "status", 404: "status_4xx", 503: "status_5xx"}[status],
        None,
    )
    assert bytes(ended.captured) == b"busy"


def test_what_is_no_answer_of_a_unary_call_says_why():
    for body, trailers, why in (
        (framed(FOUND)[:-1], OK, grpc.CUT_MESSAGE),
        (b"\0\xff\xff\xff\xff", OK, grpc.CUT_MESSAGE),
        (framed(FOUND) * 2, OK, grpc.MORE_MESSAGES),
        (b"", OK, grpc.NO_MESSAGE),
        (framed(FOUND), None, grpc.NO_TRAILERS),
        (b"\x01" + framed(FOUND)[1:], OK, grpc.BAD_CODING),
    ):
        ended = settled(call(), body, trailers)
        assert (ended.error, ended.grpc_status, ended.why) == ("protocol", None, why)


def test_a_long_message_is_held_to_its_length_by_its_first_bytes():
    size = 3 << 20
    announced = size.to_bytes(4)

    assert settled(call(), b"\0" + announced + b"x" * 100, size=size + 5).error is None
    assert settled(call(), b"\0" + announced + b"x" * 100, size=size + 4).why == grpc.CUT_MESSAGE
    assert settled(call(), b"\0" + announced + b"x" * 100, size=size + 6).why == grpc.MORE_MESSAGES


def test_a_small_message_that_unfolds_without_end_is_no_answer():
    head = ((b"grpc-encoding", b"gzip"),)
    bomb = b"\x01" + framed(gzip.compress(bytes(50 << 20)))[1:]
    broken = b"\x01" + framed(b"no gzip")[1:]

    for body in (bomb, broken):
        ended = settled(call(), body, head=head)
        assert ended.error == "protocol"
        assert ended.why == "the message of the answer cannot be unpacked to 4 MiB at most"


def test_an_answer_after_its_deadline_is_a_timeout_whatever_it_says():
    for trailers in (OK, ((b"grpc-status", b"4"),)):
        ended = settled(call(timeout_ms=5.0), framed(FOUND), trailers, sent_ns=1_000_000, end_ns=6_000_001)
        assert ended.error == "timeout"
    assert settled(call(timeout_ms=5.0), framed(FOUND), sent_ns=1_000_000, end_ns=6_000_000).error is None
    # The server counts the same time, from its own first byte on, and may be first.
    just = settled(call(timeout_ms=5.0), b"", ((b"grpc-status", b"4"),), sent_ns=1_000_000, end_ns=5_900_000)
    assert (just.error, just.grpc_status) == ("timeout", "DEADLINE_EXCEEDED")
    # A server's own deadline, for what it asked others, is a status as any.
    early = settled(call(timeout_ms=5.0), b"", ((b"grpc-status", b"4"),), sent_ns=1_000_000, end_ns=2_000_000)
    assert (early.error, early.grpc_status) == ("grpc_error", "DEADLINE_EXCEEDED")


def test_words_of_a_server_are_told_once_for_each_method_and_status():
    outcomes = Outcomes(TARGET)
    words = [(b"grpc-message", b"no%20room%20%231")]

    def why(code: bytes):
        return settled(call(), b"", ((b"grpc-status", code), *words), outcomes=outcomes).why

    assert why(b"8") == "the call ended with RESOURCE_EXHAUSTED: no room #1"
    assert why(b"8") == "the call ended with RESOURCE_EXHAUSTED"
    assert why(b"14") == "the call ended with UNAVAILABLE: no room #1"


@pytest.mark.parametrize(
    "words", [b"key sesame-0pen is unknown", b"token: abcdefghijklmnop", b"Bearer abcdefghijklmnop"]
)
def test_secrets_in_them_are_not(words):
    why = settled(call(), b"", ((b"grpc-status", b"16"), (b"grpc-message", words))).why

    assert "sesame" not in why
    assert "abcdefgh" not in why
    assert why.startswith("the call ended with UNAUTHENTICATED")


def test_checks_look_at_the_message():
    expect = Expect(json={"/names/0": JsonCheck(equals="b")}, max_bytes=100, header={"x-of": "trailer*"})
    trailers = (*OK, (b"x-of", b"trailers"))

    assert settled(call(expect=expect), framed(FOUND), trailers).check == "json /names/0 equals"
    assert settled(call(expect=expect), framed(FOUND)).check == "header x-of"


def test_in_virtual_time_nothing_is_asked_of_answers():
    assert Outcomes(TARGET, reads_answers=False).of(call(expect=Expect(grpc_status="OK")), b"") is None


def test_an_answer_cut_into_any_frames_is_the_same():
    begin = b"\0\0\0\x04\0\0\0\0\0"
    head = frame(
        HEADERS, END_HEADERS, 1, header_block((":status", "200"), ("content-type", "application/grpc"))
    )
    end = frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block(("grpc-status", "0"), ("x-of", "trailers")))
    body = framed(FOUND)
    for at in range(len(body) + 1):
        data = begin + head + frame(DATA, 0, 1, body[:at]) + frame(DATA, 0, 1, body[at:]) + end
        ended = answered_call([data])
        assert (ended.error, ended.grpc_status) == (None, "OK")
        assert ended.trailers == ((b"grpc-status", b"0"), (b"x-of", b"trailers"))
    for at in range(len(begin), len(data)):
        cut = answered_call([data[:at]])
        assert (
            cut.error == "reset"
            if at > len(begin + head)
            else cut.error in ("reset", "interrupted", "protocol")
        )
