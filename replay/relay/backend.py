"""One connection to a server: requests out, responses back."""

import asyncio
from collections.abc import Hashable
from typing import cast

from replay.http.framing import MOST_HEAD_BYTES, Body, FramingError
from replay.http.heads import ResponseHead, read_response, response_body
from replay.http.methods import SAFE_METHODS
from replay.relay.front import Front, Passage
from replay.relay.sockets import unread


class Backend(asyncio.Protocol):
    """One connection to a server: one passage at a time. place: which server. served: how many it has served."""

    def __init__(self, front: Front, place: Hashable) -> None:
        self._front = front
        self.place = place
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._passage: Passage | None = None
        self._buffer = b""
        self._response: ResponseHead | None = None
        self._body: Body | None = None
        self._plain: list[bytes] | None = None  # what was in the chunks, for a client that knows none
        self._idle_timer: asyncio.TimerHandle | None = None
        self.served = 0

    def __repr__(self) -> str:
        return f"<Backend served {self.served}, {'idle' if self._passage is None else 'in use'}>"

    @property
    def is_usable(self) -> bool:
        return not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def start(self, passage: Passage) -> None:
        """Send what is there of the passage's request."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        self._passage = passage
        passage.backend = self
        data = b"".join(passage.chunks) if len(passage.chunks) > 1 else passage.chunks[0]
        # A whole request is kept until its answer begins, in case this kept connection turns out closed.
        if not (self.served and passage.body.is_over):
            passage.chunks = []
        if passage.doorway is not None:
            self.hold(passage.doorway.is_full)
            passage.doorway.hold(False)
        self._transport.write(data)

    def keep(self, idle_s: float | None) -> None:
        """Wait for the next passage, and give up after a while. None: never."""
        # A client that read slowly has held it.
        self.hold(False)
        if idle_s is not None:
            self._idle_timer = asyncio.get_running_loop().call_later(idle_s, self.close)

    def may_send_again(self, passage: Passage) -> bool:
        """Whether a request that this connection lost may be sent on another.

        Only where the server may have closed a kept connection just as it was taken, and twice does no harm.
        """
        is_safe = passage.request.method.decode() in SAFE_METHODS
        return bool(
            self.served and is_safe and not passage.answered and passage.body.is_over and passage.chunks
        )

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    def hold(self, is_held: bool) -> None:
        if self._transport.is_closing():
            return
        if is_held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        if self._passage is not None and self._passage.doorway is not None:
            self._passage.doorway.hold(True)

    def resume_writing(self) -> None:
        if self._passage is not None and self._passage.doorway is not None:
            self._passage.doorway.hold(False)

    def close(self) -> None:
        self._passage = None
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        passage = self._passage
        if passage is None:
            self.close()
            return
        try:
            if self._body is None:
                self._buffer += data
                self._read_head(passage)
            else:
                self._pass_on(passage, data)
        except FramingError as fault:
            self.close()
            self._front.lost(self, passage, f"did not answer in HTTP/1.1: {fault}")

    def eof_received(self) -> bool:
        # What is still to be sent has nowhere to go, and must not hold up what was received.
        self._gone(has_ended=True)
        self._transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        has_ended = exc is None
        if exc is not None and self._passage is not None:
            # What came before our writing failed is the answer: a server need not read a body that it refuses.
            for data in unread(self._transport):
                # An end in good order that was followed by a reset shows as a broken pipe, a reset alone does not.
                has_ended = not data and isinstance(exc, BrokenPipeError)
                if data and self._passage is not None:
                    self.data_received(data)
        self._gone(has_ended)

    def _gone(self, has_ended: bool) -> None:
        """Nothing more is received. has_ended: whether the server ended the connection in good order."""
        passage, self._passage = self._passage, None
        if passage is not None and has_ended and self._body is not None and self._body.ends_with_connection:
            passage.ends()
            self._finish(passage, False)
            return
        self._front.lost(self, passage, "closed the connection before its answer was complete")

    def _read_head(self, passage: Passage) -> None:
        while self._body is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end > MOST_HEAD_BYTES or (end < 0 and len(self._buffer) > MOST_HEAD_BYTES):
                raise FramingError("the head is too long")
            if end < 0:
                return
            response = read_response(self._buffer[:end], is_upgrade=passage.request.is_upgrade)
            self._buffer = self._buffer[end + 4 :]
            doorway = passage.doorway
            is_tunnel = response.status == 101
            if response.status < 200 and not is_tunnel:
                if doorway is not None:
                    doorway.interim(response)
                continue
            passage.answered, passage.is_tunnel = True, is_tunnel
            passage.chunks = []
            told = passage.began(response)
            self._response = response
            self._body = response_body(response, passage.request.method)
            self._plain = None
            if response.is_chunked and passage.request.is_old and not self._body.is_over:
                self._plain = []
                self._body = Body(0, True, self._plain.append)
            head = b""
            if doorway is not None:
                head = doorway.answer_head(passage, told, self._body.ends_with_connection)
            data, self._buffer = self._buffer, b""
            if is_tunnel and doorway is None:
                # Its client has gone, or has had another answer: nobody would ever end it.
                self._finish(passage, False)
                return
            self._pass_on(passage, data, head)
            if is_tunnel and doorway is not None:
                doorway.tunnel()

    def _pass_on(self, passage: Passage, data: bytes, before: bytes = b"") -> None:
        body = self._body
        assert body is not None
        taken = body.take(data)
        is_clean = taken == len(data)
        if not is_clean:
            data = data[:taken]
        if body.is_over:
            # Before the client can see the end: what it does next must not seem to come earlier.
            passage.ends()
        if passage.doorway is not None:
            told = data
            if self._plain is not None:
                told = b"".join(self._plain)
                self._plain.clear()
            passage.doorway.write(before + told if before else told)
        passage.passed(data)
        if body.is_over:
            self._finish(passage, is_clean)

    def _finish(self, passage: Passage, is_clean: bool) -> None:
        response = self._response
        assert response is not None
        self._passage = self._response = self._body = None
        self.served += 1
        is_reusable = is_clean and response.keeps_alive and passage.body.is_over and self.is_usable
        self._front.finished(self, passage, is_reusable)
