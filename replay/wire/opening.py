"""Connections to a target, opened: dialled, secured, and timed; or the reason why there is none."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Protocol, TypeVar

from replay.system.shortage import LOCAL, ShortageError
from replay.target.target import Target
from replay.wire.addresses import AddressBook, NoSuchNameError
from replay.wire.dialing import Dialled, Dialler
from replay.wire.errors import TargetUnreachable
from replay.wire.tls_words import CUT_OFF, tls_problem
from replay.words.numbers import seconds


class ConnectError(Exception):
    """A connection could not be opened: the error class that is recorded, and why in words.

    is_past_proxy: that a proxy had led on to the target by then, so that the target was spoken with.
    """

    def __init__(self, error: str, why: str) -> None:
        super().__init__(why)
        self.error = error
        self.is_past_proxy = False


class TunnelError(OSError):
    """A proxy did not open a tunnel; str() says why."""


class Opened(asyncio.Protocol):
    """A connection that is told what its opening took.

    dns_ns, connect_ns, tls_ns: durations; 0 where there was no such part. read_ns: when bytes last moved. lost_by: what
    ended it before its target had said anything, as the event loop tells.
    """

    __slots__ = ("_transport", "connect_ns", "dns_ns", "lost_by", "read_ns", "tls_ns")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self.dns_ns = self.connect_ns = self.tls_ns = self.read_ns = 0
        self.lost_by: Exception | None = None

    @property
    def protocol(self) -> str | None:
        """What TLS settled on, nothing if on nothing; None where there is no TLS."""
        assert self._transport is not None
        secured = self._transport.get_extra_info("ssl_object")
        return None if secured is None else secured.selected_alpn_protocol() or ""

    def cut(self) -> None:
        """Leave nothing of a connection that was closed, whatever its other end still has to say to that."""
        if self._transport is not None:
            self._transport.abort()


async def cut(connections: Sequence[Opened]) -> None:
    """Give what was closed the turn of the loop that this takes, and cut what still is not.

    TLS waits for the other end to close it too, and uvloop cannot close a loop in which one waits (EBUSY).
    """
    await asyncio.sleep(0)
    for connection in connections:
        connection.cut()
    await asyncio.sleep(0)


def write_in_the_call(transport: asyncio.Transport) -> None:
    """Have what is written go to the socket inside the call, and pause_writing say that it could not.

    Over TLS a mark of 0 would be passed by nothing at all: asyncio and uvloop ask there whether as much as the mark is
    left, and each write would be taken for one that was held up.
    """
    is_secured = transport.get_extra_info("ssl_object") is not None
    transport.set_write_buffer_limits(high=1 if is_secured else 0)


_C = TypeVar("_C", bound=Opened)


class Leads(Protocol):
    """What a socket that was dialled leads on by, to the target."""

    async def open(self, sock: socket.socket) -> None: ...


class Opener:
    """Opens connections to one target. protocol: what TLS is to settle on (ALPN). tunnel: through which they go."""

    def __init__(
        self,
        target: Target,
        addresses: AddressBook,
        protocol: str = "http/1.1",
        tunnel: Leads | None = None,
    ) -> None:
        self._tunnel = tunnel
        self._protocol = protocol
        self._addresses = addresses
        self._dialler = Dialler(addresses)
        self._limit_s = target.timeouts.connect_s
        self._ssl: ssl.SSLContext | None = None
        self._server_name: str | None = None

    def __repr__(self) -> str:
        return f"<Opener by {self._addresses!r}>"

    async def resolve(self) -> None:
        """Get ready; raises TargetUnreachable where the target's name or its TLS files cannot be used."""
        self._ssl, self._server_name = self._addresses.tls(self._protocol)
        await self._addresses.resolve()

    async def open(self, connection: Callable[[], _C]) -> _C:
        """Open one connection, which this makes, to whichever of the target's addresses takes it first.

        Raises ConnectError if none does in time.
        """
        dialled: Dialled | None = None
        connected_ns = 0
        try:
            async with asyncio.timeout(self._limit_s):
                dialled = await self._dialler.dial()
                if self._tunnel is not None:
                    dialled = await _led_on(dialled, self._tunnel)
                connected_ns = monotonic_ns()
                _, conn = await asyncio.get_running_loop().create_connection(
                    connection,
                    sock=dialled.sock,
                    ssl=self._ssl,
                    server_hostname=self._server_name,
                )
            secured = monotonic_ns()
        except BaseException as cause:
            if dialled is not None:
                dialled.sock.close()
                if isinstance(cause, OSError):
                    self._addresses.failed(dialled.address)
            failure = self._failure(cause, is_connected=connected_ns > 0)
            if failure is None:
                raise
            failure.is_past_proxy = self._tunnel is not None and connected_ns > 0
            raise failure from cause
        conn.dns_ns, conn.connect_ns = dialled.dns_ns, dialled.connect_ns
        conn.tls_ns = secured - connected_ns if self._ssl is not None else 0
        conn.read_ns = secured
        return conn

    def _failure(self, cause: BaseException, *, is_connected: bool) -> ConnectError | None:
        """The failure to record where no connection could be opened; None for what is no such failure."""
        if isinstance(cause, ShortageError):
            return ConnectError(LOCAL, str(cause))
        if isinstance(cause, TunnelError):
            return ConnectError("proxy", str(cause))
        if isinstance(cause, TimeoutError):
            within = f"within {seconds(self._limit_s)}"
            if is_connected and self._ssl is not None:
                why = f"the connection was taken, but TLS not answered {within}. Does the target speak plain http://?"
                return ConnectError("timeout", why)
            return ConnectError("timeout", f"no answer {within}")
        if isinstance(cause, NoSuchNameError):
            return ConnectError("dns", str(cause))
        if isinstance(cause, ssl.SSLError):
            return ConnectError("tls", tls_problem(cause))
        if isinstance(cause, OSError) and is_connected and self._ssl is not None:
            # A proxy may say yes to a tunnel before it has tried whether anybody is at its other end.
            return ConnectError("tls", CUT_OFF if self._tunnel is None else _why(cause))
        if isinstance(cause, OSError):
            return ConnectError("connect", _why(cause))
        return None


def unreachable(url: str, addresses: AddressBook, failed: ConnectError) -> TargetUnreachable:
    """What to say where the first connection to a target could not be opened."""
    why, where = str(failed), addresses.name or url
    if failed.error == "proxy":
        return TargetUnreachable(f"cannot connect to {url}: {why}.")
    is_of_proxy = addresses.name is not None and not failed.is_past_proxy
    if addresses.name is not None and not is_of_proxy:
        where = f"{url} through {addresses.name}"
    if why[-1] not in ".?":
        asks = ". Is the proxy running there?" if is_of_proxy else ". Is the target running there?"
        why += "." if failed.error == LOCAL else asks
    return TargetUnreachable(f"cannot connect to {where}: {why}")


async def _led_on(dialled: Dialled, tunnel: Leads) -> Dialled:
    """A connection that leads to the target, for which the time until then counts."""
    before = monotonic_ns()
    try:
        await tunnel.open(dialled.sock)
    except BaseException:
        dialled.sock.close()
        raise
    return dialled._replace(connect_ns=dialled.connect_ns + monotonic_ns() - before)


def _why(cause: OSError) -> str:
    """The system's words; the event loop's own message names the address a second time, or says nothing at all."""
    return os.strerror(cause.errno).lower() if cause.errno else str(cause) or "the connection was ended"
