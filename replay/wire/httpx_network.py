"""httpx's sockets, opened by our own dialler, so that names, addresses and shortages are as on the fast path."""

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx
from anyio.abc import SocketStream
from httpcore import AsyncNetworkBackend, AsyncNetworkStream, ConnectError, ConnectTimeout
from httpcore._backends.anyio import AnyIOStream

from replay.wire.dialing import Dialler


class DiallingBackend(AsyncNetworkBackend):
    """What httpcore opens its connections with. The dialler knows where to: to the target, or to the proxy."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler

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
                    return AnyIOStream(await SocketStream.from_socket(dialled.sock))
                except BaseException:
                    dialled.sock.close()
                    raise
        except TimeoutError as cause:
            raise ConnectTimeout(str(cause)) from cause
        except OSError as cause:
            raise ConnectError(str(cause)) from cause

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def dial_with(transport: httpx.AsyncHTTPTransport, dialler: Dialler) -> None:
    """Have the transport's connections opened by this dialler; httpx has no option for that, httpcore has."""
    transport._pool._network_backend = DiallingBackend(dialler)
