"""The httpx path: HTTP/2, proxies, and ASGI applications in this process, at a lower ceiling than the fast path.

httpx transports are used without a client, so a request goes out with the exchange's own head: same target,
same headers in the same spelling (HTTP/1.1 puts Host first; HTTP/2 leaves out what it forbids). A task carries
each exchange; on_done is called when its connection is ready for the next.

What stamps mean here. They come from httpcore's trace events (https://www.encode.io/httpcore/extensions/):
  sent_ns: after the last write returned. first_byte_ns: when the final response's head was complete and parsed,
  where the fast path takes its first byte. Body and token times: when httpx handed the chunk over, so tokens
  of one read are some µs apart rather than 0. Each is late by the client's own work on other exchanges.
  connect_ns: looking the name up, connecting, and being let through by the proxy. tls_ns: every handshake.
  With HTTP/2 those who wait while another opens their connection do not carry its cost; their sent_ns does.

Traps in httpcore 1.0.9, and what is done about them:
  - Its pool walks all connections several times a request (with 16 of them a third of the rate of one), and
    evicts idle ones once the total passes max_keepalive_connections, which looks like cold starts. So there is
    a pool for each connection, and this module keeps them: last in, first out, as the fast path does.
  - HTTP/2 sends everything down one connection and queues past 100 streams; here a further one takes over.
  - It negotiates HTTP/1.1 wherever the server prefers that. With http2 = true only HTTP/2 is offered.
  - A task cancelled while its connection is being opened leaves a dead slot or a socket in the pool. So limits
    on connecting cut the socket, and the trace hook stops a request that was given up before it was sent.
  - A timed-out HTTP/2 stream is forgotten, not reset: the target may go on sending it.
  - When a target ends an HTTP/2 connection in good order (GOAWAY), h2 refuses what comes after, even answers to
    what is in flight. What was never sent is sent elsewhere; the rest counts as stale, and ends as a reset
    where it may not be sent twice.
  - An HTTP/2 answer that comes before the request's body was all sent is lost: httpcore goes on writing, or
    waits for a window that never opens. It ends as a reset, or at the time limit.
"""

import asyncio
import contextlib
import importlib.util
import ssl
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from time import monotonic_ns
from typing import Any
from urllib.parse import urlsplit

import h2.exceptions
import h2.settings
import httpx
import msgspec

from replay.dialects.streams import StreamReader
from replay.http.fields import OF_THE_CONNECTION
from replay.system.shortage import LOCAL, ShortageError
from replay.target.target import ASGI_PREFIX, Target
from replay.wire.addresses import AddressBook, NoSuchNameError
from replay.wire.dialing import Dialler
from replay.wire.errors import TargetUnreachable
from replay.wire.http1.response import (
    LONGEST_INSTANCE,
    capture,
    event_reader,
    is_coded,
    keep_body,
    retry_after_s,
    says_cold,
    settle_events,
)
from replay.wire.httpx.asgi import AppError, AsgiTransport, load_app
from replay.wire.httpx.http2_reading import read_promptly
from replay.wire.httpx.network import dial_with, has_stray_bytes
from replay.wire.types import STATUSES, Exchange

_NS = 1_000_000_000
# What httpcore allows itself on one connection, whatever the server allows.
_HTTP2_STREAMS = 100
_ANY_NUMBER = 1 << 62
_CLOSING_S = 5.0
_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
# What RFC 9113, section 8.2.2, forbids in HTTP/2.
_HTTP1_ONLY = frozenset(name.encode() for name in OF_THE_CONNECTION) | {b"te", b"transfer-encoding"}
_STREAM_RESET = "<StreamReset"
# How httpcore, h11 and h2 word it that the other side went away; the rest of their complaints are about bytes.
_GONE = (
    "Server disconnected",
    "peer closed connection",
    _STREAM_RESET,
    "<ConnectionTerminated",
    "in state ConnectionState.CLOSED",
)
# How h2 words it when the connection had ended before the request's first byte was written.
_NEVER_SENT = "ConnectionInputs.SEND_HEADERS in state ConnectionState.CLOSED"
_NEVER_SENT_MOST = 5
# Calls that httpx may have and not have sent; the others wait here. Each that it has makes it slower, and answers then
# come faster than they are read. So the number is halved by each call that took long to go out, and grows by one with
# each that did not.
_UNSENT_MOST = 8
_SLOW_NS = 10_000_000
# Connections that a sweep tries to open while this machine is short of something; each that fails costs about 0.3 ms.
_TRIED_WHEN_SHORT = 4

Headers = list[tuple[bytes, bytes]]


def read_head(head: bytes) -> tuple[bytes, Headers]:
    """The request target and the headers of a rendered HTTP/1.1 head.

    Raises ValueError if it is not one: bad line ends, no Host, or not exactly method, target and version.
    """
    if not head.endswith(b"\r\n\r\n"):
        raise ValueError("the head does not end in an empty line")
    request_line, *lines = head[:-4].split(b"\r\n")
    parts = request_line.split(b" ")
    if len(parts) != 3 or parts[2] != b"HTTP/1.1" or not parts[1]:
        raise ValueError("the request line is not method, target and HTTP/1.1")
    headers = []
    has_host = False
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise ValueError("a header line has no name")
        has_host = has_host or name.lower() == b"host"
        headers.append((name, value.strip(b" \t")))
    if not has_host:
        raise ValueError("there is no Host header")
    return parts[1], headers


def http2_headers(headers: Headers) -> Headers:
    """Those of the headers that HTTP/2 allows; `te: trailers` is the one exception that it makes."""
    named = {
        token.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for token in value.split(b",")
    }
    return [
        (name, value)
        for name, value in headers
        if (key := name.lower()) not in named
        and (key not in _HTTP1_ONLY or (key == b"te" and value.lower() == b"trailers"))
    ]


class HttpxWire:
    """Every connection to one URL of a target, by httpx.

    closed_while_idle counts connections that were found closed when a step wanted them (HTTP/1.1 only).
    """

    def __init__(self, target: Target, url: str) -> None:
        self.target = target
        self.url = url
        self.is_asgi = url.startswith(ASGI_PREFIX)
        self.is_http2 = target.http2 and not self.is_asgi
        self.base = _taken_by_httpx("http://asgi" if self.is_asgi else url)
        limits = target.timeouts
        self.connect_ns = int(limits.connect_s * _NS)
        self._first_byte_ns = int(limits.first_byte_s * _NS)
        self._idle_ns = int(limits.idle_s * _NS)
        self._total_ns = int(limits.total_s * _NS)
        self.instance_header = (target.instance_header or "").lower().encode()
        self.cold_header = (target.cold_header or "").lower().encode()
        self.extensions: dict[str, Any] = {"timeout": {"connect": limits.connect_s}}
        self._reuse = target.connections.reuse
        self._shares_lanes = self.is_http2 and self._reuse != "none"
        self._max = target.connections.max
        self._ssl: ssl.SSLContext | None = None
        self._proxy: httpx.Proxy | None = None
        self._book: AddressBook | None = None
        self._dialler: Dialler | None = None
        self._app: AsgiTransport | None = None
        self._loop: asyncio.AbstractEventLoop = None  # type: ignore[assignment]
        self._lanes: dict[Any, set[Lane]] = {}
        self._lane_count = 0
        # Lanes with room, the last used at the end, by the session that they are kept for (or None).
        self._free: dict[Any, list[Lane]] = {}
        self._calls: set[Call] = set()
        self._waiting: deque[Call] = deque()
        self._closing_tasks: set[asyncio.Task[None]] = set()
        self.is_closing = False
        self.opened = 0
        self.closed_while_idle = 0
        self.stale_resent = 0
        self.waited_for_limit = 0
        self.waited_for_machine = 0
        self.shortage: str | None = None
        self._is_short = False
        self._lanes_to_try = 0
        # Calls that httpx has, on connections that are open, and has not sent yet.
        self._unsent = 0
        self._window = _UNSENT_MOST

    def __repr__(self) -> str:
        return (
            f"<HttpxWire {len(self._calls)} in flight, {len(self._waiting)} waiting, {self._lane_count} lanes>"
        )

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        _spare_searches_for_sniffio()
        if self.is_asgi:
            app = AsgiTransport(load_app(self.url), self.url)
            await app.startup()
            self._app = app
            return
        context, server_name = AddressBook(self.target, self.url).tls()
        if context is not None:
            self.extensions["sni_hostname"] = server_name
            if self.is_http2:
                _offer_only_http2(context)
        proxy = self.target.proxy
        if proxy is None:
            await self._check(self.url, self.target, context, server_name)
        else:
            await self._use_proxy(proxy)
        # Without TLS a context is never used; httpx would spend milliseconds on one with every CA in it.
        self._ssl = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._reuse == "pool":
            # Now rather than with the first step: httpx imports httpcore when it makes a transport.
            self._free[None] = [self._open_lane(None)]

    async def _use_proxy(self, proxy: str) -> None:
        parts = urlsplit(proxy)
        is_http = parts.scheme in ("http", "https")
        if self.is_http2 and is_http and self.base.scheme == "http":
            raise TargetUnreachable(
                f"{self.url}: an HTTP proxy forwards http:// as HTTP/1.1 only. Use https://, or leave http2 out."
            )
        if self.target.tls.server_name is not None and is_http and self.base.scheme == "https":
            raise TargetUnreachable(
                f"{self.url}: tls.server_name cannot be used through an HTTP proxy. Leave it out."
            )
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        # Put together anew, so that no message can show the user and password that may be in it.
        shown = f"{parts.scheme}://{host}:{parts.port or _PROXY_PORTS[parts.scheme]}"
        context, _ = AddressBook(self.target, shown).tls()
        _taken_by_httpx(shown, "the proxy ")
        self._proxy = httpx.Proxy(proxy, ssl_context=context)
        await self._check(
            shown, msgspec.structs.replace(self.target, unix_socket=None), None, None, "the proxy "
        )

    async def _check(
        self, url: str, target: Target, context: ssl.SSLContext | None, server_name: str | None, what: str = ""
    ) -> None:
        """Open one connection and close it; raises TargetUnreachable if none of the addresses takes it."""
        self._book = book = AddressBook(target, url)
        self._dialler = Dialler(book)
        await book.resolve()
        try:
            async with asyncio.timeout(self.target.timeouts.connect_s):
                protocol = await self._greet(self._dialler, context, server_name)
        except TimeoutError:
            why = f"no answer within {self.target.timeouts.connect_s:g} s"
        except ssl.SSLError as cause:
            why = f"TLS failed: {cause.reason or cause}"
        except OSError as cause:
            why = cause.strerror or str(cause)
        else:
            if self.is_http2 and context is not None and protocol != "h2":
                raise TargetUnreachable(f"{url} does not offer HTTP/2. Leave http2 out of the target.")
            return
        raise TargetUnreachable(
            f"cannot connect to {what}{url}: {why}. Is {what or 'the target '}running there?"
        )

    async def _greet(self, dialler: Dialler, context: ssl.SSLContext | None, server_name: str | None) -> str:
        """Connect and close again; returns the protocol that TLS settled on (ALPN), or nothing."""
        sock = (await dialler.dial()).sock
        try:
            transport, _ = await self._loop.create_connection(
                asyncio.Protocol, sock=sock, ssl=context, server_hostname=server_name
            )
        except BaseException:
            sock.close()
            raise
        secured = transport.get_extra_info("ssl_object")
        transport.close()
        return (secured.selected_alpn_protocol() or "") if secured is not None else ""

    def send(self, exchange: Exchange) -> None:
        call = Call(self, exchange)
        if self.is_closing:
            call.interrupt(monotonic_ns())
        elif not self._start(call):
            if self._is_short:
                self._count_short(call)
            elif self._unsent < self._window and self._lane_count >= self._max:
                call.waits_for_limit = True
                self.waited_for_limit += 1
            self._waiting.append(call)

    def _start(self, call: "Call") -> bool:
        """Start this call if httpx can take it, and a lane has room for it or another may be opened."""
        if self._unsent >= self._window:
            return False
        key = call.exchange.session_key if self._reuse == "session" and not self.is_asgi else None
        free = self._free.get(key)
        if free:
            lane = free[-1]
            if self._shares_lanes and not lane.is_connected and (lane.calls or self._is_nearly_late(call)):
                # Whoever opens a connection goes alone; the others follow when it is open, no faster than it goes.
                return False
        elif self._lane_count < self._max and (not self._is_short or self._lanes_to_try > 0):
            self._lanes_to_try -= 1
            lane = self._open_lane(key)
            free = self._free.setdefault(key, [])
            free.append(lane)
        else:
            return False
        lane.calls += 1
        if lane.calls == lane.most:
            free.pop()
        self._calls.add(call)
        call.lane = lane
        call.started_ns = monotonic_ns()
        if call.waits_for_limit:
            # What it waited for so far is the limit that the target file sets.
            call.handed_ns = call.started_ns
        if lane.is_connected or self.is_asgi:
            self._count_unsent(call)
        call.task = self._loop.create_task(call.run())
        return True

    def leave(self, call: "Call", *, starts_waiting: bool = True) -> None:
        """The call's connection is free for another; told twice, it does nothing the second time."""
        if call not in self._calls:
            return
        self._calls.discard(call)
        self._forget_unsent(call)
        lane = call.lane
        lane.calls -= 1
        if lane.is_retired or (lane.is_for_one_call and not self.is_asgi):
            if not lane.calls:
                self._close_lane(lane)
        elif lane.calls + 1 == lane.most:
            self._free.setdefault(lane.key, []).append(lane)
        if self._waiting and starts_waiting and not self.is_closing:
            self._start_waiting()

    def sent(self, call: "Call") -> None:
        """The call's request has gone out, or waits for the target to open a connection: httpx can take another."""
        if call.is_unsent:
            is_slow = monotonic_ns() - call.started_ns > _SLOW_NS
            self._window = max(1, self._window // 2) if is_slow else min(_UNSENT_MOST, self._window + 1)
        self._forget_unsent(call)
        if self._waiting and self._reuse != "session" and not self.is_closing:
            self._start_waiting()

    def settled(self, lane: "Lane", streams: int | None, now: int) -> None:
        """An HTTP/2 connection is ready: those who waited for that are now httpx's to send.

        streams: how many the target allows at once, if it says so; httpcore takes a target that does not at one.
        """
        is_first = not lane.is_connected
        if is_first:
            lane.is_connected, lane.ready_ns = True, now
        if streams or is_first:
            lane.streams = streams or 1
        if is_first and self._waiting and not self.is_closing:
            self._start_waiting()

    def failed_to_connect(self, error: str, now: int) -> None:
        """An HTTP/2 connection could not be opened: neither can it for those who waited to share it."""
        if not self._shares_lanes or any(lane.is_connected for lanes in self._lanes.values() for lane in lanes):
            return
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            call.give_up(now, error)

    def _count_unsent(self, call: "Call") -> None:
        if call.lane.calls > call.lane.streams:
            # It waits for the target, which allows no more at once on this connection.
            call.waits_for_stream = True
        else:
            call.is_unsent = True
            self._unsent += 1

    def _forget_unsent(self, call: "Call") -> None:
        if call.is_unsent:
            call.is_unsent = False
            self._unsent -= 1

    def put_by(self, call: "Call", shortage: str) -> None:
        """This machine had nothing left to open the call's connection with; it waits for one that comes free."""
        self.shortage = shortage
        for one in (call,) if self._is_short else (call, *self._waiting):
            self._count_short(one)
        self._is_short = True
        lane = call.lane
        self.retire(lane)
        self._waiting.appendleft(call)
        self.leave(call, starts_waiting=False)

    def _count_short(self, call: "Call") -> None:
        if not call.exchange.queued_ns:
            call.exchange.queued_ns = call.handed_ns
            self.waited_for_machine += 1

    def _look_for_more(self, now: int) -> None:
        """This machine was out of something: end what has waited too long for it, and try again for the rest."""
        late = [call for call in self._waiting if now - call.handed_ns >= self.connect_ns]
        for call in late:
            self._waiting.remove(call)
            call.lack(now)
        self._is_short = bool(self._waiting)
        self._lanes_to_try = _TRIED_WHEN_SHORT
        self._start_waiting()

    def _start_waiting(self) -> None:
        if self._reuse == "session":
            # A session's own connection may be free, though the first that waits may not have it.
            if self._unsent >= self._window:
                return
            self._waiting = deque(call for call in self._waiting if not self._start(call))
            return
        while self._waiting and self._start(self._waiting[0]):
            self._waiting.popleft()

    def _open_lane(self, key: Any) -> "Lane":
        is_for_one_call = self._reuse == "none"
        if self._app is not None:
            lane = Lane(self._app, _ANY_NUMBER, key)
        else:
            assert self._ssl is not None
            assert self._dialler is not None
            transport = httpx.AsyncHTTPTransport(
                verify=self._ssl,
                trust_env=False,
                http1=not self.is_http2,
                http2=self.is_http2,
                limits=httpx.Limits(
                    max_connections=None, max_keepalive_connections=None, keepalive_expiry=None
                ),
                proxy=self._proxy,
                uds=self.target.unix_socket if self._proxy is None else None,
            )
            is_socks = (self.target.proxy or "").startswith("socks")
            dial_with(transport, self._dialler, is_http1=not self.is_http2 and not is_socks)
            lane = Lane(transport, _HTTP2_STREAMS if self.is_http2 and not is_for_one_call else 1, key)
            lane.is_for_one_call = is_for_one_call
        self._lanes.setdefault(key, set()).add(lane)
        self._lane_count += 1
        return lane

    def retire(self, lane: "Lane") -> None:
        """Start nothing more on this lane; it is closed when it carries nothing any more."""
        lane.is_retired = True
        if lane in (free := self._free.get(lane.key, [])):
            free.remove(lane)

    def _close_lane(self, lane: "Lane") -> None:
        self._lane_count -= 1
        self._lanes.get(lane.key, set()).discard(lane)
        self.spawn(lane.aclose())

    def spawn(self, closing: Coroutine[Any, Any, None]) -> None:
        """Close something in the background."""
        task = self._loop.create_task(closing)
        self._closing_tasks.add(task)
        task.add_done_callback(self._closing_tasks.discard)

    def prepare(self, connections: int) -> None:
        """Nothing: an httpx transport opens connections only for requests."""

    def end_session(self, session_key: Any) -> None:
        if session_key is None:
            return
        self._free.pop(session_key, None)
        for lane in self._lanes.pop(session_key, ()):
            lane.is_retired = True
            if not lane.calls:
                self._close_lane(lane)
        self._start_waiting()

    def sweep(self, now: int) -> None:
        """End what has passed a time limit; called every few milliseconds."""
        for call in list(self._calls):
            if not call.is_over:
                limit, is_sent = self._limit_of(call)
                if limit is not None and now >= limit:
                    call.expire(limit, is_sent)
        if self._is_short and not self.is_closing:
            self._look_for_more(now)
        elif self._shares_lanes:
            while self._waiting and self._waits_to_share(self._waiting[0], now):
                call = self._waiting.popleft()
                call.expire(call.handed_ns + self.connect_ns, False)

    def _is_nearly_late(self, call: "Call") -> bool:
        """Whether a call has spent, on a connection that another could not open, most of the time there is for one."""
        return monotonic_ns() - call.handed_ns > self.connect_ns * 9 // 10

    def _waits_to_share(self, call: "Call", now: int) -> bool:
        """Whether a call has waited as long as it may for another to open the connection that they are to share."""
        if now < call.handed_ns + self.connect_ns:
            return False
        key = call.exchange.session_key if self._reuse == "session" else None
        return not any(lane.is_connected for lane in self._lanes.get(key, ()))

    def _limit_of(self, call: "Call") -> tuple[int | None, bool]:
        """The instant at which this call has waited too long, if one is known, and whether it was being sent."""
        exchange = call.exchange
        if call.sending_ns:
            since = exchange.sent_ns or call.sending_ns
            if exchange.first_byte_ns:
                return min(since + self._total_ns, call.read_ns + self._idle_ns), True
            return since + min(self._total_ns, self._first_byte_ns), True
        if call.is_connecting or (self.is_http2 and not call.lane.is_connected):
            # With HTTP/2 it may be another call that opens the connection that this one is to share.
            return call.started_ns + self.connect_ns, False
        return None, False

    async def close(self) -> None:
        self.is_closing = True
        if self._book is not None:
            self._book.close()
        now = monotonic_ns()
        calls = [*self._waiting, *self._calls]
        self._waiting.clear()
        tasks = [call.task for call in calls if call.task is not None]
        for call in calls:
            call.interrupt(now)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSING_S)
        for lane in [lane for lanes in self._lanes.values() for lane in lanes]:
            self._close_lane(lane)
        self._free.clear()
        if self._closing_tasks:
            await asyncio.wait(list(self._closing_tasks), timeout=_CLOSING_S)
        if self._app is not None:
            await self._app.aclose()
        await asyncio.sleep(0)


class Lane:
    """One httpx transport, whose pool holds one connection; more only while HTTP/2 moves on to the next.

    calls: in flight in it; at most `most`. key: the session that it is kept for, or None.
    is_idle: it has an HTTP/1.1 connection that was left open. is_connected: it has had a working connection.
    ready_ns: since when its HTTP/2 connection takes more than one call. streams: how many at once the target allows it.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, most: int, key: Any) -> None:
        self.transport = transport
        self.most = most
        self.key = key
        self.calls = 0
        self.is_idle = self.is_connected = self.is_for_one_call = self.is_retired = False
        self.ready_ns = 0
        self.streams = most

    def __repr__(self) -> str:
        return f"<Lane {self.calls} calls{', idle' if self.is_idle else ''}>"

    async def aclose(self) -> None:
        if not isinstance(self.transport, AsgiTransport):
            # What cannot be closed in good order is closed already.
            with contextlib.suppress(Exception):
                await self.transport.aclose()


class AbandonedError(Exception):
    """Raised in the trace hook, so that httpcore goes no further with a call that is over."""


class Call:
    """One exchange on its way through a transport: what httpcore tells of it becomes the exchange's stamps.

    handed_ns: when it was left to this client alone. started_ns: when this attempt was given its lane. sending_ns: when
    its request began to be written. read_ns: when bytes of its response last came. is_connecting: it is opening a
    connection. is_over: it has ended, and on_done was called or is due.
    """

    __slots__ = (
        "_events",
        "_expects_idle",
        "_half_open",
        "_is_event_stream",
        "_is_new",
        "_is_securing",
        "_is_settled",
        "_is_tunnelling",
        "_never_sent",
        "_part_ns",
        "_wire",
        "exchange",
        "handed_ns",
        "is_connecting",
        "is_unsent",
        "lane",
        "read_ns",
        "sending_ns",
        "started_ns",
        "task",
        "waits_for_limit",
        "waits_for_stream",
    )

    def __init__(self, wire: HttpxWire, exchange: Exchange) -> None:
        self._wire = wire
        self.exchange = exchange
        self.lane: Lane = None  # type: ignore[assignment]
        self.task: asyncio.Task[None] | None = None
        self._events: StreamReader | None = None
        self._is_event_stream = False
        self._is_settled = False
        self._never_sent = 0
        self._forget_attempt()
        self.handed_ns = self.started_ns
        self.is_unsent = self.waits_for_limit = self.waits_for_stream = False

    def _forget_attempt(self) -> None:
        self.started_ns = monotonic_ns()
        self.sending_ns = self.read_ns = self._part_ns = 0
        self._half_open: Any = None
        self.is_connecting = self._expects_idle = self._is_new = self._is_securing = self._is_tunnelling = False

    def __repr__(self) -> str:
        return f"<Call {self.exchange!r} in {self.phase}>"

    @property
    def is_over(self) -> bool:
        return self.exchange.end_ns != 0

    @property
    def phase(self) -> str:
        """How far the exchange got."""
        if self.exchange.first_byte_ns:
            return "body"
        return "first_byte" if self.exchange.sent_ns else "send" if self.sending_ns else "connect"

    async def run(self) -> None:
        """Carry the exchange to its end, whatever that is; twice where a kept-alive connection was stale."""
        try:
            while True:
                try:
                    await self._attempt()
                    return
                except Exception as failure:
                    now = monotonic_ns()
                    if self._half_open is not None:
                        await self._cut(self._half_open)
                    if self._is_put_by(failure):
                        return
                    if not self._is_resent(failure, now):
                        self._fail(failure, now)
                        return
        finally:
            # None: it was put by, and goes on in another task.
            if self.task is not None:
                if self._half_open is not None:
                    self._wire.spawn(self._cut(self._half_open))
                # Cancelled by neither sweep nor close: the whole loop is going down.
                self.interrupt(monotonic_ns())
                self._wire.leave(self)

    async def _attempt(self) -> None:
        exchange, lane, wire = self.exchange, self.lane, self._wire
        self._expects_idle, lane.is_idle = lane.is_idle, False
        response = await lane.transport.handle_async_request(self._request())
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        try:
            self._read_head(response)
            events = self._events
            async for chunk in stream:
                self.read_ns = now = monotonic_ns()
                exchange.response_bytes += len(chunk)
                if exchange.captured is not None:
                    capture(exchange.captured, chunk)
                if events is not None:
                    events.feed(chunk, now)
            if not self.is_over:
                exchange.end_ns = monotonic_ns()
        finally:
            # This, and leave, before on_done: a step that follows at once must find the connection idle.
            with contextlib.suppress(Exception):
                await stream.aclose()
        if not self._is_settled:
            lane.is_idle = self._leaves_idle(response)
            if lane.is_idle and self._is_not_to_be_trusted(response):
                wire.retire(lane)
            wire.leave(self)
            self._settle()

    def _request(self) -> httpx.Request:
        """Raises ValueError if the exchange's head cannot be read."""
        exchange, wire = self.exchange, self._wire
        target, headers = read_head(exchange.head)
        return _ExactRequest(
            exchange.method,
            wire.base,
            headers=http2_headers(headers) if wire.is_http2 else headers,
            stream=httpx.ByteStream(exchange.body),
            extensions={**wire.extensions, "trace": self._trace},
        ).to(exchange.method, _quoted(target))

    async def _trace(self, event: str, info: dict[str, Any]) -> None:
        now = monotonic_ns()
        note = _NOTES.get(event.partition(".")[2])
        if note is None:
            return
        if self.is_over:
            if note is Call._note_connected:
                self._half_open = info["return_value"]
            raise AbandonedError
        note(self, now, info)

    def _note_connecting(self, now: int, info: dict[str, Any]) -> None:
        if self.sending_ns:
            self._note_sent_in_vain(now)
        if now >= self.started_ns + self._wire.connect_ns:
            # With HTTP/2: the call that was to open the connection spent all the time there was.
            self.expire(self.started_ns + self._wire.connect_ns, False)
            raise AbandonedError
        self.is_connecting = True
        self._wire.sent(self)
        self._part_ns = now
        self.exchange.connect_ns = self.exchange.tls_ns = 0
        if self._expects_idle:
            self._expects_idle = False
            self._wire.closed_while_idle += 1

    def _note_connected(self, now: int, info: dict[str, Any]) -> None:
        self._half_open = info["return_value"]
        self._is_new = True
        self.exchange.connect_ns += now - self._part_ns

    def _note_proxy_asked(self, now: int, info: dict[str, Any]) -> None:
        self._part_ns = now

    def _note_proxy_agreed(self, now: int, info: dict[str, Any]) -> None:
        self.exchange.connect_ns += now - self._part_ns

    def _note_securing(self, now: int, info: dict[str, Any]) -> None:
        self._is_securing = True
        self._part_ns = now

    def _note_secured(self, now: int, info: dict[str, Any]) -> None:
        self._is_securing = False
        self.exchange.tls_ns += now - self._part_ns

    def _note_sending(self, now: int, info: dict[str, Any]) -> None:
        if info["request"].method == b"CONNECT":
            self._is_tunnelling = True
            self._part_ns = now
            return
        exchange, wire, lane = self.exchange, self._wire, self.lane
        if self.sending_ns:
            self._note_sent_in_vain(now)
        if self._is_new:
            self._half_open = None
            self.is_connecting = False
            wire.opened += 1
            if wire.is_http2:
                read_promptly(lane.transport)
            else:
                lane.is_connected = True
        exchange.is_new_connection = self._is_new
        exchange.request_bytes = len(exchange.head) + len(exchange.body)
        self.sending_ns = now

    def _note_sent_in_vain(self, now: int) -> None:
        """HTTP/2: the target is going away, and said that it never saw this; httpcore sends it once more."""
        self._note_resent(now)
        self._is_new = False
        self.sending_ns = 0
        self.started_ns = now

    def _note_settings(self, now: int, info: dict[str, Any]) -> None:
        """HTTP/2: the target says how many may be in flight on this connection; till then httpcore sends but one."""
        settings = getattr(info["return_value"], "changed_settings", {})
        allowed = settings.get(h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS)
        self._wire.settled(self.lane, None if allowed is None else allowed.new_value, now)

    def _note_head_sent(self, now: int, info: dict[str, Any]) -> None:
        if self._is_tunnelling:
            return
        if not self.waits_for_stream:
            self._note_held(now)
        if not self.exchange.body:
            self.exchange.sent_ns = now
        self._wire.sent(self)

    def _note_held(self, now: int) -> None:
        """The request is going out: what passed since it was left to us, but for opening a connection, was ours."""
        if self._is_new:
            self.exchange.held_ns = now - self.sending_ns + self.started_ns - self.handed_ns
        else:
            self.exchange.held_ns = now - max(self.handed_ns, self.lane.ready_ns)

    def _note_sent(self, now: int, info: dict[str, Any]) -> None:
        if not self._is_tunnelling and not self.exchange.sent_ns:
            self.exchange.sent_ns = now

    def _note_answered(self, now: int, info: dict[str, Any]) -> None:
        if self._is_tunnelling:
            self._is_tunnelling = False
            self.exchange.connect_ns += now - self._part_ns
            return
        exchange = self.exchange
        exchange.first_byte_ns = self.read_ns = now
        if not exchange.sent_ns:
            # Writing failed, yet there is an answer: the target refused to read all of the request.
            exchange.sent_ns = now

    def _read_head(self, response: httpx.Response) -> None:
        """Raises httpx.RemoteProtocolError for a status that HTTP does not have; HTTP/2 says not how long one is."""
        exchange, wire = self.exchange, self._wire
        if response.status_code not in STATUSES:
            raise httpx.RemoteProtocolError("the status is none of HTTP")
        is_event_stream = False
        if exchange.captured_headers is not None:
            exchange.captured_headers += response.headers.raw
        for name, value in response.headers.raw:
            key = name.lower()
            if key == b"content-type":
                is_event_stream = b"text/event-stream" in value.lower()
            elif key == b"content-encoding":
                exchange.content_encoding = value if is_coded(value) else None
            elif key == wire.instance_header:
                exchange.instance = value.decode("latin-1")[:LONGEST_INSTANCE]
            elif key == wire.cold_header:
                exchange.cold = says_cold(value)
            elif key == b"retry-after":
                exchange.retry_after_s = retry_after_s(value)
        exchange.status = response.status_code
        self._is_event_stream = is_event_stream
        has_body = exchange.status not in (204, 304) and exchange.method != "HEAD"
        if (is_event_stream or exchange.is_stream) and has_body:
            self._events = event_reader(exchange)
        keep_body(exchange, is_event_stream)
        if exchange.on_first_byte is not None and not self.is_over:
            exchange.on_first_byte(exchange)

    def _leaves_idle(self, response: httpx.Response) -> bool:
        """Whether the lane now has an idle connection, by the rules of HTTP/1.1."""
        if self._wire.is_http2 or self._wire.is_asgi:
            return False
        headers = response.headers
        is_framed = (
            "content-length" in headers
            or "transfer-encoding" in headers
            or response.status_code in (204, 304)
            or self.exchange.method == "HEAD"
        )
        return (
            is_framed
            and response.extensions.get("http_version") == b"HTTP/1.1"
            and "close" not in headers.get("connection", "").lower()
            and b"\r\nconnection: close\r\n" not in self.exchange.head.lower()
        )

    def _is_not_to_be_trusted(self, response: httpx.Response) -> bool:
        """Whether the connection is to take no further request: its bytes may be read in two ways, or are too many."""
        headers = response.headers
        return ("content-length" in headers and "transfer-encoding" in headers) or has_stray_bytes(
            self.lane.transport
        )

    def _is_resent(self, failure: Exception, now: int) -> bool:
        """Whether this failed for a stale connection, and is to be sent once more, on a new one."""
        exchange, wire, lane = self.exchange, self._wire, self.lane
        error = _error_class(failure)
        if error == "reset":
            lane.is_connected = False
        if self.is_over or wire.is_closing:
            return False
        if _NEVER_SENT in str(failure) and self._never_sent < _NEVER_SENT_MOST:
            self._never_sent += 1
            self._forget_attempt()
            return True
        if (
            error != "reset"
            or _is_of_stream(failure)
            or self._is_new
            or not self.sending_ns
            or exchange.first_byte_ns
            or exchange.stale_retries
            or not (exchange.idempotent or wire.target.retry.stale_unsafe)
        ):
            return False
        self._note_resent(now)
        self._forget_attempt()
        return True

    def _is_put_by(self, failure: Exception) -> bool:
        """Whether this only failed because this machine has nothing left to open a connection with."""
        wire = self._wire
        if self.is_over or wire.is_closing or self.sending_ns:
            return False
        shortage = _shortage_in(failure)
        if shortage is None:
            return False
        self._forget_attempt()
        self.task = None
        wire.put_by(self, shortage)
        return True

    def lack(self, now: int) -> None:
        """End the exchange: this machine had nothing to open its connection with, for as long as that may take."""
        self.exchange.held_ns = now - self.handed_ns
        self._end(now, LOCAL, "connect")

    def _note_resent(self, now: int) -> None:
        self.handed_ns = now
        exchange = self.exchange
        exchange.stale_retries = 1
        exchange.stale_sent_ns, exchange.stale_end_ns = exchange.sent_ns or self.sending_ns, now
        exchange.sent_ns = 0
        self._wire.stale_resent += 1

    def _fail(self, failure: Exception, now: int) -> None:
        if self.is_over:
            return
        phase = self.phase
        if phase != "connect" or isinstance(failure, (AppError, ValueError, httpx.LocalProtocolError)):
            error = _error_class(failure)
        elif isinstance(failure, httpx.ConnectTimeout):
            self.expire(self.started_ns + self._wire.connect_ns, False)
            return
        elif isinstance(failure, httpx.ProxyError):
            error = "proxy"
        elif self._is_securing:
            error = "tls"
        elif _is_caused_by(failure, NoSuchNameError):
            error = "dns"
        elif self._is_new and self._wire.target.proxy is not None:
            # The proxy took the connection, and ended it before the target was reached.
            error = "proxy"
        else:
            error = "connect"
        if isinstance(failure, ValueError) and phase == "connect":
            phase = "send"
        self._end(now, error, phase)
        if phase == "connect":
            self._wire.failed_to_connect(error, now)

    def give_up(self, now: int, error: str) -> None:
        """End the exchange, for which no connection could be opened."""
        self._end(now, error, "connect")

    def expire(self, limit_ns: int, is_sent: bool) -> None:
        """End the exchange at a time limit that it has passed."""
        self._end(limit_ns, "timeout", self.phase, is_censored=True)
        if is_sent:
            if self.task is not None:
                self.task.cancel()
        elif self._half_open is not None:
            self._wire.spawn(self._cut(self._half_open))

    def interrupt(self, now: int) -> None:
        """End the exchange, unless it has ended; the caller cancels its task."""
        if not self.is_over:
            self._end(now, "interrupted", self.phase)
        elif not self._is_settled:
            self._settle()

    def _end(self, at_ns: int, error: str, phase: str, is_censored: bool = False) -> None:
        exchange = self.exchange
        exchange.end_ns = at_ns
        exchange.error, exchange.phase, exchange.censored = error, phase, is_censored
        self._settle()

    def _settle(self) -> None:
        self._is_settled = True
        exchange, events = self.exchange, self._events
        if events is not None:
            settle_events(exchange, events, self._is_event_stream)
        exchange.on_done(exchange)

    async def _cut(self, stream: Any) -> None:
        """Close a socket that httpcore holds but may not close: it is still being opened."""
        self._half_open = None
        with contextlib.suppress(Exception):
            await stream.aclose()


Note = Callable[[Call, int, dict[str, Any]], None]
# What is done at which of httpcore's trace events, named without the layer that they come from.
_NOTES: dict[str, Note] = {
    "connect_tcp.started": Call._note_connecting,
    "connect_tcp.complete": Call._note_connected,
    "connect_unix_socket.started": Call._note_connecting,
    "connect_unix_socket.complete": Call._note_connected,
    "setup_socks5_connection.started": Call._note_proxy_asked,
    "setup_socks5_connection.complete": Call._note_proxy_agreed,
    "start_tls.started": Call._note_securing,
    "start_tls.complete": Call._note_secured,
    "send_request_headers.started": Call._note_sending,
    "send_request_headers.complete": Call._note_head_sent,
    "send_request_body.complete": Call._note_sent,
    "receive_response_headers.complete": Call._note_answered,
    "receive_remote_settings.complete": Call._note_settings,
}

# The first that fits; all else that is raised by what was sent or received is a breach of protocol.
_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (AppError, "app"),
    (httpx.ProxyError, "proxy"),
    (httpx.TimeoutException, "timeout"),
    (httpx.NetworkError, "reset"),
    (OSError, "reset"),
)


def _error_class(failure: Exception) -> str:
    """The class of a failure after its connection was open."""
    if isinstance(failure, httpx.ProtocolError) and any(words in str(failure) for words in _GONE):
        return "reset"
    if _is_of_stream(failure):
        return "reset"
    return next((error for kind, error in _ERRORS if isinstance(failure, kind)), "protocol")


def _is_of_stream(failure: Exception) -> bool:
    """Whether an HTTP/2 target ended this one stream; its connection is not stale.

    h2 says closed where the target answered before it had all of the request, which httpcore takes for an error.
    """
    return str(failure).startswith(_STREAM_RESET) or _is_caused_by(failure, h2.exceptions.StreamClosedError)


def _shortage_in(failure: BaseException) -> str | None:
    """What this machine had run out of, if that is what it failed for."""
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, ShortageError):
        cause = cause.__cause__ or cause.__context__
    return None if cause is None else str(cause)


def _is_caused_by(failure: BaseException, kind: type[BaseException]) -> bool:
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, kind):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _taken_by_httpx(url: str, what: str = "") -> httpx.URL:
    """The URL as httpx has it; raises TargetUnreachable for a host that is none for httpx, as a broken IDN."""
    try:
        taken = httpx.URL(url)
        _ = taken.host
    except (httpx.InvalidURL, UnicodeError) as cause:
        raise TargetUnreachable(
            f"{what}{url}: {str(cause).rstrip('.')}. Check the host in the target's url."
        ) from cause
    return taken


class _ExactUrl(httpx.URL):
    """A URL whose request target goes out byte for byte; httpx would quote it anew, and take long to."""

    def __init__(self, base: httpx.URL, target: bytes) -> None:
        super().__init__(base)
        self._target = target

    @property
    def raw_path(self) -> bytes:
        return self._target


class _ExactRequest(httpx.Request):
    """A request with exactly this method, which httpx writes in capitals, for exactly this target, which a URL of httpx
    could not say.
    """

    def to(self, method: str, target: bytes) -> "_ExactRequest":
        self.method = method
        self.url = _ExactUrl(self.url, target)
        return self


def _spare_searches_for_sniffio() -> None:
    """Let httpcore know at once that there is no sniffio, if there is none.

    It tries to import it for each lock and each event, and an import that fails searches the whole path every
    time: with 16 in flight against nginx, 1.5 to 2.0 thousand requests a second, and with this 2.4 to 3.3.
    """
    if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
        sys.modules["sniffio"] = None  # type: ignore[assignment]


def _quoted(target: bytes) -> bytes:
    """The request target with what h11 refuses, bytes beyond ASCII, percent-encoded."""
    return target if target.isascii() else b"".join(b"%c" % b if b < 0x80 else b"%%%02X" % b for b in target)


def _offer_only_http2(context: ssl.SSLContext) -> None:
    """Have TLS negotiate HTTP/2 or nothing. httpcore sets its own list, with HTTP/1.1 in front, again and again."""
    context.set_alpn_protocols(["h2"])
    context.set_alpn_protocols = _keep_protocols  # type: ignore[method-assign]


def _keep_protocols(alpn_protocols: Iterable[str]) -> None:
    """Stands in for set_alpn_protocols."""
