"""Reading one response: what a known head says, and llhttp (httptools) for all that is not known yet."""

from typing import NamedTuple

import httptools

from replay.dialects.documents import is_web_page_type
from replay.dialects.streams import StreamReader, is_event_stream
from replay.wire.answers import (
    LONGEST_INSTANCE,
    Tells,
    capture,
    event_reader,
    is_coded,
    keep_body,
    rest_of,
    retry_after_s,
    says_cold,
    settle_events,
)
from replay.wire.http1.heads import head_end, plain_head
from replay.wire.reasons import (
    ENDLESS_HEAD,
    ENDLESS_TRAILERS,
    LOW_STATUS,
    NO_HTTP,
    UPGRADED,
    AnswerError,
    why_unreadable,
)
from replay.wire.types import Exchange

# llhttp sets no bound. Servers and proxies take heads of 8 to 64 KiB; beyond this, none is to be expected.
_HEAD_MOST_BYTES = 1024 * 1024


class Head(NamedTuple):
    """What a response's head says about how to read the rest of it, and of who sent it."""

    status: int
    length: int
    is_reusable: bool
    instance: str | None
    cold: bool | None
    is_page: bool


class ResponseReader:
    """One exchange's response through llhttp, which calls the `on_` methods.

    Fills in the exchange as it goes. ended: the response is complete. is_reusable: another request may follow
    on the connection. is_until_close: the body has no other end than the connection's.
    """

    __slots__ = (
        "_cold",
        "_exchange",
        "_has_spare",
        "_head_bytes",
        "_instance",
        "_is_bad",
        "_is_chunked",
        "_is_encoded",
        "_is_event_stream",
        "_is_keep_alive",
        "_is_page",
        "_is_unusual",
        "_last_body_bytes",
        "_length",
        "_now_ns",
        "_parser",
        "_reads",
        "_retry_after_s",
        "_saw_interim",
        "_tells",
        "_unproductive_bytes",
        "_unread",
        "ended",
        "events",
        "has_head",
        "is_until_close",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, tells: Tells) -> None:
        self._exchange = exchange
        self._tells = tells
        self._parser = httptools.HttpResponseParser(self)
        self._now_ns = self._reads = self._head_bytes = 0
        self._unproductive_bytes = self._last_body_bytes = 0
        self._saw_interim = self._has_spare = self._is_unusual = self._is_bad = False
        self._unread = b""
        self.events: StreamReader | None = None
        self._forget_head()

    def _forget_head(self) -> None:
        self._length = -1
        self._is_chunked = self._is_encoded = self._is_event_stream = self._is_keep_alive = False
        self._is_page = False
        self._instance: str | None = None
        self._cold: bool | None = None
        self._retry_after_s: float | None = None
        self.has_head = self.ended = self.is_until_close = False

    @property
    def is_reusable(self) -> bool:
        return self._is_keep_alive and not self._has_spare

    def leave_rest(self) -> Exchange:
        """The exchange has its answer: hand it what was seen of its events. Returns whose the rest of the stream is."""
        self.settle()
        self.events = None
        self._exchange = rest_of(self._exchange)
        return self._exchange

    def feed(self, data: bytes, now_ns: int) -> None:
        """Read these bytes, which came at now_ns.

        Raises httptools.HttpParserError, or AnswerError, for what cannot be read as HTTP, or has no end.
        """
        self._now_ns = now_ns
        self._reads += 1
        if not self._exchange.first_byte_ns:
            self._exchange.first_byte_ns = now_ns
        if not self.has_head:
            self._unread += data
        if not self._is_unusual:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError:
                if self.has_head or self._saw_interim:
                    # What follows a complete response is not this step's fault, though it ends the connection.
                    self._has_spare = True
                    if not self.ended:
                        raise
                else:
                    self._is_unusual = True
        if self._is_unusual and not self.has_head:
            self._feed_unusual()
        if self._is_bad:
            raise AnswerError(LOW_STATUS)
        if self.has_head:
            self._unread = b""
            self._bound_what_is_no_body(len(data))
        else:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_MOST_BYTES:
                raise AnswerError(ENDLESS_HEAD)

    def _bound_what_is_no_body(self, size: int) -> None:
        """Raises AnswerError where trailers, or extensions of chunks, go on and on: llhttp keeps a value to its end."""
        body_bytes = self._exchange.response_bytes
        if body_bytes != self._last_body_bytes:
            self._last_body_bytes, self._unproductive_bytes = body_bytes, 0
            return
        self._unproductive_bytes += size
        if self._unproductive_bytes > _HEAD_MOST_BYTES and not self.ended:
            raise AnswerError(ENDLESS_TRAILERS)

    def _feed_unusual(self) -> None:
        """llhttp has refused the head: give it the head in the form that it takes, once that has come whole."""
        start = self._unread.lstrip(b"\r\n")[:5]
        if not b"HTTP/".startswith(start):
            raise AnswerError(NO_HTTP)
        end = head_end(self._unread)
        if end < 0 or len(start) < 5:
            return
        head = plain_head(self._unread[:end])
        rest, self._unread = self._unread[end:], b""
        self._forget_head()
        if self._exchange.captured_headers is not None:
            self._exchange.captured_headers.clear()
        self._is_unusual = False
        # Such a head is never learned: where it ends is not where a known one would.
        self._reads += 1
        self._has_spare = not head.is_reusable
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(head.head)
        if rest:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserError:
                self._has_spare = True
                if not self.ended:
                    raise

    def why_not(self, failure: Exception) -> str:
        """Why what came cannot be read, after `feed` has raised this."""
        if isinstance(failure, httptools.HttpParserUpgrade):
            return UPGRADED
        return why_unreadable(failure, b"" if self.has_head else self._unread)

    def head_to_learn(self) -> Head | None:
        """The head, if it came whole in the first read and a response with it is read by counting bytes alone."""
        if (
            self._reads != 1
            or self._saw_interim
            or self._has_spare
            or self._length < 0
            or self._is_chunked
            or self._is_event_stream
            or self._is_encoded
            or self._retry_after_s is not None
        ):
            return None
        exchange = self._exchange
        if exchange.method == "HEAD" or exchange.status in (204, 304):
            return None
        return Head(
            exchange.status, self._length, self._is_keep_alive, self._instance, self._cold, self._is_page
        )

    def settle(self) -> None:
        """The exchange is over: hand it what was seen of its events."""
        if self.events is not None:
            settle_events(self._exchange, self.events, self._is_event_stream)

    def on_message_begin(self) -> None:
        if self.ended:
            self._has_spare = True

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.lower()
        if self.has_head:
            # A trailer says nothing of how the response is to be read (RFC 9110, section 6.5.1).
            if self._exchange.captured_headers is not None:
                self._exchange.captured_headers.append((key, value))
            return
        if self._exchange.captured_headers is not None:
            self._exchange.captured_headers.append((key, value))
        if key == b"content-length":
            self._length = int(value)
        elif key == b"transfer-encoding":
            self._is_chunked = b"chunked" in value.lower()
        elif key == b"content-type":
            self._is_event_stream = is_event_stream(value) is not None
            self._is_page = is_web_page_type(value) is not None
        elif key == b"content-encoding":
            self._is_encoded = is_coded(value)
            self._exchange.content_encoding = value if self._is_encoded else None
        elif key == self._tells.instance:
            self._instance = value.decode("latin-1")[:LONGEST_INSTANCE]
        elif key == self._tells.cold:
            self._cold = says_cold(value)
        elif key == b"retry-after":
            self._retry_after_s = retry_after_s(value)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 100:
            self._is_bad = True
        if self.ended or (status < 200 and status != 101):
            return
        exchange = self._exchange
        if not exchange.first_byte_ns:
            exchange.first_byte_ns = self._now_ns
        self.has_head = True
        self._is_keep_alive = self._parser.should_keep_alive()
        exchange.status, exchange.instance, exchange.cold = status, self._instance, self._cold
        exchange.retry_after_s = self._retry_after_s
        # llhttp cannot know that this answers a HEAD; it would wait for the body that the length promises.
        has_body = status not in (204, 304) and exchange.method != "HEAD"
        self.is_until_close = has_body and self._length < 0 and not self._is_chunked
        self.ended = not has_body
        if (self._is_event_stream or exchange.is_stream) and has_body:
            self.events = event_reader(exchange)
        keep_body(exchange, self._is_event_stream, is_page=self._is_page)
        if exchange.on_first_byte is not None:
            exchange.on_first_byte(exchange)

    def on_body(self, body: bytes) -> None:
        if self.ended:
            self._has_spare = True
            return
        self._exchange.response_bytes += len(body)
        captured = self._exchange.captured
        if captured is not None:
            capture(captured, body)
        if self.events is not None:
            self.events.feed(body, self._now_ns)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.ended = True
        else:
            # An interim response (1xx). The first byte that counts is the final response's.
            self._forget_head()
            self._saw_interim = True
            self._unread = b""
            self._exchange.first_byte_ns = 0
            if self._exchange.captured_headers is not None:
                self._exchange.captured_headers.clear()
