"""What targets answer: responses over both wires' readers, event streams, model answers, planes that speak of themselves."""

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from replay.dialects import mcp
from replay.dialects.asked import asks_for_stream, asks_model
from replay.dialects.aws_frames import FrameCutter
from replay.dialects.bodies import read_body
from replay.dialects.documents import read_cut_document, read_document
from replay.dialects.families import family_of_request
from replay.dialects.layouts.json_rpc import Awaited, answer_among
from replay.dialects.layouts.openai_chat import OPENAI_CHAT
from replay.dialects.streams import StreamReader
from replay.engine.answers.shape import shape_of
from replay.engine.beside.observe import PlaneObserver, understood
from replay.http.codings import uncoded
from replay.planes.modelled.asking import BodyScan, kind_and_name
from replay.planes.recorded.bodies import body_of
from replay.planes.recorded.recording import Recording, Rows
from replay.planes.recorded.types import Question
from replay.target.target import Target
from replay.trace.types import Recorded, Request, Session, Step
from replay.wire.addresses import AddressBook
from replay.wire.http1.connection import Connection
from replay.wire.http1.wire import Http1Wire
from replay.wire.httpx.requests import read_head
from replay.wire.types import ALWAYS, Exchange
from tests.fuzz import seeds
from tests.fuzz.contract import Harness

_TARGET = Target(url="http://127.0.0.1:1", instance_header="x-instance", cold_header="server-timing")


def _recording() -> Recording:
    rows = Rows()
    request = Request("POST", "/mcp", json=msgspec.Raw(b'{"jsonrpc":"2.0","id":1,"method":"x"}'))
    kept = Recorded(status=200, response_json={"jsonrpc": "2.0", "id": 1, "result": {}})
    rows.add(Session("s", 0.0, [Step("1", "mcp", "x", request=request, recorded=kept)]))
    return Recording(rows)


_RECORDING = _recording()


class Transport:
    """A connection without a socket. is_closed: whether our side has ended it."""

    def __init__(self) -> None:
        self.is_closed = False
        self.written = bytearray()

    def set_write_buffer_limits(self, high: int) -> None: ...

    def get_extra_info(self, name: str) -> tuple[str, int] | None:
        return None if name in ("socket", "sslcontext", "ssl_object") else ("127.0.0.1", 1)

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Turns:
    """Stands in for the running loop, and takes the turns that were asked of it."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def __enter__(self) -> "Turns":
        asyncio._set_running_loop(self)
        return self

    def __exit__(self, *raised: object) -> None:
        asyncio._set_running_loop(None)

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._waiting.append(callback)

    def take(self) -> None:
        while self._waiting:
            self._waiting.pop(0)()


def pieces(data: bytes, most: int = 40) -> list[bytes]:
    """The same bytes cut in places that depend on nothing but them."""
    chance = random.Random(data)
    cuts = sorted({chance.randrange(len(data) + 1) for _ in range(chance.randrange(most))} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(cuts)]


def _answered(parts: list[bytes], method: str, is_stream: bool, wire: Http1Wire) -> tuple[object, ...]:
    done: list[Exchange] = []
    exchange = Exchange(
        b"X / HTTP/1.1\r\n\r\n", b"", method, done.append, is_stream=is_stream, keeps_body=ALWAYS
    )
    exchange.captured_headers = []
    conn = Connection(wire)
    conn.connection_made(Transport())
    wire._open.add(conn)
    conn.start(exchange)
    with Turns() as turns:
        for part in parts:
            if not done:
                conn.data_received(part)
            turns.take()
    if not done:
        conn.connection_lost(None)
    assert done == [exchange]
    assert exchange.end_ns
    return (
        exchange.error,
        exchange.status,
        exchange.response_bytes if exchange.error is None else None,
        exchange.token_count if exchange.error is None else None,
        bytes(exchange.captured or b"") if exchange.error is None else None,
        exchange.instance,
        exchange.cold,
    )


def _response(data: bytes, folder: Path) -> bool:
    """However the bytes are cut, and whether or not the head was seen before, the response is the same."""
    method, is_stream = ("GET", "HEAD", "POST")[len(data) % 3], bool(len(data) & 4)
    wire = Http1Wire(_TARGET, AddressBook(_TARGET, _TARGET.url))
    whole = _answered([data], method, is_stream, wire)
    assert _answered([data], method, is_stream, wire) == whole, "a head that is known changes it"
    fresh = Http1Wire(_TARGET, AddressBook(_TARGET, _TARGET.url))
    assert _answered(pieces(data), method, is_stream, fresh) == whole, "cuts change it"
    return whole[0] is None


def _events(data: bytes, folder: Path) -> bool:
    """However the bytes are cut, a stream has the same tokens and says the same."""
    whole, cut = StreamReader("model"), StreamReader("model")
    whole.feed(data, 1)
    for at, part in enumerate(pieces(data), 2):
        cut.feed(part, at)
    for reader in (whole, cut):
        reader.finish()
    assert _said(whole) == _said(cut)
    return whole.token_count > 0


def _said(reader: StreamReader) -> tuple[object, ...]:
    return (
        reader.token_count, reader.layout, reader.error, reader.has_ended, reader.is_cut_short, reader.usage,
        reader.finish_reasons, reader.tool_names, len(reader.itl_ns),
    )  # fmt: skip


def _body(data: bytes, folder: Path) -> bool:
    """Bodies of answers, with their coding in the first line; of requests, as a plane understands them."""
    coding, _, body = data.partition(b"\n")
    plain = uncoded(body, coding.decode("latin-1"), 1 << 20)
    body = body if plain is None else plain
    for family in ("model", "rpc", "graphql"):
        read_body(body, family)
    document = read_document(body)
    read_cut_document(body)
    if document is not None:
        msgspec.json.encode(shape_of(document).paths)
    for path in ("/v1/chat/completions", "/v1/messages", "/graphql"):
        family_of_request("http", "POST", path, body)
        asks_model(path, body)
        asks_for_stream(path, body)
    kind_and_name(body[:100])
    scan = BodyScan(OPENAI_CHAT.limits)
    for part in pieces(body):
        scan.feed(part)
    scan.asked()
    question = Question(b"POST", b"/mcp", body, None, None, ("mcp", "mcp"))
    _RECORDING.answer(question._replace(target=b"/elsewhere"))
    answer = _RECORDING.answer(question)
    assert answer is not None
    read_document(body_of(answer, question).text)
    return document is not None


def _mcp(data: bytes, folder: Path) -> bool:
    """What a server says of a session, and parameters that a recording has."""
    mcp.session_id_in(data)
    answer = answer_among(data, Awaited(listens=False, message_id="1"))
    version = mcp.negotiated(answer or data)
    try:
        # As the lines of a trace are: whole JSON, in UTF-8.
        params = msgspec.json.encode(msgspec.json.decode(data.decode(), type=dict[str, Any]))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return version is not None
    for method in ("tools/call", "resources/read", "other"):
        headers = mcp.headers_of(method, params, mcp.STATELESS)
        assert all(value.isascii() and value.isprintable() for value in headers.values())
        said = mcp.message(method, "1", mcp.Client("1").with_meta(params))
        assert msgspec.json.decode(said)["id"] == "1"
    return True


def _frames(data: bytes, folder: Path) -> bool:
    """However the bytes are cut, Amazon's frames are the same."""
    whole, cut = FrameCutter(), FrameCutter()
    blocks = whole.feed(data)
    assert [block for part in pieces(data) for block in cut.feed(part)] == blocks
    return bool(blocks)


def _request_head(data: bytes, folder: Path) -> bool:
    read_head(data)
    return True


def _observe(data: bytes, folder: Path) -> bool:
    """Whatever a plane says of itself, a poll is taken or missed, and the run has its figures or has none."""
    observer = PlaneObserver("http://127.0.0.1:1/state", folder)
    said = [understood(part) for part in data.split(b"\n--\n")]
    for each in said:
        observer._learn(each)
    figures = observer.figures()
    msgspec.json.encode([said, figures])
    return figures is not None


HARNESSES = (
    Harness(
        "response", _response, (), seeds.responses, ("replay.wire.http1.response", "replay.wire.http1.connection", "replay.wire.http1.heads", "replay.wire.answers"),
        seeds.HEAD_WORDS,
    ),
    Harness("events", _events, (), seeds.streams, ("replay.dialects.moulds", "replay.dialects.sse"), seeds.STREAM_WORDS),
    Harness(
        "body", _body, (), seeds.bodies,
        ("replay.dialects.asked", "replay.dialects.bodies", "replay.dialects.documents", "replay.dialects.families", "replay.engine.answers.shape",
         "replay.planes.modelled.asking", "replay.planes.recorded.bodies", "replay.planes.recorded.keys"),
    ),
    Harness(
        "mcp",
        _mcp,
        (),
        lambda: [
            b'{"jsonrpc":"2.0","id":"1","result":{"protocolVersion":"2025-11-25","capabilities":{}}}',
            b'data: {"jsonrpc":"2.0","id":"1","result":{"protocolVersion":"2025-06-18"}}\n\n',
            b'{"name":"search","arguments":{"q":"x"},"_meta":{"progressToken":1}}',
        ],
        ("replay.dialects.mcp",),
        (b'"_meta":null', b'"_meta":[]', b'"name":"\\u0000"', b'"uri":"\\ud800"'),
    ),
    Harness("aws-frames", _frames, (), seeds.frames, ("replay.dialects.aws_frames",)),
    Harness("request-head", _request_head, (ValueError,), seeds.requests, ("replay.wire.httpx.requests",), seeds.HEAD_WORDS),
    Harness("observe", _observe, (ValueError, msgspec.DecodeError, RecursionError), seeds.states, ("replay.engine.beside.observe",)),
)  # fmt: skip
