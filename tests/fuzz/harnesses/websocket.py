"""What targets answer on WebSockets: the answer to an opening, and frames in any number of reads."""

from collections.abc import Sequence
from pathlib import Path

from replay.recording import types as recording
from replay.recording.capture import step_of
from replay.recording.sockets import RecordedSocket
from replay.target.target import Target
from replay.trace.file.rules import find_problem
from replay.trace.redaction.requests import Redactor
from replay.trace.types import Session, Until
from replay.trace.values.sockets import Named
from replay.websocket.compression import Compression
from replay.websocket.frames import frame_bytes
from replay.websocket.handshake import accept_of
from replay.websocket.messages import closing
from replay.websocket.types import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from replay.wire.answers import Tells
from replay.wire.types import ALWAYS, Exchange, OnSocket
from replay.wire.websocket.connection import SocketConnection
from replay.wire.websocket.opening import Opening
from tests.fuzz.contract import Harness
from tests.fuzz.harnesses.answers import Transport, Turns, pieces

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, section 1.3
_TARGET = Target(url="http://127.0.0.1:1", instance_header="x-instance", cold_header="server-timing")
SWITCHES = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\nX-Instance: i-1\r\n" % accept_of(KEY).encode()
)


class Keeper:
    """Keeps one connection, and notes what it says."""

    tells = Tells.of(_TARGET)

    def __init__(self, *, compresses: bool = False) -> None:
        self._compresses = compresses
        self.said: list[str] = []

    def opening(self, head: bytes, protocols: tuple[str, ...]) -> Opening:
        return Opening(head, protocols, compresses=self._compresses)

    def is_open(self, conn: SocketConnection) -> None:
        self.said.append("open")

    def is_idle(self, conn: SocketConnection) -> None:
        self.said.append("idle")

    def leave(self, conn: SocketConnection) -> None:
        self.said.append("leave")
        conn.leave()

    def lost(self, conn: SocketConnection, *, while_idle: bool) -> None:
        self.said.append("lost while idle" if while_idle else "lost")


def connected(*exchanges: Exchange, compresses: bool = False) -> tuple[SocketConnection, Transport, Keeper]:
    """A connection without a socket, on which an opening was asked for with KEY, for these."""
    keeper = Keeper(compresses=compresses)
    conn, transport = SocketConnection(keeper, "s", "/"), Transport()
    for exchange in exchanges:
        conn.start(exchange)
    conn.connection_made(transport)  # type: ignore[arg-type]
    conn.ask()
    assert conn._opening is not None
    conn._opening._key = KEY
    return conn, transport, keeper


def asking(
    done: list[Exchange], until: Until | None = None, action: str = "message", **options: object
) -> Exchange:
    """An exchange that ends with the message which fits."""
    socket = OnSocket("/", action, awaits=None if until is None else Named(until))
    return Exchange(
        b"GET / HTTP/1.1\r\nhost: t\r\n\r\n", b"hello", "GET", done.append, socket=socket, keeps_body=ALWAYS,
        captured_headers=[], **options,  # type: ignore[arg-type]
    )  # fmt: skip


def _answered(parts: Sequence[bytes], *, compresses: bool) -> list[tuple[object, ...]]:
    ended: list[Exchange] = []
    asked = [
        asking(ended, Until(json="/type", equals="done")),
        asking(ended, Until(messages=2)),
        asking(ended, action="ping"),
        asking(ended, Until(text="never")),
    ]
    with Turns() as turns:
        conn, _, _ = connected(*asked, compresses=compresses)
        for part in parts:
            if conn.is_closed:
                break
            conn.data_received(part)
            turns.take()
        conn.connection_lost(None)
    assert sorted(map(id, ended)) == sorted(map(id, asked)), "each ends once"
    return [
        (
            x.error, x.why, x.status, x.response_bytes, x.token_count, bytes(x.captured or b""), x.captured_headers,
            x.instance, x.socket and (x.socket.messages, x.socket.close_code),
        )
        for x in asked
    ]  # fmt: skip


def _frames(data: bytes, folder: Path) -> bool:
    """However the bytes are cut, what becomes of each is the same."""
    is_open = False
    for compresses in (False, True):
        whole = _answered([data], compresses=compresses)
        assert _answered(pieces(data), compresses=compresses) == whole, "cuts change it"
        is_open |= any(answer[2] == 101 for answer in whole)
    recorded = _recorded([data])
    assert _recorded(pieces(data)) == recorded, "cuts change what is recorded"
    return is_open


def _recorded(parts: Sequence[bytes]) -> list[tuple[object, ...]]:
    """The same bytes from an upstream, after a message of a client's: what is recorded of that."""
    over: list[recording.Exchange] = []
    opening = recording.Exchange(
        1, recording.SessionRef("s", "client"), "GET", "/", "/", [], "", 0, socket=recording.OnSocket(1, "open")
    )
    socket = RecordedSocket(opening, over.append, lambda: 2, None, lambda: 1)
    socket.sent(frame_bytes(TEXT, b'{"id":1}', is_masked=True))
    for part in parts:
        socket.came(part)
    socket.end("gone")
    steps = [step_of(exchange, 0, Redactor(), "keep") for exchange in over]
    assert not any(find_problem(Session("s", 0.0, [step])) for step in steps), "a trace can hold it"
    return [(step.ws and step.ws.until, step.attributes.get("fault"), step.took_ms) for step in steps]


def _said(opcode: int, payload: bytes, **options: bool) -> bytes:
    return frame_bytes(opcode, payload, is_masked=False, **options)


def _answers() -> list[bytes]:
    opened, packs = SWITCHES + b"\r\n", SWITCHES + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    pong = _said(PONG, (3).to_bytes(4))
    whole = [
        b'{"type":"delta","delta":"a"}',
        b'{"type":"done"}',
        b'{"type":"response.completed"}',
        "é".encode(),
    ]
    one = (
        opened
        + b"".join(_said(TEXT, text) for text in whole)
        + pong
        + _said(PING, b"?")
        + _said(CLOSE, closing(1000))
    )
    parts = opened + b"\x01\x03abc" + _said(PING, b"") + b"\x00\x01d\x80\x00" + _said(BINARY, bytes(200)) + pong
    compression = Compression()
    packed = packs + b"".join(_said(TEXT, compression.packed(text), is_packed=True) for text in whole) + pong
    refused = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\nno"
    bare = b"".join(_said(TEXT, text) for text in (b'{"id":1}', b'{"type":"x"}')) + _said(CLOSE, closing(1001))
    return [one, parts, packed, refused, bare]


_WORDS = (
    b"\x81\x00", b"\x81\x7e\x00\x7e", b"\x82\x7f" + (1 << 40).to_bytes(8), b"\x89\x80abcd", b"\x88\x02\x03\xe8", b"\x88\x01",
    b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", b"\x80\x00", b"\x00\x00", b"\x01\x00", b"\xf1\x00", b"\x83\x00", b"\x09\x00",
    _said(CONTINUATION, b"x"), b"permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
    b"Sec-WebSocket-Protocol: x\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
)  # fmt: skip

HARNESSES = (
    Harness(
        "websocket", _frames, (), _answers,
        ("replay.websocket.frames", "replay.websocket.messages", "replay.websocket.compression", "replay.websocket.handshake",
         "replay.wire.websocket.opening", "replay.wire.websocket.connection", "replay.wire.websocket.under_way",
         "replay.wire.websocket.slices", "replay.dialects.messages", "replay.trace.values.sockets", "replay.trace.socket_steps", "replay.recording.sockets"),
        _WORDS,
    ),
)  # fmt: skip
