"""What clients see of either relay when somebody is slow, leaves, breaks off, or speaks another version."""

import asyncio
import contextlib
import socket
import ssl
from time import monotonic_ns

import pytest

from replay.relay import clients, doorway, sockets
from tests.support.relays import relay_of
from tests.support.waiting import until_loop

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"


async def answer_ok(reader, writer):
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)


def waited(relay, seconds):
    """Let so much time seem to pass for the relay's clients."""
    for _ in range(int(seconds / clients.SWEEP_S)):
        relay.clients.sweep()


async def test_a_client_that_speaks_tls_is_refused_at_once(kind):
    """It waited for a minute for its part of the handshake."""
    async with relay_of(kind, answer_ok) as relay:
        with pytest.raises(ssl.SSLError):
            async with asyncio.timeout(10):
                await asyncio.open_connection("127.0.0.1", relay.port, ssl=ssl.create_default_context())

        assert (await relay.ask()).endswith(b"ok")


async def test_a_slow_reader_leaves_a_connection_that_the_next_client_can_use(kind):
    size = 6 << 20
    connections = 0

    async def serve(reader, writer):
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        await writer.drain()
        await answer_ok(reader, writer)

    async with relay_of(kind, serve) as relay:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", relay.port))
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(GET)
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(size)
        assert (await relay.ask()).endswith(b"ok")
        writer.close()

    assert connections == 1


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        ("gateway", "reset"),
        ("gateway", "closed"),
        ("gateway", "timeout"),  # the recorder has no time limit for answers
        ("recorder", "reset"),
        ("recorder", "closed"),
    ],
)
async def test_a_body_that_lasts_until_the_connection_ends_is_reset_where_it_is_cut(kind, broken):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\npart")
        await writer.drain()
        await may_break.wait()
        if broken == "reset":
            sockets.reset(writer.transport)
            return
        await asyncio.Event().wait()

    may_break = asyncio.Event()
    limits = {"request_timeout_s": 0.2} if broken == "timeout" else {}
    async with relay_of(kind, serve, **limits) as relay:
        reader, writer = await relay.client()
        writer.write(GET)
        async with asyncio.timeout(10):
            await reader.readuntil(b"part")
        may_break.set()
        if broken == "closed":
            await relay.front.close()
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionResetError):
                await reader.read()
        writer.close()


@pytest.mark.parametrize("ending", [b"Content-Length: 3\r\n\r\nno!", b"Connection: close\r\n\r\nno!"])
async def test_an_answer_that_comes_before_the_body_is_read_is_passed_on(kind, ending):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(100_000)
        # As a server that has no use for the rest: its closing resets whatever is still sent to it.
        writer.write(b"HTTP/1.1 413 Content Too Large\r\n" + ending)
        if b"Length" not in ending:
            writer.write_eof()
        await writer.drain()

    async with relay_of(kind, serve) as relay:
        for _ in range(5):
            reader, writer = await relay.client()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")

            async def upload(writer=writer):
                with contextlib.suppress(OSError):
                    for _ in range(100):
                        writer.write(b"x" * 50_000)
                        await writer.drain()

            uploading = asyncio.ensure_future(upload())
            async with asyncio.timeout(10):
                answer = await reader.readuntil(b"no!")
                await uploading
            writer.close()

            assert answer.startswith(b"HTTP/1.1 413 ")
            # The rest of the body has nowhere to go.
            assert answer.count(b"Connection: close\r\n") == 1
    assert all(exchange.status == 413 for exchange in relay.over)


async def test_a_client_of_http_1_0_gets_no_chunks_and_no_interim_answers(kind):
    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" HTTP/1.1\r\n" in head
        assert b"expect" not in head.lower()
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + CHUNKED + b"5\r\nhel")
        await writer.drain()
        writer.write(b"lo\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n")
        await answer_ok(reader, writer)

    async with relay_of(kind, serve) as relay:
        answer = await relay.ask(
            b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n"
        )

    assert answer == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world"


async def test_a_chunked_answer_that_is_cut_is_reset_for_a_client_of_http_1_0(kind):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await may_end.wait()

    may_end = asyncio.Event()
    async with relay_of(kind, serve) as relay:
        reader, writer = await relay.client()
        writer.write(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            await reader.readuntil(b"hello")
            may_end.set()
            with pytest.raises(ConnectionResetError):
                await reader.read()
        writer.close()


async def test_a_client_of_http_1_0_without_a_host_may_keep_its_connection(kind):
    heads = []

    async def serve(reader, writer):
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)

    async with relay_of(kind, serve) as relay:
        reader, writer = await relay.client()
        for _ in range(2):
            writer.write(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            async with asyncio.timeout(10):
                answer = await reader.readuntil(b"ok")
            assert b"\r\nConnection: keep-alive\r\n" in answer
        writer.close()

    assert [b"\r\nHost: 127.0.0.1:" in head for head in heads] == [True, True]


async def test_a_server_that_closes_is_no_reason_for_the_client_to_connect_anew(kind):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nContent-Length: 2\r\n\r\nok"
        )

    async with relay_of(kind, serve) as relay:
        reader, writer = await relay.client()
        for _ in range(3):
            writer.write(GET)
            async with asyncio.timeout(10):
                answer = await reader.readuntil(b"ok")
            assert answer == OK
        writer.close()


async def test_a_client_that_closes_is_no_reason_for_the_server_to(kind):
    connections = 0

    async def serve(reader, writer):
        nonlocal connections
        connections += 1
        while b"onnection" not in await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)

    async with relay_of(kind, serve) as relay:
        for _ in range(3):
            assert b"\r\nConnection: close\r\n" in await relay.ask()

    assert connections == 1


async def test_a_refusal_of_an_expected_body_says_that_the_connection_ends_with_it(kind):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    async with relay_of(kind, serve) as relay:
        answer = await relay.ask(
            b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )

    assert answer == b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"


async def test_thousands_of_requests_at_once_that_are_refused_are_all_answered(kind):
    async def never(reader, writer):
        await asyncio.Event().wait()

    async with relay_of(kind, never) as relay:
        if kind == "gateway":

            def refuse(passage):
                relay.front._visits.pop(passage.id)
                passage.doorway.answer(429, "Full.")
        else:

            def refuse(passage):
                relay.front._fail(passage, 502, "upstream is away")

        relay.front.send = refuse
        reader, writer = await relay.client()
        writer.write(GET * 3_000)
        async with asyncio.timeout(10):
            for _ in range(3_000):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
        writer.close()


async def test_a_head_that_comes_byte_by_byte_is_given_up_after_its_time(kind):
    async with relay_of(kind, answer_ok) as relay:
        reader, writer = await relay.client()
        for part in (b"GET / HT", b"TP/1.1\r\n", b"Host: x\r\n", b"X: y\r\n"):
            writer.write(part)
            await until_loop(lambda: relay.clients)
            await asyncio.sleep(0.02)
            waited(relay, doorway.HEAD_S / 4)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"\r\nConnection: close\r\n" in answer


async def test_a_client_that_says_nothing_between_two_requests_may_take_longer(kind):
    async with relay_of(kind, answer_ok) as relay:
        reader, writer = await relay.client()
        writer.write(GET)
        await reader.readuntil(b"ok")
        waited(relay, doorway.IDLE_S - 10)
        writer.write(GET)
        async with asyncio.timeout(10):
            await reader.readuntil(b"ok")
        waited(relay, doorway.IDLE_S)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_a_body_that_stops_in_the_middle_is_given_up_and_recorded(kind):
    async with relay_of(kind, answer_ok_after_bodies) as relay:
        reader, writer = await relay.client()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
        for part in (b"cd", b"ef"):
            await asyncio.sleep(0.02)
            waited(relay, doorway.STALL_S - 5)
            writer.write(part)
        await asyncio.sleep(0.02)
        waited(relay, doorway.STALL_S)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    if kind == "recorder":
        assert [(exchange.fault, exchange.body) for exchange in relay.over] == [
            ("client stopped sending", b"abcdef")
        ]


async def answer_ok_after_bodies(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
    writer.write(OK)


async def test_a_client_that_does_not_read_is_cut_off_after_a_while(kind):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 99_999_999)
        await writer.drain()

    async with relay_of(kind, serve) as relay:
        sock = socket.create_connection(("127.0.0.1", relay.port))
        sock.sendall(GET)
        await until_loop(lambda: any(one.is_full for one in relay.clients._connections))
        await asyncio.sleep(0.1)  # what the system takes
        waited(relay, doorway.STALL_S)  # at whose beginning the client still took something
        assert not any(one._is_over for one in relay.clients._connections)
        waited(relay, clients.SWEEP_S)
        await until_loop(lambda: not relay.clients)
        sock.close()


async def test_a_server_that_is_slow_to_answer_is_not_the_clients_fault(kind):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await may_answer.wait()
        writer.write(OK)

    asked, may_answer = asyncio.Event(), asyncio.Event()
    async with relay_of(kind, serve, request_timeout_s=3600.0) as relay:
        reader, writer = await relay.client()
        writer.write(GET)
        async with asyncio.timeout(10):
            await asked.wait()
            waited(relay, 2 * doorway.IDLE_S)
            may_answer.set()
            assert await reader.readuntil(b"ok") == OK
        writer.close()


async def test_connections_beyond_what_the_process_may_open_are_told_so(kind, monkeypatch):
    async with relay_of(kind, answer_ok) as relay:
        monkeypatch.setattr(clients, "descriptor_limit", lambda: 8)
        reader, writer = await relay.client()
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: x\r\n\n"])
async def test_a_head_with_other_line_ends_is_refused_at_once(kind, data):
    async with relay_of(kind, answer_ok) as relay:
        assert (await relay.ask(data)).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_head_that_is_too_long_is_refused_also_where_it_comes_whole(kind):
    async with relay_of(kind, answer_ok) as relay:
        answer = await relay.ask(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 66_000 + b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("is_sent_on", [False, True], ids=["with the head", "after the head"])
async def test_a_body_that_breaks_its_framing_is_refused_and_its_request_ends(kind, is_sent_on):
    seen = []
    asked = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        seen.append(await reader.read())

    async with relay_of(kind, serve) as relay:
        reader, writer = await relay.client()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        async with asyncio.timeout(10):
            if is_sent_on:
                await asked.wait()
            writer.write(b"0x5\r\nhello\r\n0\r\n\r\n")
            answer = await reader.read()
        writer.close()
        await until_loop(lambda: len(seen) == is_sent_on)
        if kind == "recorder":
            (exchange,) = relay.over
            assert (
                exchange.fault
                == "client sent a body that is not HTTP/1.1: a chunk size is not a hexadecimal number"
            )
        else:
            assert relay.front.plane.census().running == 0

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert seen == ([b""] if is_sent_on else [])


async def test_a_request_that_timed_out_with_half_its_body_frees_its_slot():
    async with relay_of("gateway", answer_ok_after_bodies, request_timeout_s=0.05) as relay:
        reader, writer = await relay.client()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 504 ")
        writer.close()

        assert relay.front.plane.census().running == 0


async def test_a_request_that_timed_out_while_its_client_read_slowly_frees_its_slot_in_the_end():
    size = 32 << 20

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        await writer.drain()
        await answer_ok(reader, writer)

    async with relay_of("gateway", serve, request_timeout_s=60.0) as relay:
        with socket.create_connection(("127.0.0.1", relay.port)) as sock:
            sock.sendall(GET)
            await until_loop(lambda: any(one.is_full for one in relay.clients._connections))
            relay.front._now = lambda: monotonic_ns() + 61_000_000_000
            relay.front._tick()

            assert relay.front.counts["timed_out"] == 1
            await until_loop(lambda: relay.front.plane.census().running == 0)
        assert (await relay.ask()).endswith(b"ok")


async def test_a_page_whose_own_name_leads_here_reads_nothing(kind):
    """DNS rebinding: a page from evil.example.com:PORT is of the same origin as what answers there."""
    seen = []

    async def serve(reader, writer):
        while True:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)

    async with relay_of(kind, serve) as relay:
        page = b"GET / HTTP/1.1\r\nHost: evil.example.com:%d\r\n\r\n" % relay.port
        said = await relay.ask(page)

        assert said.startswith(b"HTTP/1.1 421 ")
        assert b"Ask for 127.0.0.1 or localhost." in said
        assert not seen
        assert (
            await relay.ask(b"GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
        ).endswith(b"ok")
