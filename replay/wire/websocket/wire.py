"""WebSockets to one target: each belongs to a session, and is open until that is over, closes it, or is closed on.

A message that finds its connection open is written at once; one that does not has it opened, and waits. What was closed
is opened anew by the next message, as an agent would; what the target knew of the old one, only the target knows.

Time limits are checked by a sweep over the connections on which something is under way. Opening one has
`timeouts.connect_s` to connect and as long again for the opening handshake; the others hold for each message.
"""

import asyncio
from collections import deque
from time import monotonic_ns
from typing import Any

from replay.system.shortage import LOCAL
from replay.target.target import Target
from replay.wire.addresses import AddressBook
from replay.wire.answers import Tells
from replay.wire.errors import TargetUnreachable
from replay.wire.opening import ConnectError, Opener, cut
from replay.wire.types import Exchange
from replay.wire.websocket.connection import SocketConnection
from replay.wire.websocket.opening import Opening

_NS = 1_000_000_000
# How long a target may take to close a connection after us.
_LEAVE_S = 1.0


class WebSocketWire:
    """Every WebSocket to one target. unasked: messages that came while no step waited for one."""

    def __init__(self, target: Target, url: str) -> None:
        self._target = target
        self._addresses = AddressBook(target, url)
        self._opener = Opener(target, self._addresses)
        self._is_resolved = self._is_ending = False
        limits = target.timeouts
        seconds = (limits.connect_s, limits.first_byte_s, limits.idle_s, limits.total_s)
        self._limits_ns = tuple(int(limit_s * _NS) for limit_s in seconds)
        self._max = target.connections.max
        self._of: dict[Any, dict[Any, SocketConnection]] = {}
        self._busy: dict[SocketConnection, None] = {}
        self._held: set[SocketConnection] = set()
        self._waiting: deque[SocketConnection] = deque()
        # Those that we are closing, with when the target has had time enough.
        self._leaving: dict[SocketConnection, int] = {}
        self._all_left = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.tells = Tells.of(target)
        self.opened = self.closed_while_idle = self.unasked = 0
        self.waited_for_limit = self.waited_for_machine = 0
        self.shortage: str | None = None

    def __repr__(self) -> str:
        return f"<WebSocketWire {len(self._held)} held, {len(self._busy)} busy, {len(self._waiting)} waiting>"

    def send(self, exchange: Exchange) -> None:
        """Send now, on the session's connection, which is opened if it is not; or once it is open."""
        socket = exchange.socket
        assert socket is not None
        mine = self._of.get(exchange.session_key)
        if mine is None:
            mine = self._of[exchange.session_key] = {}
        conn = mine.get(socket.connection)
        if conn is not None and socket.action == "open" and conn.is_usable and not conn.under_way:
            self.leave(conn)
        if conn is None or not conn.is_usable:
            if socket.action == "close":
                # As for an agent, there is nothing to do.
                exchange.sent_ns = exchange.end_ns = monotonic_ns()
                exchange.on_done(exchange)
                return
            conn = mine[socket.connection] = SocketConnection(self, exchange.session_key, socket.connection)
            conn.start(exchange)
            self._busy[conn] = None
            if len(self._held) < self._max:
                self._open(conn)
            else:
                self.waited_for_limit += 1
                self._waiting.append(conn)
            return
        self._busy[conn] = None
        conn.start(exchange)

    def holds(self, session_key: Any, connection: Any) -> bool:
        """Whether the session has this connection, and it is open or will be."""
        conn = self._of.get(session_key, {}).get(connection)
        return conn is not None and conn.is_usable

    def _open(self, conn: SocketConnection) -> None:
        self._held.add(conn)
        task = asyncio.get_running_loop().create_task(self._open_one(conn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_one(self, conn: SocketConnection) -> None:
        try:
            if not self._is_resolved:
                await self._opener.resolve()
                self._is_resolved = True
            await self._opener.open(lambda: conn)
        except ConnectError as failed:
            if failed.error == LOCAL:
                self.shortage = str(failed)
                self.waited_for_machine += 1
            conn.fail(
                monotonic_ns(),
                failed.error,
                why=str(failed) if failed.error == "tls" else None,
                is_censored=failed.error == "timeout",
            )
            return
        except TargetUnreachable:
            conn.fail(monotonic_ns(), "dns")
            return
        if conn.is_closed or not conn.under_way:
            # Its session ended, or the run did, while it was opened.
            conn.cut()
            return
        conn.ask()

    def opening(self, head: bytes, protocols: tuple[str, ...]) -> Opening:
        target = self._target
        return Opening(head, protocols, compresses=target.websocket.compress, tells=target.send_recorded_ms)

    def is_open(self, conn: SocketConnection) -> None:
        """The target has agreed to a WebSocket."""
        self.opened += 1

    def is_idle(self, conn: SocketConnection) -> None:
        """Nothing is under way on it any more."""
        self._busy.pop(conn, None)

    def lost(self, conn: SocketConnection, *, while_idle: bool) -> None:
        """It is closed."""
        self._busy.pop(conn, None)
        self._held.discard(conn)
        self.unasked += conn.under_way.unasked
        if self._leaving.pop(conn, None) is None:
            self.closed_while_idle += while_idle and not conn.is_opening and not self._is_ending
        elif not self._leaving:
            self._all_left.set()
        mine = self._of.get(conn.session)
        if mine is not None and mine.get(conn.name) is conn:
            del mine[conn.name]
        while self._waiting and len(self._held) < self._max and not self._is_ending:
            waiting = self._waiting.popleft()
            if not waiting.is_closed:
                self._open(waiting)

    def sweep(self, now: int) -> None:
        """End what has passed a time limit; called every few milliseconds."""
        for conn in list(self._busy):
            conn.expire(now, *self._limits_ns)
        for conn in [conn for conn, until_ns in self._leaving.items() if now >= until_ns]:
            conn.fail(now, "closed")

    def end_session(self, session_key: Any) -> None:
        """The session is over: close what it holds."""
        for conn in list(self._of.pop(session_key, {}).values()):
            self.leave(conn)

    def leave(self, conn: SocketConnection) -> None:
        """Close it, and give the target a while to close it too."""
        conn.leave()
        if not conn.is_closed:
            self._leaving[conn] = monotonic_ns() + int(_LEAVE_S * _NS)

    async def close(self) -> None:
        """Close every connection; exchanges in flight end as errors."""
        self._is_ending = True
        self._addresses.close()
        for task in list(self._tasks):
            task.cancel()
        held = list(self._held)
        now = monotonic_ns()
        for conn in [*self._busy]:
            conn.fail(now, "interrupted")
        for session in list(self._of):
            self.end_session(session)
        if self._leaving:
            self._all_left.clear()
            try:
                await asyncio.wait_for(self._all_left.wait(), _LEAVE_S)
            except TimeoutError:
                pass
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await cut(held)
