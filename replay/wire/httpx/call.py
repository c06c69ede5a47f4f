"""One exchange on its way through httpx: sent, sent again where its connection was stale, and ended in whatever way."""

import asyncio
import contextlib
from collections.abc import Coroutine
from time import monotonic_ns
from typing import Any, NamedTuple, Protocol

import httpx

from replay.dialects.streams import StreamReader
from replay.system.shortage import LOCAL
from replay.wire.addresses import NoSuchNameError
from replay.wire.answers import capture, event_reader, settle_events
from replay.wire.httpx.answers import is_twofold, leaves_idle, may_have_body, read_answer_head
from replay.wire.httpx.asgi import AppError
from replay.wire.httpx.failures import (
    error_class,
    is_caused_by,
    is_of_stream,
    shortage_in,
    was_never_sent,
    why_failed,
)
from replay.wire.httpx.http2_reading import read_promptly
from replay.wire.httpx.lanes import Lane
from replay.wire.httpx.network import has_stray_bytes
from replay.wire.httpx.requests import request_of
from replay.wire.httpx.trace import AbandonedError, Trace
from replay.wire.proxying import fail_if_refused
from replay.wire.types import Exchange

_NEVER_SENT_MOST = 5


class Limits(NamedTuple):
    """How long what may take, in ns: connecting; from sending to the first byte; between two reads; and in all."""

    connect_ns: int
    first_byte_ns: int
    idle_ns: int
    total_ns: int


class Carrier(Protocol):
    """What a call needs of the wire that carries it: the target's rules, and who is to be told what."""

    base: httpx.URL
    extensions: dict[str, Any]
    limits: Limits
    is_http2: bool
    is_asgi: bool
    has_proxy: bool
    forwarder: str | None
    may_resend_unsafe: bool
    instance_header: bytes
    cold_header: bytes
    is_closing: bool
    opened: int
    closed_while_idle: int
    stale_resent: int

    def sent(self, call: "Call") -> None: ...

    def settled(self, lane: Lane, streams: int | None, now: int) -> None: ...

    def leave(self, call: "Call") -> None: ...

    def put_by(self, call: "Call", shortage: str) -> None: ...

    def failed_to_connect(self, error: str, now: int) -> None: ...

    def retire(self, lane: Lane) -> None: ...

    def spawn(self, closing: Coroutine[Any, Any, None]) -> None: ...


class Call:
    """One exchange, in a task of its own. trace: how far its try of now has come.

    handed_ns: when it was left to this client alone. started_ns: when this try was given its lane. is_over: it has
    ended, and on_done was called or is due. is_unsent: httpx has it, and may not have sent it yet. waits_for_limit:
    connections.max made it wait. waits_for_stream: the target allows no more at once on its connection. is_answered: it
    is over, and the rest of its stream is read on.
    """

    __slots__ = (
        "_carrier",
        "_events",
        "_is_event_stream",
        "_is_settled",
        "_never_sent",
        "exchange",
        "handed_ns",
        "is_answered",
        "is_unsent",
        "lane",
        "started_ns",
        "task",
        "trace",
        "waits_for_limit",
        "waits_for_stream",
    )

    def __init__(self, carrier: Carrier, exchange: Exchange) -> None:
        self._carrier = carrier
        self.exchange = exchange
        self.lane: Lane = None  # type: ignore[assignment]
        self.task: asyncio.Task[None] | None = None
        self._events: StreamReader | None = None
        self._is_event_stream = False
        self._is_settled = False
        self._never_sent = 0
        self._forget_attempt()
        self.handed_ns = self.started_ns
        self.is_unsent = self.waits_for_limit = self.waits_for_stream = self.is_answered = False

    def _forget_attempt(self) -> None:
        self.started_ns = monotonic_ns()
        self.trace = Trace(self)

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
        return "first_byte" if self.exchange.sent_ns else "send" if self.trace.sending_ns else "connect"

    async def run(self) -> None:
        """Carry the exchange to its end, whatever that is; twice where a kept-alive connection was stale."""
        try:
            while True:
                try:
                    await self._attempt()
                    return
                except Exception as failure:
                    now = monotonic_ns()
                    if self.trace.half_open is not None:
                        await self._cut(self.trace.half_open)
                    if self._is_put_by(failure):
                        return
                    if not self._is_resent(failure, now):
                        self._fail(failure, now)
                        return
        finally:
            # None: it was put by, and goes on in another task.
            if self.task is not None:
                if self.trace.half_open is not None:
                    self._carrier.spawn(self._cut(self.trace.half_open))
                # Cancelled by neither sweep nor close: the whole loop is going down.
                self.interrupt(monotonic_ns())
                self._carrier.leave(self)

    async def _attempt(self) -> None:
        exchange, lane, carrier = self.exchange, self.lane, self._carrier
        self.trace.expects_idle, lane.is_idle = lane.is_idle, False
        extensions = {**carrier.extensions, "trace": self.trace.hook}
        request = request_of(exchange, carrier.base, extensions, is_http2=carrier.is_http2)
        response = await lane.transport.handle_async_request(request)
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        try:
            self._is_event_stream = read_answer_head(
                exchange, response, carrier.instance_header, carrier.cold_header
            )
            if (self._is_event_stream or exchange.is_stream) and may_have_body(exchange):
                self._events = event_reader(exchange)
            if exchange.on_first_byte is not None and not self.is_over:
                exchange.on_first_byte(exchange)
            events = self._events
            if events is not None:
                self._end_if_answered(events, monotonic_ns())
            async for chunk in stream:
                self.trace.read_ns = now = monotonic_ns()
                if self._is_settled:
                    # The rest of a stream that has brought what was waited for.
                    continue
                exchange.response_bytes += len(chunk)
                if exchange.captured is not None:
                    capture(exchange.captured, chunk)
                if events is not None:
                    events.feed(chunk, now)
                    self._end_if_answered(events, now)
            if not self.is_over:
                exchange.end_ns = monotonic_ns()
                if carrier.forwarder is not None:
                    fail_if_refused(exchange, carrier.forwarder)
        finally:
            # This, and leave, before on_done: a step that follows at once must find the connection idle.
            with contextlib.suppress(Exception):
                await stream.aclose()
        if not self._is_settled or self.is_answered:
            is_http1 = not carrier.is_http2 and not carrier.is_asgi
            lane.is_idle = is_http1 and leaves_idle(exchange, response)
            if lane.is_idle and (is_twofold(response) or has_stray_bytes(lane.transport)):
                # What comes next on it could be read in two ways, or has come before it was asked for.
                carrier.retire(lane)
            carrier.leave(self)
            if not self._is_settled:
                self._settle()

    def _end_if_answered(self, events: StreamReader, now: int) -> None:
        """End the exchange where its stream has brought what it waited for; the task reads on to the stream's end."""
        if events.is_answered and not self.is_over:
            self.is_answered = True
            self.exchange.end_ns = now
            self._settle()

    def limit(self) -> tuple[int | None, bool]:
        """The instant at which this call has waited too long, if one is known, and whether it was being sent."""
        exchange, trace, limits = self.exchange, self.trace, self._carrier.limits
        if trace.sending_ns:
            since = exchange.sent_ns or trace.sending_ns
            if exchange.first_byte_ns:
                return min(since + limits.total_ns, trace.read_ns + limits.idle_ns), True
            return since + min(limits.total_ns, limits.first_byte_ns), True
        if trace.is_connecting or (self._carrier.is_http2 and not self.lane.is_connected):
            # With HTTP/2 it may be another call that opens the connection that this one is to share.
            return self.started_ns + limits.connect_ns, False
        return None, False

    def connects(self, now: int) -> None:
        limit_ns = self.started_ns + self._carrier.limits.connect_ns
        if now >= limit_ns:
            # With HTTP/2: the call that was to open the connection spent all the time there was.
            self.expire(limit_ns, False)
            raise AbandonedError
        self._carrier.sent(self)

    def found_closed(self) -> None:
        self._carrier.closed_while_idle += 1

    def connected(self) -> None:
        self._carrier.opened += 1
        if self._carrier.is_http2:
            read_promptly(self.lane.transport)
        else:
            self.lane.is_connected = True

    def settled(self, streams: int | None, now: int) -> None:
        self._carrier.settled(self.lane, streams, now)

    def went_out(self, now: int) -> None:
        """The request is going out: what passed since it was left to us, but for opening a connection, was ours."""
        if self.waits_for_stream:
            self.exchange.queued_ns = self.handed_ns
        elif self.trace.is_new:
            self.exchange.held_ns = now - self.trace.sending_ns + self.started_ns - self.handed_ns
        else:
            self.exchange.held_ns = now - max(self.handed_ns, self.lane.ready_ns)
        self._carrier.sent(self)

    def _is_resent(self, failure: Exception, now: int) -> bool:
        """Whether this failed for a stale connection, and is to be sent once more, on a new one."""
        exchange, carrier, lane = self.exchange, self._carrier, self.lane
        error = error_class(failure)
        if error == "reset":
            lane.is_connected = False
        if self.is_over or carrier.is_closing:
            return False
        if was_never_sent(failure) and self._never_sent < _NEVER_SENT_MOST:
            self._never_sent += 1
            self._forget_attempt()
            return True
        if (
            error != "reset"
            or is_of_stream(failure)
            or self.trace.is_new
            or not self.trace.sending_ns
            or exchange.first_byte_ns
            or exchange.stale_retries
            or not (exchange.idempotent or carrier.may_resend_unsafe)
        ):
            return False
        self.note_resent(now)
        self._forget_attempt()
        return True

    def _is_put_by(self, failure: Exception) -> bool:
        """Whether this only failed because this machine has nothing left to open a connection with."""
        carrier = self._carrier
        if self.is_over or carrier.is_closing or self.trace.sending_ns:
            return False
        shortage = shortage_in(failure)
        if shortage is None:
            return False
        self._forget_attempt()
        self.task = None
        carrier.put_by(self, shortage)
        return True

    def lack(self, now: int) -> None:
        """End the exchange: this machine had nothing to open its connection with, for as long as that may take."""
        self.exchange.held_ns = now - self.handed_ns
        self._end(now, LOCAL, "connect")

    def note_resent(self, now: int) -> None:
        self.handed_ns = now
        exchange = self.exchange
        exchange.stale_retries = 1
        exchange.stale_sent_ns, exchange.stale_end_ns = exchange.sent_ns or self.trace.sending_ns, now
        exchange.sent_ns = 0
        self._carrier.stale_resent += 1

    def _fail(self, failure: Exception, now: int) -> None:
        if self.is_over:
            return
        phase = self.phase
        if phase != "connect" or isinstance(failure, (AppError, ValueError, httpx.LocalProtocolError)):
            error = error_class(failure)
        elif isinstance(failure, httpx.ConnectTimeout):
            self.expire(self.started_ns + self._carrier.limits.connect_ns, False)
            return
        elif isinstance(failure, httpx.ProxyError):
            error = "proxy"
        elif self.trace.is_securing:
            error = "tls"
        elif is_caused_by(failure, NoSuchNameError):
            error = "dns"
        elif self.trace.is_new and self._carrier.has_proxy:
            # The proxy took the connection, and ended it before the target was reached.
            error = "proxy"
        else:
            error = "connect"
        if isinstance(failure, ValueError) and phase == "connect":
            phase = "send"
        self.exchange.why = why_failed(failure, error, phase)
        self._end(now, error, phase)
        if phase == "connect":
            self._carrier.failed_to_connect(error, now)

    def give_up(self, now: int, error: str) -> None:
        """End the exchange, for which no connection could be opened."""
        self._end(now, error, "connect")

    def expire(self, limit_ns: int, is_sent: bool) -> None:
        """End the exchange, or the rest of its stream, at a time limit that it has passed."""
        if not self.is_answered:
            self._end(limit_ns, "timeout", self.phase, is_censored=True)
        if is_sent:
            if self.task is not None:
                self.task.cancel()
        elif self.trace.half_open is not None:
            self._carrier.spawn(self._cut(self.trace.half_open))

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
        self.trace.half_open = None
        with contextlib.suppress(Exception):
            await stream.aclose()
