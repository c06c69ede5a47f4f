"""The fast path for HTTP/2: its own framing over asyncio protocols, callbacks only, no task or timer per request.

Requests carry no state of HPACK, so that any connection takes any of them; answers whose header block was seen before
cost a look-up instead of a decoder. Each connection carries many exchanges: at most connections.streams_per_connection,
and no more than the target allows (MAX_CONCURRENT_STREAMS). Steps take turns over the connections that have room. One
that finds none waits, and a further connection is opened for every so many that wait, up to connections.max; whichever
comes free first takes the step that has waited longest. What it waits for is charged to it, as with HTTP/1.1.

A step is sent at once. While a burst of late ones is sent, and while answers are read, in which steps follow one from
the other, what is to go out is gathered, and goes out in one write.

A target that takes leave (GOAWAY) says which requests it has not processed: those are sent again, whatever they are, as
is what it refuses to begin (REFUSED_STREAM). Time limits end a stream (RST_STREAM) and leave its connection to others;
one on which nothing has come at all meanwhile takes no further ones.
"""

import asyncio
from time import monotonic_ns
from typing import Any

from replay.target.target import Target
from replay.wire.addresses import AddressBook
from replay.wire.answers import Tells
from replay.wire.errors import TargetUnreachable
from replay.wire.http2.connection import Connection, Limits
from replay.wire.http2.lanes import Lane
from replay.wire.http2.openings import Openings, plan_in_words
from replay.wire.http2.requests import RequestBlocks
from replay.wire.http2.responses import KnownHeads
from replay.wire.http2.sending import Sending
from replay.wire.opening import ConnectError, Leads, Opener, cut, unreachable
from replay.wire.reasons import UNSENDABLE, ending
from replay.wire.types import Exchange
from replay.words.numbers import seconds

_NS = 1_000_000_000
# A target that takes nothing at all is not asked for ever.
_BOUNCES_MOST = 5


class Http2Wire:
    """Every connection to one URL of a target, by HTTP/2 on the fast path.

    shared_by: how many exchanges a connection will carry at once, as far as the target has said.
    """

    def __init__(self, target: Target, addresses: AddressBook, *, tunnel: Leads | None = None) -> None:
        self._url = target.url
        self._addresses = addresses
        self._opener = Opener(target, addresses, "h2", tunnel)
        times, plan = target.timeouts, target.connections
        self._connect_s, self._connect_ns = times.connect_s, int(times.connect_s * _NS)
        self._limits = Limits(*(int(s * _NS) for s in (times.first_byte_s, times.idle_s, times.total_s)))
        self._reuse, self._prepares = plan.reuse, plan.prepare and plan.reuse != "none"
        self._plan = plan
        self._streams = 1 if plan.reuse == "none" else plan.streams_per_connection
        self._may_resend_unsafe = target.retry.stale_unsafe
        self._lane = Lane()
        self._lanes: dict[Any, Lane] = {}
        self._openings = Openings(self._opener, self._connection, self, plan.max, self._connect_ns)
        self._first: asyncio.Future[None] | None = None
        self._is_closing = False
        self.shared_by = self._streams
        self.blocks = RequestBlocks(is_tls=addresses.is_tls)
        self.heads = KnownHeads(Tells.of(target))
        self.is_corked = False
        self.corked: list[Sending] = []
        self.closed_while_idle = 0
        self.stale_resent = 0

    def __repr__(self) -> str:
        streams = sum(len(conn.streams) for conn in self._openings.open)
        return f"<Http2Wire {streams} streams, {self._openings!r}>"

    @property
    def opened(self) -> int:
        return self._openings.opened

    @property
    def waited_for_limit(self) -> int:
        return self._openings.waited_for_limit

    @property
    def waited_for_machine(self) -> int:
        return self._openings.waited_for_machine

    @property
    def shortage(self) -> str | None:
        return self._openings.shortage

    @property
    def plan(self) -> str:
        """As in Wire."""
        return plan_in_words(self._plan, self.shared_by)

    async def open(self) -> None:
        await self._opener.resolve()
        self._first = asyncio.get_running_loop().create_future()
        try:
            # One connection shows that the target is there, and speaks HTTP/2; it is kept for the first step.
            conn = await self._openings.one()
        except ConnectError as failed:
            if failed.error == "reset" and not self._addresses.is_tls:
                # It may have answered in HTTP/1.1, of which a connection that is gone keeps nothing.
                raise _hung_up(self._url) from failed
            raise unreachable(self._url, self._addresses, failed) from failed
        is_tls = conn.protocol is not None
        try:
            async with asyncio.timeout(self._connect_s):
                await self._first
        except TimeoutError as silent:
            conn.close()
            raise TargetUnreachable(
                f"{self._url} did not answer in HTTP/2 within {seconds(self._connect_s)}. "
                "Leave http2 out of the target if it speaks HTTP/1.1 alone."
            ) from silent
        finally:
            self._first = None
        if not conn.is_settled:
            error, why = ending("connect", conn.lost_by)
            if error == "tls":
                raise unreachable(self._url, self._addresses, ConnectError(error, why))
            raise _unlike_http2(self._url, is_tls=is_tls)
        if self._reuse == "none":
            conn.close()
        else:
            conn.was_idle = True
            self.take(conn, self._lane)

    def _connection(self) -> Connection:
        return Connection(self, self._streams)

    def cork(self) -> None:
        """Gather what is sent until uncork."""
        self.is_corked = True

    def uncork(self) -> None:
        self.is_corked = False
        corked = self.corked
        while corked:
            corked.pop().flush()

    def send(self, exchange: Exchange) -> None:
        lane = self._lane if self._reuse == "pool" else self._lane_for(exchange)
        ready = lane.ready
        if not ready:
            self._wait(lane, exchange)
            return
        conn = ready[0]
        self._start(conn, exchange)
        if not conn.has_room:
            lane.note_room(conn)
        elif len(ready) > 1:
            ready.rotate(-1)

    def _lane_for(self, exchange: Exchange) -> Lane:
        """Where an exchange goes that may not go by any connection."""
        if self._reuse != "session":
            return self._lane
        key = exchange.session_key
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane()
        if not lane.ready and not lane.waiting and self._lane.ready:
            # One that was opened ahead, for whoever comes first.
            conn = self._lane.ready[0]
            self._lane.leave(conn)
            self.take(conn, lane)
        return lane

    def _start(self, conn: Connection, exchange: Exchange) -> None:
        """Send it on a connection that has room."""
        try:
            conn.start(exchange)
        except ValueError:
            exchange.end_ns = monotonic_ns()
            exchange.error, exchange.phase, exchange.why = "protocol", "send", UNSENDABLE
            exchange.on_done(exchange)

    def _wait(self, lane: Lane, exchange: Exchange) -> None:
        """No connection has room: the next that has takes it."""
        exchange.queued_ns = monotonic_ns()
        if self._is_closing:
            self.give_up(exchange, exchange.queued_ns, "interrupted")
            return
        lane.waiting.append(exchange)
        if self._openings.is_short:
            self._openings.note_wait()
        else:
            self._openings.for_waiting(lane)

    def take(self, conn: Connection, lane: Lane) -> None:
        """A connection was opened, or is idle, for this lane."""
        if self._is_closing or conn.is_closed:
            conn.close()
            return
        if lane.is_over:
            lane = self._lane
        conn.was_idle = conn.was_idle or not lane.waiting
        lane.join(conn)
        if not conn.is_settled and self.shared_by > 1:
            lane.hope_for(conn)
        self._use_room(lane, conn)

    def _use_room(self, lane: Lane, conn: Connection) -> None:
        """Give those who wait what room the connection has; what is left is for those who come."""
        waiting = lane.waiting
        if waiting and conn.has_room:
            is_outer = not self.is_corked
            self.is_corked = True
            while waiting and conn.has_room:
                exchange = waiting.popleft()
                if self._openings.is_short:
                    exchange.held_ns = monotonic_ns() - exchange.queued_ns
                self._start(conn, exchange)
            if is_outer:
                self.uncork()
        if self._reuse != "none":
            lane.note_room(conn)

    def settled(self, conn: Connection) -> None:
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
        lane: Lane | None = conn.owner
        if conn.limit:
            self.shared_by = conn.limit
        if lane is not None:
            if conn.limit:
                lane.settle(conn)
            self._use_room(lane, conn)
            # It may have less room than was hoped for.
            self._openings.for_waiting(lane)

    def release(self, conn: Connection) -> None:
        """A stream of this connection has ended."""
        if self._reuse == "none":
            conn.retire()
        elif conn.is_draining:
            if not conn.streams:
                conn.close()
        elif not conn.is_ready:
            self._use_room(conn.owner, conn)

    def retired(self, conn: Connection) -> None:
        """It takes no further streams."""
        lane: Lane | None = conn.owner
        if lane is not None:
            lane.leave(conn)

    def lost(self, conn: Connection, *, while_idle: bool) -> None:
        self.closed_while_idle += while_idle
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
        lane: Lane | None = conn.owner
        if lane is not None:
            lane.leave(conn)
        self._openings.forget(conn)
        if lane is not None and lane.waiting and not self._is_closing:
            self._openings.for_waiting(lane)

    def may_bounce(self, exchange: Exchange, *, others_were_taken: bool) -> bool:
        """Whether an exchange that the target has not processed is to be sent once more."""
        if self._is_closing or (not others_were_taken and exchange.bounces >= _BOUNCES_MOST):
            return False
        exchange.bounces += not others_were_taken
        return True

    def may_resend(self, exchange: Exchange) -> bool:
        """Whether an exchange whose kept connection turned out closed is to be sent once more."""
        may_be_sent_twice = exchange.idempotent or self._may_resend_unsafe
        return may_be_sent_twice and not exchange.stale_retries and not self._is_closing

    def send_again(self, exchanges: list[Exchange], now_ns: int) -> None:
        """Send these, which were sent in this order, before all that wait."""
        lanes: dict[Lane, None] = {}
        for exchange in reversed(exchanges):
            if not exchange.stale_retries:
                exchange.stale_retries = 1
                exchange.stale_sent_ns = exchange.sent_ns or now_ns
                self.stale_resent += 1
            exchange.stale_end_ns = exchange.queued_ns = now_ns
            exchange.sent_ns, exchange.why = 0, None
            lane = self._lane_for(exchange)
            lane.waiting.appendleft(exchange)
            lanes[lane] = None
        for lane in lanes:
            while lane.waiting and lane.ready:
                self._use_room(lane, lane.ready[0])
            self._openings.for_waiting(lane)

    def prepare(self, connections: int) -> None:
        if self._prepares:
            shared_by = 1 if self._reuse == "session" else self.shared_by
            self._openings.ahead(self._lane, -(-connections // shared_by))

    def end_session(self, session_key: Any) -> None:
        lane = self._lanes.pop(session_key, None)
        if lane is not None:
            lane.is_over = True
            for conn in list(lane.connections):
                conn.retire()

    def sweep(self, now: int) -> None:
        """End what has passed a time limit; called every few milliseconds."""
        for conn in [conn for conn in self._openings.open if conn.streams or conn.shut_ns]:
            conn.expire(now, self._limits)
            if conn.shut_ns and now - conn.shut_ns >= self._connect_ns:
                self._give_up_on(conn, now)
        if self._openings.is_short:
            self._openings.look_for_more([self._lane, *self._lanes.values()], now)

    def _give_up_on(self, conn: Connection, now: int) -> None:
        """The target has taken the connection, and in all the time that there is for opening one no request by it."""
        lane: Lane | None = conn.owner
        conn.give_up(conn.shut_ns + self._connect_ns)
        if lane is None or any(not other.shut_ns for other in lane.connections):
            return
        for _ in range(min(len(lane.waiting), self.shared_by)):
            self.give_up(lane.waiting.popleft(), now, "timeout", is_censored=True)
        self._openings.for_waiting(lane)

    async def close(self) -> None:
        self._is_closing = self._openings.is_closing = True
        self._addresses.close()
        now = monotonic_ns()
        for lane in (self._lane, *self._lanes.values()):
            while lane.waiting:
                self.give_up(lane.waiting.popleft(), now, "interrupted")
        connections = list(self._openings.open)
        for conn in connections:
            conn.interrupt(now)
        await self._openings.close()
        await cut(connections)

    def give_up(self, exchange: Exchange, now_ns: int, error: str, *, is_censored: bool = False) -> None:
        """End an exchange that never had a connection."""
        exchange.end_ns = now_ns
        exchange.error, exchange.phase, exchange.censored = error, "connect", is_censored
        exchange.on_done(exchange)


def _unlike_http2(url: str, *, is_tls: bool) -> TargetUnreachable:
    """The target said something else than HTTP/2 has, or nothing."""
    if is_tls:
        return TargetUnreachable(f"{url} agreed to HTTP/2, and spoke something else.")
    return TargetUnreachable(f"{url} does not speak HTTP/2 without TLS. Leave http2 out of the target.")


def _hung_up(url: str) -> TargetUnreachable:
    return TargetUnreachable(
        f"{url} ended the connection at once when it was spoken to in HTTP/2. If it does not speak HTTP/2 without TLS, "
        "leave http2 out of the target."
    )
