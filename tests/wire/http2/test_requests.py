"""Header blocks of requests: what a decoder of someone else's makes of them, whatever came before."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.wire.http2.requests import RequestBlocks


def decoded(block: bytes) -> list[tuple[bytes, bytes]]:
    """By a decoder that has seen nothing else."""
    return [(bytes(name), bytes(value)) for name, value in hpack.Decoder(1 << 24).decode(block, raw=True)]


def test_a_head_is_put_as_http2_has_it():
    head = b"GET /a?b HTTP/1.1\r\nHost: t:8\r\nUser-Agent: x\r\nX-Odd:  v \r\naccept: */*\r\n\r\n"

    assert decoded(RequestBlocks(is_tls=False).block(head)) == [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/a?b"),
        (b":authority", b"t:8"),
        (b"user-agent", b"x"),
        (b"x-odd", b"v"),
        (b"accept", b"*/*"),
    ]


def test_the_host_comes_first_wherever_it_stands():
    blocks = RequestBlocks(is_tls=True)
    head = b"PATCH / HTTP/1.1\r\nx: y\r\nhost: t\r\n\r\n"

    assert decoded(blocks.block(head))[:4] == [
        (b":method", b"PATCH"),
        (b":scheme", b"https"),
        (b":path", b"/"),
        (b":authority", b"t"),
    ]
    assert blocks.block(head) == blocks.block(head)


def test_what_is_of_a_connection_is_left_out():
    blocks = RequestBlocks(is_tls=False)
    lines = b"X-Hop: 1\r\nte: gzip\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 5\r\nConnection: close, x-hop\r\nx: y\r\n"
    block = blocks.block(b"GET / HTTP/1.1\r\nhost: t\r\n" + lines + b"\r\n")

    assert decoded(block)[4:] == [(b"te", b"trailers"), (b"x", b"y")]


def test_a_secret_is_to_be_kept_out_of_every_table():
    blocks = RequestBlocks(is_tls=False)
    block = blocks.block(b"GET / HTTP/1.1\r\nhost: t\r\nauthorization: Bearer s\r\ncookie: c\r\nx: y\r\n\r\n")
    fields = hpack.Decoder().decode(block)

    assert [field.indexable for field in fields] == [True] * 4 + [False, False, True]


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-zA-Z!#$%&'*+.^_`|~0-9-]{1,40}", fullmatch=True),
            st.binary(max_size=300).map(lambda value: value.translate(None, b"\r\n\0").strip(b" \t")),
        ).filter(lambda item: item[0].lower() not in ("host", "connection", "te", "transfer-encoding", "keep-alive")),
        max_size=8,
    )
)  # fmt: skip
def test_any_headers_are_read_back_alone_and_after_others(fields):
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in fields)
    head = b"POST /p HTTP/1.1\r\nhost: t\r\n" + lines + b"\r\n"
    expected = [
        (name.lower().encode(), value)
        for name, value in fields
        if name.lower() not in ("http2-settings", "proxy-connection", "upgrade")
    ]
    blocks = RequestBlocks(is_tls=False)

    assert decoded(blocks.block(head))[4:] == expected
    assert decoded(blocks.block(head))[4:] == expected


def test_lines_that_no_other_head_has_do_not_pile_up():
    blocks = RequestBlocks(is_tls=False)
    for n in range(10_000):
        blocks.block(b"GET /%d HTTP/1.1\r\nhost: t\r\ntraceparent: %d\r\n\r\n" % (n, n))

    assert len(blocks._fields) <= 4096
    assert len(blocks._starts) <= 4096


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET / HTTP/1.1\r\nhost: t\r\nx: y\r\n",
        b"GET / HTTP/1.1\r\nx: y\r\n\r\n",
        b"GET / HTTP/1.0\r\nhost: t\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nhost: t\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: t\r\nhost: u\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: t\r\n: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: t\r\nx : y\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: t\r\n\r\nx: y\r\n\r\n",
    ],
)
def test_what_is_no_head_is_refused_each_time(head):
    blocks = RequestBlocks(is_tls=False)
    blocks.block(b"GET / HTTP/1.1\r\nhost: t\r\nx: y\r\n\r\n")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"head|line|Host"):
            blocks.block(head)
