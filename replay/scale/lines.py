"""Messages over a stream socket: each is MessagePack behind its length in four bytes. Nothing here ever blocks."""

import contextlib
import socket
import struct
import time
from typing import Any, Generic, TypeVar

import msgspec

_LENGTH = struct.Struct(">I")
MOST_BYTES = 64 << 20
"""A message is no longer: no more memory is given to whoever says that it is."""

_READ_BYTES = 1 << 18
_Message = TypeVar("_Message")


class LineError(Exception):
    """What came is no message of ours."""


class Frames:
    """Cuts a stream into messages. most: how many bytes one may have. No I/O."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._waiting = bytearray()
        self._most = most

    def __repr__(self) -> str:
        return f"<Frames {len(self._waiting)} bytes of the next>"

    def add(self, data: bytes) -> list[bytes]:
        """More of the stream; returns the messages that are whole now. Raises LineError for one that is too long."""
        waiting = self._waiting
        waiting += data
        found = []
        at = 0
        while len(waiting) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(waiting, at)
            if length > self._most:
                raise LineError(f"a message of {length} bytes")
            end = at + _LENGTH.size + length
            if end > len(waiting):
                break
            found.append(bytes(waiting[at + _LENGTH.size : end]))
            at = end
        del waiting[:at]
        return found


def framed(message: object) -> bytes:
    """A message as it goes over the line."""
    data = _encode(message)
    return _LENGTH.pack(len(data)) + data


def decoded(decoder: "msgspec.msgpack.Decoder[_Message]", data: bytes) -> _Message:
    """A message that came whole. Raises LineError for what is none, by whoever it was made."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise LineError(f"a message that is none ({cause})") from cause


def read_frame(sock: socket.socket, most: int, within_s: float) -> bytes:
    """The next message, waited for no longer than this in all. Raises LineError, and OSError as the socket does."""
    frames = Frames(most)
    ends_s = time.monotonic() + within_s
    while (left_s := ends_s - time.monotonic()) > 0:
        sock.settimeout(left_s)
        # A byte at a time, since what follows this message is not ours to read; it is short.
        read = sock.recv(1)
        if not read:
            break
        if found := frames.add(read):
            return found[0]
    raise LineError("no message")


class Line(Generic[_Message]):
    """One end of a connection. heard: the types of what comes. is_open: False once the other end has gone."""

    def __init__(self, sock: socket.socket, heard: Any) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._decoder: msgspec.msgpack.Decoder[_Message] = msgspec.msgpack.Decoder(heard)
        self._frames = Frames()
        self._out = bytearray()
        self.is_open = True

    def __repr__(self) -> str:
        return f"<Line {'open' if self.is_open else 'closed'}, {len(self._out)} bytes to send>"

    @property
    def has_more_to_send(self) -> bool:
        return self.is_open and bool(self._out)

    def send(self, message: object) -> None:
        """Send it as soon as the other end takes it."""
        self._out += framed(message)
        self.flush()

    def flush(self) -> None:
        """Send what the other end takes now."""
        try:
            while self._out and self.is_open:
                del self._out[: self.sock.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self.is_open = False

    def received(self) -> list[_Message]:
        """The messages that have come since. Raises LineError for what is none."""
        found: list[bytes] = []
        try:
            while self.is_open:
                data = self.sock.recv(_READ_BYTES)
                if not data:
                    self.is_open = False
                found += self._frames.add(data)
        except BlockingIOError:
            pass
        except OSError:
            self.is_open = False
        return [decoded(self._decoder, data) for data in found]

    def close(self) -> None:
        self.is_open = False
        with contextlib.suppress(OSError):
            self.sock.close()


_encode = msgspec.msgpack.Encoder().encode
