"""A client that asks for another protocol is answered, one way or the other: nobody waits for frames that never come."""

import asyncio

import pytest

from tests.support.gateways import Client, answer_ok, plane_of, read_request

pytestmark = pytest.mark.anyio

HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: x\r\n%s: %s\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.mark.parametrize(
    ("name", "protocol"),
    [(b"Upgrade", b"websocket"), (b"upgrade", b"WebSocket"), (b"UPGRADE", b"h2c, websocket")],
)
async def test_a_websocket_is_refused_plainly_and_its_connection_ends(name, protocol):
    asked = []

    async def serve(reader, writer, instance):
        asked.append(await read_request(reader))

    async with plane_of(serve) as (port, played, gateway):
        client = await Client.to(port)
        client.writer.write(HANDSHAKE % (name, protocol) + b"\x81\x85frame")
        answer = await asyncio.wait_for(client.reader.read(), 5)

    assert answer.startswith(b"HTTP/1.1 501 Not Implemented\r\n")
    assert answer.endswith(
        b"\r\n\r\nWebSocket is not supported here: only HTTP requests and their responses are passed on.\n"
    )
    assert (asked, played.stopped, gateway.counts["requests"]) == ([], [], 0)


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


async def test_a_plain_request_after_a_refused_one_is_served_on_a_connection_of_its_own():
    async with plane_of(answer_ok) as (port, _, _gateway):
        first = await Client.to(port)
        first.writer.write(HANDSHAKE % (b"Upgrade", b"websocket"))
        assert (await asyncio.wait_for(first.reader.readline(), 5)).startswith(b"HTTP/1.1 501")
        second = await Client.to(port)
        status, *_ = await asyncio.wait_for(second.ask(), 5)

    assert status == 200
