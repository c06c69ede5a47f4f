"""What passes between the engine and a wire: one Exchange for each request.

The engine fills in the request half and hands the exchange to a Wire; the wire stamps what happens and calls
back. Instants are CLOCK_MONOTONIC ns (time.monotonic_ns). Exchanges are mutable, and are made once per request. What
the engine itself needs to know of one is in a subclass of its own (replay/engine/attempt.py).
"""

from collections.abc import Callable, Hashable
from typing import Protocol, Self

import msgspec

from replay.dialects.types import StreamFacts
from replay.websocket.types import NORMAL, TEXT

PHASES = ("connect", "send", "first_byte", "body")

STATUSES = range(100, 1000)
"""Those that an answer may have. RFC 9110, section 15: three digits; what a record cannot hold is no answer."""

NOT_OF_STREAMS, ALWAYS = 1, 2
"""What keeps_body may be besides 0: keep the body unless it is an event stream, or whatever it is."""


class Awaits(Protocol):
    """Which message ends an exchange on a WebSocket: of those that fit, the one of this number.

    fits(message): whether it is one of them.
    """

    @property
    def messages(self) -> int: ...

    def fits(self, message: bytes, /) -> bool: ...


class OnSocket(msgspec.Struct, eq=False, gc=False):
    """What an exchange is on a WebSocket, beside its bytes.

    connection: which of those of its session. action: "message", "open", "ping" or "close". opcode: of its message.
    awaits: what ends it; None: that it was sent. protocols: that opening the connection asks for. code: to close with.

    Set by the wire: messages: that came for it, and fitting, those of them that fit; close_code: that the connection
    was closed with while it was under way.
    """

    connection: Hashable
    action: str = "message"
    opcode: int = TEXT
    awaits: Awaits | None = None
    protocols: tuple[str, ...] = ()
    code: int = NORMAL
    messages: int = 0
    fitting: int = 0
    close_code: int | None = None


class _Asked(msgspec.Struct, eq=False, gc=False):
    """What every exchange is given.

    A class of its own, so that the fields of a subclass can stand right after these, though they have no defaults: each
    field that is given by name costs a comparison for every one before it.
    """

    head: bytes
    body: bytes
    method: str
    on_done: Callable[[Self], None]


class Exchange(_Asked, kw_only=True, eq=False, gc=False):
    """One request and its answer: the bytes going out, the stamps and sizes coming back.

    Request half, set by whoever sends it:
      head: request line and headers, CRLF-ended, with the final empty line. body: may be empty. method: upper case.
      session_key: what a connection may be kept for, by Connections.reuse.
      is_stream: token events of a server-sent event stream are to be timed, whatever its content type says.
      family: "model", "rpc" or "graphql" where the request tells that the answer comes from such.
      most_ns: how long it may take from its sending on, where that is less than the target's limits; 0: as they say.
        On the fast path of HTTP/2.
      idempotent: may be sent again on a new connection if the first died before any response byte.
      on_done(exchange): called once, when the exchange ended in any way.
      on_first_byte(exchange): called at the first response byte, or None.
      keeps_body: whether the response's body is to be kept (0, NOT_OF_STREAMS or ALWAYS).
      socket: what it is on a WebSocket; None for a request. head is then that of the request which opens a connection,
      body the message, and of the response the last message is kept.

    Response half, set by the wire:
      sent_ns, first_byte_ns, end_ns: 0 where it never happened (end_ns is always set).
      first_token_ns, last_token_ns, token_count, itl_ns (list of gaps between token events, only for streams).
      events: what an answer that was an event stream said, finished if the answer ended whole; None for other
        answers, and for those that came compressed.
      status: 0 until known. response_bytes: body bytes as received, undecoded. request_bytes: bytes written.
      error: None, or an error class; phase: one of PHASES when error is set. censored: ended by a time limit. why: more
        of a failure than its class says, where that is known (replay/wire/reasons.py).
      is_new_connection; dns_ns, connect_ns, tls_ns: durations, 0 unless a connection was opened for it. is_shared:
        others were under way on its connection when it was sent.
      queued_ns: when it was put by, for want of a connection or of room in its socket; 0 where it was written at once.
      held_ns: how long this client itself kept it, from when it was handed over or put by until its request went out;
        what opening a connection took is not in it, nor what writing at once took.
      stale_retries: attempts lost to a keep-alive connection that the target had closed (0 or 1);
      stale_sent_ns and stale_end_ns say when that was. bounces: how often an HTTP/2 target said that it had not taken
        it, nor any other.
      instance, cold: the target's own words, where the target file names headers for them.
      captured: the response's body (its first MiB), where keeps_body asked for it, or watches_pages does and its type
        is that of a web page; content_encoding: its coding.
      captured_headers: the response's headers, where the engine put a list there.
      trailers: fields that came after the body, by HTTP/2 on the fast path; None: none. captured_headers has them, too.
      retry_after_s: how long a failed response asks to wait.

    A msgspec Struct, because filling in its defaults is then done in C: 0.3 µs where an __init__ took 0.8 µs.
    """

    on_first_byte: Callable[[Self], None] | None = None
    session_key: Hashable = None
    is_stream: bool = False
    idempotent: bool = False
    sent_ns: int = 0
    first_byte_ns: int = 0
    first_token_ns: int = 0
    last_token_ns: int = 0
    end_ns: int = 0
    token_count: int = 0
    itl_ns: list[int] | None = None
    status: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    error: str | None = None
    phase: str | None = None
    censored: bool = False
    is_new_connection: bool = False
    is_shared: bool = False
    dns_ns: int = 0
    connect_ns: int = 0
    tls_ns: int = 0
    queued_ns: int = 0
    held_ns: int = 0
    stale_retries: int = 0
    stale_sent_ns: int = 0
    stale_end_ns: int = 0
    bounces: int = 0
    instance: str | None = None
    cold: bool | None = None
    captured: bytearray | None = None
    captured_headers: list[tuple[bytes, bytes]] | None = None
    retry_after_s: float | None = None
    family: str | None = None
    events: StreamFacts | None = None
    keeps_body: int = 0
    content_encoding: bytes | None = None
    why: str | None = None
    socket: OnSocket | None = None
    trailers: tuple[tuple[bytes, bytes], ...] | None = None
    most_ns: int = 0

    @property
    def watches_pages(self) -> bool:
        """Whether an answer whose type is that of a web page is to be kept; asked of these alone."""
        return False

    def __repr__(self) -> str:
        state = (
            "waiting" if not self.sent_ns else "sent" if not self.end_ns else (self.error or str(self.status))
        )
        return f"<{type(self).__name__} {self.method} {state}>"


class Wire(Protocol):
    """A way to send exchanges to one URL of a target.

    opened: connections that were opened. closed_while_idle: those that the target closed between exchanges.
    stale_resent: exchanges sent once more for that. waited_for_limit: how often connections.max made one wait.
    waited_for_machine: how often one found this machine out of descriptors, ports or memory. shortage: of which, and
    what to raise; None as long as that never happened. plan: how requests share connections, in words; None where each
    has one to itself.
    """

    @property
    def opened(self) -> int: ...

    @property
    def closed_while_idle(self) -> int: ...

    @property
    def stale_resent(self) -> int: ...

    @property
    def waited_for_limit(self) -> int: ...

    @property
    def waited_for_machine(self) -> int: ...

    @property
    def shortage(self) -> str | None: ...

    @property
    def plan(self) -> str | None: ...

    async def open(self) -> None:
        """Resolve the name and get ready; raises replay.wire.errors.TargetUnreachable if it cannot."""

    def send(self, exchange: Exchange) -> None:
        """Send now, without blocking; on_done is called later (or at once, for a refusal)."""

    def prepare(self, connections: int) -> None:
        """Open connections ahead so that about this many are idle or in use soon; a hint."""

    def sweep(self, now: int) -> None:
        """End what has passed a time limit; called every few milliseconds, with the time in ns."""

    def end_session(self, session_key: Hashable) -> None:
        """The session is over; a connection kept for it may be closed."""

    async def close(self) -> None:
        """Close every connection; exchanges in flight end as errors."""
