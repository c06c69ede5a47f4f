"""Connections in captured packets: which of their sides is the client, and which protocol they speak. Pure.

What they speak is told by what they begin with, whatever the port: a capture may begin in the middle of a connection,
so every packet is looked at until one begins with a request or an answer.
"""

import re
from collections.abc import Iterator
from typing import Protocol

from replay.importers.captures.packets.found import Found
from replay.importers.captures.packets.http1 import Http1, begins_answer, begins_request
from replay.importers.captures.packets.http2 import PREFACE, Http2
from replay.importers.captures.packets.sockets import Socket
from replay.importers.captures.packets.streams import SentBytes
from replay.importers.captures.packets.types import Ends, Packet, Piece, value_of

ENCRYPTED = "connection(s) that are encrypted (TLS)"
OTHER = "connection(s) of something other than HTTP/1.1 and HTTP/2 in clear text"
_MOST_OPEN = 20_000
_MOST_ENDED = 20_000
_TELLING_BYTES = 16
_IS_TLS = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]").match
# By which a balancer tells whom it forwards for (PROXY protocol, version 1).
_PROXIED = re.compile(rb"PROXY (?:TCP[46]|UNKNOWN)[^\r\n]{0,100}\r\n").match


class _Conversation(Protocol):
    def sent(self, piece: Piece) -> None: ...
    def came(self, piece: Piece) -> None: ...
    def server_closed(self, at_ns: int) -> None: ...
    def end(self) -> None: ...


class _Ignored:
    """What is of no interest."""

    def sent(self, piece: Piece) -> None:
        """Nothing of it counts."""

    def came(self, piece: Piece) -> None:
        """Nothing of it counts."""

    def server_closed(self, at_ns: int) -> None:
        """Nothing of it counts."""

    def end(self) -> None:
        """Nothing of it counts."""


class _Connection:
    def __init__(self, name: str, found: Found) -> None:
        self._name = name
        self._found = found
        self._sides: dict[str, SentBytes] = {}
        self._client = ""
        self._spoken: _Conversation | None = None
        self.has_data = self._is_encrypted = False
        # Of a side, what is too little to tell what is spoken.
        self._held: dict[str, list[Piece]] = {}
        self._closed: set[str] = set()

    def take(self, packet: Packet) -> bool:
        """A packet more; whether the connection goes on."""
        for side in (packet.source, packet.target):
            if side not in self._sides:
                if len(self._sides) == 2:
                    return True
                self._sides[side] = SentBytes()
        other = self._sides[packet.target]
        if other.has_acknowledged_hole(packet.ack):
            self._tell(packet.target, packet.source, other.give_up())
        self._tell(packet.source, packet.target, self._sides[packet.source].take(packet))
        if packet.is_last or packet.is_reset:
            if packet.is_last and self._spoken is not None and packet.source != self._client:
                self._spoken.server_closed(packet.at_ns)
            self._closed.add(packet.source)
        return not packet.is_reset and len(self._closed) < 2

    def is_over_before(self, packet: Packet) -> bool:
        """Whether a packet begins another connection between the same ends, whose own end was not captured.

        A side that opens again where it began says the same again. Numbers that count from the beginning of each
        connection do not tell that, where connections have no number of their own; then a client's opening begins one.
        """
        if not packet.is_first:
            return False
        opens = self.has_data and packet.ack is None
        side = self._sides.get(packet.source)
        elsewhere = None if side is None or packet.seq is None else side.began_elsewhere(packet.seq + 1)
        if elsewhere is None or (packet.seq == 0 and not packet.connection.isdigit()):
            return opens
        return elsewhere

    def end(self) -> None:
        """It is over, or the file."""
        for source, target in _both_ways(tuple(self._sides)):
            self._tell(source, target, self._sides[source].give_up())
        if self._spoken is not None:
            self._spoken.end()
        elif self._is_encrypted:
            self._found.loss(ENCRYPTED)
        elif self.has_data:
            self._found.loss(OTHER)

    def _tell(self, source: str, target: str, pieces: Iterator[Piece]) -> None:
        for piece in pieces:
            self.has_data = self.has_data or bool(piece.data)
            if self._spoken is None:
                self._look_at(source, target, piece)
            else:
                self._speak(source, piece)

    def _speak(self, source: str, piece: Piece) -> None:
        spoken = self._spoken
        if spoken is None:
            return
        if source == self._client:
            spoken.sent(piece)
        else:
            spoken.came(piece)
        if isinstance(spoken, Http1) and spoken.has_switched:
            self._switch(spoken, piece)

    def _look_at(self, source: str, target: str, piece: Piece) -> None:
        """Find out what is spoken, and take what is of that."""
        pieces = [*self._held.pop(source, ()), piece]
        data = b"".join(each.data for each in pieces)
        proxied = _PROXIED(data)
        if proxied is not None:
            pieces, data = [piece._replace(data=data[proxied.end() :])], data[proxied.end() :]
        if data.startswith(PREFACE[:_TELLING_BYTES]):
            self._client, self._spoken = source, Http2(self._found, Ends(self._name, source, target))
        elif begins_request(data):
            self._client, self._spoken = source, Http1(self._found, Ends(self._name, source, target))
        elif begins_answer(data):
            self._client, self._spoken = target, Http1(self._found, Ends(self._name, target, source))
        elif _IS_TLS(data):
            self._is_encrypted = True
        elif len(data) < _TELLING_BYTES and not piece.lacking:
            self._held[source] = pieces
        for each in pieces:
            self._speak(source, each)

    def _switch(self, spoken: Http1, piece: Piece) -> None:
        """Another protocol is spoken from here on."""
        exchange, rests = spoken.switched, spoken.rests
        answer = None if exchange is None else exchange.answer
        if exchange is None or answer is None:
            self._spoken = _Ignored()
            return
        protocol = value_of(answer.headers, "upgrade").lower()
        if exchange.method == "CONNECT":
            self._found.exchange(exchange)
            self._spoken = None
        elif protocol == "websocket":
            self._spoken = Socket(self._found, exchange)
        elif protocol == "h2c":
            self._spoken = Http2(self._found, Ends(self._name, exchange.client, exchange.server), exchange)
        else:
            self._found.exchange(exchange)
            self._spoken = _Ignored()
        if self._spoken is not None:
            client, server = (piece._replace(data=rest, lacking=0) for rest in rests)
            if client.data:
                self._spoken.sent(client)
            if server.data:
                self._spoken.came(server)


def _both_ways(sides: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if len(sides) == 2:
        yield sides[0], sides[1]
        yield sides[1], sides[0]


class Connections:
    """Told of packets in the order of a file, tells what is found in its connections."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._open: dict[str, _Connection] = {}
        # Of these packets may come again.
        self._ended: dict[str, None] = {}
        self._count = 0

    def __repr__(self) -> str:
        return f"<Connections, {len(self._open)} open>"

    def take(self, packet: Packet) -> None:
        """The next packet."""
        # The one that was silent for longest stands first.
        connection = self._open.pop(packet.connection, None)
        if connection is not None and connection.is_over_before(packet):
            connection.end()
            connection = None
        if connection is None:
            if not packet.is_first and (not packet.size or packet.connection in self._ended):
                return
            self._count += 1
            is_numbered = packet.connection.isdigit()
            name = packet.connection if is_numbered else str(self._count)
            connection = _Connection(name, self._found)
        if connection.take(packet):
            self._open[packet.connection] = connection
        else:
            connection.end()
            self._ended[packet.connection] = None
            if len(self._ended) > _MOST_ENDED:
                del self._ended[next(iter(self._ended))]
        if len(self._open) > _MOST_OPEN:
            self._open.pop(next(iter(self._open))).end()

    def end(self) -> None:
        """The file is over."""
        for connection in self._open.values():
            connection.end()
        self._open.clear()
