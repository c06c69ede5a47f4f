"""Rendered heads, read back into what httpx and HTTP/2 want of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.target.target import Target
from replay.wire.httpx.requests import http2_headers, read_head
from replay.wire.types import Exchange
from tests.support.wires import OK, answers, ask, serving, through_httpx


def test_a_head_is_read_back_into_its_parts():
    head = b"POST /v1?a=b HTTP/1.1\r\nHost: t\r\nX-Empty:\r\nx-a: b: c\r\n\r\n"

    assert read_head(head) == (b"/v1?a=b", [(b"Host", b"t"), (b"X-Empty", b""), (b"x-a", b"b: c")])


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (b"GET / HTTP/1.1\r\nhost: t\r\n", "does not end in an empty line"),
        (b"GET /a b HTTP/1.1\r\nhost: t\r\n\r\n", "request line"),
        (b"GET / HTTP/1.0\r\nhost: t\r\n\r\n", "request line"),
        (b"GET  HTTP/1.1\r\nhost: t\r\n\r\n", "request line"),
        (b"GET / HTTP/1.1\r\nhost: t\r\nno colon\r\n\r\n", "header line"),
        (b"GET / HTTP/1.1\r\nhost: t\r\n folded: x\r\n\r\n", "header line"),
        (b"GET / HTTP/1.1\r\nx-a: b\r\n\r\n", "no Host"),
    ],
)
def test_a_head_that_is_not_one_is_refused(head, problem):
    with pytest.raises(ValueError, match=problem):
        read_head(head)


TOKEN = st.from_regex(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+", fullmatch=True)

VALUE = st.binary(max_size=30).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b"").strip(b" \t"))


@given(st.lists(st.tuples(TOKEN, VALUE)))
def test_every_rendered_head_is_read_back_whole(headers):
    headers = [(b"Host", b"t"), *headers]
    head = b"GET / HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n"

    assert read_head(head) == (b"/", headers)


def test_http2_leaves_out_what_belongs_to_a_connection():
    headers = [(b"Host", b"t"), (b"Connection", b"close, X-Hop"), (b"x-hop", b"1"), (b"TE", b"trailers")]
    headers += [(b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAMAAABk"), (b"Transfer-Encoding", b"chunked")]
    headers += [(b"te", b"gzip"), (b"x-kept", b"1")]

    assert http2_headers(headers) == [(b"Host", b"t"), (b"TE", b"trailers"), (b"x-kept", b"1")]


@pytest.mark.anyio
async def test_a_head_that_is_not_one_fails_its_step_alone():
    told: list[Exchange] = []
    async with serving(answers(OK)) as (url, _), through_httpx(Target(url=url)) as wire:
        wire.send(Exchange(b"GET /\r\n\r\n", b"", "GET", told.append))
        got = await ask(wire)

    assert [(x.error, x.phase, x.sent_ns) for x in told] == [("protocol", "send", 0)]
    assert got.status == 200
