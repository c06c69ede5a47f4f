"""Opens sockets to where a URL is, for every transport alike: which address, in what order, and what went wrong."""

import asyncio
import socket
import sys
from time import monotonic_ns
from typing import NamedTuple

from replay.system.shortage import ShortageError, open_socket, shortage_of
from replay.wire.addresses import Address, AddressBook
from replay.wire.racing import first_to_succeed


class Dialled(NamedTuple):
    """A connected socket, and what it took: dns_ns 0 where the name was known, connect_ns of the address that won."""

    sock: socket.socket
    address: Address
    dns_ns: int
    connect_ns: int


class Dialler:
    """Connects to the addresses of a book. The caller sets the limit of time; cancelled, it leaves nothing open."""

    def __init__(self, book: AddressBook) -> None:
        self._book = book

    def __repr__(self) -> str:
        return f"<Dialler of {self._book!r}>"

    async def dial(self) -> Dialled:
        """Raises ShortageError where this machine has nothing left to connect with, and else OSError."""
        book = self._book
        book.renew_if_old()
        try:
            return await self._dial_known(0)
        except ShortageError:
            raise
        except OSError:
            before = monotonic_ns()
            if not await book.resolve_again():
                raise
            return await self._dial_known(monotonic_ns() - before)

    async def _dial_known(self, dns_ns: int) -> Dialled:
        addresses = self._book.in_turn()
        if len(addresses) == 1:
            # No race, and so no tasks: what nearly every connection is.
            address = addresses[0]
            try:
                sock, connect_ns = await self._connect(address)
            except OSError as cause:
                self._note_failed(address, cause)
                raise
        else:
            address, (sock, connect_ns) = await first_to_succeed(
                addresses, self._connect, lambda late: late[0].close(), self._note_failed
            )
        self._book.reached(address)
        return Dialled(sock, address, dns_ns, connect_ns)

    async def _connect(self, address: Address) -> tuple[socket.socket, int]:
        sock = None
        try:
            sock = open_socket(address.family)
            sock.setblocking(False)
            if address.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            local = self._book.local_address(address)
            if local is not None:
                _bind(sock, local)
            before = monotonic_ns()
            await asyncio.get_running_loop().sock_connect(sock, address.sockaddr)
        except BaseException as cause:
            if sock is not None:
                sock.close()
            if isinstance(cause, OSError) and not isinstance(cause, ShortageError):
                shortage = shortage_of(cause, was_reached=self._book.was_reached(address))
                if shortage is not None:
                    raise ShortageError(shortage) from cause
            raise
        return sock, monotonic_ns() - before

    def _note_failed(self, address: Address, cause: OSError | None) -> None:
        if not isinstance(cause, ShortageError):
            self._book.failed(address)


# Linux: the port is chosen when it is connected, so that another one to another address may have the same.
_IP_BIND_ADDRESS_NO_PORT = 24


def _bind(sock: socket.socket, local: str) -> None:
    """Have the connection come from this address. Raises ShortageError where this machine has no such address."""
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    try:
        sock.bind((local, 0))
    except OSError as cause:
        raise ShortageError(
            f"connections.local_addresses names {local}, which this machine cannot connect from ({cause.strerror})"
        ) from cause
