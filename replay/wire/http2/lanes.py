"""Which connections a step may go by: one lane for all of them, or one for each session."""

from collections import deque

from replay.wire.http2.connection import Connection
from replay.wire.types import Exchange


class Lane:
    """Connections that the same steps may go by, and the steps that wait for room on one, the first in front.

    connections: all of them. ready: those with room, the next to be used in front. awaited: connections from which room
    is to be hoped for: being opened, or open for those whose target has yet to say how much it takes. is_starved: one
    more would be opened if it might. is_over: whom it was for has gone.
    """

    __slots__ = ("awaited", "connections", "is_over", "is_starved", "ready", "waiting")

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.ready: deque[Connection] = deque()
        self.waiting: deque[Exchange] = deque()
        self.awaited = 0
        self.is_starved = self.is_over = False

    def __repr__(self) -> str:
        return (
            f"<Lane {len(self.connections)} connections, {len(self.ready)} ready, {self.awaited} awaited, "
            f"{len(self.waiting)} waiting>"
        )

    def join(self, conn: Connection) -> None:
        """The connection is this lane's from now on."""
        self.connections.add(conn)
        conn.owner = self

    def leave(self, conn: Connection) -> None:
        """It is this lane's no more."""
        self.connections.discard(conn)
        self.settle(conn)
        if conn.is_ready:
            self.take_out(conn)

    def hope_for(self, conn: Connection) -> None:
        """Its target has yet to say how much it takes."""
        conn.is_awaited = True
        self.awaited += 1

    def settle(self, conn: Connection) -> None:
        """What may be hoped for from it is known."""
        if conn.is_awaited:
            conn.is_awaited = False
            self.awaited -= 1

    def note_room(self, conn: Connection) -> None:
        """Have it among those that are ready, or not, by whether it has room."""
        if conn.has_room:
            if not conn.is_ready:
                conn.is_ready = True
                self.ready.append(conn)
        elif conn.is_ready:
            self.take_out(conn)

    def take_out(self, conn: Connection) -> None:
        conn.is_ready = False
        if self.ready[0] is conn:
            self.ready.popleft()
        else:
            self.ready.remove(conn)
