"""Both wires: a request of JSON-RPC ends with its answer, wherever in an event stream that comes."""

import asyncio
from time import monotonic_ns

import pytest

from replay.target.sending import Timeouts
from replay.target.target import Target
from tests.support.wires import ask, read_request

RPC = b'{"jsonrpc":"2.0","id":"a","method":"tools/call"}'
RPC_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(*events: bytes) -> bytes:
    return b"".join(b"%x\r\ndata: %s\n\n\r\n" % (len(event) + 8, event) for event in events)


PROGRESS = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}'
RPC_ANSWER = b'{"jsonrpc":"2.0","id":"a","result":{"isError":true}}'


def serving_calls(*parts: bytes, goes_on: asyncio.Event | None = None):
    """Answers calls with these parts; waits, before the last of them, until it is let go on."""

    async def serve(reader, writer, _number) -> None:
        while True:
            await read_request(reader)
            for n, part in enumerate(parts):
                if n == len(parts) - 1 and goes_on is not None:
                    await goes_on.wait()
                writer.write(part)
                await writer.drain()

    return serve


@pytest.mark.anyio
async def test_a_call_of_an_mcp_server_ends_with_its_answer_and_its_connection_is_free_with_the_stream(
    wire_to, serving
):
    goes_on = asyncio.Event()
    answer = RPC_HEAD + chunked(PROGRESS, RPC_ANSWER)
    async with (
        serving(serving_calls(answer, chunked(PROGRESS) + b"0\r\n\r\n", goes_on=goes_on)) as (url, _),
        wire_to(Target(url=url)) as wire,
    ):
        got = await ask(wire, "POST", body=RPC, family="rpc")
        bytes_then = got.response_bytes
        goes_on.set()
        await _freed(wire)
        again = await ask(wire, "POST", body=RPC, family="rpc")

    assert (got.error, got.events.error, got.events.is_cut_short) == (None, "tool_error", False)
    assert (again.error, again.is_new_connection) == (None, False)
    assert got.response_bytes == bytes_then


async def _freed(wire) -> None:
    """Wait until the connection that was used is idle again; with HTTP/2 it need not be."""
    for _ in range(100):
        await asyncio.sleep(0.001)
        if " 1 idle" in repr(wire) or "<HttpxWire 0 in flight" in repr(wire):
            return


@pytest.mark.anyio
async def test_a_stream_of_an_mcp_server_that_ends_without_the_answer_is_cut_short(wire_to, serving):
    answer = RPC_HEAD + chunked(PROGRESS) + b"0\r\n\r\n"
    async with serving(serving_calls(answer)) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, "POST", body=RPC, family="rpc")

    assert (got.error, got.events.is_cut_short) == (None, True)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "body"), [("GET", b""), ("POST", RPC.replace(b"tools/call", b"subscriptions/listen"))]
)
async def test_listening_ends_when_it_begins_and_is_kept_up_meanwhile(wire_to, serving, method, body):
    is_gone = asyncio.Event()

    async def serve(reader, writer, _number) -> None:
        await read_request(reader)
        writer.write(RPC_HEAD + chunked(PROGRESS))
        await reader.read()
        is_gone.set()

    async with serving(serve) as (url, _):
        async with wire_to(Target(url=url)) as wire:
            got = await ask(wire, method, body=body, family="rpc")
            await asyncio.sleep(0.01)
            assert not is_gone.is_set()
        await asyncio.wait_for(is_gone.wait(), 5)

    assert (got.error, got.status, got.events.is_cut_short) == (None, 200, False)


@pytest.mark.anyio
async def test_the_rest_of_a_stream_has_the_time_limits_of_any(wire_to, serving):
    is_gone = asyncio.Event()

    async def serve(reader, writer, _number) -> None:
        await read_request(reader)
        writer.write(RPC_HEAD + chunked(RPC_ANSWER))
        await reader.read()
        is_gone.set()

    async with serving(serve) as (url, _), wire_to(Target(url=url, timeouts=Timeouts(idle_s=0.01))) as wire:
        got = await ask(wire, "POST", body=RPC, family="rpc")
        end_ns = got.end_ns
        await asyncio.sleep(0.02)
        wire.sweep(monotonic_ns())
        await asyncio.wait_for(is_gone.wait(), 5)

    assert (got.error, got.censored, got.end_ns) == (None, False, end_ns)
