"""The fast path: HTTP/1.1 over asyncio protocols, callbacks only, no task or timer per request.

What runs per request, and what it costs: `send` pops an idle connection and writes once (the transport's high
water mark is 0, so the bytes go to the kernel inside the call, and `sent_ns` is stamped after it);
`data_received` finds the end of the response's head and looks the head's bytes up in a table of heads seen
before. A server repeats its heads byte for byte within a second, so a response of known length costs one
dictionary look-up instead of a parse. Everything else (chunked bodies, streams, unseen heads, interim
responses) goes through llhttp (httptools), which stays the judge of what is valid HTTP.

Connections are kept in a last-in first-out stack, so that few are kept busy and the rest age, as in clients
that agents use. A step that finds none idle opens one and waits; whichever comes free first, the new
connection or a used one, takes the step that has waited longest. Where this machine has nothing left to open
one with, steps wait for those that are open, and each sweep tries a few anew (see replay/system/shortage.py).

Time limits are checked by a sweep over open connections every few milliseconds. The sweep may come late, the
record does not: a step that hit a limit ends at that limit, and is marked as censored.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic_ns
from typing import Any

from replay.system.shortage import LOCAL
from replay.target.target import Target
from replay.wire.addresses import AddressBook
from replay.wire.answers import Tells
from replay.wire.http1.connection import Connection, Pool
from replay.wire.http1.response import Head
from replay.wire.opening import ConnectError, Leads, Opener, cut, unreachable
from replay.wire.types import Exchange

_HEADS_MAX = 512
_HEAD_MAX_BYTES = 4096
# A target whose heads never repeat (a request id in each) fills the table again and again for nothing.
_HEADS_FILLED_MOST = 8
_PREPARED_AT_ONCE = 64
# Openings that a sweep tries while this machine is short of something; each that fails costs about 30 µs.
_TRIED_WHEN_SHORT = 16
_NS = 1_000_000_000


class Http1Wire:
    """Every connection to one target, by the fast path.

    connection: makes one of them. tunnel: through which they go to the target.
    """

    def __init__(
        self,
        target: Target,
        addresses: AddressBook,
        *,
        connection: Callable[[Pool], Connection] = Connection,
        tunnel: Leads | None = None,
    ) -> None:
        self._target = target
        self._addresses = addresses
        self._connection = partial(connection, self)
        self._opener = Opener(target, addresses, tunnel=tunnel)
        limits = target.timeouts
        self._connect_ns = int(limits.connect_s * _NS)
        self._first_byte_ns = int(limits.first_byte_s * _NS)
        self._idle_ns = int(limits.idle_s * _NS)
        self._total_ns = int(limits.total_s * _NS)
        self._max = target.connections.max
        self._reuse = target.connections.reuse
        self._may_resend_unsafe = target.retry.stale_unsafe
        self._idle: list[Connection] = []
        self._idle_of: dict[Any, list[Connection]] = {}
        self._waiting: deque[Exchange] = deque()
        self._fresh_only: deque[Exchange] = deque()
        self._open: set[Connection] = set()
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._is_short = False
        self._prepares_from_ns = 0
        self._next_limit_ns = 0
        self.heads: dict[bytes, Head] = {}
        self._heads_filled = 0
        self.tells = Tells.of(target)
        self.opened = 0
        self.closed_while_idle = 0
        self.stale_resent = 0
        self.waited_for_limit = 0
        self.waited_for_machine = 0
        self.shortage: str | None = None
        self.plan: str | None = None

    def __repr__(self) -> str:
        return (
            f"<Http1Wire {len(self._open)} open, {len(self._idle)} idle, {self._opening} opening, "
            f"{len(self._waiting)} waiting>"
        )

    async def open(self) -> None:
        await self._opener.resolve()
        # One connection shows that the target is there; it is kept for the first step.
        try:
            conn = await self._opener.open(self._connection)
        except ConnectError as failed:
            raise unreachable(self._target.url, self._addresses, failed) from failed
        self._count(conn)
        if self._reuse == "none":
            conn.close()
        else:
            self._keep(conn)

    def send(self, exchange: Exchange) -> None:
        if self._reuse != "pool":
            self._send_apart(exchange)
            return
        idle = self._idle
        while idle:
            conn = idle.pop()
            if not conn.is_closed:
                conn.start(exchange)
                return
        self._wait(exchange)

    def _wait(self, exchange: Exchange) -> None:
        """No connection is free: the next that is takes it, or a new one."""
        exchange.queued_ns = monotonic_ns()
        self._waiting.append(exchange)
        if self._is_short:
            self.waited_for_machine += 1
        else:
            self._open_for_waiting()

    def _send_apart(self, exchange: Exchange) -> None:
        """Reuse by session, or none at all."""
        if self._reuse == "session":
            idle = self._idle_of.setdefault(exchange.session_key, [])
            while idle:
                conn = idle.pop()
                if not conn.is_closed:
                    conn.start(exchange)
                    return
            if self._idle:
                conn = self._idle.pop()
                if not conn.is_closed:
                    conn.owner = exchange.session_key
                    conn.start(exchange)
                    return
        self._wait(exchange)

    def release(self, conn: Connection, is_reusable: bool) -> None:
        """The exchange on this connection has ended."""
        if not is_reusable or conn.is_closed or self._reuse == "none" or self._is_closing:
            conn.close()
            if self._waiting:
                self._open_for_waiting()
            return
        if self._reuse == "session" and conn.owner is not None:
            self._release_to(conn.owner, conn)
            return
        if self._waiting:
            self._start_queued(conn, self._waiting.popleft())
            return
        conn.was_idle = True
        self._idle.append(conn)

    def _start_queued(self, conn: Connection, exchange: Exchange) -> None:
        if self._is_short:
            exchange.held_ns = monotonic_ns() - exchange.queued_ns
        conn.start(exchange)

    def _release_to(self, session_key: Any, conn: Connection) -> None:
        """Keep the connection for its session, whose next step may be waiting because no other can be opened."""
        for exchange in self._waiting:
            if exchange.session_key == session_key:
                self._waiting.remove(exchange)
                self._start_queued(conn, exchange)
                return
        idle = self._idle_of.get(session_key)
        if idle is None:
            # The session was over before its last answer was: nobody will ask for the connection.
            conn.close()
            self.failed()
            return
        idle.append(conn)

    def failed(self) -> None:
        """A connection has gone, or could not be opened; if it was the last, steps that wait need another."""
        if self._waiting and not self._is_closing:
            self._open_for_waiting()

    def learn(self, head_bytes: bytes, head: Head | None) -> None:
        """Remember how to read responses with this head. A target whose heads never repeat is given up on."""
        if head is None or len(head_bytes) > _HEAD_MAX_BYTES or self._heads_filled > _HEADS_FILLED_MOST:
            return
        if len(self.heads) >= _HEADS_MAX:
            self.heads.clear()
            self._heads_filled += 1
        self.heads[head_bytes] = head

    def resends(self, exchange: Exchange, now_ns: int) -> bool:
        """Whether an exchange whose kept-alive connection turned out closed is sent once more, on a new one."""
        if self._is_closing or exchange.stale_retries or not (exchange.idempotent or self._may_resend_unsafe):
            return False
        exchange.stale_retries = 1
        exchange.stale_sent_ns, exchange.stale_end_ns = exchange.sent_ns, now_ns
        exchange.sent_ns = 0
        exchange.queued_ns = now_ns
        self.stale_resent += 1
        self._fresh_only.append(exchange)
        self._spawn_open()
        return True

    def prepare(self, connections: int) -> None:
        if (
            self._reuse == "none"
            or not self._target.connections.prepare
            or self._is_closing
            or monotonic_ns() < self._prepares_from_ns
        ):
            return
        wanted = min(connections, self._max) - len(self._open) - self._opening
        for _ in range(min(wanted, _PREPARED_AT_ONCE)):
            self._spawn_open()

    def end_session(self, session_key: Any) -> None:
        for conn in self._idle_of.pop(session_key, ()):
            conn.close()
            self.failed()

    def sweep(self, now: int) -> None:
        """End what has passed a time limit; called every few milliseconds."""
        if now >= self._next_limit_ns:
            limits = self._first_byte_ns, self._idle_ns, self._total_ns
            self._next_limit_ns = _expire(list(self._open), now, *limits)
        if self._is_short:
            self._look_for_more(now)

    def _look_for_more(self, now: int) -> None:
        """This machine was out of something: end what has waited too long for it, and try again for the rest."""
        for queue in (self._fresh_only, self._waiting):
            while queue and now - queue[0].queued_ns >= self._connect_ns:
                exchange = queue.popleft()
                exchange.held_ns = now - exchange.queued_ns
                self._give_up(exchange, now, LOCAL)
        wanted = len(self._waiting) + len(self._fresh_only) - self._opening
        self._is_short = wanted > 0 or self._opening > 0
        room = self._max - len(self._open) - self._opening
        for _ in range(min(wanted, room, _TRIED_WHEN_SHORT)):
            self._spawn_open()

    async def close(self) -> None:
        self._is_closing = True
        self._addresses.close()
        for task in list(self._tasks):
            task.cancel()
        now = monotonic_ns()
        waiting = [*self._waiting, *self._fresh_only]
        self._waiting.clear()
        self._fresh_only.clear()
        for exchange in waiting:
            self._give_up(exchange, now, "interrupted")
        connections = list(self._open)
        for conn in connections:
            conn.interrupt(now)
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await cut(connections)

    def lost(self, conn: Connection, *, while_idle: bool) -> None:
        self._open.discard(conn)
        self.closed_while_idle += while_idle
        if while_idle:
            self.failed()

    def _open_for_waiting(self) -> None:
        if self._opening < len(self._waiting) + len(self._fresh_only):
            if len(self._open) + self._opening < self._max:
                self._spawn_open()
            else:
                self.waited_for_limit += 1

    def _spawn_open(self) -> None:
        self._opening += 1
        task = asyncio.get_running_loop().create_task(self._open_one())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_one(self) -> None:
        try:
            conn = await self._opener.open(self._connection)
        except ConnectError as failed:
            self._opening -= 1
            if failed.error == LOCAL:
                self._run_short(str(failed))
                return
            now = monotonic_ns()
            if self._fresh_only or self._waiting:
                exchange = (self._fresh_only or self._waiting).popleft()
                exchange.why = str(failed) if failed.error in ("tls", "proxy") else None
                self._give_up(exchange, now, failed.error, is_censored=failed.error == "timeout")
            # At the limit no step after the first had an opening of its own.
            self.failed()
            return
        except asyncio.CancelledError:
            self._opening -= 1
            raise
        self._opening -= 1
        self._count(conn)
        if self._is_closing:
            conn.close()
        elif self._fresh_only or self._waiting:
            exchange = (self._fresh_only or self._waiting).popleft()
            if self._reuse == "session":
                conn.owner = exchange.session_key
            self._start_queued(conn, exchange)
        else:
            self._keep(conn)

    def _run_short(self, shortage: str) -> None:
        """This machine could not open a connection; those who wait go on waiting, until a sweep has had enough."""
        self._prepares_from_ns = monotonic_ns() + _NS
        waiting = len(self._waiting) + len(self._fresh_only)
        if not waiting:
            # It was to be opened ahead of need; nobody missed it.
            return
        self.shortage = shortage
        if not self._is_short:
            self._is_short = True
            self.waited_for_machine += waiting

    def _count(self, conn: Connection) -> None:
        self._open.add(conn)
        self.opened += 1

    def _keep(self, conn: Connection) -> None:
        conn.was_idle = True
        self._idle.append(conn)

    def _give_up(self, exchange: Exchange, now: int, error: str, *, is_censored: bool = False) -> None:
        """End an exchange that never had a connection."""
        exchange.end_ns = now
        exchange.error, exchange.phase, exchange.censored = error, "connect", is_censored
        exchange.on_done(exchange)


def _expire(connections: list[Connection], now: int, first_byte_ns: int, idle_ns: int, total_ns: int) -> int:
    """End what has passed a limit; returns before when no other can: a look at thousands takes a millisecond."""
    # What is sent, or begins to be answered, from now on has at least this long.
    soonest = now + min(first_byte_ns, idle_ns, total_ns)
    for conn in connections:
        conn.expire(now, first_byte_ns, idle_ns, total_ns)
        if conn.exchange is not None:
            soonest = min(soonest, conn.limit_ns(conn.exchange, first_byte_ns, idle_ns, total_ns))
    return soonest
