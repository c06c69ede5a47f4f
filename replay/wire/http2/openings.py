"""Connections of a wire, opened for the lanes in which steps wait, or ahead of need; and what keeps them from it.

No more than the plan allows are open at once: a lane that could do with one more is starved until another closes. Where
this machine has nothing left to open one with, steps wait for those that are open, and each sweep tries a few anew
(see replay/system/shortage.py).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic_ns
from typing import Protocol

from replay.system.shortage import LOCAL
from replay.target.sending import Connections
from replay.wire.http2.connection import Connection
from replay.wire.http2.lanes import Lane
from replay.wire.opening import ConnectError, Opener
from replay.wire.types import Exchange
from replay.words.numbers import count

_NS = 1_000_000_000
_PREPARED_AT_ONCE = 64
# Openings that a sweep tries while this machine is short of something; each that fails costs about 30 µs.
_TRIED_WHEN_SHORT = 16


class Taker(Protocol):
    """Whom the connections are for. shared_by: how many exchanges one will carry, as far as that is known."""

    shared_by: int

    def take(self, conn: Connection, lane: Lane) -> None: ...

    def give_up(self, exchange: Exchange, now_ns: int, error: str, *, is_censored: bool = False) -> None: ...


class Openings:
    """most: how many connections may be open at once. limit_ns: how long opening one may take.

    open: those that are. opened: how many ever were. waited_for_limit, waited_for_machine, shortage: as in Wire.
    """

    def __init__(
        self, opener: Opener, make: Callable[[], Connection], taker: Taker, most: int, limit_ns: int
    ) -> None:
        self._opener = opener
        self._make = make
        self._taker = taker
        self._most = most
        self._limit_ns = limit_ns
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._starved: deque[Lane] = deque()
        self._prepares_from_ns = 0
        self.is_closing = self.is_short = False
        self.open: set[Connection] = set()
        self.opened = 0
        self.waited_for_limit = 0
        self.waited_for_machine = 0
        self.shortage: str | None = None

    def __repr__(self) -> str:
        return f"<Openings {len(self.open)} open, {self._opening} opening, of {self._most}>"

    @property
    def _room(self) -> int:
        return self._most - len(self.open) - self._opening

    async def one(self) -> Connection:
        """One more connection, which speaks HTTP/2 as far as TLS has settled it. Raises ConnectError."""
        conn = await self._opener.open(self._make)
        self.opened += 1
        if conn.is_closed:
            # What ended it came with what TLS was settled by.
            raise ConnectError("reset", "the target ended the connection at once.")
        self.open.add(conn)
        if conn.protocol not in ("h2", None):
            conn.close()
            raise ConnectError("protocol", "it does not offer HTTP/2. Leave http2 out of the target.")
        return conn

    def for_waiting(self, lane: Lane) -> None:
        """Open as many as will carry those who wait in this lane, less those that it may hope for."""
        if self.is_closing or self.is_short:
            return
        while lane.awaited * self._taker.shared_by < len(lane.waiting):
            if self._room <= 0:
                self.waited_for_limit += 1
                if not lane.is_starved:
                    lane.is_starved = True
                    self._starved.append(lane)
                return
            self._spawn(lane)

    def ahead(self, lane: Lane, connections: int) -> None:
        """Have about so many, as far as may be."""
        wanted = min(connections, self._most) - len(self.open) - self._opening
        if wanted <= 0 or self.is_closing or monotonic_ns() < self._prepares_from_ns:
            return
        for _ in range(min(wanted, _PREPARED_AT_ONCE)):
            self._spawn(lane)

    def forget(self, conn: Connection) -> None:
        """It is closed: another may be opened."""
        self.open.discard(conn)
        while self._starved and self._room > 0:
            lane = self._starved.popleft()
            lane.is_starved = False
            self.for_waiting(lane)

    def note_wait(self) -> None:
        """One more waits, and none can be opened for it."""
        self.waited_for_machine += 1

    def look_for_more(self, lanes: Iterable[Lane], now: int) -> None:
        """This machine was out of something: end what has waited too long for it, and try again for the rest."""
        waiting = [lane for lane in lanes if lane.waiting]
        for lane in waiting:
            while lane.waiting and now - lane.waiting[0].queued_ns >= self._limit_ns:
                exchange = lane.waiting.popleft()
                exchange.held_ns = now - exchange.queued_ns
                self._taker.give_up(exchange, now, LOCAL)
        waiting = [lane for lane in waiting if lane.waiting]
        self.is_short = bool(waiting) or self._opening > 0
        tried = min(self._room, _TRIED_WHEN_SHORT - self._opening)
        for lane in waiting[: max(0, tried)]:
            if lane.awaited * self._taker.shared_by < len(lane.waiting):
                self._spawn(lane)

    async def close(self) -> None:
        """Open no more."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, lane: Lane) -> None:
        self._opening += 1
        lane.awaited += 1
        task = asyncio.get_running_loop().create_task(self._open_for(lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_for(self, lane: Lane) -> None:
        failure: ConnectError | None = None
        try:
            conn = await self.one()
        except ConnectError as failed:
            failure = failed
        finally:
            self._opening -= 1
            lane.awaited -= 1
        if failure is None:
            while self._starved and not lane.waiting:
                # Opened ahead of need, while others need one that may not be opened.
                lane = self._starved.popleft()
                lane.is_starved = False
            self._taker.take(conn, lane)
        elif failure.error == LOCAL:
            self._run_short(str(failure), lane)
        else:
            self._fail(failure, lane)

    def _fail(self, failure: ConnectError, lane: Lane) -> None:
        """End those who were to share the connection that could not be opened."""
        now = monotonic_ns()
        shared_by = min(len(lane.waiting), self._taker.shared_by)
        for exchange in [lane.waiting.popleft() for _ in range(shared_by)]:
            exchange.why = str(failure) if failure.error in ("tls", "protocol", "proxy") else None
            self._taker.give_up(exchange, now, failure.error, is_censored=failure.error == "timeout")
        # At the limit no step after the first had an opening of its own.
        self.for_waiting(lane)

    def _run_short(self, shortage: str, lane: Lane) -> None:
        """This machine could not open a connection; those who wait go on waiting, until a sweep has had enough."""
        self._prepares_from_ns = monotonic_ns() + _NS
        if not lane.waiting:
            # It was to be opened ahead of need; nobody missed it.
            return
        self.shortage = shortage
        if not self.is_short:
            self.is_short = True
            self.waited_for_machine += len(lane.waiting)


def plan_in_words(plan: Connections, shared_by: int) -> str:
    """How requests share connections. shared_by: how many at once one carries, by what the target allows."""
    if plan.reuse == "none":
        return "HTTP/2, with a connection for each request"
    most = plan.streams_per_connection
    fewer = f" ({count(shared_by)}, as the target allows)" if shared_by < most else ""
    kept = "each session's own" if plan.reuse == "session" else "for all"
    when = "ahead of need" if plan.prepare else "when the others are full"
    return (
        f"HTTP/2, on each connection at most {count(most)} at once{fewer}; connections are {kept}, opened {when}, "
        f"at most {count(plan.max)}"
    )
