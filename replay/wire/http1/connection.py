"""One connection to a target: writes a request, reads its response, keeps the stamps."""

import asyncio
from collections import deque
from time import monotonic_ns
from typing import Any, Protocol, cast

import httptools

from replay.dialects.streams import is_event_stream
from replay.wire.answers import MOST_CAPTURED_BYTES, Tells, capture
from replay.wire.http1.response import Head, ResponseReader
from replay.wire.opening import Opened, write_in_the_call
from replay.wire.reasons import ending
from replay.wire.types import Exchange

# A read may bring 256 KiB, and libuv reads 32 times before it looks at anything else: an event stream that is flooded
# would keep time limits and Ctrl-C waiting for seconds. So much is read at a turn of the loop: some ms of work.
_SLICE_BYTES = 16 * 1024


class Pool(Protocol):
    """What a connection needs of whoever keeps it."""

    heads: dict[bytes, Head]
    tells: Tells

    def learn(self, head_bytes: bytes, head: Head | None) -> None: ...

    def release(self, conn: "Connection", is_reusable: bool) -> None: ...

    def lost(self, conn: "Connection", *, while_idle: bool) -> None: ...

    def failed(self) -> None: ...

    def resends(self, exchange: Exchange, now_ns: int) -> bool: ...


class Connection(Opened):
    """At most one exchange at a time. owner: the session that it is kept for. served: how many it has completed."""

    __slots__ = (
        "_head",
        "_is_blocked",
        "_late",
        "_left",
        "_pool",
        "_reader",
        "exchange",
        "is_closed",
        "owner",
        "served",
        "was_idle",
    )

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self._pool = pool
        self._is_blocked = False
        self._left = -1
        self._head: Head | None = None
        self._reader: ResponseReader | None = None
        # What of a stream came, and when, and is yet to be read.
        self._late: deque[tuple[bytes, int]] | None = None
        self.exchange: Exchange | None = None
        self.owner: Any = None
        self.served = 0
        self.is_closed = self.was_idle = False

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "idle" if self.exchange is None else repr(self.exchange)
        return f"<Connection {state}, served {self.served}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        write_in_the_call(self._transport)

    def start(self, exchange: Exchange) -> None:
        """Send this exchange's request; the connection is idle."""
        self.exchange = exchange
        # Here and in data_received a default is left as it is: looking at a field costs a fifth of writing it.
        if self.served:
            if exchange.is_new_connection:
                exchange.is_new_connection = False
        else:
            exchange.is_new_connection = True
            exchange.dns_ns, exchange.connect_ns, exchange.tls_ns = self.dns_ns, self.connect_ns, self.tls_ns
        data = exchange.head + exchange.body if exchange.body else exchange.head
        exchange.request_bytes = len(data)
        self._transport.write(data)  # type: ignore[union-attr]
        # Stamped after the write: before it, a full socket buffer would pass as service time.
        self.read_ns = now = monotonic_ns()
        if not self._is_blocked:
            exchange.sent_ns = now
        elif not exchange.queued_ns:
            # From here on it waits for the target to read.
            exchange.queued_ns = now

    def pause_writing(self) -> None:
        self._is_blocked = True

    def resume_writing(self) -> None:
        self._is_blocked = False
        exchange = self.exchange
        if exchange is not None and not exchange.sent_ns:
            exchange.sent_ns = self.read_ns = monotonic_ns()

    def data_received(self, data: bytes) -> None:
        now = monotonic_ns()
        exchange = self.exchange
        if exchange is None:
            # Bytes that nobody asked for: most often a 408 before an idle close.
            self.close()
            return
        self.read_ns = now
        left = self._left
        if left >= 0:
            size = len(data)
            if exchange.captured is not None:
                capture(exchange.captured, data[:left])
        elif self._reader is not None:
            self._read(data, now, exchange, -1)
            return
        else:
            at = data.find(b"\r\n\r\n")
            head = self._pool.heads.get(data[:at]) if at > 0 else None
            if (
                head is None
                or exchange.method == "HEAD"
                or exchange.is_stream
                or exchange.captured_headers is not None
            ):
                self._read(data, now, exchange, at)
                return
            exchange.first_byte_ns = now
            exchange.status, left, _, instance, cold, is_page = head
            if instance is not None:
                exchange.instance = instance
            if cold is not None:
                exchange.cold = cold
            if exchange.on_first_byte is not None:
                exchange.on_first_byte(exchange)
            self._head = head
            size = len(data) - at - 4
            if exchange.keeps_body or (is_page and exchange.watches_pages):
                # Such a head is never that of an event stream.
                exchange.captured = bytearray(data[at + 4 : at + 4 + min(left, MOST_CAPTURED_BYTES)])
        if size > left:
            # Bytes after the end: the response is whole, the connection is not to be trusted any more.
            exchange.response_bytes += left
            self._finish(exchange, now, False)
            return
        exchange.response_bytes += size
        left -= size
        if left:
            self._left = left
            return
        self._left = -1
        if not exchange.sent_ns:
            self._finish(exchange, now, False)
            return
        # As in _finish, which costs a call.
        exchange.end_ns = now
        self.exchange = None
        self.served += 1
        self._pool.release(self, self._head.is_reusable)  # type: ignore[union-attr]
        exchange.on_done(exchange)

    def _read(self, data: bytes, now: int, exchange: Exchange, head_end: int) -> None:
        """Through llhttp. head_end: where the head ends in data, in a response's first read."""
        reader = self._reader
        if reader is None:
            reader = self._reader = ResponseReader(exchange, self._pool.tells)
        if self._late is not None or (
            len(data) > _SLICE_BYTES and self._is_stream(reader, data[: head_end + 4])
        ):
            data = self._sliced(data, now)
            if not data:
                return
        self._feed(data, now, exchange, head_end)

    def _feed(self, data: bytes, now: int, exchange: Exchange, head_end: int) -> None:
        reader = self._reader
        assert reader is not None
        try:
            reader.feed(data, now)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, ValueError) as failure:
            exchange.why = reader.why_not(failure)
            self._fail(exchange, now, "protocol", "body" if reader.has_head else "first_byte")
            return
        if head_end > 0 and reader.has_head:
            self._pool.learn(data[:head_end], reader.head_to_learn())
        if reader.ended:
            # What was put by comes after the end.
            self._finish(exchange, now, reader.is_reusable and self._late is None)
        elif reader.events is not None and reader.events.is_answered and exchange.sent_ns:
            exchange.end_ns = now
            # Its time limits are those of any exchange, and the connection is idle after it.
            self.exchange = reader.leave_rest()
            exchange.on_done(exchange)

    def _is_stream(self, reader: ResponseReader, head: bytes) -> bool:
        """Whether events are to be looked for in a response, of which this is the first read's head or nothing."""
        if reader.has_head:
            return reader.events is not None
        return self.exchange.is_stream or is_event_stream(head) is not None  # type: ignore[union-attr]

    def _sliced(self, data: bytes, now: int) -> bytes:
        """The part of data that is to be read now; the rest is put by, and nothing more is received meanwhile."""
        if self._late is not None:
            self._late.append((data, now))
            return b""
        self._late = deque(((data[_SLICE_BYTES:], now),))
        self._transport.pause_reading()  # type: ignore[union-attr]
        asyncio.get_running_loop().call_soon(self._read_late)
        return data[:_SLICE_BYTES]

    def _read_late(self) -> None:
        """Read the next of what was put by. It happened when it came, whenever it is looked at."""
        exchange, late = self.exchange, self._late
        if late is None or exchange is None:
            return
        data, came_ns = late.popleft()
        if len(data) > _SLICE_BYTES:
            late.appendleft((data[_SLICE_BYTES:], came_ns))
            data = data[:_SLICE_BYTES]
        if not late:
            self._late = None
            if not self.is_closed:
                self.read_ns = monotonic_ns()
                self._transport.resume_reading()  # type: ignore[union-attr]
        self._feed(data, came_ns, exchange, -1)
        if self._late is not None and not self.is_closed:
            asyncio.get_running_loop().call_soon(self._read_late)

    def _finish(self, exchange: Exchange, now: int, is_reusable: bool) -> None:
        exchange.end_ns = now
        if not exchange.sent_ns:
            # The response came before the request was all written; no other can follow it here.
            exchange.sent_ns = now
            is_reusable = False
        if self._reader is not None:
            self._reader.settle()
            self._reader = self._late = None
        self._left = -1
        self.exchange = None
        self.served += 1
        self._pool.release(self, is_reusable)
        exchange.on_done(exchange)

    def _fail(self, exchange: Exchange, at_ns: int, error: str, phase: str, is_censored: bool = False) -> None:
        exchange.end_ns = at_ns
        exchange.error, exchange.phase, exchange.censored = error, phase, is_censored
        if self._reader is not None:
            self._reader.settle()
            self._reader = self._late = None
        self.exchange = None
        self.close(is_abrupt=self._is_blocked)
        self._pool.failed()
        exchange.on_done(exchange)

    def limit_ns(self, exchange: Exchange, first_byte_ns: int, idle_ns: int, total_ns: int) -> int:
        """The earliest of the limits of the exchange that is under way."""
        sent = exchange.sent_ns or self.read_ns
        limit = sent + total_ns
        if not exchange.first_byte_ns:
            limit = min(limit, sent + first_byte_ns)
        elif self._late is None:
            # While what came is yet to be read, nothing more is received, and the target is not idle.
            limit = min(limit, self.read_ns + idle_ns)
        return limit

    def expire(self, now: int, first_byte_ns: int, idle_ns: int, total_ns: int) -> None:
        """End the exchange at the earliest of its limits that has passed, if one has."""
        exchange = self.exchange
        if exchange is None:
            return
        limit = self.limit_ns(exchange, first_byte_ns, idle_ns, total_ns)
        if now < limit:
            return
        while self._late is not None and self.exchange is exchange and self._late[0][1] <= limit:
            self._read_late()
        if self.exchange is exchange:
            self._fail(exchange, limit, "timeout", _phase(exchange), is_censored=True)

    def interrupt(self, now: int) -> None:
        """End whatever is under way, and the connection."""
        if self.exchange is not None:
            self._fail(self.exchange, now, "interrupted", _phase(self.exchange))
        else:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        # Before what was put by is read, with which an exchange may end that was under way.
        while_idle = not self.is_closed and self.exchange is None
        self.is_closed = True
        self._pool.lost(self, while_idle=while_idle)
        while self._late is not None and self.exchange is not None:
            self._read_late()
        exchange = self.exchange
        if exchange is None:
            return
        now = monotonic_ns()
        if self._reader is not None and self._reader.is_until_close and exc is None:
            self._finish(exchange, now, False)
            return
        was_kept = self.served > 0 or self.was_idle
        # A reader without a first byte has seen an interim response: the target has the request.
        has_answer = exchange.first_byte_ns or self._reader is not None
        if was_kept and not has_answer and self._pool.resends(exchange, now):
            self.exchange = None
            return
        phase = _phase(exchange)
        error, exchange.why = ending(phase, exc)
        self._fail(exchange, now, error, phase)

    def eof_received(self) -> bool:
        return False

    def close(self, is_abrupt: bool = False) -> None:
        """is_abrupt: drop what is not yet written; else a target that reads no more keeps the socket open."""
        if not self.is_closed:
            self.is_closed = True
            self._pool.lost(self, while_idle=False)
            if self._transport is None:
                return
            if is_abrupt:
                self._transport.abort()
            else:
                self._transport.close()


def _phase(exchange: Exchange) -> str:
    """How far an exchange got."""
    return "body" if exchange.first_byte_ns else "first_byte" if exchange.sent_ns else "send"
