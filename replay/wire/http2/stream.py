"""One exchange on an HTTP/2 connection: its answer, as the frames of its stream bring it."""

import msgspec

from replay.dialects.streams import StreamReader
from replay.wire.answers import capture, event_reader, keep_body, rest_of, settle_events
from replay.wire.http2.faults import PROTOCOL_ERROR, StreamFault
from replay.wire.http2.responses import Fields, Head, check_fields
from replay.wire.http2.settings import LONGEST_HEAD_BYTES
from replay.wire.types import Exchange


class Stream(msgspec.Struct, eq=False, gc=False):
    """began_ns: when its request was given to the connection. read_ns: when its last frame came, or it began.

    left: bytes of the body that are to come, -1 where the head does not say. window: what of the request's body may be
    sent still, and sent_bytes what was; both only where it did not go out at once. credit: body bytes that came, and
    that the target has not been allowed anew. interim_bytes: of all heads before the last, with one more for each.
    """

    exchange: Exchange
    id: int
    began_ns: int
    read_ns: int
    head: Head | None = None
    left: int = -1
    is_looked_into: bool = False
    events: StreamReader | None = None
    window: int = 0
    sent_bytes: int = 0
    credit: int = 0
    interim_bytes: int = 0

    def __repr__(self) -> str:
        return f"<Stream {self.id} {self.exchange!r}>"

    def note_interim(self, size_bytes: int, *, ends: bool) -> None:
        """A head came that is not the last. Raises StreamFault where it is, or where there is no end to them."""
        self.interim_bytes += size_bytes + 1
        if ends or self.interim_bytes > LONGEST_HEAD_BYTES:
            raise StreamFault(PROTOCOL_ERROR, "interim heads that no other follows")

    def begin_answer(self, head: Head, now_ns: int, *, ends: bool) -> None:
        """The head of the answer came. ends: nothing follows. Raises StreamFault."""
        exchange = self.exchange
        self.head = head
        exchange.first_byte_ns = now_ns
        if not 0 < exchange.sent_ns <= now_ns:
            # It is out, though we hear of that late, or the target does not wait for the rest of it.
            exchange.sent_ns = now_ns
        exchange.status = head.status
        self.left = head.length
        if not head.is_plain or exchange.is_stream or exchange.method == "HEAD":
            self._note(head)
        if ends and self.left > 0:
            raise StreamFault(PROTOCOL_ERROR, "an answer without the body that it promised")
        if exchange.captured_headers is not None:
            exchange.captured_headers += head.fields
        if exchange.keeps_body or head.is_page:
            keep_body(exchange, head.is_event_stream, is_page=head.is_page)
            self.is_looked_into = self.is_looked_into or exchange.captured is not None
        if exchange.on_first_byte is not None:
            exchange.on_first_byte(exchange)
        self._end_if_answered(now_ns)

    def _note(self, head: Head) -> None:
        """Note what most heads do not say."""
        exchange = self.exchange
        exchange.instance, exchange.cold = head.instance, head.cold
        exchange.content_encoding, exchange.retry_after_s = head.coding, head.retry_after_s
        if exchange.method == "HEAD" or head.status in (204, 304):
            self.left = 0
        elif exchange.is_stream or head.is_event_stream:
            self.events = event_reader(exchange)
            self.is_looked_into = self.events is not None

    def take_body(self, body: bytes, now_ns: int) -> None:
        """A part of the answer's body came. Raises StreamFault."""
        if self.head is None:
            raise StreamFault(PROTOCOL_ERROR, "a body before its head")
        self.read_ns = now_ns
        exchange = self.exchange
        exchange.response_bytes += len(body)
        if self.left >= 0:
            self.left -= len(body)
            if self.left < 0:
                raise StreamFault(PROTOCOL_ERROR, "a body that is longer than its head says")
        if self.is_looked_into:
            if exchange.captured is not None:
                capture(exchange.captured, body)
            if self.events is not None:
                self.events.feed(body, now_ns)
                self._end_if_answered(now_ns)

    def _end_if_answered(self, now_ns: int) -> None:
        """End the exchange where its stream has brought what it waited for; the rest of it is nobody's."""
        if self.events is None or not self.events.is_answered:
            return
        exchange = self.exchange
        exchange.end_ns = now_ns
        self.settle()
        self.exchange, self.events, self.is_looked_into = rest_of(exchange), None, False
        exchange.on_done(exchange)

    def take_trailers(self, fields: Fields, *, ends: bool) -> None:
        """Raises StreamFault where these are none."""
        if not ends:
            raise StreamFault(PROTOCOL_ERROR, "a second head")
        check_fields(fields)
        self.exchange.trailers = fields
        if self.exchange.captured_headers is not None:
            self.exchange.captured_headers += fields

    def settle(self) -> None:
        """The exchange is over: hand it what was seen of its events."""
        if self.events is not None:
            assert self.head is not None
            settle_events(self.exchange, self.events, self.head.is_event_stream)

    @property
    def has_answer(self) -> bool:
        """Whether any head came, so that the target has the request."""
        return self.head is not None or self.interim_bytes > 0

    @property
    def phase(self) -> str:
        """How far the exchange got."""
        exchange = self.exchange
        return "body" if exchange.first_byte_ns else "first_byte" if exchange.sent_ns else "send"

    def limit_ns(self, first_byte_ns: int, idle_ns: int, total_ns: int, *, is_held: bool) -> int:
        """When it will have taken too long. is_held: what came is yet to be read, so that the target is not idle."""
        exchange = self.exchange
        sent = exchange.sent_ns or self.began_ns
        limit = sent + (min(exchange.most_ns, total_ns) if exchange.most_ns else total_ns)
        if not exchange.first_byte_ns:
            return min(limit, sent + first_byte_ns)
        return limit if is_held else min(limit, self.read_ns + idle_ns)
