"""A client that asks for another protocol: WebSockets pass, and others are left out."""

import asyncio
import contextlib

import pytest

from tests.support.gateways import Client, plane_of, read_request
from tests.support.waiting import until_loop

pytestmark = pytest.mark.anyio

HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: x\r\n%s: %s\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"


async def until_switched(client):
    return await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 5)


async def echo(reader, writer, instance):
    """Opens a WebSocket, and sends back whatever comes, as it is."""
    await read_request(reader)
    writer.write(SWITCHED)
    while data := await reader.read(65536):
        writer.write(data)


@pytest.mark.parametrize(
    ("name", "protocol"),
    [(b"Upgrade", b"websocket"), (b"upgrade", b"WebSocket"), (b"UPGRADE", b"h2c, websocket")],
)
async def test_a_websocket_is_opened_on_an_instance_and_its_bytes_pass_both_ways(name, protocol):
    heads = []

    async def serve(reader, writer, instance):
        heads.append((await read_request(reader))[0])
        writer.write(SWITCHED + b"\x81\x02hi")
        writer.write(await reader.readexactly(7))
        await reader.read()

    async with plane_of(serve) as (port, _, _gateway):
        client = await Client.to(port)
        client.writer.write(HANDSHAKE % (name, protocol) + b"\x81\x85frame")
        head = await until_switched(client)
        data = await asyncio.wait_for(client.reader.readexactly(11), 5)

        assert data == b"\x81\x02hi\x81\x85frame"
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\nx-replay-instance: i-1\r\n")
        assert b"Sec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" in head
        assert b"close" not in head.lower()
    [asked] = heads
    assert asked.endswith(b"Sec-WebSocket-Version: 13\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert asked.lower().count(b"upgrade:") == 1


async def test_a_websocket_takes_a_slot_for_as_long_as_it_is_open():
    async with plane_of(echo, concurrency=1, max_instances=1) as (port, _, gateway):
        client = await Client.to(port)
        client.writer.write(HANDSHAKE % (b"Upgrade", b"websocket"))
        await until_switched(client)
        second = await Client.to(port)
        second.writer.write(HANDSHAKE % (b"Upgrade", b"websocket"))
        await until_loop(lambda: gateway.plane.census().waiting == 1)
        assert gateway.plane.census().running == 1

        client.writer.close()
        await until_switched(second)
        assert (gateway.plane.census().running, gateway.counts["requests"], gateway.counts["lost"]) == (1, 2, 0)


async def test_the_death_of_an_instance_ends_its_websockets_and_counts_them_as_lost():
    async with plane_of(echo, concurrency=3) as (port, played, gateway):
        clients = [await Client.to(port) for _ in range(3)]
        for client in clients:
            client.writer.write(HANDSHAKE % (b"Upgrade", b"websocket"))
            await until_switched(client)
        played.die(1)
        for client in clients:
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(client.reader.read(), 5) == b""

        assert gateway.counts["lost"] == 3
        assert gateway.plane.census().running == 0


async def test_connections_that_end_just_before_their_instance_does_are_lost_with_it():
    writers = []

    async def serve(reader, writer, instance):
        await read_request(reader)
        writer.write(SWITCHED)
        writers.append(writer)
        await reader.read()

    async with plane_of(serve) as (port, _, gateway):
        client = await Client.to(port)
        client.writer.write(HANDSHAKE % (b"Upgrade", b"websocket"))
        await until_switched(client)
        writers[0].close()
        assert await asyncio.wait_for(client.reader.read(), 5) == b""
        gateway.died(1)

        assert gateway.counts["lost"] == 1


async def test_a_websocket_that_its_instance_closed_is_over():
    async def serve(reader, writer, instance):
        await read_request(reader)
        writer.write(SWITCHED + b"\x88\x00")

    async with plane_of(serve) as (port, _, gateway):
        client = await Client.to(port)
        client.writer.write(HANDSHAKE % (b"Upgrade", b"websocket"))
        assert (await asyncio.wait_for(client.reader.read(), 5)).endswith(b"\r\n\r\n\x88\x00")
        await until_loop(lambda: gateway.plane.census().running == 0)

        assert gateway.counts["lost"] == 0


async def test_a_websocket_has_the_time_of_any_request():
    async with plane_of(echo, request_timeout_s=0.05) as (port, _, gateway):
        client = await Client.to(port)
        client.writer.write(HANDSHAKE % (b"Upgrade", b"websocket"))
        await until_switched(client)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(client.reader.read(), 5) == b""
        await until_loop(lambda: gateway.plane.census().running == 0)

        assert gateway.counts["timed_out"] == 1


async def test_what_follows_a_refused_opening_is_no_request():
    heads = []

    async def serve(reader, writer, instance):
        while True:
            heads.append((await read_request(reader))[0])
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")

    async with plane_of(serve) as (port, _, _gateway):
        client = await Client.to(port)
        client.writer.write(
            HANDSHAKE % (b"Upgrade", b"websocket") + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        answer = await asyncio.wait_for(client.reader.read(), 5)

    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert answer.endswith(b"no")
    assert len(heads) == 1


async def test_other_upgrades_are_left_out_and_the_request_is_answered_over_http():
    heads = []

    async def serve(reader, writer, instance):
        heads.append((await read_request(reader))[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with plane_of(serve) as (port, _, _gateway):
        client = await Client.to(port)
        client.writer.write(
            b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nContent-Length: 3\r\nX-Kept: Upgrade\r\n\r\nabc"
        )
        answer = await asyncio.wait_for(client.reader.readuntil(b"ok"), 5)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert heads == [b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX-Kept: Upgrade\r\n\r\n"]


async def test_an_instance_that_switches_protocols_unasked_has_given_no_answer():
    async def serve(reader, writer, instance):
        await read_request(reader)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        await reader.read()

    async with plane_of(serve) as (port, _, gateway):
        client = await Client.to(port)
        client.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        answer = await asyncio.wait_for(client.reader.readuntil(b"\r\n"), 5)
        census = gateway.plane.census()

    assert answer == b"HTTP/1.1 502 Bad Gateway\r\n"
    assert (census.running, census.waiting) == (0, 0)
