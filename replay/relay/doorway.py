"""One client's connection: where its requests begin and end, and what it is told."""

import asyncio
import re
from collections.abc import Callable
from typing import cast

from replay.http.framing import MOST_HEAD_BYTES, FramingError
from replay.http.heads import (
    Refused,
    RequestHead,
    ResponseHead,
    own_answer,
    read_request,
    response_bytes,
    value_of,
)
from replay.http.hosts import REBOUND, is_rebound, loopback_port
from replay.relay.clients import SWEEP_S, Clients
from replay.relay.front import WAITING_MOST_BYTES, Front, Passage
from replay.relay.sockets import reset
from replay.words.numbers import seconds

# Of a request's head, from its first byte. A client that sends a byte a second is not alive.
HEAD_S = 60.0
# Without a byte of a request's body that is due, or of an answer that the client should read.
STALL_S = 60.0
# Between two requests; as long as the front of Cloud Run keeps a connection.
IDLE_S = 600.0
# A connection that is closed while its client still sends is reset by the system, and the answer lost with it. So for
# a while what comes is read and dropped (RFC 9112, section 9.6).
LINGER_S = 5.0

# How a client of TLS begins (RFC 8446, section 5.1): it then waits for an answer, as a head without end does.
_TLS_HANDSHAKE = b"\x16\x03"
_BLANK_LINES = re.compile(rb"\A(?:\r\n)++")


class Doorway(asyncio.Protocol):
    """One client's connection: one request at a time, the next ones wait in the buffer.

    on_refused: told of each request that is answered here because it may not pass, by status and reason.
    client: its address, without the port. is_full: whether it reads so slowly that nothing more should be written.
    """

    def __init__(
        self, front: Front, clients: Clients, on_refused: Callable[[int, str], None] | None = None
    ) -> None:
        self._front = front
        self._on_refused = on_refused
        self._clients = clients
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._buffer = b""
        self._searched = 0  # of the buffer, without the end of a head
        self._passage: Passage | None = None
        self._keeps_alive = True
        self._is_held = False
        self._is_advancing = False
        self._is_over = False
        self._ends_with_connection = False
        self._sweeps = 0  # since the client last did what is expected of it
        self._unsent_bytes = 0  # when last looked at
        self._loopback_port: int | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self.client = ""
        self.is_full = False

    def __repr__(self) -> str:
        return f"<Doorway {'over' if self._is_over else self._passage or 'idle'}>"

    @property
    def own_address(self) -> bytes:
        """Where the client reached this."""
        here = self._transport.get_extra_info("sockname")
        if not isinstance(here, tuple):
            return b"localhost"
        return f"{'[' + here[0] + ']' if ':' in here[0] else here[0]}:{here[1]}".encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's by their methods, not by their class.
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.client = str(peer[0]) if isinstance(peer, tuple) else "local"
        self._loopback_port = loopback_port(transport.get_extra_info("sockname"))
        socket = transport.get_extra_info("socket")
        if not self._clients.add(self, 0 if socket is None else socket.fileno()):
            self._refuse(503, "This process has as many connections open as it may.")

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        if self._lingering is not None:
            self._lingering.cancel()
        self._clients.discard(self)
        self._leave("client left")

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._passage is not None:
            self._sweeps = 0
        self._buffer = self._buffer + data if self._buffer else data
        self._advance()

    def eof_received(self) -> bool:
        # A client that ends its sending side has left, as for other gateways: of the few that still listen, none
        # can be told from the many that are gone.
        return False

    def pause_writing(self) -> None:
        self.is_full = True
        self._sweeps = 0
        if self._passage is not None and self._passage.backend is not None:
            self._passage.backend.hold(True)

    def resume_writing(self) -> None:
        self.is_full = False
        if self._passage is not None and self._passage.backend is not None:
            self._passage.backend.hold(False)

    def hold(self, is_held: bool) -> None:
        """Read no more of the client, or go on."""
        if is_held != self._is_held and not self._transport.is_closing():
            self._is_held = is_held
            if is_held:
                self._transport.pause_reading()
            else:
                self._sweeps = 0
                self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def cut(self) -> None:
        """End the connection at once: a response that cannot be completed must not look complete."""
        self._is_over = True
        if self._ends_with_connection:
            reset(self._transport)
        else:
            self._transport.abort()

    def interim(self, response: ResponseHead) -> None:
        """Pass on that the server goes on; a client of HTTP/1.0 would take it for the answer."""
        passage = self._passage
        if passage is not None and not passage.request.is_old:
            self.write(response_bytes(response, b"", b""))

    def answer_head(self, passage: Passage, response: ResponseHead, ends_with_connection: bool) -> bytes:
        """A response's head as this client gets it."""
        is_old = passage.request.is_old
        without_chunks = is_old and response.is_chunked
        self._ends_with_connection = ends_with_connection or without_chunks
        # What is left of the request's body may never come: a client may give it up when it has its answer.
        if self._ends_with_connection or not passage.body.is_over:
            self._keeps_alive = False
        told = b"" if passage.is_tunnel else self._told(is_old)
        return response_bytes(response, passage.own_lines(), told, without_chunks)

    def answer(self, status: int, why: str) -> None:
        """Answer in the front's own name."""
        passage = self._passage
        # What is left of the request's body has nowhere to go, so the connection cannot be kept.
        if passage is not None and not passage.body.is_over:
            self._keeps_alive = False
        self.write(
            own_answer(
                status,
                why,
                self._front.own_line,
                self._told(passage is not None and passage.request.is_old),
                passage is None or passage.request.method != b"HEAD",
            )
        )
        self.passage_over()

    def passage_over(self) -> None:
        """The response is complete."""
        is_whole = self._passage is None or self._passage.body.is_over
        self._passage = None
        self._sweeps = 0
        if not (self._keeps_alive and is_whole):
            self._end(lingers=not is_whole or bool(self._buffer))
            return
        self.hold(False)
        if self._buffer:
            self._advance()

    def age(self) -> None:
        """SWEEP_S have passed: give a client up that is not there any more, or pretends to be."""
        self._sweeps += 1
        waited_s = self._sweeps * SWEEP_S
        passage = self._passage
        if self.is_full or self._is_over:
            unsent_bytes = self._transport.get_write_buffer_size()
            if unsent_bytes != self._unsent_bytes:
                self._unsent_bytes, self._sweeps = unsent_bytes, 0
            elif waited_s >= STALL_S:
                self.cut()
        elif passage is None:
            if self._buffer and waited_s >= HEAD_S:
                self._refuse(408, f"The request head did not arrive within {seconds(HEAD_S)}.")
            elif waited_s >= IDLE_S:
                self._end(lingers=False)
        elif passage.body.is_over or self._is_held:
            self._sweeps = 0
        elif waited_s >= STALL_S:
            self._give_up(
                passage, 408, f"Nothing of the request body arrived for {seconds(STALL_S)}.", "stopped sending"
            )

    def _told(self, is_old: bool) -> bytes:
        """What the client is told of its connection."""
        if not self._keeps_alive:
            return b"close"
        return b"keep-alive" if is_old else b""

    def _advance(self) -> None:
        """Take what the buffer has, request after request as long as each is answered at once."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while self._buffer and not self._is_over:
                passage = self._passage
                if passage is None:
                    if not self._begin():
                        return
                elif passage.is_tunnel:
                    self._tunnel(passage)
                elif not passage.body.is_over:
                    self._forward(passage)
                else:
                    if len(self._buffer) > MOST_HEAD_BYTES:
                        self.hold(True)
                    return
        finally:
            self._is_advancing = False

    def _begin(self) -> bool:
        """Take the next request from the buffer; False where its head is not there."""
        if self._buffer.startswith(b"\r\n"):
            # RFC 9112, section 2.2: a client may have sent one too many after a body.
            self._buffer = _BLANK_LINES.sub(b"", self._buffer)
        if not self._searched and self._buffer not in (b"", b"\r"):
            self._sweeps = 0
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end > MOST_HEAD_BYTES or (end < 0 and len(self._buffer) > MOST_HEAD_BYTES):
            self._refuse(431, "The request head is too long.")
            return False
        if end < 0:
            if self._buffer.startswith(_TLS_HANDSHAKE):
                self._refuse(400, "TLS is not spoken here: the URL has to begin with http://.")
            elif _ends_otherwise(self._buffer):
                self._refuse(400, "This is not an HTTP/1.1 request: a line does not end in CRLF.")
            self._searched = len(self._buffer)
            return False
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        self._searched = 0
        try:
            request = read_request(head, takes_sockets=self._front.takes_sockets)
            self._keeps_alive = self._keeps_alive and request.keeps_alive
            if self._loopback_port is not None:
                _refuse_page(request, self._loopback_port)
            passage = self._passage = self._front.arrived(self, request)
        except Refused as refused:
            self._refuse(refused.status, str(refused))
            return False
        self._sweeps = 0
        self._ends_with_connection = False
        if not passage.body.is_over and self._buffer:
            self._forward(passage)
        if self._passage is passage:
            self._front.send(passage)
        return True

    def _forward(self, passage: Passage) -> None:
        """Pass on what the buffer has of the request's body."""
        try:
            taken = passage.body.take(self._buffer)
        except FramingError as fault:
            why = f"This is not an HTTP/1.1 request: {fault}."
            self._give_up(passage, 400, why, f"sent a body that is not HTTP/1.1: {fault}")
            return
        data, self._buffer = self._buffer[:taken], self._buffer[taken:]
        if passage.backend is not None:
            passage.backend.send(data)
        else:
            passage.chunks.append(data)
            passage.waiting_bytes += len(data)
            if passage.waiting_bytes > WAITING_MOST_BYTES:
                self.hold(True)
        passage.took(data)

    def tunnel(self) -> None:
        """From now on what comes goes to the server as it is, and what came already."""
        self.hold(False)
        self._advance()

    def _tunnel(self, passage: Passage) -> None:
        data, self._buffer = self._buffer, b""
        if passage.backend is not None:
            passage.backend.send(data)
        passage.took(data)

    def _give_up(self, passage: Passage, status: int, why: str, fault: str) -> None:
        """End a request whose client does not send what it announced."""
        has_answer = passage.answered
        self._leave(f"client {fault}")
        if has_answer:
            self.cut()
        else:
            self._refuse(status, why)

    def _leave(self, why: str) -> None:
        passage, self._passage = self._passage, None
        if passage is not None and passage.doorway is self:
            self._front.left(passage, why)
            passage.doorway = None

    def _refuse(self, status: int, why: str) -> None:
        if self._on_refused is not None:
            self._on_refused(status, why)
        self._keeps_alive = False
        self._ends_with_connection = False
        self.write(own_answer(status, why, self._front.own_line, b"close", True))
        self._end(lingers=True)

    def _end(self, lingers: bool) -> None:
        """Take no further request, and close when what was written is gone."""
        self._is_over = True
        self._buffer = b""
        if self._transport.is_closing():
            return
        if lingers and self._transport.can_write_eof():
            self.hold(False)
            self._transport.write_eof()
            self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self._transport.close)
        else:
            self._transport.close()


def _ends_otherwise(data: bytes) -> bool:
    """Whether a head seems to end here for readers of lone line feeds, who are not to be disagreed with."""
    return b"\n\n" in data or b"\n\r\n" in data


def _refuse_page(request: RequestHead, port: int) -> None:
    """Raises Refused for what a page may have sent that had its own name lead here."""
    for name, line in request.fields:
        if name == b"host" and is_rebound(value_of(line), port):
            raise Refused(421, REBOUND)
