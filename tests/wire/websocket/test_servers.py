"""WebSockets over sockets, on both event loops: against `websockets`, in clear and by TLS, and what a wire keeps."""

import asyncio
import contextlib
import json
from time import monotonic_ns

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from replay.target.sending import Connections, Timeouts, Tls, WebSocket
from replay.target.target import Target
from replay.trace.types import Until
from replay.trace.values.sockets import Named
from replay.websocket.types import BINARY, TEXT
from replay.wire.types import Exchange, OnSocket
from replay.wire.websocket.wire import WebSocketWire

pytestmark = pytest.mark.anyio

ANY = Until()


class Met:
    """What a server saw: paths and headers of openings, and with which codes connections ended."""

    def __init__(self):
        self.opened, self.codes = [], []


async def echo(socket):
    async for message in socket:
        await socket.send(message)


@contextlib.asynccontextmanager
async def serving(handler, ssl=None, **options):
    met = Met()

    async def handles(socket):
        met.opened.append((socket.request.path, dict(socket.request.headers)))
        with contextlib.suppress(ConnectionClosed):
            await handler(socket)
        met.codes.append(socket.close_code)

    async with serve(handles, "127.0.0.1", 0, ssl=ssl, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"{'http' if ssl is None else 'https'}://127.0.0.1:{port}", met


@contextlib.asynccontextmanager
async def wire_to(url, **options):
    wire = WebSocketWire(Target(url=url, **options), url)

    async def sweeps():
        while True:
            wire.sweep(monotonic_ns())
            await asyncio.sleep(0.005)

    sweeping = asyncio.create_task(sweeps())
    try:
        yield wire
    finally:
        sweeping.cancel()
        await wire.close()


async def asked(
    wire, body=b"hello", until=ANY, action="message", session="s", path="/", name=None, opcode=TEXT, **on
):
    """Send, and wait for the end."""
    over = asyncio.get_running_loop().create_future()
    awaits = Named(until) if until is not None and action == "message" else None
    socket = OnSocket((path, name), action, opcode, awaits, **on)
    head = f"GET {path} HTTP/1.1\r\nhost: t\r\nx-of: {session}\r\n\r\n".encode()
    wire.send(Exchange(head, body, "GET", over.set_result, session_key=session, socket=socket, keeps_body=2))
    return await asyncio.wait_for(over, 10)


async def test_a_session_keeps_its_connection_and_each_has_its_own():
    async with serving(echo) as (url, met), wire_to(url) as wire:
        first = await asked(wire)
        again = await asked(wire)
        other = await asked(wire, session="t")
        elsewhere = await asked(wire, path="/b")
        named = await asked(wire, name="second")

        assert [x.error for x in (first, again, other, elsewhere, named)] == [None] * 5
        assert [x.is_new_connection for x in (first, again, other, elsewhere, named)] == [
            True,
            False,
            True,
            True,
            True,
        ]
        assert first.connect_ns > 0 == again.connect_ns
        assert [path for path, _ in met.opened] == ["/", "/", "/b", "/"]
        assert met.opened[1][1]["x-of"] == "t"
        wire.end_session("s")
        wire.end_session("t")
    assert met.codes == [1000] * 4
    assert (wire.opened, wire.closed_while_idle) == (4, 0)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 1 << 20])
async def test_messages_of_every_length_come_back(size):
    async with serving(echo, max_size=None) as (url, _), wire_to(url) as wire:
        body = bytes(n % 251 for n in range(size))
        x = await asked(wire, body, opcode=BINARY)

        assert (x.error, x.response_bytes, bytes(x.captured)) == (None, size, body)


@pytest.mark.parametrize("compress", [True, False])
async def test_compression_is_off_unless_it_is_asked_for(compress):
    async with serving(echo) as (url, met), wire_to(url, websocket=WebSocket(compress)) as wire:
        for _ in range(3):
            x = await asked(wire, b"ab" * 5_000)
            assert (x.error, x.response_bytes) == (None, 10_000)
            assert (x.request_bytes < 200) is compress
        assert ("sec-websocket-extensions" in {name.lower() for name in met.opened[0][1]}) is compress


async def test_it_goes_by_tls_where_the_url_says_so(tls_server):
    context, ca_file = tls_server
    async with serving(echo, ssl=context) as (url, _), wire_to(url, tls=Tls(ca_file=ca_file)) as wire:
        x = await asked(wire, b"x" * 100_000)

        assert (x.error, x.response_bytes) == (None, 100_000)
        assert x.tls_ns > 0


async def test_a_certificate_that_nobody_vouches_for_is_a_failure_of_tls(tls_server):
    context, _ = tls_server
    async with serving(echo, ssl=context) as (url, _), wire_to(url) as wire:
        x = await asked(wire)

        assert (x.error, x.phase) == ("tls", "connect")
        assert x.why


async def test_opening_pinging_and_closing_are_steps_of_their_own():
    async with serving(echo) as (url, met), wire_to(url) as wire:
        ended = [await asked(wire, action=action, code=4000) for action in ("open", "ping", "close")]

        assert [x.error for x in ended] == [None] * 3
        assert [x.is_new_connection for x in ended] == [True, False, False]
        assert ended[2].socket.close_code == 4000
        # It is closed already: as for an agent, there is nothing to do.
        nothing = await asked(wire, action="close")
        assert (nothing.error, nothing.status, nothing.end_ns - nothing.sent_ns) == (None, 0, 0)
    assert met.codes == [4000]


async def test_opening_once_more_closes_what_is_open():
    async with serving(echo) as (url, met), wire_to(url) as wire:
        await asked(wire)
        assert (await asked(wire, action="open")).is_new_connection
        assert not (await asked(wire)).is_new_connection
        assert len(met.opened) == 2


async def test_a_connection_that_the_target_closed_is_opened_anew():
    async def once(socket):
        await socket.send(await socket.recv())
        await socket.close(1012)

    async with serving(once) as (url, _), wire_to(url) as wire:
        first = await asked(wire)
        while not wire.closed_while_idle:
            await asyncio.sleep(0.001)
        second = await asked(wire)

        assert [(x.error, x.is_new_connection) for x in (first, second)] == [(None, True)] * 2


async def test_a_target_that_closes_first_is_told_with_its_code():
    async def refuses(socket):
        await socket.recv()
        await socket.close(1008, "words of the target")

    async with serving(refuses) as (url, _), wire_to(url) as wire:
        x = await asked(wire)

        assert (x.error, x.socket.close_code, x.why) == (
            "closed",
            1008,
            "the target closed the connection with the code 1008",
        )


async def test_a_subprotocol_is_agreed_on():
    async with serving(echo, subprotocols=["b"]) as (url, met), wire_to(url) as wire:
        x = await asked(wire, protocols=("a", "b"))

        assert x.error is None
        assert {name.lower(): value for name, value in met.opened[0][1].items()}[
            "sec-websocket-protocol"
        ] == "a, b"


async def test_no_more_are_open_than_may_be():
    async with serving(echo) as (url, _), wire_to(url, connections=Connections(max=1)) as wire:
        first = await asked(wire)
        waiting = asyncio.ensure_future(asked(wire, session="t"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        wire.end_session("s")
        second = await waiting

        assert (first.error, second.error, wire.waited_for_limit) == (None, None, 1)
        assert second.queued_ns


async def test_time_limits_hold_for_the_opening_and_for_each_message():
    async def silent(socket):
        await socket.recv()
        await socket.wait_closed()

    async with serving(silent) as (url, _), wire_to(url, timeouts=Timeouts(first_byte_s=0.05)) as wire:
        x = await asked(wire)
        assert (x.error, x.censored, x.end_ns - x.sent_ns) == ("timeout", True, 50_000_000)

    async def mute(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with wire_to(url, timeouts=Timeouts(connect_s=0.05)) as wire:
        x = await asked(wire)
        assert (x.error, x.censored, x.phase) == ("timeout", True, "connect")
    server.close()


async def test_nobody_there_is_a_failure_to_connect():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()
    async with wire_to(url) as wire:
        x = await asked(wire)

        assert (x.error, x.phase, x.is_new_connection) == ("connect", "connect", True)


async def test_what_is_under_way_at_the_end_is_interrupted():
    async def silent(socket):
        await socket.wait_closed()

    async with serving(silent) as (url, _):
        async with wire_to(url) as wire:
            waiting = asyncio.ensure_future(asked(wire))
            while not wire.opened:
                await asyncio.sleep(0.001)
        x = await waiting

        assert (x.error, x.phase) == ("interrupted", "first_byte")


async def test_delays_of_the_target_are_measured_as_they_were():
    """First message, gaps between messages and the end, each against the server's own stamps."""
    stamps = []

    async def paced(socket):
        await socket.recv()
        for n in range(4):
            await asyncio.sleep(0.01)
            stamps.append(monotonic_ns())
            await socket.send(json.dumps({"n": n}))

    async with serving(paced) as (url, _), wire_to(url) as wire:
        x = await asked(wire, until=Until(json="/n", equals=3))

    assert x.token_count == 4
    assert x.first_byte_ns == x.first_token_ns > stamps[0] > x.sent_ns
    assert x.end_ns == x.last_token_ns > stamps[3]
    assert sum(x.itl_ns) == x.end_ns - x.first_byte_ns
    # Each came after it was sent; how soon is the machine's affair.
    came = [x.first_byte_ns + sum(x.itl_ns[:n]) for n in range(4)]
    assert all(at > sent for at, sent in zip(came, stamps, strict=True))
    assert len(x.itl_ns) == 3
