"""Message framing against another implementation, whole and cut at every byte."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.http.framing import Body, FramingError
from replay.http.heads import read_request, request_body

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
    body = request_body(read_request(head))

    assert taken_in_pieces(body, rest + spare, size) == len(rest)
    assert body.is_over


def test_extensions_and_trailers_belong_to_the_body():
    data = b'5;name="v a";x\r\nhello\r\n0\r\nX-Sum: x\r\n\r\nNEXT'
    for size in range(1, len(data) + 1):
        assert taken_in_pieces(Body(0, True), data, size) == len(data) - 4


@pytest.mark.parametrize(
    "data",
    [
        b"xyz\r\n",
        b"\r\n",
        b"-5\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5_0\r\n",
        b" 5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"5 ;x\r\nhello\r\n",
        b"5\x0b\r\nhello\r\n",
        b"5;a\rb\r\nhello\r\n",
        b"5;a\nhello\r\n",
        b"5\nhello\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"1" * 20 + b"\r\n",
        b"0" * 20_000,
        b"0\r\nX: a\n\r\n",
        b"0\r\nX : a\r\n\r\n",
        b"0\r\n folded\r\n\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\n" + b"X: y\r\n" * 20_000,
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_chunks_that_two_parties_could_read_differently_are_an_error(data, size):
    with pytest.raises(FramingError):
        taken_in_pieces(Body(0, True), data, size)


@given(chunks, st.integers(1, 40))
def test_what_is_in_the_chunks_is_told_without_their_framing(parts, size):
    told = []
    _, rest = framed(parts, True)
    taken_in_pieces(Body(0, True, told.append), rest, size)

    assert b"".join(told) == b"".join(parts)
