"""Targets that break the rules, or bend them: every step still ends once, in bounded memory, and harms no other."""

import asyncio
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.target.sending import Connections
from replay.target.target import Target
from replay.wire.addresses import AddressBook
from replay.wire.http1.connection import Connection
from replay.wire.http1.wire import Http1Wire
from replay.wire.opening import ConnectError
from replay.wire.reasons import SENTENCES
from replay.wire.types import Exchange

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class FakeTransport:
    def __init__(self) -> None:
        self.is_closed = self.is_aborted = self.is_paused = False

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        assert self.is_paused
        assert not self.is_closed
        self.is_paused = False

    def get_extra_info(self, name: str) -> None:
        """As a transport without TLS."""

    def set_write_buffer_limits(self, high: int) -> None: ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True


def wire_with(**options: object) -> Http1Wire:
    target = Target(url="http://127.0.0.1:1", connections=Connections(**options))  # type: ignore[arg-type]
    return Http1Wire(target, AddressBook(target, target.url))


@pytest.fixture
def wire() -> Http1Wire:
    return wire_with()


def connection(wire: Http1Wire) -> Connection:
    conn = Connection(wire)
    conn.connection_made(FakeTransport())  # type: ignore[arg-type]
    wire._open.add(conn)
    return conn


def exchange_of(method: str = "GET", **options: object) -> tuple[Exchange, list[Exchange]]:
    done: list[Exchange] = []
    exchange = Exchange(
        f"{method} / HTTP/1.1\r\n\r\n".encode(),
        b"",
        method,
        done.append,
        **options,  # type: ignore[arg-type]
    )
    return exchange, done


def answered(wire: Http1Wire, *reads: bytes, method: str = "GET") -> tuple[Exchange, Connection]:
    """An exchange on a connection of its own after these reads; it has ended, or it waits for more."""
    conn = connection(wire)
    exchange, done = exchange_of(method)
    conn.start(exchange)
    for data in reads:
        conn.data_received(data)
    assert len(done) == (exchange.end_ns > 0)
    return exchange, conn


@pytest.mark.parametrize(
    "piece",
    [b"X-A: b\r\n", b"a" * 1000, b"X-A: " + b"b" * 1000 + b"\r\n"],
    ids=["short headers", "one name", "long headers"],
)
def test_a_head_without_end_is_a_protocol_error(wire, piece):
    endless = [piece * (65_536 // len(piece))] * 40
    exchange, conn = answered(wire, b"HTTP/1.1 200 OK\r\n", *endless)

    assert (exchange.error, exchange.phase) == ("protocol", "first_byte")
    assert conn.is_closed


def test_a_header_value_without_end_is_a_protocol_error(wire):
    exchange, conn = answered(wire, b"HTTP/1.1 200 OK\r\nX-A: ", *[b"b" * 65_536] * 40)

    assert (exchange.error, exchange.phase) == ("protocol", "first_byte")
    assert conn.is_closed


def test_interim_responses_without_end_are_a_protocol_error(wire):
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 1000
    exchange, conn = answered(wire, *[interim] * 100)

    assert (exchange.error, exchange.phase) == ("protocol", "first_byte")
    assert conn.is_closed


def test_a_large_head_is_read(wire):
    head = b"HTTP/1.1 200 OK\r\n" + b"Set-Cookie: " + b"a" * 60_000 + b"\r\nContent-Length: 2\r\n\r\n"
    exchange, _ = answered(wire, head[:30_000], head[30_000:], b"ok")
    assert (exchange.status, exchange.error) == (200, None)


NO_HTTP = "the answer does not begin with a status line of HTTP/1"
BAD_LENGTH = "the Content-Length of the answer is not one whole number"
BAD_CHUNK = "a chunk of the answer's body is malformed"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (CHUNKED + b"FFFFFFFFFFFFFFFFF\r\n", BAD_CHUNK),
        (CHUNKED + b"-1\r\n", BAD_CHUNK),
        (CHUNKED + b"0x5\r\nhello\r\n", BAD_CHUNK),
        (CHUNKED + b"5\r\nhelloXX", BAD_CHUNK),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", BAD_LENGTH),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", BAD_LENGTH),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", BAD_LENGTH),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\nhellohello", BAD_LENGTH),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello", BAD_LENGTH),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", BAD_LENGTH),
        (b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", "the answer has a status below 100"),
        (b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 0\r\n\r\n", "a header of the answer is malformed"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "a header of the answer is malformed"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "the answer switches to another protocol (101), though no upgrade was requested",
        ),
        (b"HTTP/9.9 200 OK\r\n\r\n", "the answer is of another version of HTTP than 1.0 and 1.1"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "the status of the answer is not a number from 100 to 999"),
        (
            b"\x16\x03\x01\x02\x00\x01\x00",
            "the answer is TLS: the target's URL may have to begin with https://",
        ),
        (
            b"\x15\x03\x01\x00\x02\x02\x46",
            "the answer is TLS: the target's URL may have to begin with https://",
        ),
        (b"\0\0\x12\x04\0\0\0\0\0" + bytes(18), "the answer is HTTP/2, where HTTP/1.1 was spoken"),
        (b"SSH-2.0-OpenSSH_9.0\r\n", NO_HTTP),
        (b"<html>HTTP/0.9 has no head</html>", NO_HTTP),
        (b"\r\n\r\n{}", NO_HTTP),
    ],
)
def test_what_is_not_http_ends_the_step_and_the_connection_and_says_why(wire, data, why):
    exchange, conn = answered(wire, data)

    assert (exchange.error, exchange.why) == ("protocol", why)
    assert conn.is_closed
    assert wire.heads == {}


@given(st.binary(min_size=1, max_size=200).map(lambda data: b"HTTP/1.1 200 OK\r\n" * (data[0] % 2) + data))
def test_why_an_answer_cannot_be_read_never_holds_what_came(data):
    exchange, _ = answered(wire_with(), data)

    assert (exchange.why is not None) == (exchange.error == "protocol")
    assert exchange.why in {None, *SENTENCES}


@pytest.mark.parametrize(
    ("cause", "how"),
    [(None, "closed"), (ConnectionResetError(104, "reset by peer"), "reset")],
    ids=["close", "reset"],
)
@pytest.mark.parametrize(
    ("came", "when"),
    [(b"", "before it answered"), (CHUNKED, "in the middle of its answer")],
    ids=["no answer", "half an answer"],
)
def test_a_connection_that_ends_too_early_says_how_and_when(wire, cause, how, came, when):
    conn = connection(wire)
    exchange, _ = exchange_of("POST")
    conn.start(exchange)
    if came:
        conn.data_received(came)
    conn.connection_lost(cause)

    assert (exchange.error, exchange.why) == ("reset", f"the target {how} the connection {when}")


def test_an_answer_that_can_be_read_has_no_why(wire):
    exchange, _ = answered(wire, b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno")

    assert (exchange.error, exchange.why) == (None, None)


UNUSUAL = {
    "a folded line": b"HTTP/1.1 200 OK\r\nX-I: one\r\n \t two\r\nContent-Length: 5\r\n\r\nhello",
    "equal lengths": b"HTTP/1.1 200 OK\r\nX-I: one two\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "equal lengths in a line": b"HTTP/1.1 200 OK\r\nX-I: one two\r\nContent-Length: 5, 5\r\n\r\nhello",
    "chunked with a length": b"HTTP/1.1 200 OK\r\nX-I: one two\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nX-I: one two\nContent-Length: 5\n\nhello",
    "an empty line first": b"\r\nHTTP/1.1 200 OK\r\nX-I: one two\r\nContent-Length: 5\r\n\r\nhello",
    "all of them": b"\r\n\nHTTP/1.1 200 OK\nContent-Length: 5\nX-I: one\n\ttwo\r\ncontent-length: 5 \n\r\nhello",
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_a_head_that_may_be_read_is_read_however_it_is_cut(name):
    data = UNUSUAL[name]
    target = Target(url="http://127.0.0.1:1", instance_header="x-i")
    wire = Http1Wire(target, AddressBook(target, target.url))
    for cut in range(1, len(data)):
        exchange, conn = answered(wire, data[:cut], data[cut:])
        assert (exchange.error, exchange.status, exchange.response_bytes) == (None, 200, 5), cut
        assert exchange.instance == "one two"
        assert conn.is_closed == (name == "chunked with a length")
    exchange, _ = answered(wire, *(data[n : n + 1] for n in range(len(data))))
    assert (exchange.error, exchange.response_bytes, exchange.instance) == (None, 5, "one two")
    assert (wire.heads == {}) == ("an empty line first" not in name), wire.heads


def test_a_huge_chunk_is_counted_and_not_kept(wire):
    exchange, _ = answered(wire, CHUNKED + b"FFFFFFFFFFFF\r\n", *[b"x" * 100_000] * 50)
    assert (exchange.error, exchange.response_bytes) == (None, 5_000_000)


@pytest.mark.parametrize(
    "trailer", [b"Content-Length: 9", b"Transfer-Encoding: identity", b"Content-Type: text/event-stream"]
)
def test_trailers_do_not_change_how_responses_are_read(wire, trailer):
    both = b"Transfer-Encoding: identity\r\nContent-Length: 9"
    for trailers in (trailer, both):
        data = CHUNKED + b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n\r\n"
        for _ in range(2):
            exchange, _ = answered(wire, data)
            assert (exchange.error, exchange.response_bytes) in ((None, 3), ("protocol", 3))
    assert wire.heads == {}


def test_trailers_of_known_headers_leave_the_instance_as_the_head_named_it():
    target = Target(url="http://127.0.0.1:1", instance_header="x-i")
    wire = Http1Wire(target, AddressBook(target, target.url))
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nX-I: one\r\n\r\n")
    exchange, _ = answered(wire, head + b"0\r\nX-I: two\r\n\r\n")
    assert exchange.instance == "one"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_ends_without_a_return_are_not_learned_wrong(wire, end):
    data = end.join([b"HTTP/1.1 200 OK", b"Content-Length: 10", b"", b"ab\r\n\r\ncdef"])
    for _ in range(3):
        exchange, _ = answered(wire, data)
        assert exchange.end_ns
        assert (exchange.error, exchange.response_bytes) == (None, 10), end


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [b"200 OK", b"204 No Content", b"304 Not Modified"])
def test_a_head_learned_from_one_method_never_misleads_another(wire, method, status):
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n"
    for asked in ("GET", "HEAD", method, "GET"):
        has_body = asked == "GET" and status.startswith(b"200")
        exchange, conn = answered(wire, head + b"hello" * has_body, method=asked)
        assert (exchange.error, exchange.response_bytes) == (None, 5 * has_body)
        assert not conn.is_closed


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_where_none_may_be_ends_the_connection(wire, method):
    status = b"200 OK" if method == "HEAD" else b"204 No Content"
    exchange, conn = answered(
        wire, b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\nhello", method=method
    )

    assert (exchange.error, exchange.response_bytes) == (None, 0)
    assert conn.is_closed


@pytest.mark.parametrize("first", [OK, CHUNKED + b"2\r\nok\r\n0\r\n\r\n"])
@pytest.mark.parametrize("known", [False, True])
def test_a_response_that_nobody_asked_for_never_answers_the_next_step(wire, first, known):
    if known:
        answered(wire, first)
    exchange, conn = answered(wire, first + b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")

    assert (exchange.status, exchange.response_bytes, exchange.error) == (200, 2, None)
    assert conn.is_closed


def test_bytes_on_an_idle_connection_end_it(wire):
    _, conn = answered(wire, OK)
    conn.data_received(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
    assert conn.is_closed


@pytest.mark.parametrize("words", [b"close", b"Close", b"foo, close", b"close, keep-alive"])
def test_connection_close_is_heard_however_it_is_written(wire, words):
    for _ in range(2):
        exchange, conn = answered(
            wire, b"HTTP/1.1 200 OK\r\nConnection: " + words + b"\r\nContent-Length: 2\r\n\r\nok"
        )
        assert (exchange.error, exchange.response_bytes) == (None, 2)
        assert conn.is_closed


def test_a_target_that_reads_no_more_does_not_keep_the_socket_open(wire):
    conn = connection(wire)
    exchange, done = exchange_of("POST")
    conn.start(exchange)
    conn.pause_writing()
    conn.expire(conn.read_ns + 1_000, first_byte_ns=1_000, idle_ns=1_000, total_ns=1_000)

    assert done == [exchange]
    assert exchange.error == "timeout"
    assert conn._transport.is_aborted  # type: ignore[union-attr]


class Opening:
    """Stands in for opening connections: each opening waits until the test lets it succeed or fail."""

    def __init__(self, wire: Http1Wire) -> None:
        self._wire = wire
        self._asked: list[asyncio.Future[Connection]] = []
        wire._opener = self  # type: ignore[assignment]

    @property
    def under_way(self) -> int:
        return len(self._asked)

    async def open(self, connection: Callable[[], Connection]) -> Connection:
        opened: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._asked.append(opened)
        return await opened

    async def succeed(self) -> Connection:
        conn = connection(self._wire)
        self._asked.pop(0).set_result(conn)
        await settled()
        return conn

    async def fail(self) -> None:
        self._asked.pop(0).set_exception(ConnectError("connect", "refused"))
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def sent(wire: Http1Wire, **options: object) -> tuple[Exchange, list[Exchange]]:
    exchange, done = exchange_of(**options)
    wire.send(exchange)
    return exchange, done


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_steps_that_wait_at_the_limit_all_end_when_the_target_refuses_connections():
    wire = wire_with(max=1)
    opening = Opening(wire)
    waits = [sent(wire) for _ in range(3)]
    await settled()
    for _ in waits:
        assert opening.under_way == 1
        await opening.fail()

    assert [exchange.error for exchange, done in waits if done] == ["connect"] * 3
    assert opening.under_way == 0


@pytest.mark.anyio
@pytest.mark.parametrize("ending", ["the session ends", "the target closes the connection"])
async def test_a_step_that_waits_for_another_sessions_connection_gets_one_when_that_is_gone(ending):
    wire = wire_with(max=1, reuse="session")
    opening = Opening(wire)
    sent(wire, session_key="one")
    await settled()
    conn = await opening.succeed()
    conn.data_received(OK)
    _, done = sent(wire, session_key="two")
    await settled()
    assert opening.under_way == 0

    ends: dict[str, Callable[[], None]] = {
        "the session ends": lambda: wire.end_session("one"),
        "the target closes the connection": lambda: conn.connection_lost(None),
    }
    ends[ending]()
    await settled()
    assert opening.under_way == 1
    (await opening.succeed()).data_received(OK)

    assert len(done) == 1


@pytest.mark.anyio
async def test_a_connection_whose_session_is_over_before_its_answer_makes_room_for_others():
    """As where the rest of a stream comes after what its step waited for."""
    wire = wire_with(max=1, reuse="session")
    opening = Opening(wire)
    sent(wire, session_key="one")
    await settled()
    conn = await opening.succeed()
    wire.end_session("one")
    _, done = sent(wire, session_key="two")
    await settled()
    assert opening.under_way == 0

    conn.data_received(OK)
    await settled()
    assert conn.is_closed
    assert opening.under_way == 1
    (await opening.succeed()).data_received(OK)

    assert len(done) == 1


@pytest.mark.anyio
async def test_a_session_at_the_limit_sends_its_steps_one_after_the_other():
    wire = wire_with(max=1, reuse="session")
    opening = Opening(wire)
    _, first = sent(wire, session_key="one")
    _, other = sent(wire, session_key="two")
    _, second = sent(wire, session_key="one")
    await settled()
    conn = await opening.succeed()

    conn.data_received(OK)
    assert (len(first), len(second), len(other)) == (1, 0, 0)
    conn.data_received(OK)
    assert (len(first), len(second), len(other)) == (1, 1, 0)


@pytest.mark.anyio
async def test_a_connection_opened_to_send_once_more_is_kept_for_its_session():
    wire = wire_with(reuse="session")
    opening = Opening(wire)
    sent(wire, session_key="one")
    await settled()
    first = await opening.succeed()
    first.data_received(OK)
    sent(wire, session_key="one", idempotent=True)
    first.connection_lost(None)
    await settled()

    second = await opening.succeed()

    assert second.owner == "one"


@pytest.mark.anyio
async def test_a_stale_connection_costs_one_resend_and_no_more():
    wire = wire_with()
    opening = Opening(wire)
    first = connection(wire)
    first.start(exchange_of()[0])
    first.data_received(OK)
    exchange, done = sent(wire, idempotent=True)
    first.connection_lost(None)
    await settled()
    assert (done, wire.stale_resent) == ([], 1)

    (await opening.succeed()).connection_lost(None)

    assert done == [exchange]
    assert (exchange.error, exchange.stale_retries, wire.stale_resent) == ("reset", 1, 1)


@pytest.mark.anyio
async def test_once_an_interim_response_has_come_nothing_is_sent_again():
    wire = wire_with()
    Opening(wire)
    first = connection(wire)
    first.start(exchange_of()[0])
    first.data_received(OK)
    exchange, done = sent(wire, idempotent=True)
    first.data_received(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    first.connection_lost(None)
    await settled()

    assert done == [exchange]
    assert (exchange.error, wire.stale_resent) == ("reset", 0)


@pytest.mark.parametrize(
    "piece",
    [b"X-A: b\r\n", b"X-A: " + b"b" * 1000 + b"\r\n", b"a"],
    ids=["short trailers", "long trailers", "one name"],
)
@pytest.mark.parametrize("captures", [False, True])
def test_trailers_without_end_are_a_protocol_error(wire, piece, captures):
    """They took 2.2 GB in 21 s, where a step takes a value of a header."""
    conn = connection(wire)
    exchange, done = exchange_of()
    exchange.captured_headers = [] if captures else None
    conn.start(exchange)
    reads = 0
    conn.data_received(CHUNKED + b"5\r\nhello\r\n0\r\n")
    while not done and reads < 40:
        reads += 1
        conn.data_received(piece * (65_536 // len(piece)))

    assert (exchange.error, exchange.phase) == ("protocol", "body")
    assert reads <= 17
    assert conn.is_closed


def test_a_trailers_value_without_end_is_a_protocol_error(wire):
    exchange, conn = answered(wire, CHUNKED + b"5\r\nhello\r\n0\r\nx: ", *[b"a" * 65_536] * 17)

    assert (exchange.error, exchange.phase) == ("protocol", "body")
    assert conn.is_closed


def test_an_extension_of_a_chunk_without_end_is_a_protocol_error(wire):
    exchange, _ = answered(wire, CHUNKED + b"5;x=", *[b"a" * 65_536] * 17)

    assert (exchange.error, exchange.phase) == ("protocol", "body")


def test_a_long_stream_of_tiny_chunks_is_no_endless_trailer(wire):
    exchange, _ = answered(wire, CHUNKED, *[b"1\r\nx\r\n" * 10_000] * 40, b"0\r\nX: y\r\n\r\n")

    assert (exchange.error, exchange.response_bytes) == (None, 400_000)


EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_a_flood_of_events_is_read_in_slices_and_happened_when_it_came(wire):
    """One turn of the loop read 8 MiB of events of each connection, while time limits and Ctrl-C waited for seconds."""
    flood = chunk(b"data: x\n\n" * 29_000)
    turns: list[int] = []

    async def read() -> tuple[Exchange, FakeTransport]:
        conn = connection(wire)
        exchange, done = exchange_of()
        conn.start(exchange)
        conn.data_received(EVENTS + flood + b"0\r\n\r\n")
        came_ns = conn.read_ns
        while not done:
            assert conn._transport.is_paused  # type: ignore[union-attr]
            turns.append(conn._reader.events.token_count if conn._reader else 0)
            await asyncio.sleep(0)
        assert (exchange.first_token_ns, exchange.end_ns) == (came_ns, came_ns)
        return exchange, conn._transport  # type: ignore[return-value]

    exchange, transport = asyncio.run(read())

    assert (exchange.error, exchange.token_count) == (None, 29_000)
    assert not transport.is_paused
    assert max(later - earlier for earlier, later in itertools.pairwise([0, *turns])) <= 16 * 1024 / 9 + 1


@pytest.mark.parametrize("ending", ["lost", "expired", "interrupted", "spare"])
def test_what_was_put_by_of_a_flood_ends_with_its_connection(wire, ending):
    flood = EVENTS + chunk(b"data: x\n\n" * 5_000)
    end = b"0\r\n\r\n"

    async def read() -> tuple[Exchange, Connection]:
        conn = connection(wire)
        exchange, done = exchange_of()
        conn.start(exchange)
        conn.data_received(flood + end + (b"HTTP/1.1 200 OK\r\n\r\n" * 2_000 if ending == "spare" else b""))
        conn.data_received(b"")
        if ending == "lost":
            conn.connection_lost(None)
        elif ending == "expired":
            conn.expire(conn.read_ns + 10, 1, 1, 1)
        elif ending == "interrupted":
            conn.interrupt(conn.read_ns)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(done) == 1
        return exchange, conn

    exchange, conn = asyncio.run(read())

    whole = ending in ("lost", "spare")
    assert exchange.error == (None if whole else {"expired": "timeout"}.get(ending, ending))
    assert (exchange.token_count == 5_000) == whole
    assert conn.is_closed
    assert wire.closed_while_idle == 0


SECOND_NS = 1_000_000_000


@pytest.mark.anyio
@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("limit", ["idle", "total"])
async def test_a_limit_that_passes_while_a_flood_is_read_leaves_what_came_before_it(wire, is_whole, limit):
    conn = connection(wire)
    exchange, done = exchange_of()
    conn.start(exchange)
    conn.data_received(EVENTS + chunk(b"data: x\n\n" * 5_000) + (b"0\r\n\r\n" if is_whole else b""))
    came_ns = conn.read_ns

    limits = {"first_byte_ns": 60 * SECOND_NS, "idle_ns": 60 * SECOND_NS, "total_ns": 60 * SECOND_NS}
    conn.expire(came_ns + 2 * SECOND_NS, **limits | {f"{limit}_ns": SECOND_NS})
    if limit == "idle":
        assert not done
        while conn._late is not None:
            await asyncio.sleep(0)
        if not is_whole:
            # The target's time began anew when more could be received from it.
            assert conn.read_ns > came_ns
            conn.expire(conn.read_ns + SECOND_NS, **limits | {"idle_ns": SECOND_NS})

    assert done == [exchange]
    assert (exchange.error, exchange.token_count) == (None if is_whole else "timeout", 5_000)
    assert not is_whole or exchange.end_ns == came_ns


@pytest.mark.anyio
async def test_a_step_that_waits_has_a_connection_once_a_flood_has_ended_with_its_own():
    wire = wire_with(max=1)
    opening = Opening(wire)
    _, flooded = sent(wire)
    _, waited = sent(wire)
    await settled()
    conn = await opening.succeed()
    conn.data_received(EVENTS + chunk(b"data: x\n\n" * 5_000) + b"0\r\n\r\n")

    conn.connection_lost(None)
    await settled()

    assert (len(flooded), flooded[0].error, wire.closed_while_idle) == (1, None, 0)
    assert (opening.under_way, wire.waited_for_limit) == (1, 1)
    (await opening.succeed()).data_received(OK)
    assert len(waited) == 1


def test_other_large_bodies_are_read_at_once(wire):
    exchange, conn = answered(wire, CHUNKED + chunk(b"x" * 250_000) + b"0\r\n\r\n")

    assert (exchange.error, exchange.response_bytes) == (None, 250_000)
    assert not conn.is_closed
