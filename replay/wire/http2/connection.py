"""One HTTP/2 connection to a target, with a stream for each exchange under way on it."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from time import monotonic_ns
from typing import Any, NamedTuple, Protocol, cast

from replay.wire.http2 import framing
from replay.wire.http2.faults import CANCEL, NO_ERROR, REFUSED_STREAM, ConnectionFault, StreamFault
from replay.wire.http2.framing import Farewell, Frame
from replay.wire.http2.receiving import Receiving
from replay.wire.http2.requests import RequestBlocks
from replay.wire.http2.responses import KnownHeads
from replay.wire.http2.sending import Cork, Sending
from replay.wire.http2.settings import OPENING
from replay.wire.http2.stream import Stream
from replay.wire.opening import Opened
from replay.wire.reasons import STREAM_ENDED, STREAM_REFUSED, ending, why_broken
from replay.wire.types import Exchange

_LAST_STREAM_ID = framing.MOST_WINDOW


class Limits(NamedTuple):
    """How long an exchange may take, in ns: from sending to the first byte; between two frames; and in all."""

    first_byte_ns: int
    idle_ns: int
    total_ns: int


class Pool(Cork, Protocol):
    """What a connection needs of whoever keeps it."""

    blocks: RequestBlocks
    heads: KnownHeads

    def cork(self) -> None: ...

    def uncork(self) -> None: ...

    def settled(self, conn: "Connection") -> None: ...

    def release(self, conn: "Connection") -> None: ...

    def retired(self, conn: "Connection") -> None: ...

    def lost(self, conn: "Connection", *, while_idle: bool) -> None: ...

    def may_bounce(self, exchange: Exchange, *, others_were_taken: bool) -> bool: ...

    def may_resend(self, exchange: Exchange) -> bool: ...

    def send_again(self, exchanges: list[Exchange], now_ns: int) -> None: ...


class _Late(NamedTuple):
    """Frames that came at came_ns, and are yet to be looked at from this one on."""

    frames: list[Frame]
    at: int
    came_ns: int


def _waiting(streams: Iterable[Stream], since_ns: int, *, has_deadlines: bool) -> Iterator[Stream]:
    """Those that may have waited too long, of streams in the order of their beginning.

    since_ns: no limit of the target's is over for what began later. has_deadlines: one may be that is a stream's own.
    """
    for stream in streams:
        if stream.began_ns > since_ns:
            if not has_deadlines:
                return
            if not stream.exchange.most_ns:
                continue
        yield stream


class Connection(Opened):
    """streams: what is under way, by id, the oldest first. most: how many we start at once, whatever the target allows.

    limit: how many at once; one until the target has said what it allows. owner, is_ready, is_awaited: notes of the
    pool: what it keeps it for, whether it has it among those with room, or hopes for some. is_draining: it takes
    nothing more, and is closed when it is empty. served: how many exchanges it has completed. shut_ns: since when the
    target has not said that it takes anything, or has said that it takes nothing; 0 where it takes some.
    """

    __slots__ = (
        "_has_deadlines",
        "_late",
        "_most",
        "_pool",
        "_receiving",
        "_rest",
        "_sending",
        "is_awaited",
        "is_closed",
        "is_draining",
        "is_ready",
        "limit",
        "owner",
        "served",
        "shut_ns",
        "streams",
        "was_idle",
    )

    def __init__(self, pool: Pool, most: int) -> None:
        super().__init__()
        self._pool = pool
        self._sending = Sending(pool)
        self._has_deadlines = False
        self._receiving = Receiving(self, self._sending, pool.heads)
        self._most = most
        self._rest = b""
        self._late: deque[_Late] = deque()
        self.streams = self._receiving.streams
        self.limit = 1
        self.owner: Any = None
        self.served = self.shut_ns = 0
        self.is_draining = self.is_ready = self.is_awaited = self.is_closed = self.was_idle = False

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "draining" if self.is_draining else "open"
        return f"<Connection {state}, {len(self.streams)} of {self.limit} streams, served {self.served}>"

    @property
    def has_room(self) -> bool:
        return len(self.streams) < self.limit and not self.is_draining

    @property
    def is_settled(self) -> bool:
        """Whether the target has said what it lets us do, as it does first of all if it speaks HTTP/2."""
        return self._receiving.is_settled

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.shut_ns = monotonic_ns()
        self._sending.begin(self._transport, OPENING)

    def start(self, exchange: Exchange) -> None:
        """Send this exchange's request; the connection has room. Raises ValueError for a head that is none."""
        block = self._pool.blocks.block(exchange.head)
        receiving = self._receiving
        stream_id = receiving.next_id
        if stream_id > 1:
            exchange.is_new_connection = False
        else:
            exchange.is_new_connection = True
            exchange.dns_ns, exchange.connect_ns, exchange.tls_ns = self.dns_ns, self.connect_ns, self.tls_ns
        exchange.is_shared = bool(self.streams)
        receiving.next_id = stream_id + 2
        now = monotonic_ns()
        self.streams[stream_id] = stream = Stream(exchange, stream_id, now, now)
        self._has_deadlines = self._has_deadlines or exchange.most_ns > 0
        self._sending.request(stream, block)
        if stream_id >= _LAST_STREAM_ID:
            self.retire()

    def pause_writing(self) -> None:
        self._sending.pause()

    def resume_writing(self) -> None:
        self._sending.resume()

    def data_received(self, data: bytes) -> None:
        now = monotonic_ns()
        self.read_ns = now
        if self.is_closed:
            return
        if self._rest:
            data = self._rest + data
        frames, used = framing.frames_in(data)
        self._rest = data[used:] if used < len(data) else b""
        if self._late:
            self._late.append(_Late(frames, 0, now))
        elif frames:
            self._look_at(frames, now)

    def _look_at(self, frames: list[Frame], now: int) -> None:
        """Look at frames as far as one turn of the loop goes, and put the rest by."""
        self._pool.cork()
        try:
            done = self._receiving.read(frames, now)
        except ConnectionFault as fault:
            self._break(fault, now)
            return
        finally:
            self._pool.uncork()
        if done < len(frames) and not self.is_closed:
            self._late.appendleft(_Late(frames, done, now))
            self._transport.pause_reading()  # type: ignore[union-attr]
            asyncio.get_running_loop().call_soon(self._read_late)

    def _read_late(self) -> None:
        """Look at the next of what was put by. It happened when it came, whenever it is looked at."""
        if not self._late or self.is_closed:
            return
        frames, at, came_ns = self._late.popleft()
        if not self._late:
            self.read_ns = monotonic_ns()
            self._transport.resume_reading()  # type: ignore[union-attr]
        self._look_at(frames[at:], came_ns)
        if self._late and not self._late[0].at:
            asyncio.get_running_loop().call_soon(self._read_late)

    def settled(self) -> None:
        self.limit = min(self._most, self._sending.peer.streams)
        self.shut_ns = 0 if self.limit else self.shut_ns or monotonic_ns()
        self._pool.settled(self)

    def ended(self, stream: Stream, now_ns: int) -> None:
        exchange = stream.exchange
        exchange.end_ns = now_ns
        self._sending.cut_off(stream)
        if stream.events is not None:
            stream.settle()
        self.served += 1
        self._pool.release(self)
        exchange.on_done(exchange)

    def was_reset(self, stream: Stream, code: int, now_ns: int) -> None:
        self._sending.forget(stream)
        self._pool.release(self)
        if code == REFUSED_STREAM and not stream.has_answer:
            # It was not processed (RFC 9113, section 8.7).
            self._bounce([stream], now_ns, others_were_taken=False)
        else:
            stream.exchange.why = STREAM_ENDED
            self._fail(stream, now_ns, "reset")

    def broke(self, stream: Stream, fault: StreamFault, now_ns: int) -> None:
        self._sending.forget(stream)
        self._pool.release(self)
        stream.exchange.why = why_broken(str(fault))
        self._fail(stream, now_ns, "protocol")

    def leaves(self, farewell: Farewell, now_ns: int) -> None:
        self._stop_taking()
        last = farewell.last_stream_id
        refused = [stream for stream in self.streams.values() if stream.id > last]
        for stream in refused:
            del self.streams[stream.id]
            self._sending.forget(stream)
        self._bounce(refused, now_ns, others_were_taken=last > 0)
        self._close_if_empty()

    def _bounce(self, streams: list[Stream], now_ns: int, *, others_were_taken: bool) -> None:
        """The target has not processed these, and never will; they may be sent again, whatever they are."""
        may_bounce = self._pool.may_bounce
        again = [s for s in streams if may_bounce(s.exchange, others_were_taken=others_were_taken)]
        for stream in streams:
            stream.exchange.why = STREAM_REFUSED
        self._part(streams, again, now_ns)

    def _part(self, streams: list[Stream], again: list[Stream], now_ns: int, error: str = "reset") -> None:
        """Send these streams' exchanges again, and have the others fail."""
        if again:
            self._pool.send_again([stream.exchange for stream in again], now_ns)
        for stream in streams:
            if stream not in again:
                self._fail(stream, now_ns, error)

    def _fail(self, stream: Stream, at_ns: int, error: str, *, is_censored: bool = False) -> None:
        """End an exchange, whose stream has been forgotten."""
        exchange = stream.exchange
        exchange.end_ns = at_ns
        exchange.error, exchange.phase, exchange.censored = error, stream.phase, is_censored
        stream.settle()
        exchange.on_done(exchange)

    def _break(self, fault: ConnectionFault, now: int) -> None:
        """The target broke the rules for all: end what is under way, and the connection."""
        self.close(fault.code)
        self._fail_all(now, "protocol", why_broken(str(fault)))

    def _fail_all(self, at_ns: int, error: str, why: str | None = None, *, is_censored: bool = False) -> None:
        streams = list(self.streams.values())
        self.streams.clear()
        for stream in streams:
            stream.exchange.why = why
            self._fail(stream, at_ns, error, is_censored=is_censored)

    def expire(self, now: int, limits: Limits) -> None:
        """End the exchanges that have passed a limit, each at the earliest that it has passed."""
        may_be = _waiting(self.streams.values(), now - min(limits), has_deadlines=self._has_deadlines)
        by_limit = [(stream, stream.limit_ns(*limits, is_held=bool(self._late))) for stream in may_be]
        for stream, limit_ns in by_limit:
            if now < limit_ns:
                continue
            while self._late and stream.id in self.streams and self._late[0].came_ns <= limit_ns:
                self._read_late()
            if self.streams.get(stream.id) is stream:
                self._expire(stream, limit_ns, min(limits))

    def _expire(self, stream: Stream, limit_ns: int, least_ns: int) -> None:
        del self.streams[stream.id]
        self._sending.forget(stream)
        self._sending.control(framing.reset(stream.id, CANCEL))
        has_deadline = stream.exchange.most_ns and limit_ns - self.read_ns < least_ns
        if self.read_ns <= stream.began_ns and not has_deadline:
            # Nothing came at all while it waited, or for long before its own deadline: the connection may be dead, and
            # others are not to wait on it, too.
            self.retire()
        else:
            self._pool.release(self)
        self._fail(stream, limit_ns, "timeout", is_censored=True)

    def _stop_taking(self) -> None:
        if not self.is_draining:
            self.is_draining = True
            self._pool.retired(self)

    def retire(self) -> None:
        """Start nothing more here; it is closed when it is empty."""
        self._stop_taking()
        self._close_if_empty()

    def give_up(self, at_ns: int) -> None:
        """Start nothing more here; where the target has not said a word until then, end what was sent to it as well."""
        if not self.is_settled:
            self.close()
            self._fail_all(at_ns, "timeout", is_censored=True)
        else:
            self.retire()

    def _close_if_empty(self) -> None:
        if not self.streams:
            self.close()

    def interrupt(self, now: int) -> None:
        """End whatever is under way, and the connection."""
        self.close()
        self._fail_all(now, "interrupted")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_by = exc
        if self.is_closed:
            return
        # Before what was put by is read, with which an exchange may end that was under way.
        while_idle = not self.streams
        self._sending.end()
        self._stop_taking()
        now = monotonic_ns()
        try:
            for frames, at, came_ns in self._late:
                while at < len(frames):
                    at += self._receiving.read(frames[at:], came_ns)
        except ConnectionFault as fault:
            self._fail_all(now, "protocol", why_broken(str(fault)))
        if not self.is_closed:
            self._end(while_idle=while_idle)
        was_kept = self.served > 0 or self.was_idle
        streams = list(self.streams.values())
        self.streams.clear()
        again = [s for s in streams if was_kept and not s.has_answer and self._pool.may_resend(s.exchange)]
        error = "reset"
        for stream in streams:
            error, stream.exchange.why = ending(stream.phase, exc)
        self._part(streams, again, now, error)

    def close(self, code: int = NO_ERROR) -> None:
        """code: why, in the words of HTTP/2. A target that reads no more does not hold it up."""
        if self.is_closed:
            return
        if self._transport is not None:
            if self._sending.is_blocked:
                self._transport.abort()
            else:
                self._sending.control(framing.farewell(code))
                self._sending.flush()
                self._transport.close()
        self._sending.end()
        self._end(while_idle=False)

    def _end(self, *, while_idle: bool) -> None:
        self.is_closed = self.is_draining = self._receiving.is_over = True
        self._pool.lost(self, while_idle=while_idle)
