"""The messages of a WebSocket, in what the two sides of a connection sent. Pure."""

from replay.importers.captures.packets.found import Found
from replay.importers.captures.packets.types import Exchange, Piece, SocketEnd, value_of
from replay.trace.socket_steps import SocketMessage
from replay.websocket.compression import OFFER, Compression
from replay.websocket.messages import MessageReader, code_in
from replay.websocket.types import CLOSE, TEXT, BrokenRule

_MOST_MESSAGES = 100_000
_MOST_HELD_BYTES = 64 << 20
LOST = (
    "place(s) in WebSockets at which packets are missing, or rules broken, with the messages around and behind"
)
TOO_MANY = f"WebSocket message(s) behind the first {_MOST_MESSAGES:,}, or {_MOST_HELD_BYTES >> 20} MiB, of a connection"


class Socket:
    """A connection that speaks WebSocket. opening: the request that opened it."""

    def __init__(self, found: Found, opening: Exchange) -> None:
        self._found = found
        self._opening = opening
        answer = opening.answer
        said = "" if answer is None else value_of(answer.headers, "sec-websocket-extensions")
        is_packed = said.strip().startswith(OFFER)
        client, server = (
            Compression(keeps_other=f"{side}_no_context_takeover" not in said) if is_packed else None
            for side in ("client", "server")
        )
        self._client = MessageReader(is_masked=True, compression=client)
        self._server = MessageReader(is_masked=False, compression=server)
        self._messages: list[SocketMessage] = []
        self._held_bytes = 0
        self._closed: SocketEnd | None = None
        self._is_lost = self._is_over = False

    def __repr__(self) -> str:
        return f"<Socket of {len(self._messages)} messages>"

    def sent(self, piece: Piece) -> None:
        """The client sent this."""
        self._take(self._client, piece, is_sent=True)

    def came(self, piece: Piece) -> None:
        """The server sent this."""
        self._take(self._server, piece, is_sent=False)

    def server_closed(self, at_ns: int) -> None:
        """A close frame tells more."""

    def end(self) -> None:
        """The connection is over, or the file."""
        self._found.socket(self._opening, self._messages, self._closed)

    def _take(self, reader: MessageReader, piece: Piece, *, is_sent: bool) -> None:
        if self._is_lost or self._is_over:
            return
        try:
            if piece.lacking:
                raise BrokenRule("bytes that were not captured")
            for message in reader.feed(piece.data, piece.at_ns):
                if message.opcode == CLOSE:
                    self._is_over = True
                    if is_sent:
                        self._closed = SocketEnd(piece.at_ns // 1_000, code_in(message.payload))
                    return
                if message.opcode > CLOSE:
                    continue
                at_ns = message.began_ns if is_sent else piece.at_ns
                self._held_bytes += len(message.payload)
                if len(self._messages) >= _MOST_MESSAGES or self._held_bytes > _MOST_HELD_BYTES:
                    self._found.loss(TOO_MANY)
                    continue
                kept = SocketMessage(is_sent, at_ns // 1_000, message.opcode == TEXT, message.payload)
                self._messages.append(kept)
        except BrokenRule:
            self._is_lost = True
            self._found.loss(LOST)
            self._forget_the_last()

    def _forget_the_last(self) -> None:
        """Of what the client sent last, and what came since, nothing is sure: more may have been sent in between."""
        while self._messages and not self._messages.pop().is_sent:
            pass
