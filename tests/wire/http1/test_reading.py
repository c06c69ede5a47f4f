"""Responses, read whole, cut at every byte, and with bytes to spare: no sockets, a fake transport."""

import pytest

from replay.target.target import Target
from replay.wire.addresses import AddressBook
from replay.wire.answers import says_cold
from replay.wire.http1.wire import Connection, Http1Wire
from replay.wire.types import Exchange

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Instance: i-7\r\n\r\nhello"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
TRAILERS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
NOT_MODIFIED = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 120\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + PLAIN
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
OLD = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"

WHOLE = {
    "plain": (PLAIN, 200, 5, True),
    "empty": (EMPTY, 200, 0, True),
    "chunked": (CHUNKED, 200, 5, True),
    "trailers": (TRAILERS, 200, 3, True),
    "204": (NO_CONTENT, 204, 0, True),
    "304": (NOT_MODIFIED, 304, 0, True),
    "interim": (INTERIM, 200, 5, True),
    "503": (UNAVAILABLE, 503, 4, True),
    "closing": (CLOSING, 200, 2, False),
    "http/1.0": (OLD, 200, 2, False),
}


class FakeTransport:
    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False

    def get_extra_info(self, name: str) -> None:
        """As a transport without TLS."""

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 0

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def wire() -> Http1Wire:
    target = Target(url="http://127.0.0.1:1", instance_header="X-Instance")
    return Http1Wire(target, AddressBook(target, target.url))


def connection(wire: Http1Wire) -> Connection:
    conn = Connection(wire)
    conn.connection_made(FakeTransport())  # type: ignore[arg-type]
    wire._open.add(conn)
    return conn


def ask(conn: Connection, method: str = "GET", **options: bool) -> tuple[Exchange, list[Exchange]]:
    done: list[Exchange] = []
    exchange = Exchange(f"{method} / HTTP/1.1\r\n\r\n".encode(), b"", method, done.append, **options)
    conn.start(exchange)
    return exchange, done


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("times", [1, 3])
def test_a_response_in_one_read(wire, name, times):
    data, status, size, is_reusable = WHOLE[name]
    conn = connection(wire)
    for _ in range(times if is_reusable else 1):
        exchange, done = ask(conn)
        conn.data_received(data)

        assert done == [exchange]
        assert (exchange.status, exchange.response_bytes, exchange.error) == (status, size, None)
        assert exchange.sent_ns <= exchange.first_byte_ns <= exchange.end_ns
        assert conn.is_closed is not is_reusable


@pytest.mark.parametrize("name", WHOLE)
def test_a_response_cut_at_every_byte(wire, name):
    data, status, size, _ = WHOLE[name]
    for cut in range(1, len(data)):
        conn = connection(wire)
        exchange, done = ask(conn)
        conn.data_received(data[:cut])
        assert done == []
        conn.data_received(data[cut:])
        assert done == [exchange]
        assert (exchange.status, exchange.response_bytes, exchange.error) == (status, size, None)


@pytest.mark.parametrize("name", WHOLE)
def test_a_response_byte_by_byte(wire, name):
    data, status, size, _ = WHOLE[name]
    conn = connection(wire)
    exchange, done = ask(conn)
    for i in range(len(data)):
        assert done == []
        conn.data_received(data[i : i + 1])
    assert (exchange.status, exchange.response_bytes, exchange.error) == (status, size, None)


@pytest.mark.parametrize("name", ["plain", "chunked", "204", "503"])
@pytest.mark.parametrize("times", [1, 2])
def test_bytes_to_spare_never_reach_the_next_exchange(wire, name, times):
    data, _, _, _ = WHOLE[name]
    conn = connection(wire)
    for _ in range(times - 1):
        ask(conn)
        conn.data_received(data)
    exchange, done = ask(conn)
    conn.data_received(data + b"HTTP/1.1 200 OK\r\n")

    assert done == [exchange]
    assert conn.is_closed


def test_a_head_response_has_no_body_whatever_its_length_says(wire):
    conn = connection(wire)
    for _ in range(2):
        exchange, done = ask(conn, "HEAD")
        conn.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        assert done == [exchange]
        assert (exchange.status, exchange.response_bytes) == (200, 0)
        assert not conn.is_closed


def test_a_body_without_length_ends_with_the_connection(wire):
    conn = connection(wire)
    exchange, done = ask(conn)
    conn.data_received(b"HTTP/1.1 200 OK\r\n\r\nsome")
    conn.data_received(b" more")
    assert done == []

    conn.connection_lost(None)

    assert done == [exchange]
    assert (exchange.response_bytes, exchange.error) == (9, None)


@pytest.mark.parametrize("name", ["plain", "chunked"])
def test_a_connection_lost_in_mid_body_is_a_reset(wire, name):
    data = WHOLE[name][0]
    conn = connection(wire)
    exchange, done = ask(conn)
    conn.data_received(data[:-2])
    conn.connection_lost(None)

    assert done == [exchange]
    assert (exchange.error, exchange.phase) == ("reset", "body")


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n", b"\x16\x03\x01\x02\x00"])
def test_what_is_not_http_is_a_protocol_error(wire, data):
    conn = connection(wire)
    exchange, done = ask(conn)
    conn.data_received(data)

    assert done == [exchange]
    assert exchange.error == "protocol"
    assert conn.is_closed


def test_the_instance_named_by_the_target_is_kept_from_new_and_from_known_heads(wire):
    conn = connection(wire)
    for _ in range(2):
        exchange, _ = ask(conn)
        conn.data_received(PLAIN)
        assert exchange.instance == "i-7"


def test_the_first_byte_is_the_final_responses_not_an_interim_ones(wire):
    conn = connection(wire)
    exchange, _ = ask(conn)
    conn.data_received(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert exchange.first_byte_ns == 0
    conn.data_received(PLAIN)
    assert exchange.first_byte_ns > 0


def test_first_byte_edges_are_told_once_with_the_first_read(wire):
    conn = connection(wire)
    exchange, _ = ask(conn)
    told: list[int] = []
    exchange.on_first_byte = lambda x: told.append(x.first_byte_ns)
    conn.data_received(PLAIN[:10])
    first = exchange.first_byte_ns
    conn.data_received(PLAIN[10:50])
    conn.data_received(PLAIN[50:])

    assert told == [first]


def test_a_limit_ends_the_step_at_the_limit_not_when_it_was_noticed(wire):
    conn = connection(wire)
    exchange, done = ask(conn)
    conn.expire(exchange.sent_ns + 7_000, first_byte_ns=5_000, idle_ns=10**12, total_ns=10**12)

    assert done == [exchange]
    assert (exchange.error, exchange.phase, exchange.censored) == ("timeout", "first_byte", True)
    assert exchange.end_ns == exchange.sent_ns + 5_000


def test_an_early_response_ends_the_step_and_the_connection(wire):
    conn = connection(wire)
    conn.pause_writing()
    exchange, done = ask(conn, "POST")
    assert exchange.sent_ns == 0
    conn.data_received(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n")

    assert done == [exchange]
    assert exchange.status == 413
    assert conn.is_closed


def test_sent_is_stamped_when_the_kernel_took_the_last_byte(wire):
    conn = connection(wire)
    conn.pause_writing()
    exchange, _ = ask(conn, "POST")
    assert exchange.sent_ns == 0
    put_by_ns = exchange.queued_ns
    conn.resume_writing()
    assert exchange.sent_ns >= put_by_ns > 0


def test_what_waited_for_a_connection_was_put_by_when_that_began(wire):
    conn = connection(wire)
    conn.pause_writing()
    exchange = Exchange(b"POST / HTTP/1.1\r\n\r\n", b"", "POST", lambda _: None, queued_ns=7)
    conn.start(exchange)

    assert exchange.queued_ns == 7


def test_heads_that_never_repeat_are_given_up_on(wire):
    conn = connection(wire)
    for n in range(6000):
        exchange, _ = ask(conn)
        conn.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Request-Id: %d\r\n\r\nx" % n)
        assert exchange.response_bytes == 1
    assert len(wire.heads) <= 512


@pytest.mark.parametrize(
    ("value", "is_cold"),
    [
        (b"1", True),
        (b" True ", True),
        (b"0", False),
        (b"cold;dur=312, db;dur=3", True),
        (b"db;dur=3, boot;dur=900", True),
        (b"db;dur=3, cache;desc=cold", False),
        (b"", False),
    ],
)
def test_a_cold_header_is_a_word_or_a_server_timing_metric(value, is_cold):
    assert says_cold(value) == is_cold
