"""The connections of a relay's clients: how many there may be, and how long each may keep it waiting."""

import asyncio
from typing import Protocol

from replay.system.shortage import descriptor_limit

SWEEP_S = 5.0
# Descriptors are given lowest first, so a connection's own number tells how full the table is. An eighth is kept for
# connections to servers, files and processes.
_RESERVED_RATIO = 1 / 8


class Connection(Protocol):
    """A client's connection."""

    def age(self) -> None:
        """SWEEP_S have passed."""

    def cut(self) -> None: ...


class Clients:
    """All connections of clients. They are looked at every SWEEP_S together, so that a request sets no timer."""

    def __init__(self) -> None:
        self._connections: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection, descriptor: int) -> bool:
        """Take a new connection; False where there are more than this process can serve."""
        self._connections.add(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_on)
        limit = descriptor_limit()
        return limit is None or descriptor < limit - int(limit * _RESERVED_RATIO)

    def discard(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def sweep(self) -> None:
        for connection in list(self._connections):
            connection.age()

    def close(self) -> None:
        """Cut them all."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._connections):
            connection.cut()

    def _sweep_on(self) -> None:
        self._timer = None
        self.sweep()
        if self._connections:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_on)
