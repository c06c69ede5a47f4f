"""The recording proxy: passes requests on to upstreams and responses back, as they come, and reports each exchange.

Who sees which event: a relay's Doorway and Backend are the connections to a client and to an upstream, which is kept
for the next request when it can be. A Passage is one request on its way between them, with what is recorded of it. The
Proxy gives requests their session and upstream, and hands every Exchange that is over to its sink, once.

Bodies are forwarded as they came, streams included; heads lose only what belongs to one connection. Either side that
reads slowly slows the other. Nothing is retried, except what is safe to send twice on a kept connection that the
upstream closed just as it was taken.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic_ns
from typing import cast

from replay.dialects.asked import is_model_path
from replay.http.heads import Refused, RequestHead, ResponseHead, pairs_of, request_bytes
from replay.recording.capture import MOST_BODY_BYTES, MOST_MODEL_BODY_BYTES, BodyCapture, Unchunked
from replay.recording.redirects import with_own_addresses
from replay.recording.sessions import Sessions
from replay.recording.sockets import RecordedSocket
from replay.recording.types import Exchange, OnSocket, Route, Upstream
from replay.recording.upstreams import find_destination
from replay.recording.usage import UsageReader
from replay.relay.backend import Backend
from replay.relay.clients import Clients
from replay.relay.doorway import Doorway
from replay.relay.front import ClientConnection, Passage, ServerConnection
from replay.system.shortage import shortage_of
from replay.trace.redaction.responses import MOST_RESPONSE_BYTES, is_json_type, media_type
from replay.words.numbers import seconds

_CONNECT_TIMEOUT_S = 30.0
_KEPT_IDLE_S = 60.0
_MOST_KEPT = 256


class RecordedPassage(Passage):
    """One request on its way, and what is recorded of it."""

    __slots__ = (
        "_feed_usage",
        "_now",
        "_opened",
        "_redirected",
        "_response_capture",
        "_sessions",
        "_usage",
        "capture",
        "exchange",
        "keeps_response",
        "socket",
        "upstream",
    )

    def __init__(
        self,
        doorway: ClientConnection,
        request: RequestHead,
        exchange: Exchange,
        upstream: Upstream,
        capture: BodyCapture,
        keeps_response: bool,
        sessions: Sessions,
        redirected: Callable[[ResponseHead], ResponseHead],
        now: Callable[[], int],
        opened: Callable[[Exchange], RecordedSocket],
    ) -> None:
        super().__init__(doorway, request)
        self.exchange = exchange
        self.upstream = upstream
        self.capture = capture
        self.keeps_response = keeps_response
        self._sessions = sessions
        self._redirected = redirected
        self._now = now
        self._opened = opened
        self._response_capture: BodyCapture | None = None
        self._usage: UsageReader | None = None
        self._feed_usage: Callable[[bytes], None] | None = None
        self.socket: RecordedSocket | None = None

    def took(self, data: bytes) -> None:
        if self.socket is not None:
            self.socket.sent(data)
            return
        self.capture.feed(data)
        if self.body.is_over:
            self.keep_body()

    def keep_body(self) -> None:
        """Give the exchange what has come of the request's body."""
        exchange, capture = self.exchange, self.capture
        exchange.body, exchange.body_bytes, exchange.body_hash = (
            capture.body,
            capture.body_bytes,
            capture.body_hash,
        )

    def began(self, response: ResponseHead) -> ResponseHead:
        exchange = self.exchange
        exchange.first_byte_ns = self._now()
        exchange.status = response.status
        if self.is_tunnel:
            exchange.end_ns = exchange.first_byte_ns
            exchange.socket = OnSocket(exchange.number, "open")
            self.socket = self._opened(exchange)
            return response
        if self._sessions.may_be_told_by_answer(exchange.session):
            headers = response.headers
            exchange.session = self._sessions.answered(exchange.session, headers, exchange.first_byte_ns)
        content_type = response.value(b"content-type")
        exchange.content_type = media_type(content_type)
        if self.keeps_response:
            exchange.response_headers = response.headers
            if is_json_type(content_type):
                self._response_capture = BodyCapture(response.is_chunked, None, MOST_RESPONSE_BYTES)
        if is_model_path(exchange.path):
            self._usage = UsageReader(content_type, response.value(b"content-encoding"), self._now)
            feed = self._usage.feed
            self._feed_usage = Unchunked(feed).feed if response.is_chunked else feed
        return self._redirected(response)

    def ends(self) -> None:
        if self.socket is None:
            self.exchange.end_ns = self._now()

    def passed(self, data: bytes) -> None:
        if self.socket is not None:
            self.socket.came(data)
            return
        self.exchange.response_bytes += len(data)
        if self._feed_usage is not None and data:
            self._feed_usage(data)
        if self._response_capture is not None:
            self._response_capture.feed(data)

    def keep_response(self) -> None:
        """Give the exchange what was wanted of a response that is complete."""
        if self._usage is not None:
            self.exchange.usage = self._usage.counts()
            self.exchange.first_token_ns = self._usage.first_token_ns
        if self._response_capture is not None:
            self.exchange.response_body = self._response_capture.body


class Proxy:
    """Ties clients, upstreams and the record together. sink: takes every exchange that is over.

    hash_key: of the bodies' hashes; None: none are made. keeps_responses: whether exchanges get the headers of their
    responses, and JSON bodies that are not too large. now: the clock, in ns. refused: how many requests were not passed
    on, by the status and the sentence that they were answered with; of these there is a fixed set.
    """

    takes_sockets = True
    own_line = b"Via: 1.1 replay\r\n"

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
        self.refused: Counter[tuple[int, str]] = Counter()
        self._passages: dict[int, RecordedPassage] = {}
        self._clients = Clients()
        self._kept: dict[Upstream, list[ServerConnection]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._last_number = 0

    def __repr__(self) -> str:
        return f"<Proxy {len(self._clients)} clients, {len(self._passages)} requests>"

    @property
    def open_exchanges(self) -> list[Exchange]:
        """The exchanges that are not over, oldest first."""
        found = (x.exchange if x.socket is None else x.socket.current for x in self._passages.values())
        return [exchange for exchange in found if exchange is not None]

    def doorway(self) -> Doorway:
        """For loop.create_server."""
        return Doorway(self, self._clients, self._count_refused)

    async def close(self) -> list[Exchange]:
        """Cut every connection; returns the exchanges that this left without an end."""
        self._is_closing = True
        for passage in self._passages.values():
            if passage.socket is not None:
                passage.socket.end("unfinished")
        unfinished = self.open_exchanges
        for exchange in unfinished:
            exchange.fault = "unfinished"
        for passage in self._passages.values():
            if not passage.body.is_over:
                passage.keep_body()
                passage.exchange.is_cut_short = True
        for task in list(self._tasks):
            task.cancel()
        self._clients.close()
        for passage in self._passages.values():
            if passage.backend is not None:
                passage.backend.close()
        for backends in self._kept.values():
            for backend in backends:
                backend.close()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        return unfinished

    def left(self, passage: Passage, why: str) -> None:
        """A client needs no answer any more, perhaps in the middle of a request."""
        passage.doorway = None
        backend, passage.backend = passage.backend, None
        if backend is not None:
            backend.close()
        self._over(cast(RecordedPassage, passage), why)

    def arrived(self, doorway: ClientConnection, request: RequestHead) -> RecordedPassage:
        """A request's head has come. Raises Refused."""
        if not request.target.startswith(b"/"):
            raise Refused(501, "The recorder passes on requests for paths only.")
        target = request.target.decode("utf-8", "surrogateescape")
        destination = find_destination(self._routes, target)
        if destination is None:
            raise Refused(404, "No upstream of the recorder is responsible for this path.")
        upstream = destination.upstream
        begin_ns = self._now()
        headers = pairs_of(request.fields)
        exchange = Exchange(
            number=self._number(),
            session=self._sessions.began(headers, doorway.client, begin_ns),
            method=request.method.decode(),
            path=destination.path,
            client_path=target,
            headers=headers,
            upstream=upstream.name,
            begin_ns=begin_ns,
        )
        is_model = is_model_path(destination.path)
        most_bytes = MOST_MODEL_BODY_BYTES if is_model else MOST_BODY_BYTES
        capture = BodyCapture(request.is_chunked, self._hash_key, most_bytes)
        passage = RecordedPassage(
            doorway,
            request,
            exchange,
            upstream,
            capture,
            self._keeps_responses,
            self._sessions,
            partial(self._redirected, upstream, doorway, request),
            self._now,
            self._opened,
        )
        path = (upstream.base_path + destination.path).encode("utf-8", "surrogateescape")
        lines = [(b"host", b"Host: " + upstream.authority.encode())]
        # What was compressed could not be told.
        left_out = {b"host", b"sec-websocket-extensions"} if request.is_upgrade else {b"host"}
        lines += [pair for pair in request.lines if pair[0] not in left_out]
        passage.chunks.append(request_bytes(request, path, lines))
        self._passages[exchange.number] = passage
        return passage

    def _opened(self, exchange: Exchange) -> RecordedSocket:
        """A WebSocket is open: the exchange that opened it is over, and its messages follow."""
        self._sink(exchange)
        return RecordedSocket(exchange, self._sink, self._number, self._hash_key, self._now)

    def _number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _count_refused(self, status: int, why: str) -> None:
        self.refused[status, why] += 1

    def _redirected(
        self, upstream: Upstream, doorway: ClientConnection, request: RequestHead, response: ResponseHead
    ) -> ResponseHead:
        hosts = [line.partition(b":")[2].strip(b" \t") for key, line in request.lines if key == b"host"]
        own = "http://" + (hosts[0] if hosts and hosts[0] else doorway.own_address).decode("latin-1")
        return with_own_addresses(response, upstream, self._routes, own)

    def send(self, passage: Passage) -> None:
        """Send what has come of the request, on a kept connection or a new one."""
        recorded = cast(RecordedPassage, passage)
        kept = self._kept.get(recorded.upstream)
        while kept:
            backend = kept.pop()
            if backend.is_usable:
                backend.start(passage)
                return
        self._connect(recorded)

    def finished(self, backend: ServerConnection, passage: Passage, is_reusable: bool) -> None:
        """An upstream's response is complete."""
        recorded = cast(RecordedPassage, passage)
        recorded.keep_response()
        if is_reusable and not self._is_closing:
            kept = self._kept.setdefault(recorded.upstream, [])
            kept.append(backend)
            backend.keep(_KEPT_IDLE_S)
            if len(kept) > _MOST_KEPT:
                kept.pop(0).close()
        else:
            backend.close()
        doorway = passage.doorway
        self._over(recorded, None)
        if doorway is not None:
            doorway.passage_over()

    def lost(self, backend: ServerConnection, passage: Passage | None, why: str) -> None:
        """A connection to an upstream is gone, perhaps in the middle of a response."""
        if passage is None:
            kept = self._kept.get(cast(Upstream, backend.place))
            if kept is not None and backend in kept:
                kept.remove(backend)
            return
        passage.backend = None
        recorded = cast(RecordedPassage, passage)
        if backend.may_send_again(passage):
            self._connect(recorded)
            return
        self._fail(recorded, 502, f"upstream {why}")

    def _connect(self, passage: RecordedPassage) -> None:
        task = asyncio.get_running_loop().create_task(self._connected(passage))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connected(self, passage: RecordedPassage) -> None:
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
            self._fail(passage, 502, f"upstream did not accept within {seconds(_CONNECT_TIMEOUT_S)}")
            return
        except ssl.SSLError as error:
            self._fail(passage, 502, f"upstream failed TLS: {error.reason or 'unknown reason'}")
            return
        except OSError as error:
            shortage = shortage_of(error, was_reached=upstream in self._kept)
            if shortage is not None:
                self._fail(passage, 503, f"this machine cannot open another connection: {shortage}")
            else:
                self._fail(passage, 502, f"upstream unreachable: {(error.strerror or str(error)).lower()}")
            return
        except UnicodeError:
            self._fail(passage, 502, f"upstream unreachable: {upstream.host} is not a valid host name")
            return
        if passage.doorway is None or self._is_closing:
            backend.close()
            return
        backend.start(passage)

    def _fail(self, passage: RecordedPassage, status: int, why: str) -> None:
        if passage.exchange.number not in self._passages or self._is_closing:
            return
        doorway, passage.doorway = passage.doorway, None
        exchange = passage.exchange
        if passage.answered:
            if passage.socket is None:
                exchange.end_ns = None
            # A response that cannot be completed must not look complete.
            self._over(passage, why)
            if doorway is not None:
                doorway.cut()
            return
        exchange.status = status
        exchange.end_ns = self._now()
        self._over(passage, why)
        if doorway is not None:
            doorway.answer(status, f"The recorder's {why}.")

    def _over(self, passage: RecordedPassage, fault: str | None) -> None:
        exchange = passage.exchange
        if self._is_closing or self._passages.pop(exchange.number, None) is None:
            return
        if passage.socket is not None:
            passage.socket.end(fault)
            self._sessions.ended(exchange.session, self._now())
            return
        if not passage.body.is_over:
            passage.keep_body()
            exchange.is_cut_short = True
        exchange.fault = fault
        self._sessions.ended(exchange.session, self._now())
        self._sink(exchange)
