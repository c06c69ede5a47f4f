"""The modelled target: an HTTP/1.1 server that answers each request after a modelled time.

It is what a replay is tried against on a machine with nothing else: any path answers, model calls stream. A
Connection serves one client connection, in callbacks, without a task a request. Modelled time counts from a
request's last byte; the loop's timer ends it (whole milliseconds under uvloop, so an answer is up to about
1 ms off; a stream's tokens are due by absolute times, so that this does not add up). It is one instance
without limits and without a boot: those are the plane's.

Pipelined requests are answered one after the other, each due from when the one before was answered.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from time import monotonic_ns
from typing import cast

import httptools

from replay.dialects.types import Scripted
from replay.planes.modelled.answers import CHUNKED, CONTINUE, answered, head_of, opens_nothing, plain
from replay.planes.modelled.asking import NOTHING_ASKED, BodyScan, kind_and_name, scan_for
from replay.planes.modelled.heard import Heard
from replay.planes.modelled.model import Model
from replay.planes.modelled.sockets import HeldSocket
from replay.planes.modelled.tools import MOST_MESSAGE_BYTES, Spoken, is_mcp_server, spoken
from replay.planes.modelled.types import Answer, Asked, ServiceModel
from replay.planes.modelled.wording import Wording, answer_name, wording_at
from replay.system.listening import listening_on
from replay.websocket.handshake import read_asked
from replay.websocket.types import GOING_AWAY, BrokenRule

INSTANCE = b"modelled-1"
_MS = 1_000_000
_HEAD_LIMIT_BYTES = 64 * 1024
_QUEUE_LIMIT = 64
# How long answers under way get to finish once the server is told to stop.
_DRAIN_S = 1.0

_FIRST = b"replay-instance: " + INSTANCE + b"\r\n"
_HEALTHY = b'{"status":"ok"}'
_FAILED = b'{"error":"this modelled target fails a share of its requests on purpose"}'


@lru_cache(maxsize=1024)
def _answered_whole(name: str) -> bytes:
    """Nearly every request gets this: it is rendered once a name."""
    return plain(200, answered(name), first=_FIRST)


class _Request:
    """A request as it comes in: what decides its answer, and no more."""

    __slots__ = ("can_stream", "fields", "keep_alive", "key", "message", "method", "path", "scan", "url")

    def __init__(self) -> None:
        self.url = b""
        self.fields: dict[str, str] = {}  # those that ask for a WebSocket
        self.path = b""  # without query
        self.method = b""
        self.key = b""
        self.scan: BodyScan | None = None
        self.message: bytearray | None = None  # to an MCP server; None: there is none, or it is too large
        self.keep_alive = True
        self.can_stream = True


class Site:
    """What the connections of one server share: the model, a clock in ns, the number of requests so far."""

    def __init__(self, model: Model, clock: Callable[[], int] = monotonic_ns) -> None:
        self.model = model
        self.clock = clock
        self.requests = 0
        self.stopping = False
        self.connections: set[Connection] = set()

    def count(self) -> int:
        """Count a message; returns its number, among the requests."""
        self.requests += 1
        return self.requests

    def __repr__(self) -> str:
        busy = sum(connection.is_busy for connection in self.connections)
        return f"<Site {self.requests} requests, {len(self.connections)} connections, {busy} busy>"


class Connection(asyncio.Protocol):
    """One client connection: parses requests, answers each when it is due."""

    def __init__(self, site: Site, loop: asyncio.AbstractEventLoop) -> None:
        self._site = site
        self._loop = loop
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._incoming: _Request | None = None
        self._head_bytes = 0
        self._waiting: deque[_Request] = deque()
        self._current: _Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False  # nothing more is read: the client, or a bad request, ended it
        self._full = False  # the client reads slower than tokens come
        self._stream = _NO_STREAM
        self._socket: HeldSocket | None = None

    def __repr__(self) -> str:
        return f"<Connection {'busy' if self.is_busy else 'idle'}, {len(self._waiting)} waiting>"

    @property
    def is_busy(self) -> bool:
        return self._current is not None or bool(self._waiting)

    def stop(self) -> None:
        """Close once what is under way is answered."""
        self._ended = True
        self._waiting.clear()
        if self._socket is not None:
            self._socket.close(GOING_AWAY)
        elif not self.is_busy:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # The transport's callbacks.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop's transports are asyncio's by their methods, not by their class.
        self._transport = cast(asyncio.Transport, transport)
        self._site.connections.add(self)
        if self._site.stopping:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._site.connections.discard(self)
        if self._socket is not None:
            self._socket.lost()
        self._waiting.clear()
        self._current = None
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.received(data)
            return
        if self._ended:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._socket is not None:
                self._socket.received(data[upgrade.args[0] :])
                return
            # We speak nothing else: answer as if it had not asked, and close, for what follows is not ours.
            self._ended = True
            last = self._waiting[-1] if self._waiting else self._current
            if last is not None:
                last.keep_alive = False
        except httptools.HttpParserCallbackError:
            raise  # a defect of ours, not the client's
        except httptools.HttpParserError:
            self._refuse(400, b'{"error":"this is not an HTTP/1.1 request"}')
        if self._incoming is not None and self._head_bytes >= 0:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_LIMIT_BYTES:
                self._refuse(431, b'{"error":"the request head is larger than 64 KiB"}')
        if len(self._waiting) > _QUEUE_LIMIT:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        # A client may close its sending half and still read: answer what it asked, then close.
        self._ended = True
        if self.is_busy:
            last = self._waiting[-1] if self._waiting else self._current
            assert last is not None
            last.keep_alive = False
        return self.is_busy

    def pause_writing(self) -> None:
        self._full = True
        if self._socket is not None:
            self._socket.full(True)

    def resume_writing(self) -> None:
        self._full = False
        if self._socket is not None:
            self._socket.full(False)
        if self._stream is not _NO_STREAM and self._timer is None:
            self._send_tokens()

    # The parser's callbacks.

    def on_message_begin(self) -> None:
        self._incoming = _Request()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        assert self._incoming is not None
        self._incoming.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        length = len(name)
        if length == 11 and name.lower() == b"traceparent":
            assert self._incoming is not None
            self._incoming.key = value
        elif length > 14 and name.lower().startswith(b"sec-websocket-"):
            assert self._incoming is not None
            self._incoming.fields[name.decode("latin-1").lower()] = value.decode("latin-1")
        elif length == 7 and name.lower() == b"upgrade" and value.lower() == b"websocket":
            assert self._incoming is not None
            self._incoming.fields["upgrade"] = "websocket"
        elif (
            length == 6 and name.lower() == b"expect" and value.lower() == b"100-continue" and not self.is_busy
        ):
            self._transport.write(CONTINUE)

    def on_headers_complete(self) -> None:
        request = self._incoming
        assert request is not None
        self._head_bytes = -1
        request.method = self._parser.get_method()
        request.keep_alive = self._parser.should_keep_alive()
        request.can_stream = self._parser.get_http_version() != "1.0"  # no chunks before 1.1
        request.path = request.url.partition(b"?")[0]
        request.scan = scan_for(request.path)
        if is_mcp_server(request.path):
            request.message = bytearray()

    def on_body(self, body: bytes) -> None:
        request = self._incoming
        assert request is not None
        if request.scan is not None:
            request.scan.feed(body)
        if request.message is not None:
            request.message += body
            if len(request.message) > MOST_MESSAGE_BYTES:
                request.message = None

    def on_message_complete(self) -> None:
        request = self._incoming
        assert request is not None
        self._incoming = None
        if self._ended:
            return
        if not self.is_busy and request.fields and self._parser.should_upgrade():
            self._open_socket(request)
        elif not self.is_busy:
            self._serve(request)
        else:
            self._waiting.append(request)

    # Answering.

    def _open_socket(self, request: _Request) -> None:
        """Hold a WebSocket, where the request asks for one as the standard has it; else say which version that is."""
        site = self._site
        site.requests += 1
        try:
            asked = read_asked(request.fields)
        except BrokenRule:
            self._ended = True
            self._transport.write(opens_nothing(_FIRST))
            self._transport.close()
            return
        heard = Heard(site.model, request.path, site.clock, site.count)
        self._socket = heard.socket = HeldSocket(heard, self._transport, asked, _FIRST)
        self._socket.open()

    def _serve(self, request: _Request) -> None:
        self._current = request
        site = self._site
        site.requests += 1
        path = request.path
        if path == b"/healthz":
            self._finish(
                plain(
                    200,
                    _HEALTHY,
                    keep_alive=request.keep_alive,
                    head_only=request.method == b"HEAD",
                    first=_FIRST,
                )
            )
            return
        kind, name = kind_and_name(path)
        if kind == "llm" and request.method != b"POST":
            kind = "http"
        asked = request.scan.asked() if kind == "llm" and request.scan is not None else NOTHING_ASKED
        if asked.stream and not request.can_stream:
            asked = Asked(asked.max_tokens)
        number = site.requests
        answer = site.model.answer(kind, name, asked, request.key or b"%d" % number)
        if answer.stream:
            prompt = 0 if request.scan is None else request.scan.prompt_tokens
            scripted = Scripted(answer_name(number), answer.tokens, prompt, asked.tells_usage)
            due_ns = self._site.clock() + int(answer.wait_ms * _MS)
            self._stream = _Stream(answer, wording_at(path), scripted, due_ns)
            self._timer = self._loop.call_later(answer.wait_ms / 1000, self._begin_stream)
        else:
            self._timer = self._loop.call_later(answer.wait_ms / 1000, self._send_plain, answer, number, name)

    def _send_plain(self, answer: Answer, number: int, name: str) -> None:
        self._timer = None
        request = self._current
        assert request is not None
        head_only = request.method == b"HEAD"
        said = _of_a_tool(request) if answer.status == 200 else None
        if said is None and answer.status == 200 and not answer.tokens and request.keep_alive and not head_only:
            self._finish(_answered_whole(name))
            return
        status = answer.status
        if said is not None:
            status, body = said
        elif answer.status != 200:
            body = _FAILED
        elif answer.tokens and request.scan is not None and (wording := wording_at(request.path)) is not None:
            body = wording.whole(Scripted(answer_name(number), answer.tokens, request.scan.prompt_tokens))
        else:
            body = answered(name)
        self._finish(plain(status, body, keep_alive=request.keep_alive, head_only=head_only, first=_FIRST))

    def _begin_stream(self) -> None:
        request, wording = self._current, self._stream.wording
        assert request is not None
        assert wording is not None
        head = head_of(200, wording.stream_type, CHUNKED, keep_alive=request.keep_alive, first=_FIRST)
        self._send_tokens(head)

    def _send_tokens(self, head: bytes = b"") -> None:
        """Send every token that is due by now, and wake for the next one."""
        self._timer = None
        stream, wording = self._stream, self._stream.wording
        assert wording is not None
        out = [head] if head else []
        # Half a timer tick ahead counts as due: under uvloop a timer may fire that much early.
        now_ns = self._site.clock() + _MS // 2
        due = stream.due_ns <= now_ns or bool(head)
        while due and stream.sent < stream.answer.tokens:
            out.append(wording.token(stream.scripted, stream.sent))
            stream.sent += 1
            stream.due_ns += int(self._site.model.gap_ms(stream.answer.draw, stream.sent) * _MS)
            due = stream.due_ns <= now_ns
        if stream.sent == stream.answer.tokens:
            out.append(wording.end(stream.scripted))
            self._stream = _NO_STREAM
            self._finish(b"".join(out))
            return
        self._transport.write(b"".join(out))
        if not self._full:
            wait_s = (stream.due_ns - self._site.clock()) / 1e9
            self._timer = self._loop.call_later(max(wait_s, 0.0), self._send_tokens)

    def _finish(self, data: bytes) -> None:
        request = self._current
        assert request is not None
        self._transport.write(data)
        self._current = None
        if not request.keep_alive:
            self._ended = True
            self._waiting.clear()
            self._transport.close()
        elif self._waiting:
            # Not from here: a long pipeline answered at once would be a deep recursion.
            self._loop.call_soon(self._serve_next)
        elif self._ended:
            self._transport.close()

    def _serve_next(self) -> None:
        if self._waiting and self._current is None:
            self._serve(self._waiting.popleft())
            if len(self._waiting) == _QUEUE_LIMIT and not self._ended:
                self._transport.resume_reading()

    def _refuse(self, status: int, body: bytes) -> None:
        """Answer a request that cannot be read, after which nothing on this connection can."""
        self._incoming = None
        self._ended = True
        if not self.is_busy:
            self._transport.write(plain(status, body, keep_alive=False, first=_FIRST))
            self._transport.close()


def _of_a_tool(request: _Request) -> Spoken | None:
    """What an MCP server answers; None where no such is asked."""
    if not is_mcp_server(request.path):
        return None
    return spoken(request.method, None if request.message is None else bytes(request.message))


class _Stream:
    """How far a streamed answer has come."""

    __slots__ = ("answer", "due_ns", "scripted", "sent", "wording")

    def __init__(self, answer: Answer, wording: Wording | None, scripted: Scripted, due_ns: int) -> None:
        self.answer = answer
        self.wording = wording
        self.scripted = scripted
        self.due_ns = due_ns
        self.sent = 0


_NO_STREAM = _Stream(Answer(200, 0.0), None, Scripted(b"", 0, 0), 0)


@asynccontextmanager
async def modelled_server(
    model: ServiceModel | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve a modelled target for as long as the context is open; yields its URL.

    port 0 takes a free one. On leaving, answers under way get a second to finish. Raises OSError if the port
    is taken. Runs on any asyncio loop, fastest on uvloop.
    """
    loop = asyncio.get_running_loop()
    site = Site(Model(model or ServiceModel()))
    with listening_on("--port", host, port):
        server = await loop.create_server(lambda: Connection(site, loop), host, port, backlog=4096)
    bound = server.sockets[0].getsockname()
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    try:
        yield f"http://{shown}:{bound[1]}"
    finally:
        site.stopping = True
        server.close()
        for connection in tuple(site.connections):
            connection.stop()
        until = loop.time() + _DRAIN_S
        while site.connections and loop.time() < until:
            await asyncio.sleep(0.01)
        for connection in tuple(site.connections):
            connection.abort()
        await server.wait_closed()
