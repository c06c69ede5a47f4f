"""Message framing against another implementation, whole and cut at every byte."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.http.framing import (
    Body,
    FramingError,
    method_of,
    read_head,
    request_body,
    response_body,
    status_of,
)

chunks = st.lists(st.binary(max_size=30), max_size=5)


def framed(body_parts, is_chunked):
    """A request as h11 writes it: its head, and what follows."""
    headers = [("host", "x")]
    headers.append(
        ("transfer-encoding", "chunked") if is_chunked else ("content-length", str(sum(map(len, body_parts))))
    )
    client = h11.Connection(h11.CLIENT)
    data = client.send(h11.Request(method="POST", target="/", headers=headers))
    for part in body_parts:
        data += client.send(h11.Data(data=part))
    data += client.send(h11.EndOfMessage())
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def taken_in_pieces(body, data, size):
    taken = 0
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        step = body.take(piece)
        taken += step
        if step < len(piece):
            break
    return taken


@given(chunks, st.booleans(), st.integers(1, 40), st.binary(max_size=20))
def test_a_message_ends_where_its_writer_ended_it_however_it_is_cut(parts, is_chunked, size, spare):
    head, rest = framed(parts, is_chunked)
    body = request_body(read_head(head))

    assert taken_in_pieces(body, rest + spare, size) == len(rest)
    assert body.is_over


def test_extensions_and_trailers_belong_to_the_body():
    data = b"5;name=value\r\nhello\r\n0\r\nTrailer: x\r\n\r\nNEXT"
    for size in range(1, len(data) + 1):
        assert taken_in_pieces(Body(0, True), data, size) == len(data) - 4


@pytest.mark.parametrize(
    ("head", "method", "is_over", "ends_with_connection"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"GET", False, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"HEAD", True, False),
        (b"HTTP/1.1 204 No Content", b"GET", True, False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5", b"GET", True, False),
        (b"HTTP/1.1 200 OK", b"GET", False, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", b"GET", False, False),
    ],
)
def test_a_responses_body_depends_on_status_and_method(head, method, is_over, ends_with_connection):
    read = read_head(head)
    body = response_body(read, status_of(read), method)

    assert (body.is_over, body.ends_with_connection) == (is_over, ends_with_connection)


@pytest.mark.parametrize(
    ("head", "keeps_alive"),
    [
        (b"GET / HTTP/1.1\r\nHost: x", True),
        (b"GET / HTTP/1.1\r\nConnection: Close", False),
        (b"GET / HTTP/1.0\r\nHost: x", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive", True),
    ],
)
def test_a_connection_is_kept_as_the_version_and_the_header_say(head, keeps_alive):
    assert read_head(head).keeps_alive is keeps_alive


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        b"GET / HTTP/1.1\r\nContent-Length: -5",
        b"GET / HTTP/1.1\r\nno colon",
    ],
)
def test_a_head_that_two_parties_could_read_differently_is_refused(head):
    with pytest.raises(FramingError):
        read_head(head)


@pytest.mark.parametrize("data", [b"xyz\r\n", b"\r\n", b"-5\r\n", b"1" * 20 + b"\r\n", b"0" * 20_000])
def test_a_chunk_without_a_size_is_refused(data):
    with pytest.raises(FramingError):
        Body(0, True).take(data)


@pytest.mark.parametrize("first", [b"nonsense", b"HTTP/1.1 2x0 OK", b"HTTP/2 200 OK", b"GET /"])
def test_a_first_line_that_is_none_is_refused(first):
    with pytest.raises(FramingError):
        status_of(read_head(first))
    if first != b"HTTP/1.1 2x0 OK":
        with pytest.raises(FramingError):
            method_of(read_head(first))
