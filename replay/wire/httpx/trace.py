"""What httpcore tells of one try at sending an exchange, as the exchange's stamps.

Its trace events: https://www.encode.io/httpcore/extensions/. What they mean here, the head of wire.py says.
"""

from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Protocol

import h2.settings

from replay.wire.types import Exchange


class AbandonedError(Exception):
    """Raised in the trace hook, so that httpcore goes no further with a call that is over."""


class Traced(Protocol):
    """Whom a trace tells of what concerns others than its exchange. started_ns: when it was given its lane."""

    exchange: Exchange
    started_ns: int

    @property
    def is_over(self) -> bool: ...

    def connects(self, now: int) -> None:
        """A connection is going to be opened. Raises AbandonedError where it is too late for that."""

    def found_closed(self) -> None:
        """The connection that was left idle turned out closed."""

    def connected(self) -> None:
        """A connection was opened, with all that belongs to it."""

    def settled(self, streams: int | None, now: int) -> None:
        """HTTP/2: the connection is ready for as many streams as the target says, if it says so."""

    def went_out(self, now: int) -> None:
        """The request's head was written."""

    def note_resent(self, now: int) -> None:
        """What was sent was in vain, and is sent once more."""


class Trace:
    """How far one try has come. sending_ns: when its request began to be written. read_ns: when bytes last came.

    half_open: a socket that httpcore holds but may not close, since it is still being opened. is_connecting: it is
    opening a connection. is_new: it has opened one. is_securing: it is in a TLS handshake. expects_idle: it was given a
    connection that was left idle.
    """

    __slots__ = (
        "_call",
        "_is_tunnelling",
        "_part_ns",
        "expects_idle",
        "half_open",
        "is_connecting",
        "is_new",
        "is_securing",
        "read_ns",
        "sending_ns",
    )

    def __init__(self, call: Traced) -> None:
        self._call = call
        self.sending_ns = self.read_ns = self._part_ns = 0
        self.half_open: Any = None
        self.is_connecting = self.is_new = self.is_securing = self.expects_idle = self._is_tunnelling = False

    def __repr__(self) -> str:
        state = "connecting" if self.is_connecting else "sending" if self.sending_ns else "not begun"
        return f"<Trace {state}>"

    async def hook(self, event: str, info: dict[str, Any]) -> None:
        """What httpcore calls with each event and what belongs to it."""
        now = monotonic_ns()
        note = _NOTES.get(event.partition(".")[2])
        if note is None:
            return
        if self._call.is_over:
            if note is Trace._note_connected:
                self.half_open = info["return_value"]
            raise AbandonedError
        note(self, now, info)

    def _note_connecting(self, now: int, info: dict[str, Any]) -> None:
        if self.sending_ns:
            self._note_sent_in_vain(now)
        self._call.connects(now)
        self.is_connecting = True
        self._part_ns = now
        exchange = self._call.exchange
        exchange.connect_ns = exchange.tls_ns = 0
        if self.expects_idle:
            self.expects_idle = False
            self._call.found_closed()

    def _note_connected(self, now: int, info: dict[str, Any]) -> None:
        self.half_open = info["return_value"]
        self.is_new = True
        self._call.exchange.connect_ns += now - self._part_ns

    def _note_proxy_asked(self, now: int, info: dict[str, Any]) -> None:
        self._part_ns = now

    def _note_proxy_agreed(self, now: int, info: dict[str, Any]) -> None:
        self._call.exchange.connect_ns += now - self._part_ns

    def _note_securing(self, now: int, info: dict[str, Any]) -> None:
        self.is_securing = True
        self._part_ns = now

    def _note_secured(self, now: int, info: dict[str, Any]) -> None:
        self.is_securing = False
        self._call.exchange.tls_ns += now - self._part_ns

    def _note_sending(self, now: int, info: dict[str, Any]) -> None:
        if info["request"].method == b"CONNECT":
            self._is_tunnelling = True
            self._part_ns = now
            return
        if self.sending_ns:
            self._note_sent_in_vain(now)
        if self.is_new:
            self.half_open = None
            self.is_connecting = False
            self._call.connected()
        exchange = self._call.exchange
        exchange.is_new_connection = self.is_new
        exchange.request_bytes = len(exchange.head) + len(exchange.body)
        self.sending_ns = now

    def _note_sent_in_vain(self, now: int) -> None:
        """HTTP/2: the target is going away, and said that it never saw this; httpcore sends it once more."""
        self._call.note_resent(now)
        self._call.started_ns = now
        self.is_new = False
        self.sending_ns = 0

    def _note_settings(self, now: int, info: dict[str, Any]) -> None:
        """HTTP/2: the target says how many may be in flight on this connection; till then httpcore sends but one."""
        settings = getattr(info["return_value"], "changed_settings", {})
        allowed = settings.get(h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS)
        self._call.settled(None if allowed is None else allowed.new_value, now)

    def _note_head_sent(self, now: int, info: dict[str, Any]) -> None:
        if self._is_tunnelling:
            return
        exchange = self._call.exchange
        if not exchange.body:
            exchange.sent_ns = now
        self._call.went_out(now)

    def _note_sent(self, now: int, info: dict[str, Any]) -> None:
        exchange = self._call.exchange
        if not self._is_tunnelling and not exchange.sent_ns:
            exchange.sent_ns = now

    def _note_answered(self, now: int, info: dict[str, Any]) -> None:
        exchange = self._call.exchange
        if self._is_tunnelling:
            self._is_tunnelling = False
            exchange.connect_ns += now - self._part_ns
            return
        exchange.first_byte_ns = self.read_ns = now
        if not exchange.sent_ns:
            # Writing failed, yet there is an answer: the target refused to read all of the request.
            exchange.sent_ns = now


Note = Callable[[Trace, int, dict[str, Any]], None]
# What is done at which of httpcore's trace events, named without the layer that they come from.
_NOTES: dict[str, Note] = {
    "connect_tcp.started": Trace._note_connecting,
    "connect_tcp.complete": Trace._note_connected,
    "connect_unix_socket.started": Trace._note_connecting,
    "connect_unix_socket.complete": Trace._note_connected,
    "setup_socks5_connection.started": Trace._note_proxy_asked,
    "setup_socks5_connection.complete": Trace._note_proxy_agreed,
    "start_tls.started": Trace._note_securing,
    "start_tls.complete": Trace._note_secured,
    "send_request_headers.started": Trace._note_sending,
    "send_request_headers.complete": Trace._note_head_sent,
    "send_request_body.complete": Trace._note_sent,
    "receive_response_headers.complete": Trace._note_answered,
    "receive_remote_settings.complete": Trace._note_settings,
}
