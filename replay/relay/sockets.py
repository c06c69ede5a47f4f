"""What a transport does not say or do of itself, asked of its socket."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

_AT_ONCE = struct.pack("ii", 1, 0)
_READ_BYTES = 1 << 18


def reset(transport: asyncio.Transport) -> None:
    """End a connection so that its peer sees it broken off, not ended.

    A transport's own abort ends it in good order, by FIN, which completes a body that lasts until then.
    """
    found = transport.get_extra_info("socket")
    if found is not None:
        with suppress(OSError), found.dup() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def unread(transport: asyncio.BaseTransport) -> Iterator[bytes]:
    """What a plain connection has received that its transport gave up before it read; at last b"" if it had ended.

    To be asked for in connection_lost, while the socket is still open. A failed write ends a transport at once; what
    the peer said before it closed stands in the socket all the same.
    """
    found = transport.get_extra_info("socket")
    if found is None or transport.get_extra_info("sslcontext") is not None:
        return
    with suppress(OSError), found.dup() as sock:
        sock.setblocking(False)
        while True:
            data = sock.recv(_READ_BYTES)
            yield data
            if not data:
                return
