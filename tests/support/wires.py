"""Wires to loopback servers whose every byte a test decides, and exchanges to send by them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic_ns
from typing import Any

from replay.target.target import Target
from replay.wire.addresses import AddressBook
from replay.wire.http1.wire import Http1Wire
from replay.wire.http2.wire import Http2Wire
from replay.wire.httpx.wire import HttpxWire
from replay.wire.types import Exchange, Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]

Open = Callable[[Target], contextlib.AbstractAsyncContextManager[Wire]]


class Server:
    """Counts connections, keeps the heads it was sent, and hands each connection to a coroutine."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connections = 0
        self.heads: list[bytes] = []
        self._opened: list[asyncio.StreamWriter] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._opened.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer, self.connections)
        writer.close()

    async def end(self) -> None:
        """Leave no connection to the garbage collector, which would name it a leak."""
        for writer in self._opened:
            writer.transport.abort()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def serving(
    serve: Serve, kind: type[Server] = Server, **options: Any
) -> AsyncIterator[tuple[str, Server]]:
    server = kind(serve)
    listening = await asyncio.start_server(server, "127.0.0.1", 0, **options)
    yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", server
    listening.close()
    await server.end()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answers(*parts: bytes) -> Serve:
    """Every request is answered with these bytes, a read of the client's for each part."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            await read_request(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)

    return serve


def answers_then_stalls(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(answer)
        await reader.read()

    return serve


def answers_then_closes(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(answer)

    return serve


async def goes_stale(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    """Answers once, takes the next request and closes without a word, as long as it can only be a reused one."""
    await read_request(reader)
    writer.write(OK)
    with contextlib.suppress(asyncio.IncompleteReadError):
        await read_request(reader)


@contextlib.asynccontextmanager
async def fast(target: Target) -> AsyncIterator[Wire]:
    wire = Http1Wire(target, AddressBook(target, target.url))
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()


@contextlib.asynccontextmanager
async def fast_http2(target: Target) -> AsyncIterator[Wire]:
    wire = Http2Wire(target, AddressBook(target, target.url))
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()


@contextlib.asynccontextmanager
async def through_httpx(target: Target) -> AsyncIterator[Wire]:
    wire = HttpxWire(target, target.url)
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()


class Watching(Exchange, kw_only=True, eq=False, gc=False):
    """An exchange that asked for no web page."""

    @property
    def watches_pages(self) -> bool:
        return True


def exchange(
    method: str = "GET",
    path: str = "/",
    *,
    body: bytes = b"",
    headers: bytes = b"",
    on_done: Callable[[Exchange], None] = lambda _: None,
    kind: type[Exchange] = Exchange,
    **options: Any,
) -> Exchange:
    length = b"content-length: %d\r\n" % len(body) if body else b""
    head = f"{method} {path} HTTP/1.1\r\nhost: t\r\n".encode() + headers + length + b"\r\n"
    return kind(head, body, method, on_done, **options)


async def ended(wire: Wire, sent: Exchange) -> Exchange:
    """Send it, keep the limits as the engine does, and wait for its end."""
    done: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    sent.on_done = done.set_result
    wire.send(sent)
    while not done.done():
        wire.sweep(monotonic_ns())
        await asyncio.wait([done], timeout=0.005)
    return done.result()


async def ask(wire: Wire, method: str = "GET", path: str = "/", **options: Any) -> Exchange:
    return await ended(wire, exchange(method, path, **{"idempotent": True, **options}))
