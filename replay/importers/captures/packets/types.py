"""What is found in captured packets: packets, what a side of a connection sent, requests and their answers."""

from typing import NamedTuple

import msgspec

Pairs = list[tuple[str, str]]
"""Headers, by name, in order."""


class Packet(NamedTuple):
    """A packet of TCP. connection: what tells connections apart, a number where it is recorded. source, target:
    addresses with ports.

    seq: of its first byte, and ack: of what its sender expects next; None where they are not recorded, or it expects
    nothing yet. data: what was
    captured of its payload, of which there were size bytes. reassembled: a message that ends in this packet, as
    whoever wrote it put it together; empty where it did not.
    """

    at_ns: int
    connection: str
    source: str
    target: str
    seq: int | None
    ack: int | None
    is_first: bool
    is_last: bool
    is_reset: bool
    size: int
    data: bytes
    reassembled: bytes = b""


class Piece(NamedTuple):
    """What a side of a connection sent next. at_ns: when that had come, as far as it was captured.

    has_time: whether it came then, rather than in packets before that are not in the file. lacking: how many bytes
    were not captured, before data.
    """

    data: bytes
    at_ns: int
    has_time: bool = True
    lacking: int = 0


class Content(msgspec.Struct):
    """The body of a message. most_bytes: so much is kept. size: of the whole. is_kept: whether data is all of it."""

    most_bytes: int
    data: bytearray = msgspec.field(default_factory=bytearray)
    size: int = 0
    is_kept: bool = True

    def take(self, data: bytes) -> None:
        """More of it."""
        self.size += len(data)
        self.is_kept = self.is_kept and self.size <= self.most_bytes
        if self.is_kept:
            self.data += data

    def lack(self, size: int) -> None:
        """So much more of it, which was not captured."""
        self.size += size
        self.is_kept = False


class Answer(msgspec.Struct):
    """An answer. first_ns, data_ns: when its first byte, and that of its body, came; None where that is not known.

    end_ns: when its last byte came; None where it did not, or that is not known. trailers: of HTTP/2.
    """

    status: int
    headers: Pairs
    first_ns: int | None
    content: Content
    data_ns: int | None = None
    end_ns: int | None = None
    is_over: bool = False
    trailers: Pairs = []


class Exchange(msgspec.Struct):
    """A request and its answer. client, server: addresses with ports. has_start: as of a Piece.

    is_asked: whether the request came to its end. is_http2: by which a gRPC call is told. answer: None where none was
    captured.
    """

    connection: str
    client: str
    server: str
    start_ns: int
    has_start: bool
    method: str
    target: str
    headers: Pairs
    content: Content
    is_http2: bool = False
    is_asked: bool = False
    answer: Answer | None = None

    def header(self, name: str) -> str:
        """The value of the request's first header of this name, in small letters; empty where there is none."""
        return value_of(self.headers, name)


def value_of(headers: Pairs, name: str) -> str:
    """The value of the first header of this name, in small letters; empty where there is none."""
    return next((value for key, value in headers if key.lower() == name), "")


class SocketEnd(NamedTuple):
    """When a client closed a WebSocket, in us, and with which code."""

    at_us: int
    code: int


class Ends(NamedTuple):
    """The connection that requests are of, and the addresses of its client and its server, with their ports."""

    connection: str
    client: str
    server: str
