"""One WebSocket: opened, written to, read, closed; what comes in goes to the exchange that waits for it."""

import asyncio
from time import monotonic_ns
from typing import Any, Protocol, cast

from replay.websocket.frames import frame_bytes
from replay.websocket.handshake import Agreed
from replay.websocket.messages import MessageReader, closing, code_in
from replay.websocket.types import CLOSE, DROPPED, NORMAL, PING, PONG, BrokenRule, Message
from replay.wire.answers import Tells, retry_after_s
from replay.wire.opening import write_in_the_call
from replay.wire.reasons import ending, why_broken_socket, why_closed, why_no_socket
from replay.wire.types import Exchange
from replay.wire.websocket.opening import SWITCHED, Answer, Opening
from replay.wire.websocket.slices import Sliced
from replay.wire.websocket.under_way import UnderWay, frame_of, on_socket, phase_of


class Pool(Protocol):
    """What a connection needs of whoever keeps it."""

    tells: Tells

    def opening(self, head: bytes, protocols: tuple[str, ...]) -> Opening: ...

    def is_open(self, conn: "SocketConnection") -> None: ...

    def is_idle(self, conn: "SocketConnection") -> None: ...

    def leave(self, conn: "SocketConnection") -> None: ...

    def lost(self, conn: "SocketConnection", *, while_idle: bool) -> None: ...


class SocketConnection(Sliced):
    """session, name: whose it is, and which of them.

    under_way: while it is being opened, those that wait for that. is_usable: whether another may be started. served:
    how many were sent.
    """

    __slots__ = (
        "_agreed",
        "_asked_ns",
        "_is_blocked",
        "_is_closing",
        "_opening",
        "_pong",
        "_pool",
        "_reader",
        "_upgrade_ns",
        "cold",
        "instance",
        "is_usable",
        "name",
        "served",
        "session",
        "under_way",
    )

    def __init__(self, pool: Pool, session: Any, name: Any) -> None:
        super().__init__()
        self._pool, self.session, self.name = pool, session, name
        self._opening: Opening | None = None
        self._reader: MessageReader | None = None
        self._agreed = Agreed()
        self._pong: bytes | None = None
        self._asked_ns = self._upgrade_ns = self.served = 0
        self._is_blocked = self._is_closing = False
        self.is_usable = True
        self.instance: str | None = None
        self.cold: bool | None = None
        self.under_way = UnderWay()

    def __repr__(self) -> str:
        state = "opening" if self._reader is None else "closing" if self._is_closing else "open"
        return f"<SocketConnection {'closed' if self.is_closed else state}, {self.under_way}>"

    @property
    def is_opening(self) -> bool:
        return self._reader is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        write_in_the_call(self._transport)

    def _write(self, data: bytes) -> None:
        self._transport.write(data)  # type: ignore[union-attr]

    def ask(self) -> None:
        """Ask for a WebSocket, as the first exchange that waits for it would; the connection is there."""
        first = self.under_way.oldest
        self._opening = self._pool.opening(first.head, on_socket(first).protocols)
        self._write(self._opening.asks)
        self.read_ns = self._asked_ns = monotonic_ns()
        first.request_bytes = len(self._opening.asks)

    def start(self, exchange: Exchange) -> None:
        """Have this exchange sent: now, or once the connection is open."""
        self.under_way.add(exchange)
        if self._reader is None:
            exchange.queued_ns = monotonic_ns()
        else:
            self._send(exchange)

    def _send(self, exchange: Exchange) -> None:
        socket = on_socket(exchange)
        exchange.status, exchange.instance = SWITCHED, self.instance
        exchange.is_shared = self.served > 0 and len(self.under_way) > 1
        if socket.action == "open":
            # That is done already.
            exchange.sent_ns = monotonic_ns() if self.served else self._asked_ns
            now = exchange.sent_ns if self.served else self._asked_ns + self._upgrade_ns
            self._charge_opening(exchange)
            self._end(exchange, now)
            return
        self._charge_opening(exchange)
        if socket.action == "close":
            self._is_closing, self.is_usable = True, False
        elif socket.awaits is not None:
            self.under_way.awaits_messages(exchange)
        data = frame_of(exchange, self.served, self._agreed)
        exchange.request_bytes = len(data)
        self._write(data)
        # Stamped after the write: before it, a full socket buffer would pass as service time.
        now = monotonic_ns()
        if self._is_blocked:
            exchange.queued_ns = exchange.queued_ns or now
        else:
            self._sent(exchange, now)

    def _charge_opening(self, exchange: Exchange) -> None:
        """The first exchange is the one that the connection was opened for."""
        if not self.served:
            exchange.is_new_connection = True
            exchange.dns_ns, exchange.tls_ns = self.dns_ns, self.tls_ns
            exchange.connect_ns = self.connect_ns + self._upgrade_ns
            exchange.cold = self.cold
        else:
            # Where it is told of the opening, whatever comes later waits for no boot.
            exchange.cold = None if self.cold is None else False
        self.served += 1

    def _sent(self, exchange: Exchange, now: int) -> None:
        exchange.sent_ns = now
        socket = on_socket(exchange)
        if socket.action == "message" and socket.awaits is None:
            self._end(exchange, now)

    def pause_writing(self) -> None:
        self._is_blocked = True

    def resume_writing(self) -> None:
        self._is_blocked = False
        if self._reader is None:
            return
        now = monotonic_ns()
        for exchange in self.under_way:
            if not exchange.sent_ns:
                self._sent(exchange, now)
        if self._pong is not None:
            self._answer_ping(self._pong)

    @property
    def _lacking(self) -> int:
        return 0 if self._reader is None else self._reader.lacking

    def _read(self, data: bytes, now: int) -> None:
        if self.is_closed:
            return
        try:
            if self._reader is None:
                data = self._read_answer(data, now)
            if self._reader is not None and data:
                for message in self._reader.feed(data, now):
                    self._take(message, now)
                    if self.is_closed:
                        return
        except BrokenRule as broken:
            if self._reader is not None and not self._is_closing:
                self._write(frame_bytes(CLOSE, closing(broken.code), is_masked=True))
            self.fail(now, "protocol", why=why_broken_socket(str(broken)))

    def _read_answer(self, data: bytes, now: int) -> bytes:
        """Read the answer to the opening; returns what follows it."""
        answer = None if self._opening is None else self._opening.feed(data)
        if answer is None:
            return b""
        tells = self._pool.tells
        self.instance, self.cold = answer.instance(tells), answer.cold(tells)
        if answer.status != SWITCHED:
            self._refused(answer, now)
            return b""
        self._agreed = answer.agreed
        self._reader = MessageReader(is_masked=False, compression=self._agreed.compression)
        self._upgrade_ns = now - self._asked_ns
        self._pool.is_open(self)
        for exchange in self.under_way:
            if exchange.captured_headers is not None:
                exchange.captured_headers += answer.lines
            self._send(exchange)
        return answer.rest

    def _refused(self, answer: Answer, now: int) -> None:
        """The target has answered, and opens nothing."""
        status, after = answer.status, answer.headers.get("retry-after")
        for exchange in self._left():
            exchange.status, exchange.instance, exchange.cold = status, self.instance, self.cold
            exchange.sent_ns, exchange.first_byte_ns, exchange.end_ns = self._asked_ns, now, now
            exchange.is_new_connection = True
            if exchange.captured_headers is not None:
                exchange.captured_headers += answer.lines
            if status < 400:
                exchange.error, exchange.phase, exchange.why = "protocol", "connect", why_no_socket(status)
            elif after is not None:
                exchange.retry_after_s = retry_after_s(after.encode("latin-1"))
            exchange.on_done(exchange)

    def _take(self, message: Message, now: int) -> None:
        opcode, payload, began_ns = message
        if opcode == PING:
            self._answer_ping(payload)
        elif opcode == CLOSE:
            self._take_close(code_in(payload), now)
        else:
            under_way = self.under_way
            ended = under_way.pinged(payload) if opcode == PONG else under_way.ended_by(payload, began_ns, now)
            if ended is not None:
                self._end(ended, now)

    def _answer_ping(self, payload: bytes) -> None:
        if self._is_blocked:
            # The last of them will do (RFC 6455, section 5.5.3), and what is kept does not grow.
            self._pong = payload
            return
        self._pong = None
        if not self._is_closing:
            self._write(frame_bytes(PONG, payload, is_masked=True))

    def _take_close(self, code: int, now: int) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._write(frame_bytes(CLOSE, closing(code), is_masked=True))
        for exchange in self._left():
            socket = on_socket(exchange)
            socket.close_code = code
            if socket.action == "close":
                self.under_way.settle(exchange, now)
            else:
                self.under_way.settle(exchange, now, "closed", phase_of(exchange), why_closed(code))
            exchange.on_done(exchange)

    def _end(self, exchange: Exchange, now: int) -> None:
        """The exchange is over, as it was to be."""
        self.under_way.settle(exchange, now)
        if not self.under_way:
            self._pool.is_idle(self)
            if not self.is_usable and not self._is_closing:
                self._pool.leave(self)
        exchange.on_done(exchange)

    def _left(self) -> list[Exchange]:
        """Nothing more goes by this connection: close it, and return the exchanges that it leaves."""
        left = self.under_way.leave()
        self._close(while_idle=not left)
        return left

    def _close(self, *, while_idle: bool = False, is_abrupt: bool = False) -> None:
        if self.is_closed:
            return
        self.is_closed, self.is_usable = True, False
        self._late.clear()
        if self._transport is not None:
            # One that reads no more would keep the socket open.
            (self._transport.abort if is_abrupt or self._is_blocked else self._transport.close)()
        self._pool.lost(self, while_idle=while_idle)

    def fail(self, now: int, error: str, *, why: str | None = None, is_censored: bool = False) -> None:
        """End all that is under way, and the connection."""
        for exchange in self._left():
            if error == "reset":
                on_socket(exchange).close_code = DROPPED
            if self._reader is None:
                exchange.is_new_connection = True
            self.under_way.settle(exchange, now, error, self._phase(exchange), why)
            exchange.censored = is_censored
            exchange.on_done(exchange)

    def expire(self, now: int, connect_ns: int, first_byte_ns: int, idle_ns: int, total_ns: int) -> None:
        """End what has passed a time limit, at that limit."""
        if self._reader is None:
            if self._asked_ns and now >= self._asked_ns + connect_ns:
                self.fail(self._asked_ns + connect_ns, "timeout", is_censored=True)
            return
        for exchange in self.under_way:
            sent = exchange.sent_ns or exchange.queued_ns
            limit = sent + total_ns
            if not exchange.first_byte_ns:
                limit = min(limit, sent + first_byte_ns)
            elif not self._late:
                limit = min(limit, max(self.read_ns, sent) + idle_ns)
            if now < limit or exchange not in self.under_way:
                continue
            # What comes for it later must not be taken for another's.
            self.is_usable = False
            self.under_way.settle(exchange, limit, "timeout", phase_of(exchange))
            exchange.censored = True
            if not self.under_way:
                self._close(is_abrupt=True)
            exchange.on_done(exchange)

    def leave(self) -> None:
        """Close it as an agent does that is done."""
        self.is_usable = False
        if self._reader is None:
            self._close()
        elif not self._is_closing and not self.is_closed:
            self._is_closing = True
            self._write(frame_bytes(CLOSE, closing(NORMAL), is_masked=True))

    def connection_lost(self, exc: Exception | None) -> None:
        now = monotonic_ns()
        self._read_all()
        if self.is_closed:
            return
        if not self.under_way:
            self._close(while_idle=not self._is_closing)
            return
        error, why = ending(self._phase(self.under_way.oldest), exc)
        self.fail(now, error, why=why)

    def _phase(self, exchange: Exchange) -> str:
        return "connect" if self._reader is None else phase_of(exchange)
