"""What clients say on WebSockets that modelled targets hold: frames in any number of reads, and what those tell."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from replay.planes.modelled.messages import ending, usual_answer
from replay.planes.modelled.script import Plan, ids_of, key_of, on_socket_of, recorded_of, told_of
from replay.planes.modelled.sockets import HeldSocket, Turn
from replay.trace.values.sockets import Named
from replay.websocket.frames import frame_head
from replay.websocket.handshake import Asked
from replay.websocket.messages import closing
from replay.websocket.telling import TOLD
from replay.websocket.types import CLOSE, PING, TEXT
from tests.fuzz.contract import Harness
from tests.fuzz.harnesses.answers import Transport, pieces

_ASKED = Asked("dGhlIHNhbXBsZSBub25jZQ==", ("a",), True)
_UNTIL = quote('{"json":"/type","equals":"done","text":"x","messages":2}', safe="")
_TOLD = (
    b"\r\ntraceparent: 00-1-2-01\r\nx-replay-recorded-ids: s-1 a%2F1\r\nx-replay-recorded-ms: 12.5 3\r\n"
    b"x-replay-recorded-step: ws say\r\nx-replay-recorded-ws: message " + _UNTIL.encode()
)


class _Holder:
    """Answers at once, and notes what it was told."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.socket: HeldSocket

    def hear(self, told: bytes, message: bytes) -> None:
        done = on_socket_of(told)
        self.heard.append((done, ids_of(told), told_of(told), recorded_of(told), key_of(told), message))
        said = usual_answer(message)
        if (
            done is not None
            and done.until is not None
            and (ended := ending(done.until, is_slow=True)) is not None
        ):
            named = Named(done.until)
            assert named.fits(b"".join(bytes(part) for part in ended.last.between(0, ended.last.size)))
            said = ended
        turn = Turn(self.socket, Plan("answers", 0.0, None), said, lambda _: 0.0)  # type: ignore[arg-type]
        for _ in range(min(said.parts, 10)):
            turn.go_on()

    def begin(self, turn: Turn, wait_ms: float, /) -> None: ...

    def give_up(self, turn: Turn, /) -> None: ...

    def crash(self) -> None: ...


def _heard(parts: Sequence[bytes]) -> tuple[list[object], bytes, bool]:
    holder, transport = _Holder(), Transport()
    holder.socket = HeldSocket(holder, transport, _ASKED)  # type: ignore[arg-type]
    holder.socket.open()
    for part in parts:
        if transport.is_closed:
            break
        holder.socket.received(part)
    return holder.heard, bytes(transport.written), transport.is_closed


def _talk(data: bytes, folder: Path) -> bool:
    """However the bytes are cut, what is heard, and what is answered, is the same."""
    whole = _heard([data])
    assert _heard(pieces(data)) == whole, "cuts change it"
    return bool(whole[0])


def _said(opcode: int, payload: bytes) -> bytes:
    # Masked by zeros, so that seeds are the same in every run.
    return frame_head(opcode, len(payload), 0x80) + bytes(4) + payload


def _talks() -> list[bytes]:
    told = _said(TOLD, _TOLD) + _said(TEXT, b'{"id":1}')
    return [
        told + _said(PING, b"?") + _said(CLOSE, closing(1000)),
        _said(TEXT, "é".encode()) + b"\x01\x80\0\0\0\0" + _said(PING, b"") + b"\x80\x81\0\0\0\0x" + told,
        _said(TEXT, b'{"jsonrpc":"2.0","id":1,"method":"x"}') + _said(TEXT, b""),
    ]


HARNESSES = (
    Harness(
        "talking", _talk, (), _talks,
        ("replay.planes.modelled.sockets", "replay.planes.modelled.script", "replay.planes.modelled.messages",
         "replay.websocket.telling"),
        (b"\x83\x80\0\0\0\0", b"\x03\x80\0\0\0\0", b"%22equals%22%3A", b"%5Cud800", b"%7B%7D", b"x-replay-recorded-ws: open\r\n",
         b"\x81\x80\0\0\0\0", b"\x88\x80\0\0\0\0"),
    ),
)  # fmt: skip
