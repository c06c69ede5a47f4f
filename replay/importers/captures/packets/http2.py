"""HTTP/2 in what the two sides of a connection sent, in clear text: requests with their answers. Pure.

Source of the framing: RFC 9113, section 4. Each block of headers refers to those before it (RFC 7541), so a connection
of which bytes were not captured says nothing from there on.
"""

from collections.abc import Iterator
from typing import NamedTuple

import hpack

from replay.importers.captures.packets.found import Found, body_answered, body_asked
from replay.importers.captures.packets.types import Answer, Ends, Exchange, Pairs, Piece

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""By which a client begins."""

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PUSH_PROMISE, _CONTINUATION = 0x0, 0x1, 0x3, 0x4, 0x5, 0x9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_HEAD_BYTES = 9
_MOST_BLOCK_BYTES = 1 << 20
_MOST_TABLE_BYTES = 1 << 20
_TABLE_SIZE = 0x1
_PUSHED = "answer(s) that the server pushed unasked"
LOST = "connection(s) of HTTP/2 of which packets are missing, from there on"


class _Broken(Exception):
    """What a side sent is not HTTP/2."""


class _Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes
    began: Piece
    ended: Piece


class _Side:
    """What one side sends: frames, and how its blocks of headers are read."""

    def __init__(self, preface: bytes) -> None:
        self._preface = preface
        self._rest = bytearray()
        self._began = Piece(b"", 0)
        self.decoder = hpack.Decoder(_MOST_BLOCK_BYTES)
        # Of a block in several frames: its first, and what has come.
        self.opened: _Frame | None = None
        self.block = bytearray()

    def open(self, frame: _Frame, block: bytes) -> None:
        """A block of headers begins in this frame."""
        self.opened, self.block = frame, bytearray(block)

    def frames(self, piece: Piece) -> Iterator[_Frame]:
        """The frames that these bytes complete. Raises _Broken."""
        if not self._rest:
            self._began = piece
        self._rest += piece.data
        if self._preface:
            if len(self._rest) < len(self._preface):
                return
            if not self._rest.startswith(self._preface):
                raise _Broken
            del self._rest[: len(self._preface)]
            self._preface, self._began = b"", piece
        while len(self._rest) >= _HEAD_BYTES:
            size = int.from_bytes(self._rest[:3])
            end = _HEAD_BYTES + size
            if len(self._rest) < end:
                return
            kind, flags = self._rest[3], self._rest[4]
            stream = int.from_bytes(self._rest[5:9]) & 0x7FFFFFFF
            payload = bytes(self._rest[_HEAD_BYTES:end])
            del self._rest[:end]
            began, self._began = self._began, piece
            yield _Frame(kind, flags, stream, payload, began, piece)


class Http2:
    """A connection that speaks HTTP/2. upgraded: the request of HTTP/1.1 that is its first stream, if any."""

    def __init__(self, found: Found, ends: Ends, upgraded: Exchange | None = None) -> None:
        self._found = found
        self._ends = ends
        self._client, self._server = _Side(PREFACE), _Side(b"")
        self._streams: dict[int, Exchange] = {}
        self._is_lost = False
        if upgraded is not None:
            upgraded.answer, upgraded.is_http2 = None, True
            self._streams[1] = upgraded

    def __repr__(self) -> str:
        return f"<Http2, {len(self._streams)} streams>"

    def sent(self, piece: Piece) -> None:
        """The client sent this."""
        self._take(self._client, piece)

    def came(self, piece: Piece) -> None:
        """The server sent this."""
        self._take(self._server, piece)

    def server_closed(self, at_ns: int) -> None:
        """Streams end by themselves."""

    def end(self) -> None:
        """The connection is over, or the file."""
        for exchange in self._streams.values():
            self._found.exchange(exchange)
        self._streams.clear()

    def _take(self, side: _Side, piece: Piece) -> None:
        if self._is_lost:
            return
        try:
            if piece.lacking:
                raise _Broken
            for frame in side.frames(piece):
                self._take_frame(side, frame)
        except (_Broken, hpack.HPACKError):
            self._is_lost = True
            self._found.loss(LOST)
            self.end()

    def _take_frame(self, side: _Side, frame: _Frame) -> None:
        if frame.kind == _DATA:
            self._take_data(side is self._client, frame)
        elif frame.kind == _HEADERS:
            side.open(frame, _unpadded(frame, 5 if frame.flags & _PRIORITY else 0))
            self._take_block(side, frame)
        elif frame.kind == _CONTINUATION and side.opened is not None:
            side.block += frame.payload
            self._take_block(side, frame)
        elif frame.kind == _PUSH_PROMISE:
            # What it promises is nobody's, but its block changes the table.
            self._found.loss(_PUSHED)
            side.open(frame, _unpadded(frame, 4))
            self._take_block(side, frame)
        elif frame.kind == _RST_STREAM:
            exchange = self._streams.pop(frame.stream, None)
            if exchange is not None:
                self._found.exchange(exchange)
        elif frame.kind == _SETTINGS and not frame.flags & _ACK:
            self._settle(side, frame.payload)

    def _settle(self, side: _Side, settings: bytes) -> None:
        """How large a table a side allows is how large the other one's may be."""
        other = self._server if side is self._client else self._client
        for at in range(0, len(settings) - 5, 6):
            if int.from_bytes(settings[at : at + 2]) == _TABLE_SIZE:
                size = int.from_bytes(settings[at + 2 : at + 6])
                other.decoder.max_allowed_table_size = min(size, _MOST_TABLE_BYTES)

    def _take_block(self, side: _Side, frame: _Frame) -> None:
        if len(side.block) > _MOST_BLOCK_BYTES:
            raise _Broken
        if not frame.flags & _END_HEADERS:
            return
        opened, block = side.opened, bytes(side.block)
        side.opened = None
        side.block.clear()
        pairs = [(_text(name), _text(value)) for name, value, *_ in side.decoder.decode(block, raw=True)]
        if opened is None or opened.kind == _PUSH_PROMISE:
            return
        if side is self._client:
            self._asked(opened, pairs)
        else:
            self._answered(opened, frame, pairs)

    def _asked(self, frame: _Frame, pairs: Pairs) -> None:
        exchange = self._streams.get(frame.stream)
        if exchange is None:
            own = dict(pair for pair in pairs if pair[0].startswith(":"))
            headers = [pair for pair in pairs if not pair[0].startswith(":")]
            if own.get(":authority"):
                headers.insert(0, ("host", own[":authority"]))
            # What asks for another protocol (RFC 8441) is no request that could be replayed.
            target = "" if ":protocol" in own else own.get(":path", "")
            exchange = self._streams[frame.stream] = Exchange(
                *self._ends,
                start_ns=frame.began.at_ns,
                has_start=frame.began.has_time,
                method=own.get(":method", ""),
                target=target,
                headers=headers,
                content=body_asked(target),
                is_http2=True,
            )
        self._end_side(exchange, frame, is_client=True)

    def _answered(self, opened: _Frame, frame: _Frame, pairs: Pairs) -> None:
        exchange = self._streams.get(opened.stream)
        if exchange is None:
            return
        headers = [pair for pair in pairs if not pair[0].startswith(":")]
        if exchange.answer is not None:
            exchange.answer.trailers = headers
        else:
            status = dict(pairs).get(":status", "")
            if not (status.isdigit() and status.isascii() and len(status) == 3):
                raise _Broken
            if status.startswith("1"):
                return
            began = opened.began
            first_ns = began.at_ns if began.has_time else None
            exchange.answer = Answer(int(status), headers, first_ns, body_answered(exchange.target))
        self._end_side(exchange, opened._replace(ended=frame.ended), is_client=False)

    def _take_data(self, is_client: bool, frame: _Frame) -> None:
        exchange = self._streams.get(frame.stream)
        if exchange is None:
            return
        data = _unpadded(frame, 0)
        if is_client:
            exchange.content.take(data)
        elif exchange.answer is not None:
            answer = exchange.answer
            if data and answer.data_ns is None and frame.began.has_time:
                answer.data_ns = frame.began.at_ns
            answer.content.take(data)
        self._end_side(exchange, frame, is_client=is_client)

    def _end_side(self, exchange: Exchange, frame: _Frame, *, is_client: bool) -> None:
        """End what this frame ends."""
        if not frame.flags & _END_STREAM:
            return
        answer = exchange.answer
        if is_client:
            exchange.is_asked = True
        elif answer is not None:
            answer.end_ns, answer.is_over = frame.ended.at_ns, True
        if exchange.is_asked and answer is not None and answer.is_over:
            self._streams.pop(frame.stream, None)
            self._found.exchange(exchange)


def _unpadded(frame: _Frame, before: int) -> bytes:
    """A frame's payload without its padding, and what stands before it. Raises _Broken."""
    payload, padding = frame.payload, 0
    if frame.flags & _PADDED:
        if not payload:
            raise _Broken
        padding, payload = payload[0], payload[1:]
    if padding + before > len(payload):
        raise _Broken
    return payload[before : len(payload) - padding]


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
