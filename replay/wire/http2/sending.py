"""What goes out on an HTTP/2 connection: requests, bodies as far as the target's windows let them, and control frames.

Where the socket takes no more, asyncio keeps what is written, and the exchanges in it are stamped as sent once it is
out. Between `cork` and `uncork` of the pool what is to go out is gathered: many requests are then one write, which
saves a system call, and over TLS a record, for each.
"""

import asyncio
from collections import deque
from time import monotonic_ns
from typing import Protocol, cast

from replay.wire.http2 import framing
from replay.wire.http2.faults import CANCEL, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, ConnectionFault, StreamFault
from replay.wire.http2.framing import DATA, END_STREAM, MOST_WINDOW
from replay.wire.http2.settings import DEFAULT_WINDOW_BYTES, PeerSettings
from replay.wire.http2.stream import Stream
from replay.wire.opening import write_in_the_call
from replay.wire.types import Exchange

# As much as is gathered at most before it is written: a target need not sleep while a long burst is made.
_GATHERED_MOST_BYTES = 16 * 1024
# Answers to pings and settings that the target does not read, until we take it for hostile.
_UNREAD_ANSWERS_MOST = 1000


class Cork(Protocol):
    """Says whether what is sent is gathered; and is told who has gathered something."""

    is_corked: bool
    corked: list["Sending"]


class Sending:
    """The sending half of one connection. peer: what the target lets us do."""

    __slots__ = (
        "_bodies",
        "_cork",
        "_gathered",
        "_gathered_bytes",
        "_transport",
        "_unread_answers",
        "_unsent",
        "_window",
        "is_blocked",
        "peer",
    )

    def __init__(self, cork: Cork) -> None:
        self._cork = cork
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._unsent: list[Exchange] = []
        self._bodies: deque[Stream] = deque()
        self._window = DEFAULT_WINDOW_BYTES
        self._unread_answers = 0
        self.is_blocked = False
        self.peer = PeerSettings()

    def __repr__(self) -> str:
        return (
            f"<Sending {len(self._unsent)} unsent, {len(self._bodies)} bodies, {self._window} bytes of window>"
        )

    def begin(self, transport: asyncio.Transport, opening: bytes) -> None:
        self._transport = transport
        write_in_the_call(transport)
        transport.write(opening)

    def request(self, stream: Stream, block: bytes) -> None:
        """Send the stream's request, or as much of it as the target's windows let out."""
        exchange = stream.exchange
        body, peer = exchange.body, self.peer
        if not body and len(block) <= peer.frame_bytes:
            data = framing.lone_headers(stream.id, block)
        else:
            data = framing.headers(stream.id, block, peer.frame_bytes, ends=not body)
        if body:
            size = len(body)
            exchange.request_bytes = len(data)
            if size > peer.frame_bytes or size > self._window or size > peer.window_bytes or self._bodies:
                stream.window = peer.window_bytes
                self._bodies.append(stream)
                self._write(data, None)
                self._send_bodies()
                if stream.sent_bytes < size and not exchange.queued_ns:
                    # From here on it waits for the target to read.
                    exchange.queued_ns = monotonic_ns()
                return
            self._window -= size
            data += framing.frame(DATA, END_STREAM, stream.id, body)
        exchange.request_bytes = len(data)
        self._write(data, exchange)

    def _write(self, data: bytes, exchange: Exchange | None) -> None:
        """exchange: the one whose last bytes these are."""
        if self._cork.is_corked:
            if not self._gathered:
                self._cork.corked.append(self)
            self._gathered.append(data)
            self._gathered_bytes += len(data)
            if exchange is not None:
                self._unsent.append(exchange)
            if self._gathered_bytes >= _GATHERED_MOST_BYTES:
                self.flush()
            return
        self._transport.write(data)
        if exchange is None or exchange.sent_ns:
            return
        # Stamped after the write: before it, a full socket buffer would pass as service time.
        if not self.is_blocked:
            exchange.sent_ns = monotonic_ns()
        else:
            self._put_by(exchange)

    def flush(self) -> None:
        """Write what was gathered."""
        if not self._gathered:
            return
        data = b"".join(self._gathered)
        self._gathered.clear()
        self._gathered_bytes = 0
        self._transport.write(data)
        if not self.is_blocked:
            self._stamp()
            return
        unsent, self._unsent = self._unsent, []
        for exchange in unsent:
            self._put_by(exchange)

    def _put_by(self, exchange: Exchange) -> None:
        if not exchange.queued_ns:
            exchange.queued_ns = monotonic_ns()
        self._unsent.append(exchange)

    def _stamp(self) -> None:
        now = monotonic_ns()
        for exchange in self._unsent:
            if not exchange.sent_ns and not exchange.end_ns:
                exchange.sent_ns = now
        self._unsent.clear()

    def pause(self) -> None:
        self.is_blocked = True

    def resume(self) -> None:
        self.is_blocked = False
        self._unread_answers = 0
        if not self._gathered:
            self._stamp()
        if self._bodies:
            self._send_bodies()

    def control(self, data: bytes) -> None:
        """Send frames of the connection, or that end a stream; never what a window is for."""
        self._write(data, None)

    def answer(self, data: bytes) -> None:
        """Send what the target makes us send. Raises ConnectionFault where it does so without reading it."""
        if self.is_blocked:
            self._unread_answers += 1
            if self._unread_answers > _UNREAD_ANSWERS_MOST:
                raise ConnectionFault(ENHANCE_YOUR_CALM, "answers that are asked for and not read")
        self._write(data, None)

    def take_settings(self, payload: bytes) -> None:
        """Raises ConnectionFault."""
        before = self.peer.window_bytes
        self.peer.take(payload)
        by = self.peer.window_bytes - before
        if by:
            for stream in self._bodies:
                stream.window += by
                if stream.window > MOST_WINDOW:
                    raise ConnectionFault(FLOW_CONTROL_ERROR, "a window that is too large")
            self._send_bodies()

    def open_window(self, by: int) -> None:
        """More may be sent on the connection. Raises ConnectionFault."""
        self._window += by
        if self._window > MOST_WINDOW:
            raise ConnectionFault(FLOW_CONTROL_ERROR, "a window that is too large")
        if self._bodies:
            self._send_bodies()

    def open_stream_window(self, stream: Stream, by: int) -> None:
        """More may be sent on one stream. Raises StreamFault."""
        if stream not in self._bodies:
            # Its body is out already.
            return
        stream.window += by
        if stream.window > MOST_WINDOW:
            raise StreamFault(FLOW_CONTROL_ERROR, "a window that is too large")
        self._send_bodies()

    def _send_bodies(self) -> None:
        """Send what the windows let out, a frame of each body in turn."""
        bodies = self._bodies
        stuck: list[Stream] = []
        while bodies and self._window > 0 and not self.is_blocked:
            stream = bodies.popleft()
            exchange = stream.exchange
            body, at = exchange.body, stream.sent_bytes
            size = min(len(body) - at, stream.window, self._window, self.peer.frame_bytes)
            if size <= 0:
                stuck.append(stream)
                continue
            self._window -= size
            stream.window -= size
            stream.sent_bytes = at + size
            is_last = stream.sent_bytes == len(body)
            data = framing.frame(DATA, END_STREAM if is_last else 0, stream.id, body[at : at + size])
            exchange.request_bytes += len(data)
            if not is_last:
                bodies.append(stream)
            self._write(data, exchange if is_last else None)
        bodies.extendleft(reversed(stuck))

    def forget(self, stream: Stream) -> None:
        """Nothing more is to go out on this stream, and what may still do is not to be stamped."""
        if self._bodies and stream in self._bodies:
            self._bodies.remove(stream)
        if self._unsent:
            self._unsent = [exchange for exchange in self._unsent if exchange is not stream.exchange]

    def cut_off(self, stream: Stream) -> None:
        """The rest of this stream's request is not wanted any more, if there is a rest."""
        if self._bodies and stream in self._bodies:
            self._bodies.remove(stream)
            self.control(framing.reset(stream.id, CANCEL))

    def end(self) -> None:
        """The connection is over: whatever is sent from now on goes nowhere."""
        self._transport = cast(asyncio.Transport, _NOWHERE)
        self._gathered.clear()
        self._unsent.clear()
        self._bodies.clear()


class _Nowhere:
    def write(self, data: bytes) -> None: ...


_NOWHERE = _Nowhere()
