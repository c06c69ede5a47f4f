"""The httpx path: SOCKS and https proxies, and ASGI applications in this process, at a lower ceiling than ours.

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
import importlib.util
import sys
from collections import deque
from collections.abc import Coroutine
from time import monotonic_ns
from typing import Any

import httpx

from replay.target.target import Target
from replay.target.urls import ASGI_PREFIX
from replay.wire.httpx.asgi import AsgiTransport, load_app
from replay.wire.httpx.call import Call, Limits
from replay.wire.httpx.lanes import Lane, Lanes
from replay.wire.httpx.transports import Transports, taken_by_httpx
from replay.wire.httpx.window import SendingWindow
from replay.wire.types import Exchange

_NS = 1_000_000_000
# What httpcore allows itself on one connection, whatever the server allows.
_HTTP2_STREAMS = 100
_ANY_NUMBER = 1 << 62
_CLOSING_S = 5.0
# Connections that a sweep tries to open while this machine is short of something; each that fails costs about 0.3 ms.
_TRIED_WHEN_SHORT = 4


class HttpxWire:
    """Every connection to one URL of a target, by httpx.

    closed_while_idle counts connections that were found closed when a step wanted them (HTTP/1.1 only).
    """

    def __init__(self, target: Target, url: str) -> None:
        self.url = url
        self.is_asgi = url.startswith(ASGI_PREFIX)
        self.is_http2 = target.http2 and not self.is_asgi
        self.base = taken_by_httpx("http://asgi" if self.is_asgi else url)
        times = target.timeouts
        self.limits = Limits(
            *(int(s * _NS) for s in (times.connect_s, times.first_byte_s, times.idle_s, times.total_s))
        )
        self.instance_header = (target.instance_header or "").lower().encode()
        self.cold_header = (target.cold_header or "").lower().encode()
        self.may_resend_unsafe = target.retry.stale_unsafe
        self.has_proxy = target.proxy is not None
        self.forwarder: str | None = None
        self._reuse = target.connections.reuse
        self._shares_lanes = self.is_http2 and self._reuse != "none"
        self._max = target.connections.max
        self._transports = Transports(target, url, self.base)
        self.extensions = self._transports.extensions
        self._app: AsgiTransport | None = None
        self._lanes = Lanes(
            self._transport,
            _ANY_NUMBER if self.is_asgi else _HTTP2_STREAMS if self._shares_lanes else 1,
            is_kept=self.is_asgi or self._reuse != "none",
        )
        self._calls: set[Call] = set()
        self._waiting: deque[Call] = deque()
        self._window = SendingWindow()
        self.is_closing = False
        self.opened = 0
        self.closed_while_idle = 0
        self.stale_resent = 0
        self.waited_for_limit = 0
        self.waited_for_machine = 0
        self.shortage: str | None = None
        self.plan: str | None = None
        self._is_short = False
        self._lanes_to_try = 0

    def __repr__(self) -> str:
        return (
            f"<HttpxWire {len(self._calls)} in flight, {len(self._waiting)} waiting, {self._lanes.count} lanes>"
        )

    async def open(self) -> None:
        _spare_searches_for_sniffio()
        if self.is_asgi:
            app = AsgiTransport(load_app(self.url), self.url)
            await app.startup()
            self._app = app
            return
        await self._transports.open()
        self.forwarder = self._transports.forwarder
        if self._reuse == "pool":
            # Now rather than with the first step: httpx imports httpcore when it makes a transport.
            self._lanes.open(None)

    def _transport(self) -> httpx.AsyncBaseTransport:
        return self._app if self._app is not None else self._transports.make()

    def send(self, exchange: Exchange) -> None:
        call = Call(self, exchange)
        if self.is_closing:
            call.interrupt(monotonic_ns())
        elif not self._start(call):
            if self._is_short:
                self._count_short(call)
            elif not self._window.is_full and self._lanes.count >= self._max:
                call.waits_for_limit = True
                self.waited_for_limit += 1
            self._waiting.append(call)

    def _start(self, call: Call) -> bool:
        """Start this call if httpx can take it, and a lane has room for it or another may be opened."""
        if self._window.is_full:
            return False
        key = call.exchange.session_key if self._reuse == "session" and not self.is_asgi else None
        lane = self._lanes.free(key)
        if lane is not None:
            if self._shares_lanes and not lane.is_connected and (lane.calls or self._is_nearly_late(call)):
                # Whoever opens a connection goes alone; the others follow when it is open, no faster than it goes.
                return False
        elif self._lanes.count < self._max and (not self._is_short or self._lanes_to_try > 0):
            self._lanes_to_try -= 1
            lane = self._lanes.open(key)
        else:
            return False
        self._lanes.take(lane)
        self._calls.add(call)
        call.lane = lane
        call.started_ns = monotonic_ns()
        if call.waits_for_limit:
            # What it waited for so far is the limit that the target file sets.
            call.handed_ns = call.started_ns
        if lane.is_connected or self.is_asgi:
            self._count_unsent(call)
        call.task = asyncio.get_running_loop().create_task(call.run())
        return True

    def leave(self, call: Call, *, starts_waiting: bool = True) -> None:
        """The call's connection is free for another; told twice, it does nothing the second time."""
        if call not in self._calls:
            return
        self._calls.discard(call)
        self._forget_unsent(call)
        self._lanes.give_back(call.lane)
        if self._waiting and starts_waiting and not self.is_closing:
            self._start_waiting()

    def sent(self, call: Call) -> None:
        """The call's request has gone out, or waits for the target to open a connection: httpx can take another."""
        if call.is_unsent:
            self._window.went_out(monotonic_ns() - call.started_ns)
        self._forget_unsent(call)
        if self._waiting and self._reuse != "session" and not self.is_closing:
            self._start_waiting()

    def settled(self, lane: Lane, streams: int | None, now: int) -> None:
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
        if not self._shares_lanes or self._lanes.any_has_connected():
            return
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            call.give_up(now, error)

    def _count_unsent(self, call: Call) -> None:
        if call.lane.calls > call.lane.streams:
            # It waits for the target, which allows no more at once on this connection.
            call.waits_for_stream = True
        else:
            call.is_unsent = True
            self._window.add()

    def _forget_unsent(self, call: Call) -> None:
        if call.is_unsent:
            call.is_unsent = False
            self._window.remove()

    def put_by(self, call: Call, shortage: str) -> None:
        """This machine had nothing left to open the call's connection with; it waits for one that comes free."""
        self.shortage = shortage
        for one in (call,) if self._is_short else (call, *self._waiting):
            self._count_short(one)
        self._is_short = True
        self._lanes.retire(call.lane)
        self._waiting.appendleft(call)
        self.leave(call, starts_waiting=False)

    def _count_short(self, call: Call) -> None:
        if not call.exchange.queued_ns:
            call.exchange.queued_ns = call.handed_ns
            self.waited_for_machine += 1

    def _look_for_more(self, now: int) -> None:
        """This machine was out of something: end what has waited too long for it, and try again for the rest."""
        late = [call for call in self._waiting if now - call.handed_ns >= self.limits.connect_ns]
        for call in late:
            self._waiting.remove(call)
            call.lack(now)
        self._is_short = bool(self._waiting)
        self._lanes_to_try = _TRIED_WHEN_SHORT
        self._start_waiting()

    def _start_waiting(self) -> None:
        if self._reuse == "session":
            # A session's own connection may be free, though the first that waits may not have it.
            if self._window.is_full:
                return
            self._waiting = deque(call for call in self._waiting if not self._start(call))
            return
        while self._waiting and self._start(self._waiting[0]):
            self._waiting.popleft()

    def retire(self, lane: Lane) -> None:
        self._lanes.retire(lane)

    def spawn(self, closing: Coroutine[Any, Any, None]) -> None:
        self._lanes.spawn(closing)

    def prepare(self, connections: int) -> None:
        """Nothing: an httpx transport opens connections only for requests."""

    def end_session(self, session_key: Any) -> None:
        if session_key is None:
            return
        self._lanes.end_session(session_key)
        self._start_waiting()

    def sweep(self, now: int) -> None:
        """End what has passed a time limit; called every few milliseconds."""
        for call in list(self._calls):
            if not call.is_over or call.is_answered:
                limit, is_sent = call.limit()
                if limit is not None and now >= limit:
                    call.expire(limit, is_sent)
        if self._is_short and not self.is_closing:
            self._look_for_more(now)
        elif self._shares_lanes:
            while self._waiting and self._waits_to_share(self._waiting[0], now):
                call = self._waiting.popleft()
                call.expire(call.handed_ns + self.limits.connect_ns, False)

    def _is_nearly_late(self, call: Call) -> bool:
        """Whether a call has spent, on a connection that another could not open, most of the time there is for one."""
        return monotonic_ns() - call.handed_ns > self.limits.connect_ns * 9 // 10

    def _waits_to_share(self, call: Call, now: int) -> bool:
        """Whether a call has waited as long as it may for another to open the connection that they are to share."""
        if now < call.handed_ns + self.limits.connect_ns:
            return False
        key = call.exchange.session_key if self._reuse == "session" else None
        return not self._lanes.has_connected(key)

    async def close(self) -> None:
        self.is_closing = True
        self._transports.close()
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
        await self._lanes.close()
        if self._app is not None:
            await self._app.aclose()
        await asyncio.sleep(0)


def _spare_searches_for_sniffio() -> None:
    """Let httpcore know at once that there is no sniffio, if there is none.

    It tries to import it for each lock and each event, and an import that fails searches the whole path every
    time: with 16 in flight against nginx, 1.5 to 2.0 thousand requests a second, and with this 2.4 to 3.3.
    """
    if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
        sys.modules["sniffio"] = None  # type: ignore[assignment]
