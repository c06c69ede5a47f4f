"""httpx's sockets: opened by our own dialler, and read so that heads and stray bytes are as on the fast path."""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import httpx
from anyio.abc import SocketStream
from httpcore import (
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ConnectError,
    ConnectTimeout,
    RemoteProtocolError,
)
from httpcore._backends.anyio import AnyIOStream

from replay.wire.dialing import Dialler
from replay.wire.reasons import NO_HTTP, AnswerError, why_unreadable

_VERSION = b"HTTP/"


class DiallingBackend(AsyncNetworkBackend):
    """What httpcore opens its connections with. The dialler knows where to: to the target, or to the proxy."""

    def __init__(self, dialler: Dialler, *, is_http1: bool) -> None:
        self._dialler = dialler
        self._is_http1 = is_http1

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        return await self._connect(timeout)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> AsyncNetworkStream:
        return await self._connect(timeout)

    async def _connect(self, timeout_s: float | None) -> AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout_s):
                dialled = await self._dialler.dial()
                try:
                    stream = AnyIOStream(await SocketStream.from_socket(dialled.sock))
                    return ResponseStream(stream) if self._is_http1 else stream
                except BaseException:
                    dialled.sock.close()
                    raise
        except TimeoutError as cause:
            raise ConnectTimeout(str(cause)) from cause
        except OSError as cause:
            raise ConnectError(str(cause)) from cause

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ResponseStream(AsyncNetworkStream):
    """A connection that HTTP/1.1 is spoken on, without the empty lines that may come before a response.

    h11 refuses those; and of what is no HTTP it says only that it ended, if it ends before a head would.
    """

    def __init__(self, stream: AsyncNetworkStream) -> None:
        self._stream = stream
        self._is_at_start = True
        self._start = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            data = await self._stream.read(max_bytes, timeout)
            if not self._is_at_start or not data:
                return data
            data = (self._start + data).lstrip(b"\r\n")
            if not _VERSION.startswith(data[: len(_VERSION)]):
                raise RemoteProtocolError(why_unreadable(AnswerError(NO_HTTP), data))
            self._start = data
            if len(data) >= len(_VERSION):
                self._is_at_start = False
                return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._is_at_start, self._start = True, b""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncNetworkStream:
        return ResponseStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def dial_with(transport: httpx.AsyncHTTPTransport, dialler: Dialler, *, is_http1: bool) -> None:
    """Have the transport's connections opened by this dialler; httpx has no option for that, httpcore has.

    is_http1: nothing but HTTP/1.1 is spoken on them.
    """
    transport._pool._network_backend = DiallingBackend(dialler, is_http1=is_http1)


def has_stray_bytes(transport: httpx.AsyncBaseTransport) -> bool:
    """Whether more has come than the response that was read; it would be taken for the next one's."""
    for pooled in getattr(getattr(transport, "_pool", None), "connections", ()):
        connection: Any = getattr(pooled, "_connection", None)
        # A connection through a proxy is one within another.
        connection = getattr(connection, "_connection", connection)
        state = getattr(connection, "_h11_state", None)
        if state is not None and state.trailing_data[0]:
            return True
    return False
