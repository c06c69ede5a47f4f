"""Heads of messages: what is passed on, what is not, and what is refused since two could read it differently."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.http.framing import FramingError
from replay.http.heads import (
    Refused,
    read_request,
    read_response,
    request_bytes,
    response_body,
    response_bytes,
)

GET = b"GET / HTTP/1.1\r\nHost: x"


def passed_on(head):
    request = read_request(head)
    return request_bytes(request, request.target, request.lines)


@pytest.mark.parametrize(
    ("head", "keeps_alive"),
    [
        (GET, True),
        (GET + b"\r\nConnection: Close", False),
        (GET + b"\r\nConnection: x, CLOSE ,y", False),
        (GET + b"\r\nConnection: x\r\nConnection: close", False),
        (GET + b"\r\nConnection: x-close", True),
        (b"GET / HTTP/1.0\r\nHost: x", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive", True),
    ],
)
def test_a_connection_is_kept_as_the_version_and_the_header_say(head, keeps_alive):
    assert read_request(head).keeps_alive is keeps_alive


@pytest.mark.parametrize(
    "fields",
    [
        b"Connection: close, X-One\r\nX-One: 1\r\nX-Two: 2",
        b"connection: keep-alive\r\nKEEP-ALIVE: timeout=5\r\nX-Two: 2",
        b"Proxy-Connection: keep-alive\r\nTE: trailers\r\nX-Two: 2",
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\nConnection: Upgrade, HTTP2-Settings\r\nX-Two: 2",
    ],
)
def test_what_belongs_to_one_connection_is_not_passed_on(fields):
    assert passed_on(GET + b"\r\n" + fields) == GET + b"\r\nX-Two: 2\r\n\r\n"
    answered = read_response(b"HTTP/1.1 200 OK\r\n" + fields.replace(b"TE: trailers\r\n", b""))
    assert response_bytes(answered, b"", b"") == b"HTTP/1.1 200 OK\r\nX-Two: 2\r\n\r\n"


def test_what_is_passed_on_stays_as_it_was_written():
    head = b"POST /a%20b?q=1 HTTP/1.1\r\nhOST: x\r\nX-A:  1 \r\nX-A: 2\r\nContent-Length: 3"

    assert passed_on(head) == head + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("target", "asked", "host"),
    [
        (b"http://a.example:81/x?y=/z", b"/x?y=/z", b"a.example:81"),
        (b"HTTPS://a.example?y", b"/?y", b"a.example"),
        (b"/x#y", b"/x", b"x"),
    ],
)
def test_a_whole_url_says_which_host_is_meant(target, asked, host):
    request = read_request(b"GET %s HTTP/1.1\r\nHost: x" % target)

    assert (request.target, request.lines) == (asked, [(b"host", b"Host: " + host)])


def test_a_client_of_the_old_version_is_asked_for_in_the_new_one():
    assert passed_on(b"GET / HTTP/1.0\r\nHost: x\r\nExpect: 100-continue") == GET + b"\r\n\r\n"


FAULTS = [
    (b"nonsense", 400),
    (b"GET /", 400),
    (b"GET  / HTTP/1.1\r\nHost: x", 400),
    (b"GET / HTTP/2.0\r\nHost: x", 400),
    (b"GET / HTTP/1.1 \r\nHost: x", 400),
    (b"GET /a b HTTP/1.1\r\nHost: x", 400),
    (b"G@T / HTTP/1.1\r\nHost: x", 400),
    (b"GET / HTTP/1.1", 400),
    (b"GET x HTTP/1.1\r\nHost: x", 400),
    (b"GET * HTTP/1.1\r\nHost: x", 400),
    (b"GET http://u@x/ HTTP/1.1\r\nHost: x", 400),
    (b"CONNECT x:1 HTTP/1.1\r\nHost: x", 501),
    (GET + b"\r\nHost: x", 400),
    (GET + b"\r\nhost: y", 400),
    (b"GET / HTTP/1.1\r\nHost: a b", 400),
    (b"GET / HTTP/1.1\r\nHost: a/b", 400),
    (GET + b"\r\nno colon", 400),
    (GET + b"\r\n: no name", 400),
    (GET + b"\r\nX : a", 400),
    (GET + b"\r\nX\t: a", 400),
    (GET + b"\r\n X: a", 400),
    (GET + b"\r\nX: a\r\n folded", 400),
    (GET + b"\r\nX: a\r\n\tContent-Length: 5", 400),
    (GET + b"\r\nX: a\nContent-Length: 5", 400),
    (GET + b"\r\nX: a\rContent-Length: 5", 400),
    (GET + b"\r\nX: a\0b", 400),
    (GET + b"\r\nX: a\x0bb", 400),
    (GET + b"\r\nX\xe4: a", 400),
    (GET + b"\r\nContent-Length: 5\r\nContent-Length: 6", 400),
    (GET + b"\r\nContent-Length: 5\r\ncontent-length: 5", 400),
    (GET + b"\r\nContent-Length: 5, 5", 400),
    (GET + b"\r\nContent-Length: -5", 400),
    (GET + b"\r\nContent-Length: +5", 400),
    (GET + b"\r\nContent-Length: 0x5", 400),
    (GET + b"\r\nContent-Length: 5 5", 400),
    (GET + b"\r\nContent-Length: " + "٥".encode(), 400),
    (GET + b"\r\nContent-Length:", 400),
    (GET + b"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", 400),
    (GET + b"\r\nTransfer-Encoding: xchunked", 400),
    (GET + b"\r\nTransfer-Encoding: chunked, identity", 400),
    (GET + b"\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
    (GET + b"\r\nTransfer-Encoding: identity", 400),
    (GET + b'\r\nTransfer-Encoding: "chunked"', 400),
    (GET + b"\r\nTransfer-Encoding: chunked;x", 400),
    (GET + b"\r\nTransfer-Encoding: chunked, chunked", 400),
    (GET + b"\r\nTransfer-Encoding:", 400),
    (GET + b"\r\nTransfer-Encoding: gzip, chunked", 501),
    (b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked", 400),
    (GET + b"\r\nConnection: close, Transfer-Encoding\r\nTransfer-Encoding: chunked", 400),
    (GET + b"\r\nConnection: content-length\r\nContent-Length: 5", 400),
    (GET + b"\r\nConnection: Host", 400),
    (GET + b"\r\nConnection: Upgrade\r\nUpgrade: WebSocket", 501),
]


@pytest.mark.parametrize(("head", "status"), FAULTS)
def test_a_request_that_two_parties_could_read_differently_is_refused(head, status):
    with pytest.raises(Refused) as refused:
        read_request(head)
    assert refused.value.status == status


UPGRADE = b"\r\nConnection: Upgrade\r\nUpgrade: WebSocket"


def test_a_websocket_is_asked_for_where_that_is_taken():
    request = read_request(GET + b"\r\nKeep-Alive: 5" + UPGRADE + b"\r\nX-A: 1", takes_sockets=True)

    assert (request.is_upgrade, request.keeps_alive) == (True, False)
    assert [line for _, line in request.lines][-3:] == [
        b"X-A: 1",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
    ]
    answered = read_response(
        b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 5\r\nX-A: 1" + UPGRADE, is_upgrade=True
    )
    assert [line for _, line in answered.lines] == [b"X-A: 1", b"Connection: Upgrade", b"Upgrade: websocket"]
    assert response_body(answered, "GET").ends_with_connection


@pytest.mark.parametrize(
    "head",
    [
        GET.replace(b"GET", b"POST") + UPGRADE,
        GET.replace(b"1.1", b"1.0") + UPGRADE,
        GET + b"\r\nUpgrade: websocket",
        GET + b"\r\nContent-Length: 5" + UPGRADE,
        GET + b"\r\nTransfer-Encoding: chunked" + UPGRADE,
    ],
)
def test_a_websocket_that_is_asked_for_otherwise_is_refused(head):
    with pytest.raises(Refused) as refused:
        read_request(head, takes_sockets=True)
    assert refused.value.status == 400


@given(st.sampled_from([head for head, status in FAULTS] + [GET]), st.data())
def test_whatever_comes_is_read_or_refused(head, data):
    at = data.draw(st.integers(0, len(head)))
    changed = head[:at] + data.draw(st.binary(max_size=3)) + head[at + data.draw(st.integers(0, 3)) :]
    try:
        request = read_request(changed)
    except Refused:
        return
    sent = request_bytes(request, request.target, request.lines)
    # Another implementation reads the same from what is passed on.
    server = h11.Connection(h11.SERVER)
    server.receive_data(sent)
    event = server.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method, event.target) == (request.method, request.target)
    framings = [value for name, value in event.headers if name in (b"content-length", b"transfer-encoding")]
    assert framings == (
        [b"chunked"] if request.is_chunked else [] if request.length is None else [b"%d" % request.length]
    )


@pytest.mark.parametrize(
    ("head", "method", "is_over", "ends_with_connection"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"GET", False, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length:5", b"GET", False, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"HEAD", True, False),
        (b"HTTP/1.1 204 No Content", b"GET", True, False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5", b"GET", True, False),
        (b"HTTP/1.1 200", b"GET", False, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", b"GET", False, False),
    ],
)
def test_a_responses_body_depends_on_status_and_method(head, method, is_over, ends_with_connection):
    body = response_body(read_response(head), method)

    assert (body.is_over, body.ends_with_connection) == (is_over, ends_with_connection)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 2x0 OK",
        b"HTTP/2 200 OK",
        b"nonsense",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded",
        b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
    ],
)
def test_a_response_that_two_parties_could_read_differently_is_an_error(head):
    with pytest.raises(FramingError):
        read_response(head)


def test_a_response_is_passed_on_in_our_version_without_blanks_before_colons():
    answered = read_response(b"HTTP/1.0 404 Not here\r\nX-A : 1\r\nContent-Length: 5\r\nContent-Length: 5")

    assert response_bytes(answered, b"Own: 1\r\n", b"close") == (
        b"HTTP/1.1 404 Not here\r\nOwn: 1\r\nX-A: 1\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    )
    assert not answered.keeps_alive


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"GET /", "the request line is malformed"),
        (GET + b"\r\nno colon", "a header line has no colon"),
        (GET + b"\r\nX : a", "a header name contains characters that are not allowed"),
        (GET + b"\r\nX: a\r\n folded", "a header is folded across lines"),
        (GET + b"\r\nX: a\nY: b", "a header line does not end in CRLF"),
        (GET + b"\r\nX: a\0b", "a header value contains control characters"),
        (GET + b"\r\nConnection: Host", "the Connection header names a header of the whole message"),
        (GET + b"\r\nContent-Length: 5\r\ncontent-length: 5", "it has more than one Content-Length"),
        (GET + b"\r\nContent-Length: -5", "its Content-Length is not a number"),
        (
            GET + b"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            "it has both Content-Length and Transfer-Encoding",
        ),
        (GET + b"\r\nTransfer-Encoding: identity", "its transfer coding is not chunked"),
        (
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked",
            "HTTP/1.0 has no chunked transfer coding",
        ),
        (b"GET http://u@x/ HTTP/1.1\r\nHost: x", "the request target has no valid host"),
        (b"GET x HTTP/1.1\r\nHost: x", "the request target is not a path"),
        (b"GET / HTTP/1.1", "it has no Host header"),
        (GET + b"\r\nHost: x", "it has more than one Host header"),
        (b"GET / HTTP/1.1\r\nHost: a b", "its Host header is malformed"),
    ],
)
def test_a_client_is_told_what_is_wrong_with_its_request(head, why):
    with pytest.raises(Refused) as refused:
        read_request(head)

    assert str(refused.value) == f"This is not an HTTP/1.1 request: {why}."


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x", "CONNECT is not supported here."),
        (
            GET + b"\r\nTransfer-Encoding: gzip, chunked",
            "The only transfer coding supported here is chunked.",
        ),
        (
            GET + b"\r\nConnection: Upgrade\r\nUpgrade: WebSocket",
            "WebSocket is not supported here: only HTTP requests and their responses are passed on.",
        ),
    ],
)
def test_a_client_is_told_what_is_not_done_here(head, why):
    with pytest.raises(Refused) as refused:
        read_request(head)

    assert str(refused.value) == why
