"""A WebSocket as it passes: an exchange for its opening, and one for each message of the client. Sans I/O.

An exchange lasts until the last message that came before the client's next. What breaks the rules of WebSocket is
passed on all the same, and nothing of it is recorded from there on.
"""

from collections.abc import Callable

import msgspec

from replay.recording.capture import BodyCapture
from replay.recording.types import Exchange, OnSocket
from replay.trace.socket_steps import LastMessage
from replay.websocket.messages import MessageReader, code_in
from replay.websocket.types import CLOSE, TEXT, BrokenRule, Message

_BROKEN = "the rules of WebSocket were broken"


class RecordedSocket:
    """opening: the exchange that opened it, which is over. sink: takes each exchange that is. number: gives the next
    its number. hash_key: as of a BodyCapture. current: the exchange that goes on; None where none does.
    """

    def __init__(
        self,
        opening: Exchange,
        sink: Callable[[Exchange], None],
        number: Callable[[], int],
        hash_key: bytes | None,
        now: Callable[[], int],
    ) -> None:
        self._opening, self._sink, self._number, self._hash_key, self._now = (
            opening,
            sink,
            number,
            hash_key,
            now,
        )
        self._client: MessageReader | None = MessageReader(is_masked=True)
        self._server: MessageReader | None = MessageReader(is_masked=False)
        self._last = LastMessage(b"")
        self._is_closed = False
        self.current: Exchange | None = None

    def __repr__(self) -> str:
        return f"<RecordedSocket {self._opening.number}>"

    def sent(self, data: bytes) -> None:
        """The client has sent this."""
        self._client = self._read(self._client, data, self._take_sent)

    def came(self, data: bytes) -> None:
        """The upstream has sent this."""
        self._server = self._read(self._server, data, self._take_come)

    def end(self, fault: str | None) -> None:
        """Its connections are gone. fault: why, where it was not to be."""
        has_answer = self.current is not None and self.current.end_ns is not None
        self._finish(None if self._is_closed or has_answer else fault)

    def _read(
        self, reader: MessageReader | None, data: bytes, take: Callable[[Message], None]
    ) -> MessageReader | None:
        """What reads on; None where nothing more can be told."""
        if reader is None:
            return None
        try:
            for message in reader.feed(data, self._now()):
                take(message)
        except BrokenRule:
            self._finish(_BROKEN)
            self._client = self._server = None
            return None
        return reader

    def _take_sent(self, message: Message) -> None:
        if message.opcode == CLOSE:
            self._take_close(message)
        elif message.opcode < CLOSE and not self._is_closed:
            self._finish(None)
            self._begin(message, OnSocket(self._opening.number, "message", is_text=message.opcode == TEXT))
            self._last = LastMessage(message.payload)

    def _take_close(self, message: Message) -> None:
        """The client closes it; where the upstream did before, that answers it."""
        if self._is_closed:
            return
        self._finish(None)
        self._is_closed = True
        self._begin(
            message._replace(payload=b""),
            OnSocket(self._opening.number, "close", code=code_in(message.payload)),
        )

    def _take_come(self, message: Message) -> None:
        if message.opcode == CLOSE:
            if not self._is_closed:
                self._finish(f"upstream closed with the code {code_in(message.payload)}")
            elif self.current is not None:
                self.current.end_ns = self._now()
                self._finish(None)
            self._is_closed = True
            return
        exchange = self.current
        if message.opcode > CLOSE or exchange is None or self._is_closed:
            return
        now = exchange.end_ns = self._now()
        exchange.first_byte_ns = exchange.first_byte_ns or now
        exchange.response_bytes += len(message.payload)
        self._last.came(message.payload)
        if exchange.socket is not None:
            exchange.socket.messages = self._last.messages

    def _begin(self, message: Message, socket: OnSocket) -> None:
        opening, capture = self._opening, BodyCapture(False, self._hash_key)
        capture.feed(message.payload)
        self.current = msgspec.structs.replace(
            opening,
            number=self._number(),
            begin_ns=self._now(),
            first_byte_ns=None,
            end_ns=None,
            body=capture.body,
            body_bytes=capture.body_bytes,
            body_hash=capture.body_hash,
            response_bytes=0,
            response_headers=[],
            response_body=None,
            socket=socket,
        )

    def _finish(self, fault: str | None) -> None:
        """The exchange that went on is over."""
        exchange, self.current = self.current, None
        if exchange is None:
            return
        socket = exchange.socket
        assert socket is not None
        exchange.fault = fault
        socket.messages, socket.names = self._last.messages, self._last.names
        if socket.action == "message" and exchange.end_ns is None and fault is None:
            # Nothing came for it, so that it was over when it was sent.
            exchange.end_ns = exchange.begin_ns
        self._last = LastMessage(b"")
        self._sink(exchange)
