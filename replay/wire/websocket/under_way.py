"""The exchanges under way on one WebSocket, and what of that which comes in is whose.

A message goes to the oldest exchange that it fits, or else to the oldest that waits for any. One that comes while
nobody waits is counted, and passed over. What it says is read by the reader of event streams, as an event of its own.
"""

from collections.abc import Iterator

from replay.dialects.messages import MessageEvents
from replay.websocket.frames import frame_bytes
from replay.websocket.handshake import Agreed
from replay.websocket.messages import closing
from replay.websocket.telling import TOLD, told_in
from replay.websocket.types import CLOSE, PING
from replay.wire.answers import MOST_CAPTURED_BYTES, settle_events
from replay.wire.types import Exchange, OnSocket


class UnderWay:
    """The oldest first. unasked: messages that came while nobody waited."""

    __slots__ = ("_exchanges", "_readers", "unasked")

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []
        self._readers: dict[int, MessageEvents] = {}
        self.unasked = 0

    def __repr__(self) -> str:
        return f"<UnderWay {self._exchanges}>"

    def __len__(self) -> int:
        return len(self._exchanges)

    def __iter__(self) -> Iterator[Exchange]:
        """Those of now, whatever becomes of them meanwhile."""
        return iter(tuple(self._exchanges))

    def __contains__(self, exchange: Exchange) -> bool:
        return exchange in self._exchanges

    @property
    def oldest(self) -> Exchange:
        return self._exchanges[0]

    def add(self, exchange: Exchange) -> None:
        self._exchanges.append(exchange)

    def awaits_messages(self, exchange: Exchange) -> None:
        """The exchange is being sent."""
        self._readers[id(exchange)] = MessageEvents(exchange.family)

    def pinged(self, payload: bytes) -> Exchange | None:
        """The one that a pong with this payload answers."""
        return next((x for x in self._exchanges if on_socket(x).action == "ping" and x.body == payload), None)

    def ended_by(self, message: bytes, began_ns: int, now: int) -> Exchange | None:
        """Give a message, which came at now, to whom it belongs; returns that exchange if this ends it."""
        exchange, fits = self._whose(message)
        if exchange is None:
            self.unasked += 1
            return None
        socket = on_socket(exchange)
        socket.messages += 1
        socket.fitting += fits
        exchange.response_bytes += len(message)
        events = self._readers[id(exchange)]
        events.take(message, now)
        if exchange.keeps_body:
            exchange.captured = bytearray(message[:MOST_CAPTURED_BYTES])
        if not exchange.first_byte_ns:
            # What began before it was sent is no answer to it.
            exchange.first_byte_ns = max(began_ns, exchange.sent_ns)
            if exchange.on_first_byte is not None:
                exchange.on_first_byte(exchange)
        assert socket.awaits is not None
        return exchange if socket.fitting >= socket.awaits.messages or events.is_over else None

    def _whose(self, message: bytes) -> tuple[Exchange | None, bool]:
        oldest: Exchange | None = None
        for exchange in self._exchanges:
            awaits = on_socket(exchange).awaits
            if awaits is not None and id(exchange) in self._readers:
                if awaits.fits(message):
                    return exchange, True
                oldest = oldest or exchange
        return oldest, False

    def settle(
        self,
        exchange: Exchange,
        now: int,
        error: str | None = None,
        phase: str | None = None,
        why: str | None = None,
    ) -> None:
        """The exchange is over, and may have failed: it is told what it was told."""
        if exchange in self._exchanges:
            self._exchanges.remove(exchange)
        exchange.end_ns = now
        if not exchange.sent_ns and error is None:
            exchange.sent_ns = now
        exchange.error, exchange.phase, exchange.why = error, phase, why
        events = self._readers.pop(id(exchange), None)
        if events is not None:
            settle_events(exchange, events, is_event_stream=True)

    def leave(self) -> list[Exchange]:
        """All of them, none of which is under way any more; each is yet to be settled."""
        left, self._exchanges = self._exchanges, []
        return left


def on_socket(exchange: Exchange) -> OnSocket:
    """What an exchange is on a WebSocket, which this one is."""
    socket = exchange.socket
    assert socket is not None
    return socket


def phase_of(exchange: Exchange) -> str:
    """How far an exchange got on an open connection."""
    return "body" if exchange.first_byte_ns else "first_byte" if exchange.sent_ns else "send"


def frame_of(exchange: Exchange, number: int, agreed: Agreed) -> bytes:
    """What an exchange sends on an open connection. number: of those that were sent on it, for pongs to be told by."""
    socket = on_socket(exchange)
    if socket.action == "close":
        return frame_bytes(CLOSE, closing(socket.code), is_masked=True)
    if socket.action == "ping":
        exchange.body = number.to_bytes(4)
        return frame_bytes(PING, exchange.body, is_masked=True)
    told = frame_bytes(TOLD, told_in(exchange.head), is_masked=True) if agreed.is_told else b""
    if agreed.compression is None:
        return told + frame_bytes(socket.opcode, exchange.body, is_masked=True)
    packed = agreed.compression.packed(exchange.body)
    return told + frame_bytes(socket.opcode, packed, is_masked=True, is_packed=True)
