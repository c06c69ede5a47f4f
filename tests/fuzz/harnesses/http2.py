"""What targets answer in HTTP/2: frames in any number of reads, header blocks, and blocks of what is asked."""

from collections.abc import Sequence
from pathlib import Path

import hpack

from replay.target.target import Target
from replay.wire.addresses import AddressBook
from replay.wire.http2 import framing, settings
from replay.wire.http2.connection import Connection
from replay.wire.http2.framing import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED
from replay.wire.http2.requests import LEFT_OUT, RequestBlocks
from replay.wire.http2.wire import Http2Wire
from replay.wire.httpx.requests import read_head
from replay.wire.types import ALWAYS, Exchange
from tests.fuzz import seeds
from tests.fuzz.contract import Harness
from tests.fuzz.harnesses.answers import Transport, Turns, pieces

_TARGET = Target(
    url="http://127.0.0.1:1", http2=True, instance_header="x-instance", cold_header="server-timing"
)
_ASKED = (("GET", False), ("POST", True), ("HEAD", False))
# More than the windows let out at first.
_BODY = b"x" * 70_000


def http2_wire() -> Http2Wire:
    """A wire that opens nothing by itself."""
    wire = Http2Wire(_TARGET, AddressBook(_TARGET, _TARGET.url))
    wire._openings.is_closing = True
    return wire


def connected(wire: Http2Wire) -> tuple[Connection, Transport]:
    """A connection of the wire without a socket."""
    conn, transport = wire._connection(), Transport()
    conn.connection_made(transport)
    wire._openings.open.add(conn)
    wire.take(conn, wire._lane)
    return conn, transport


def _answered(parts: Sequence[bytes], wire: Http2Wire) -> list[tuple[object, ...]]:
    ended: list[Exchange] = []
    asked = [
        Exchange(
            b"%b / HTTP/1.1\r\nHost: t\r\n\r\n" % method.encode(), _BODY if is_stream else b"", method,
            ended.append, is_stream=is_stream, keeps_body=ALWAYS, captured_headers=[],
        )
        for method, is_stream in _ASKED
    ]  # fmt: skip
    conn, _ = connected(wire)
    for exchange in asked:
        wire.send(exchange)
    with Turns() as turns:
        for part in parts:
            conn.data_received(part)
            turns.take()
        conn.connection_lost(None)
        while wire._lane.waiting:
            wire.give_up(wire._lane.waiting.popleft(), 1, "interrupted")
    assert sorted(map(id, ended)) == sorted(map(id, asked)), "each ends once"
    return [
        (x.error, x.status)
        if x.error
        else (x.status, x.response_bytes, x.token_count, bytes(x.captured or b""), x.captured_headers, x.instance, x.cold)
        for x in asked
    ]  # fmt: skip


def _frames(data: bytes, folder: Path) -> bool:
    """However the bytes are cut, and whether or not the heads were seen before, the answers are the same."""
    wire = http2_wire()
    whole = _answered([data], wire)
    assert _answered([data], wire) == whole, "heads that are known change it"
    assert _answered(pieces(data), http2_wire()) == whole, "cuts change it"
    return any(answer[0] is None or answer[0] == 200 for answer in whole)


def _request_block(data: bytes, folder: Path) -> bool:
    """A head is refused, or its block says what it says, whatever was made into blocks before."""
    blocks = RequestBlocks(is_tls=True)
    block = blocks.block(data)
    assert blocks.block(data) == block
    target, headers = read_head(data)
    found = hpack.Decoder(1 << 24).decode(block, raw=True)
    said = [(bytes(name), bytes(value)) for name, value in found]
    assert said[2] == (b":path", target)
    names = [name for name, _ in said]
    assert not LEFT_OUT.intersection(names) - {b"te"}
    assert set(names[4:]) <= {name.lower() for name, _ in headers}
    return True


def header_block(*fields: tuple[str, str], encoder: hpack.Encoder | None = None, huffman: bool = True) -> bytes:
    coder = encoder or hpack.Encoder()
    if encoder is None:
        coder.header_table_size = 0
    return bytes(coder.encode(fields, huffman=huffman))


def _answers() -> list[bytes]:
    """What servers send: whole answers on streams 1, 3 and 5, after their settings."""
    taken = framing.SETTINGS_TAKEN
    begin = framing.settings({settings.MAX_CONCURRENT_STREAMS: 100}) + taken + framing.window_update(0, 1 << 20)
    head = header_block(
        (":status", "200"), ("content-type", "application/json"), ("content-length", "2"), ("x-instance", "i-1")
    )
    frame = framing.frame
    plain = b"".join(
        framing.window_update(n, 1 << 20) + frame(HEADERS, END_HEADERS, n, head) + frame(DATA, END_STREAM, n, b"{}")
        for n in (1, 3)
    ) + frame(HEADERS, END_HEADERS | END_STREAM, 5, head)  # fmt: skip
    stream = seeds.streams()[0]
    events = header_block((":status", "200"), ("content-type", "text/event-stream"))
    hints = header_block((":status", "103"), ("link", "</a>"))
    cut = b"".join(
        (
            frame(HEADERS, 0, 1, hints[:3]), frame(CONTINUATION, END_HEADERS, 1, hints[3:]),
            frame(HEADERS, END_HEADERS, 1, events),
            *(frame(DATA, PADDED, 1, b"\x02" + stream[at : at + 90] + b"\0\0") for at in range(0, len(stream), 90)),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block(("grpc-status", "0"))),
            framing.frame(framing.PING, 0, 0, b"12345678"), framing.reset(3, 7),
            framing.farewell(0),
        )
    )  # fmt: skip
    table = hpack.Encoder()
    kept = [
        header_block((":status", "200"), ("x-instance", "i-2"), ("server", "s"), encoder=table)
        for _ in range(2)
    ]
    table.header_table_size = 0
    kept.append(header_block((":status", "404"), encoder=table))
    with_table = b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * n, block) for n, block in enumerate(kept)
    )
    return [begin + plain, begin + cut, begin + with_table, plain, b"HTTP/1.1 400 Bad Request\r\n\r\n"]


_WORDS = (
    framing.SETTINGS_TAKEN, framing.reset(1, 7), framing.farewell(0), framing.window_update(1, 1), framing.window_update(0, 0),
    framing.settings({settings.INITIAL_WINDOW_SIZE: 0}), framing.settings({settings.INITIAL_WINDOW_SIZE: framing.MOST_WINDOW}),
    framing.frame(framing.PUSH_PROMISE, 4, 1, b"\0\0\0\2\x82"), framing.frame(framing.PRIORITY, 0, 1, b"12345"),
    framing.frame(CONTINUATION, 4, 1, b""), framing.frame(DATA, 1, 3, b""), framing.frame(HEADERS, 5, 1, b"\x88"), b"\x3f\xe1\x1f",
    b"\x20", b"\xff\xff\xff\xff", framing.frame(99, 255, 1, b"?"),
)  # fmt: skip

HARNESSES = (
    Harness(
        "http2-frames", _frames, (), _answers,
        ("replay.wire.http2.framing", "replay.wire.http2.receiving", "replay.wire.http2.responses", "replay.wire.http2.connection",
         "replay.wire.http2.settings", "replay.wire.http2.sending", "replay.wire.http2.stream"),
        _WORDS,
    ),
    Harness("http2-request", _request_block, (ValueError,), seeds.requests, ("replay.wire.http2.requests",), seeds.HEAD_WORDS),
)  # fmt: skip
