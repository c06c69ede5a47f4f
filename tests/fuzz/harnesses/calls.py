"""What gRPC servers answer to one call, in frames of HTTP/2, as a run settles it."""

import gzip
from collections.abc import Sequence
from pathlib import Path

from replay.dialects.grpc import framed
from replay.engine.attempt import Attempt
from replay.engine.outcome import Outcomes
from replay.results.types import ERROR_CLASSES
from replay.target.grpc import Grpc
from replay.target.target import Target
from replay.trace.types import GrpcCall, Step
from replay.wire.http2 import framing, settings
from replay.wire.http2.framing import DATA, END_HEADERS, END_STREAM, HEADERS
from replay.wire.types import ALWAYS
from tests.fuzz.contract import Harness
from tests.fuzz.harnesses.answers import Turns, pieces
from tests.fuzz.harnesses.http2 import connected, header_block, http2_wire
from tests.support.attempts import attempt
from tests.support.grpc_servers import SEARCH, descriptor_file, messages

_CALL = GrpcCall(SEARCH)
_OUTCOMES = Outcomes(Target(url="http://t", grpc=Grpc(str(descriptor_file()))))


def answered_call(parts: Sequence[bytes]) -> Attempt:
    """A gRPC call that was answered so, as a run settles it."""
    step = Step("a", "grpc", "x", grpc=_CALL)
    ended: list[Attempt] = []
    head = b"POST /x HTTP/1.1\r\nhost: t\r\nte: trailers\r\nauthorization: Bearer sesame-0pen\r\n\r\n"
    asked = attempt(
        step,
        head=head,
        body=b"\0\0\0\0\0",
        method="POST",
        on_done=ended.append,
        keeps_body=ALWAYS,
        captured_headers=[],
    )
    asked.expected = _OUTCOMES.of(step, b"")
    wire = http2_wire()
    conn, _ = connected(wire)
    wire.send(asked)
    with Turns() as turns:
        for part in parts:
            conn.data_received(part)
            turns.take()
        conn.connection_lost(None)
    while wire._lane.waiting:
        wire.give_up(wire._lane.waiting.popleft(), 1, "interrupted")
    assert ended == [asked]
    if asked.error is None:
        assert asked.expected is not None
        asked.expected.settle(asked)
    return asked


def _grpc(data: bytes, folder: Path) -> bool:
    """A call is answered, or fails of a known class, however the bytes are cut; and no secret is told."""
    whole, cut = answered_call([data]), answered_call(pieces(data))
    assert (whole.error, whole.grpc_status, whole.captured) == (cut.error, cut.grpc_status, cut.captured)
    assert whole.error is None or whole.error in ERROR_CLASSES or whole.error == "interrupted"
    assert len(whole.why or "") < 400
    assert "sesame" not in (whole.why or "")
    return whole.grpc_status is not None


def _calls() -> list[bytes]:
    """Answers on stream 1: one message, one that is compressed, trailers alone, and failures that quote a secret."""
    begin = framing.settings({settings.MAX_CONCURRENT_STREAMS: 100}) + framing.SETTINGS_TAKEN
    frame = framing.frame
    kind = ("content-type", "application/grpc")
    ok = frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block(("grpc-status", "0")))
    head = frame(HEADERS, END_HEADERS, 1, header_block((":status", "200"), kind))
    packed = frame(HEADERS, END_HEADERS, 1, header_block((":status", "200"), kind, ("grpc-encoding", "gzip")))
    message = messages()[1](names=["a", "b"], count=2).SerializeToString()
    zipped = gzip.compress(message, mtime=0)
    secret = ("grpc-message", "no%20token%20sesame-0pen")
    alone = header_block((":status", "200"), kind, ("grpc-status", "14"), secret)
    return [
        begin + head + frame(DATA, 0, 1, framed(message)) + ok,
        begin + packed + frame(DATA, 0, 1, b"\x01" + framed(zipped)[1:]) + ok,
        begin + frame(HEADERS, END_HEADERS | END_STREAM, 1, alone),
        begin + head + frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block(("grpc-status", "16"), secret)),
        begin + head + frame(DATA, 0, 1, framed(message)[:7]) + frame(DATA, END_STREAM, 1, framed(message)[7:]),
    ]


_CALL_WORDS = (
    header_block(("grpc-status", "5"), huffman=False), header_block(("grpc-message", "%C3%A9%"), huffman=False), b"application/grpc+json",
    b"\0\0\0\0\x01", b"\x01\xff\xff\xff\xff", b"\0\0\0\0\0" * 2, b"grpc-encoding", b"deflate", b"\x08\x96\x01",
)  # fmt: skip


HARNESSES = (
    Harness(
        "grpc-answer", _grpc, (), _calls,
        ("replay.dialects.grpc", "replay.engine.grpc.outcome", "replay.engine.grpc.descriptors"),
        _CALL_WORDS,
    ),
)  # fmt: skip
