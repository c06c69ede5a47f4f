"""The recording proxy: passes requests on to upstreams and responses back, as they come, and reports each exchange.

Parts and who sees which event: a Doorway is one client's connection; it finds where requests begin and end. A
Passage is one request on its way. A Backend is one connection to an upstream, kept for the next request when it can
be. The Proxy gives requests their session and upstream, and hands every Exchange that is over to its sink, once.

Bodies are forwarded as they came, streams included; heads lose only what belongs to one connection. Either side that
reads slowly slows the other. Nothing is retried, except what is safe to send twice on a kept connection that the
upstream closed just as it was taken.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import cast

from replay.http.framing import MOST_HEAD_BYTES, Body, FramingError, request_body, response_body
from replay.http.methods import SAFE_METHODS
from replay.recording.capture import BodyCapture, Unchunked, is_llm_path
from replay.recording.heads import (
    Refused,
    RequestHead,
    ResponseHead,
    own_answer,
    read_request,
    read_response,
    request_bytes,
    response_bytes,
)
from replay.recording.sessions import Sessions
from replay.recording.types import Exchange, Route, Upstream
from replay.recording.upstreams import find_destination
from replay.recording.usage import UsageReader
from replay.trace.responses import MOST_RESPONSE_BYTES, is_json_type

# A request waits for its connection with at most so much of its body in memory; then the client is not read on.
_WAITING_MOST_BYTES = 1 << 20
_CONNECT_TIMEOUT_S = 30.0
_KEPT_IDLE_S = 60.0
_MOST_KEPT = 256
_REASONS = {
    400: "Bad Request",
    404: "Not Found",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
}


class Passage:
    """One request on its way. doorway: None once its client has left. chunks: what was not sent on yet."""

    __slots__ = (
        "answered",
        "backend",
        "body",
        "capture",
        "chunks",
        "doorway",
        "exchange",
        "response_capture",
        "upstream",
        "waiting_bytes",
    )

    def __init__(
        self, doorway: "Doorway", exchange: Exchange, upstream: Upstream, body: Body, capture: BodyCapture
    ) -> None:
        self.doorway: Doorway | None = doorway
        self.exchange = exchange
        self.upstream = upstream
        self.body = body
        self.capture = capture
        self.chunks: list[bytes] = []
        self.waiting_bytes = 0
        self.response_capture: BodyCapture | None = None
        self.backend: Backend | None = None
        self.answered = False

    def keep_body(self) -> None:
        """Give the exchange what has come of the request's body."""
        exchange, capture = self.exchange, self.capture
        exchange.body, exchange.body_bytes, exchange.body_hash = (
            capture.body,
            capture.body_bytes,
            capture.body_hash,
        )

    def __repr__(self) -> str:
        return f"<Passage {self.exchange.number} {'answered' if self.answered else 'waiting'}>"


class Proxy:
    """Ties clients, upstreams and the record together. sink: takes every exchange that is over.

    hash_key: of the bodies' hashes; None: none are made. keeps_responses: whether exchanges get the headers of their
    responses, and JSON bodies that are not too large. now: the clock, in ns.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        sessions: Sessions,
        sink: Callable[[Exchange], None],
        *,
        hash_key: bytes | None = None,
        keeps_responses: bool = False,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._routes = routes
        self._sessions = sessions
        self._sink = sink
        self._hash_key = hash_key
        self._keeps_responses = keeps_responses
        self._tls = tls
        self._now = now
        self._passages: dict[int, Passage] = {}
        self._doorways: set[Doorway] = set()
        self._kept: dict[Upstream, list[Backend]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._last_number = 0

    def __repr__(self) -> str:
        return f"<Proxy {len(self._doorways)} clients, {len(self._passages)} requests>"

    @property
    def open_exchanges(self) -> list[Exchange]:
        """The exchanges that are not over, oldest first."""
        return [passage.exchange for passage in self._passages.values()]

    def doorway(self) -> "Doorway":
        """For loop.create_server."""
        return Doorway(self)

    async def close(self) -> list[Exchange]:
        """Cut every connection; returns the exchanges that this left without an end."""
        self._is_closing = True
        unfinished = self.open_exchanges
        for exchange in unfinished:
            exchange.fault = "unfinished"
        for task in list(self._tasks):
            task.cancel()
        for doorway in list(self._doorways):
            doorway.cut()
        for passage in self._passages.values():
            if passage.backend is not None:
                passage.backend.close()
        for backends in self._kept.values():
            for backend in backends:
                backend.close()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        return unfinished

    def came(self, doorway: "Doorway") -> None:
        self._doorways.add(doorway)

    def left(self, doorway: "Doorway", passage: Passage | None) -> None:
        """A client's connection is gone, perhaps in the middle of a request."""
        self._doorways.discard(doorway)
        if passage is None or passage.doorway is None:
            return
        passage.doorway = None
        backend, passage.backend = passage.backend, None
        if backend is not None:
            backend.close()
        self._over(passage, None, "client left")

    def arrived(self, doorway: "Doorway", request: RequestHead, client: str) -> Passage:
        """A request's head has come. Raises Refused. Call `send` once its first bytes are in the passage."""
        destination = find_destination(self._routes, request.target)
        if destination is None:
            raise Refused(404, "No upstream of the recorder is responsible for this path.")
        begin_ns = self._now()
        self._last_number += 1
        exchange = Exchange(
            number=self._last_number,
            session=self._sessions.began(request.headers, client, begin_ns),
            method=request.method,
            path=destination.path,
            client_path=request.target,
            headers=request.headers,
            upstream=destination.upstream.name,
            begin_ns=begin_ns,
        )
        capture = BodyCapture(request.head.is_chunked, self._hash_key)
        passage = Passage(doorway, exchange, destination.upstream, request_body(request.head), capture)
        passage.chunks.append(request_bytes(request, destination.upstream, destination.path))
        self._passages[exchange.number] = passage
        return passage

    def send(self, passage: Passage) -> None:
        """Send what has come of the request, on a kept connection or a new one."""
        kept = self._kept.get(passage.upstream)
        while kept:
            backend = kept.pop()
            if backend.is_usable:
                backend.start(passage)
                return
        self._connect(passage)

    def began_to_answer(self, passage: Passage, response: ResponseHead) -> None:
        passage.answered = True
        passage.exchange.status = response.status
        if self._keeps_responses:
            passage.exchange.response_headers = response.headers
            if is_json_type(response.content_type):
                passage.response_capture = BodyCapture(response.head.is_chunked, None, MOST_RESPONSE_BYTES)

    def first_byte(self, passage: Passage) -> None:
        passage.exchange.first_byte_ns = self._now()

    def now(self) -> int:
        return self._now()

    def finished(self, backend: "Backend", passage: Passage, is_reusable: bool, end_ns: int) -> None:
        """An upstream's response is complete."""
        if is_reusable and not self._is_closing:
            kept = self._kept.setdefault(passage.upstream, [])
            kept.append(backend)
            backend.keep(_KEPT_IDLE_S)
            if len(kept) > _MOST_KEPT:
                kept.pop(0).close()
        else:
            backend.close()
        doorway = passage.doorway
        self._over(passage, end_ns, None)
        if doorway is not None:
            doorway.passage_over(not backend.ends_with_connection)

    def lost(self, backend: "Backend", passage: Passage | None, why: str) -> None:
        """A connection to an upstream is gone, perhaps in the middle of a response."""
        if passage is None:
            kept = self._kept.get(backend.upstream)
            if kept is not None and backend in kept:
                kept.remove(backend)
            return
        passage.backend = None
        is_whole = passage.body.is_over and bool(passage.chunks)
        if backend.served and not passage.answered and passage.exchange.method in SAFE_METHODS and is_whole:
            self._connect(passage)
            return
        self._fail(passage, why)

    def _connect(self, passage: Passage) -> None:
        task = asyncio.get_running_loop().create_task(self._connected(passage))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connected(self, passage: Passage) -> None:
        upstream = passage.upstream
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                _, backend = await asyncio.get_running_loop().create_connection(
                    lambda: Backend(self, upstream),
                    upstream.host,
                    upstream.port,
                    ssl=self._tls if upstream.is_tls else None,
                    server_hostname=upstream.host if upstream.is_tls else None,
                )
        except TimeoutError:
            self._fail(passage, f"upstream did not accept within {_CONNECT_TIMEOUT_S:g} s")
            return
        except ssl.SSLError as error:
            self._fail(passage, f"upstream failed TLS: {error.reason or 'unknown reason'}")
            return
        except OSError as error:
            self._fail(passage, f"upstream unreachable: {(error.strerror or str(error)).lower()}")
            return
        except UnicodeError:
            self._fail(passage, f"upstream unreachable: {upstream.host} is not a valid host name")
            return
        if passage.doorway is None or self._is_closing:
            backend.close()
            return
        backend.start(passage)

    def _fail(self, passage: Passage, why: str) -> None:
        if passage.exchange.number not in self._passages or self._is_closing:
            return
        doorway, passage.doorway = passage.doorway, None
        if passage.answered:
            # A response that cannot be completed must not look complete.
            self._over(passage, None, why)
            if doorway is not None:
                doorway.cut()
            return
        passage.exchange.status = 502
        self._over(passage, self._now(), why)
        if doorway is not None:
            doorway.answer(502, f"The recorder's {why}.")

    def _over(self, passage: Passage, end_ns: int | None, fault: str | None) -> None:
        exchange = passage.exchange
        if self._is_closing or self._passages.pop(exchange.number, None) is None:
            return
        if not passage.body.is_over:
            passage.keep_body()
        exchange.end_ns = end_ns
        exchange.fault = fault
        self._sessions.ended(exchange.session, self._now())
        self._sink(exchange)


class Doorway(asyncio.Protocol):
    """One client's connection: one request at a time, the next ones wait in the buffer.

    is_full: whether the client reads so slowly that nothing more should be written.
    """

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._buffer = b""
        self._passage: Passage | None = None
        self._client = ""
        self._keeps_alive = True
        self._is_held = False
        self.is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._client = str(peer[0]) if isinstance(peer, tuple) else "local"
        self._proxy.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        passage, self._passage = self._passage, None
        self._proxy.left(self, passage)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        self._advance()

    def eof_received(self) -> bool:
        # As for other proxies: of those who end their sending side few still listen, and they cannot be told apart.
        return False

    def pause_writing(self) -> None:
        self.is_full = True
        if self._passage is not None and self._passage.backend is not None:
            self._passage.backend.hold(True)

    def resume_writing(self) -> None:
        self.is_full = False
        if self._passage is not None and self._passage.backend is not None:
            self._passage.backend.hold(False)

    @property
    def keeps_alive(self) -> bool:
        """Whether the client may send another request after this one."""
        return self._keeps_alive

    def hold(self, is_held: bool) -> None:
        """Read no more of the client, or go on."""
        if is_held != self._is_held and not self._transport.is_closing():
            self._is_held = is_held
            if is_held:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def cut(self) -> None:
        self._transport.abort()

    def answer(self, status: int, why: str) -> None:
        """Answer in the recorder's own name."""
        passage = self._passage
        # What is left of the request's body has nowhere to go, so the connection cannot be kept.
        keeps = self._keeps_alive and (passage is None or passage.body.is_over)
        has_body = passage is None or passage.exchange.method != "HEAD"
        self.write(own_answer(status, _REASONS[status], why, not keeps, has_body))
        self.passage_over(keeps)

    def passage_over(self, keeps: bool) -> None:
        """The response is complete. keeps: whether its end was told apart from the connection's."""
        is_whole = self._passage is None or self._passage.body.is_over
        self._passage = None
        if not (keeps and self._keeps_alive and is_whole):
            self._transport.close()
            return
        self.hold(False)
        if self._buffer:
            self._advance()

    def _advance(self) -> None:
        passage = self._passage
        if passage is None:
            self._begin()
        elif not passage.body.is_over:
            self._forward(passage)
        elif len(self._buffer) > MOST_HEAD_BYTES:
            self.hold(True)

    def _begin(self) -> None:
        """Take the next request from the buffer, if its head is there."""
        self._buffer = self._buffer.lstrip(b"\r\n")
        end = self._buffer.find(b"\r\n\r\n")
        if end > MOST_HEAD_BYTES or (end < 0 and len(self._buffer) > MOST_HEAD_BYTES):
            self._refuse(431, "The request's head is too long.")
            return
        if end < 0:
            return
        try:
            request = read_request(self._buffer[:end])
            self._keeps_alive = self._keeps_alive and request.head.keeps_alive
            if request.head.first.endswith(b"HTTP/1.0"):
                self._keeps_alive = False
            passage = self._passage = self._proxy.arrived(self, request, self._client)
        except Refused as refused:
            self._refuse(refused.status, str(refused))
            return
        self._buffer = self._buffer[end + 4 :]
        if not passage.body.is_over and self._buffer:
            self._forward(passage)
        if self._passage is passage:
            self._proxy.send(passage)

    def _forward(self, passage: Passage) -> None:
        """Pass on what the buffer has of the request's body."""
        try:
            taken = passage.body.take(self._buffer)
        except FramingError:
            self.cut()
            return
        data, self._buffer = self._buffer[:taken], self._buffer[taken:]
        if passage.backend is not None:
            passage.backend.send(data)
        else:
            passage.chunks.append(data)
            passage.waiting_bytes += len(data)
            if passage.waiting_bytes > _WAITING_MOST_BYTES:
                self.hold(True)
        passage.capture.feed(data)
        if passage.body.is_over:
            passage.keep_body()

    def _refuse(self, status: int, why: str) -> None:
        self._keeps_alive = False
        self._buffer = b""
        self.answer(status, why)


class Backend(asyncio.Protocol):
    """One connection to an upstream: one passage at a time. served: how many it has served."""

    def __init__(self, proxy: Proxy, upstream: Upstream) -> None:
        self._proxy = proxy
        self.upstream = upstream
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._passage: Passage | None = None
        self._buffer = b""
        self._response: ResponseHead | None = None
        self._body: Body | None = None
        self._usage: UsageReader | None = None
        self._feed_usage: Callable[[bytes], None] | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self.served = 0
        self.ends_with_connection = False

    def __repr__(self) -> str:
        return f"<Backend served {self.served}, {'idle' if self._passage is None else 'in use'}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    @property
    def is_usable(self) -> bool:
        return not self._transport.is_closing()

    def start(self, passage: Passage) -> None:
        """Send what is there of the passage's request."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        self._passage = passage
        passage.backend = self
        self._transport.write(b"".join(passage.chunks) if len(passage.chunks) > 1 else passage.chunks[0])
        # A whole request is kept until its answer begins, in case this kept connection turns out closed.
        if not (self.served and passage.body.is_over):
            passage.chunks = []
        if passage.doorway is not None:
            passage.doorway.hold(False)
            self.hold(passage.doorway.is_full)

    def keep(self, idle_s: float) -> None:
        """Wait for the next passage, and give up after a while."""
        self.hold(False)
        self._idle_timer = asyncio.get_running_loop().call_later(idle_s, self.close)

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    def hold(self, is_held: bool) -> None:
        if self._transport.is_closing():
            return
        if is_held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        if self._passage is not None and self._passage.doorway is not None:
            self._passage.doorway.hold(True)

    def resume_writing(self) -> None:
        if self._passage is not None and self._passage.doorway is not None:
            self._passage.doorway.hold(False)

    def close(self) -> None:
        self._passage = None
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        passage = self._passage
        if passage is None:
            self.close()
            return
        try:
            if self._body is None:
                self._buffer += data
                self._read_head(passage)
            else:
                self._pass_on(passage, data)
        except FramingError as fault:
            self.close()
            self._proxy.lost(self, passage, f"upstream did not answer in HTTP/1.1: {fault}")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        passage, self._passage = self._passage, None
        if passage is not None and self._body is not None and self._body.ends_with_connection and exc is None:
            self._finish(passage, False)
            return
        self._proxy.lost(self, passage, "upstream closed the connection before its answer was complete")

    def _read_head(self, passage: Passage) -> None:
        while self._body is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MOST_HEAD_BYTES:
                    raise FramingError("the head is too long")
                return
            response = read_response(self._buffer[:end])
            self._buffer = self._buffer[end + 4 :]
            doorway = passage.doorway
            if response.status < 200:
                if doorway is not None:
                    doorway.write(response_bytes(response, False))
                continue
            self._proxy.first_byte(passage)
            self._proxy.began_to_answer(passage, response)
            method = passage.exchange.method.encode()
            self._response = response
            self._body = response_body(response.head, response.status, method)
            self.ends_with_connection = self._body.ends_with_connection
            passage.chunks = []
            if is_llm_path(passage.exchange.path):
                self._usage = UsageReader(response.content_type, response.content_encoding)
                feed = self._usage.feed
                self._feed_usage = Unchunked(feed).feed if response.head.is_chunked else feed
            closes = self.ends_with_connection or doorway is None or not doorway.keeps_alive
            data, self._buffer = self._buffer, b""
            self._pass_on(passage, data, response_bytes(response, closes))

    def _pass_on(self, passage: Passage, data: bytes, before: bytes = b"") -> None:
        body = self._body
        assert body is not None
        taken = body.take(data)
        is_clean = taken == len(data)
        if not is_clean:
            data = data[:taken]
        # Before the client can see the end: what it does next must not seem to come earlier.
        end_ns = self._proxy.now() if body.is_over else 0
        if passage.doorway is not None:
            passage.doorway.write(before + data if before else data)
        passage.exchange.response_bytes += taken
        if self._feed_usage is not None and data:
            self._feed_usage(data)
        if passage.response_capture is not None:
            passage.response_capture.feed(data)
        if body.is_over:
            self._finish(passage, is_clean, end_ns)

    def _finish(self, passage: Passage, is_clean: bool, end_ns: int | None = None) -> None:
        response = self._response
        assert response is not None
        if self._usage is not None:
            passage.exchange.usage = self._usage.counts()
        if passage.response_capture is not None:
            passage.exchange.response_body = passage.response_capture.body
        self._passage = self._response = self._body = self._usage = self._feed_usage = None
        self.served += 1
        is_reusable = is_clean and response.head.keeps_alive and passage.body.is_over
        self._proxy.finished(self, passage, is_reusable, self._proxy.now() if end_ns is None else end_ns)
