"""What comes in on an HTTP/2 connection: frames, read into the streams that they are of.

A HEADERS frame whose block was seen before is looked up, and a DATA frame is counted, so that an answer costs two turns
of one loop. All else is in methods of its own: what a kind of frame does is in a table.

What a target breaks is answered as RFC 9113, section 5.4, says: a fault of a stream ends that stream, one of the
connection ends all that is under way. Streams that are over are forgotten; what still comes for them counts for the
connection's window, and for the state of its header blocks.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from replay.wire.http2 import framing
from replay.wire.http2.faults import ENHANCE_YOUR_CALM, PROTOCOL_ERROR, ConnectionFault, StreamFault
from replay.wire.http2.framing import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Farewell,
    Frame,
)
from replay.wire.http2.responses import HeadReader, KnownHeads
from replay.wire.http2.sending import Sending
from replay.wire.http2.settings import LONGEST_HEAD_BYTES, WINDOW_BYTES
from replay.wire.http2.stream import Stream

# Half of what the target may send: then it is allowed as much again.
_CREDIT_BYTES = WINDOW_BYTES // 2
# uvloop reads up to 8 MiB before it looks at anything else; so much of events, or frames at this price each, is looked
# at in a turn of the loop: some ms of work.
_TURN_BYTES = 16 * 1024
_FRAME_PRICE_BYTES = 32
_PRIORITY_OR_PADDING = HAS_PRIORITY | PADDED


class Listener(Protocol):
    """Who is told what the frames have done; the streams that it is told of are forgotten already."""

    def settled(self) -> None:
        """The target said anew what it lets us do."""

    def ended(self, stream: Stream, now_ns: int) -> None:
        """An answer is whole."""

    def was_reset(self, stream: Stream, code: int, now_ns: int) -> None:
        """The target ended a stream."""

    def broke(self, stream: Stream, fault: StreamFault, now_ns: int) -> None:
        """The target broke the rules for a stream, and was told so."""

    def leaves(self, farewell: Farewell, now_ns: int) -> None:
        """The target takes no further streams."""


class _Block:
    """A header block of which more parts are to come."""

    __slots__ = ("data", "ends", "size", "stream_id")

    def __init__(self, stream_id: int, first: bytes, *, ends: bool) -> None:
        self.stream_id, self.ends = stream_id, ends
        self.data = bytearray(first)
        self.size = len(first)

    def add(self, part: bytes) -> None:
        """Raises ConnectionFault where there is no end to it; a part costs a byte even if it is empty."""
        self.data += part
        self.size += len(part) + 1
        if self.size > LONGEST_HEAD_BYTES:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "a header block without end")


class Receiving:
    """The receiving half of one connection. streams: what is under way, by id, the oldest first.

    next_id: of the next stream; those beyond were never opened. is_settled: the target has said what it lets us do.
    is_over: nothing that comes matters any more.
    """

    __slots__ = (
        "_block",
        "_credit",
        "_heads",
        "_known",
        "_listener",
        "_sending",
        "is_over",
        "is_settled",
        "next_id",
        "streams",
    )

    def __init__(self, listener: Listener, sending: Sending, known: KnownHeads) -> None:
        self._listener = listener
        self._sending = sending
        self._heads = HeadReader(known)
        self._known = known.of
        self._block: _Block | None = None
        self._credit = 0
        self.streams: dict[int, Stream] = {}
        self.next_id = 1
        self.is_settled = self.is_over = False

    def __repr__(self) -> str:
        return f"<Receiving {len(self.streams)} streams>"

    def read(self, frames: Sequence[Frame], now: int) -> int:
        """Look at frames that came at now; returns of how many there was time for. Raises ConnectionFault."""
        streams, known, heads = self.streams, self._known, self._heads
        spent = done = 0
        for kind, flags, stream_id, payload in frames:
            if spent > _TURN_BYTES:
                break
            done += 1
            spent += _FRAME_PRICE_BYTES
            stream = streams.get(stream_id)
            if (
                stream is None
                or kind > HEADERS
                or flags & _PRIORITY_OR_PADDING
                or self._block is not None
                or not self.is_settled
            ):
                self._take(kind, flags, stream_id, payload, now)
                continue
            try:
                if kind == DATA:
                    size = len(payload)
                    self._credit += size
                    self._take_body(stream, payload, size, now)
                    if stream.events is not None:
                        spent += size
                else:
                    head = known.get(payload) if heads.is_stateless and flags & END_HEADERS else None
                    if head is None or stream.head is not None:
                        self._take_headers(flags, stream_id, payload, now)
                        continue
                    stream.read_ns = now
                    stream.begin_answer(head, now, ends=bool(flags & END_STREAM))
                if flags & END_STREAM:
                    self._end(stream, now)
            except StreamFault as fault:
                self._break(stream_id, fault, now)
        if self._credit >= _CREDIT_BYTES:
            self._sending.control(framing.window_update(0, self._credit))
            self._credit = 0
        return done

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes, now: int) -> None:
        """Whatever is not the plain head or body of an answer. Raises ConnectionFault."""
        if self.is_over:
            return
        if self._block is not None and (kind != CONTINUATION or stream_id != self._block.stream_id):
            raise ConnectionFault(PROTOCOL_ERROR, "a header block that is broken off")
        try:
            framing.check((kind, flags, stream_id, payload))
            if not self.is_settled and kind != SETTINGS:
                raise ConnectionFault(PROTOCOL_ERROR, "a connection that does not begin with settings")
            take = _TAKEN.get(kind)
            if take is not None:
                take(self, flags, stream_id, payload, now)
        except StreamFault as fault:
            self._break(stream_id, fault, now)

    def _take_data(self, flags: int, stream_id: int, payload: bytes, now: int) -> None:
        self._credit += len(payload)
        stream = self._stream(stream_id)
        if stream is None:
            return
        self._take_body(stream, framing.unpadded(flags, payload), len(payload), now)
        if flags & END_STREAM:
            self._end(stream, now)

    def _take_body(self, stream: Stream, body: bytes, size: int, now: int) -> None:
        """size: of the frame's payload, which counts for the windows. Raises StreamFault."""
        stream.take_body(body, now)
        stream.credit += size
        if stream.credit >= _CREDIT_BYTES:
            self._sending.control(framing.window_update(stream.id, stream.credit))
            stream.credit = 0

    def _take_headers(self, flags: int, stream_id: int, payload: bytes, now: int) -> None:
        part = framing.block_part(flags, payload)
        ends = bool(flags & END_STREAM)
        if flags & END_HEADERS:
            self._take_block(stream_id, part, now, ends=ends)
        else:
            self._stream(stream_id)
            self._block = _Block(stream_id, part, ends=ends)

    def _take_continuation(self, flags: int, stream_id: int, payload: bytes, now: int) -> None:
        block = self._block
        if block is None:
            raise ConnectionFault(PROTOCOL_ERROR, "a header block that goes on before it began")
        block.add(payload)
        if flags & END_HEADERS:
            self._block = None
            self._take_block(stream_id, bytes(block.data), now, ends=block.ends)

    def _take_block(self, stream_id: int, block: bytes, now: int, *, ends: bool) -> None:
        """A whole header block: of a head, an interim one, or of trailers."""
        stream = self._stream(stream_id)
        if stream is None:
            # It may still change what later blocks mean.
            self._heads.fields(block)
            return
        stream.read_ns = now
        if stream.head is None:
            head = self._heads.head(block)
            if head.status < 200:
                stream.note_interim(len(block), ends=ends)
                return
            stream.begin_answer(head, now, ends=ends)
        else:
            stream.take_trailers(self._heads.fields(block), ends=ends)
        if ends:
            self._end(stream, now)

    def _stream(self, stream_id: int) -> Stream | None:
        """The stream of this id, or None where it is over. Raises ConnectionFault where it never was."""
        stream = self.streams.get(stream_id)
        if stream is None and (stream_id >= self.next_id or not stream_id & 1):
            raise ConnectionFault(PROTOCOL_ERROR, "a stream that nobody has opened")
        return stream

    def _take_reset(self, flags: int, stream_id: int, payload: bytes, now: int) -> None:
        if self._stream(stream_id) is not None:
            self._listener.was_reset(self.streams.pop(stream_id), framing.code_of(payload), now)

    def _take_settings(self, flags: int, stream_id: int, payload: bytes, now: int) -> None:
        if flags & ACK:
            return
        self._sending.take_settings(payload)
        self._sending.answer(framing.SETTINGS_TAKEN)
        self.is_settled = True
        self._listener.settled()

    def _take_push(self, flags: int, stream_id: int, payload: bytes, now: int) -> None:
        raise ConnectionFault(PROTOCOL_ERROR, "a push, which was declined")

    def _take_ping(self, flags: int, stream_id: int, payload: bytes, now: int) -> None:
        if not flags & ACK:
            self._sending.answer(framing.frame(PING, ACK, 0, payload))

    def _take_farewell(self, flags: int, stream_id: int, payload: bytes, now: int) -> None:
        self._listener.leaves(framing.farewell_of(payload), now)

    def _take_window(self, flags: int, stream_id: int, payload: bytes, now: int) -> None:
        by = framing.increment_of(stream_id, payload)
        if not stream_id:
            self._sending.open_window(by)
        elif (stream := self._stream(stream_id)) is not None:
            self._sending.open_stream_window(stream, by)

    def _end(self, stream: Stream, now: int) -> None:
        """The last frame of an answer came. Raises StreamFault."""
        if stream.head is None:
            raise StreamFault(PROTOCOL_ERROR, "an answer without a head")
        if stream.left > 0:
            raise StreamFault(PROTOCOL_ERROR, "a body that is shorter than its head says")
        del self.streams[stream.id]
        self._listener.ended(stream, now)

    def _break(self, stream_id: int, fault: StreamFault, now: int) -> None:
        self._sending.control(framing.reset(stream_id, fault.code))
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            self._listener.broke(stream, fault, now)


_TAKEN: dict[int, Callable[[Receiving, int, int, bytes, int], None]] = {
    DATA: Receiving._take_data,
    HEADERS: Receiving._take_headers,
    RST_STREAM: Receiving._take_reset,
    SETTINGS: Receiving._take_settings,
    PUSH_PROMISE: Receiving._take_push,
    PING: Receiving._take_ping,
    GOAWAY: Receiving._take_farewell,
    WINDOW_UPDATE: Receiving._take_window,
    CONTINUATION: Receiving._take_continuation,
}
