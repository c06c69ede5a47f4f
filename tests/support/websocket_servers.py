"""WebSocket servers on a loopback port, in a thread of this process: one on the `websockets` package, one of bytes."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from replay.websocket.handshake import accept_of

Handler = Callable[[ServerConnection], Awaitable[None]]


@contextlib.contextmanager
def websocket_server(handler: Handler, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[str]:
    """Its URL, of http. handler: what it does on each connection."""
    loop = asyncio.new_event_loop()
    started = threading.Event()
    ports: list[int] = []
    over: asyncio.Event

    async def main() -> None:
        nonlocal over
        over = asyncio.Event()
        async with serve(handler, "127.0.0.1", 0, ssl=tls, close_timeout=0.2, **options) as server:
            ports.append(next(iter(server.sockets)).getsockname()[1])
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(lambda: over.set())
        thread.join(10)
        loop.close()


Talk = Callable[[socket.socket], None]


def opened(talk: Talk) -> Talk:
    """The same after an opening handshake, done as it should be."""

    def talks(sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096) or b"\r\n\r\n"
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        key = next(
            (
                line.split(b": ", 1)[1]
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"sec-websocket-key")
            ),
            None,
        )
        if key is None or b"upgrade" not in lines:
            return
        sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_of(key.decode()).encode()
        )
        talk(sock)

    return talks


@contextlib.contextmanager
def byte_server(talk: Talk) -> Iterator[str]:
    """Its URL. talk: what it does with each connection, which is then closed."""
    listening = socket.create_server(("127.0.0.1", 0))

    def one(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(10)
            talk(sock)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listening.accept()
                threading.Thread(target=one, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)
