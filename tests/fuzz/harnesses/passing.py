"""Requests that a gateway or a recorder passes on: where they end, what is written of them, and without which secrets."""

from pathlib import Path
from urllib.parse import quote

import msgspec

from replay.http.framing import FramingError
from replay.http.heads import RequestHead, read_response, response_body
from replay.recording.capture import step_of
from replay.recording.journal import JournalReader
from replay.recording.output import write_trace
from replay.recording.proxy import Proxy, RecordedPassage
from replay.recording.sessions import Sessions
from replay.recording.types import Exchange, SessionRules
from replay.recording.upstreams import parse_routes
from replay.relay.doorway import Doorway
from replay.relay.front import Passage
from replay.trace.errors import TraceError
from replay.trace.redaction.headers import redacted_path
from replay.trace.redaction.people import People
from replay.trace.redaction.personal import PersonalData
from replay.trace.redaction.personal_steps import personal_taken_out
from replay.trace.redaction.requests import Redactor
from replay.trace.types import Request, Step
from tests.fuzz import seeds
from tests.fuzz.contract import Harness
from tests.fuzz.harnesses.answers import Transport, pieces

CANARY = "sk-proj-AbCdEf0123456789AbCdEf0123456789AbCdEf01"
_RULES = SessionRules(header="x-session", cookie="sid")


class _AnyNumber:
    """Clients, however many."""

    def add(self, connection: Doorway, descriptor: int) -> bool:
        return True

    def discard(self, connection: Doorway) -> None: ...


class _Gateway:
    """Takes requests as a gateway does, and answers each one once it is there."""

    takes_sockets = False
    own_line = b""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, bytes]] = []

    def left(self, passage: Passage, why: str) -> None: ...

    def arrived(self, doorway: Doorway, request: RequestHead) -> Passage:
        passage = Passage(doorway, request)
        self.seen.append((request.method, request.target))
        return passage

    def send(self, passage: Passage) -> None:
        if passage.doorway is not None and passage.body.is_over:
            passage.doorway.passage_over()


def _gateway(data: bytes, folder: Path) -> bool:
    return _framed(data, lambda: _at_gateway([data]), lambda: _at_gateway(pieces(data)))


def _framed(data: bytes, whole, cut) -> bool:
    """A client that sends all at once and one that sends bit by bit are understood alike."""
    seen = whole()
    assert cut() == seen, "cuts change it"
    return bool(seen)


def _at_gateway(parts: list[bytes]) -> list[tuple[bytes, bytes]]:
    gateway, transport = _Gateway(), Transport()
    doorway = Doorway(gateway, _AnyNumber())
    doorway.connection_made(transport)
    for part in parts:
        if not transport.is_closed:
            doorway.data_received(part)
        passage = doorway._passage
        if passage is not None and passage.body.is_over:
            doorway.passage_over()
    return gateway.seen


class _StillProxy(Proxy):
    """A recorder whose upstream refuses every connection at once."""

    def _connect(self, passage: RecordedPassage) -> None:
        if passage.body.is_over:
            self._fail(passage, 502, "upstream unreachable")


def _recorder(data: bytes, folder: Path) -> bool:
    """What is recorded of a request can be written, and replayed as a trace."""
    over: list[Exchange] = []
    proxy = _StillProxy(
        parse_routes(["http://127.0.0.1:1"], []), Sessions(_RULES, b"key"), over.append, hash_key=b"key"
    )
    transport = Transport()
    doorway = Doorway(proxy, _AnyNumber())
    doorway.connection_made(transport)
    for part in pieces(data):
        if not transport.is_closed:
            doorway.data_received(part)
        if doorway._passage is not None and doorway._passage.body.is_over:
            proxy._fail(doorway._passage, 502, "upstream unreachable")
    doorway.connection_lost(None)
    for exchange in over:
        step = step_of(exchange, 0, Redactor(["tok_[a-z]+"]), "keep")
        written = msgspec.json.encode(step)
        own = [value for name, value in exchange.headers if name.lower() == "authorization" and CANARY in value]
        assert not own or CANARY.encode() not in written, "a secret of its own header is written"
    return bool(over)


def _response_head(data: bytes, folder: Path) -> bool:
    """Heads, and where the body that follows ends, however it is cut."""
    end = data.find(b"\r\n\r\n")
    head_bytes, rest = (data, b"") if end < 0 else (data[:end], data[end + 4 :])
    head = read_response(head_bytes)
    ends = []
    for parts in ([rest], pieces(rest)):
        body = response_body(head, b"GET")
        ends.append((sum(body.take(part) for part in parts), body.is_over))
    assert ends[0] == ends[1], "cuts change it"
    return True


def _redaction(data: bytes, folder: Path) -> bool:
    """No secret with a shape of its own outlives redaction, wherever it stands; what is left can be written."""
    kind, _, body = data.partition(b"\n")
    content_type = kind.decode("latin-1")
    clean = Redactor(["tok_[a-z]+"]).of_request(
        [("authorization", f"Bearer {CANARY}"), ("content-type", content_type)]
    )
    made = clean.body(body, content_type)
    written = msgspec.json.encode([made, clean.headers(), clean.path("/" + body[:500].decode("latin-1"))])
    assert CANARY.encode() not in written
    text = body.decode("utf-8", "replace")
    redacted_path("/a?" + text[:2000])
    step = Step("s", "http", "n", at_ms=0.0, request=Request("POST", "/a?" + quote(text[:200]), {"x-a": "b"}))
    assert step.request is not None
    step.request.body = text
    personal_taken_out(step, PersonalData(b"key", People(["Ada Lovelace"])))
    msgspec.json.encode(step)
    return made.json is not None


def _journal(data: bytes, folder: Path) -> bool:
    path = folder / "x.journal"
    path.write_bytes(data)
    with JournalReader(path) as reader:
        reader.scan()
    write_trace(path, folder / "out.jsonl")
    return True


HARNESSES = (
    Harness("gateway", _gateway, (), seeds.requests, ("replay.http.framing", "replay.http.heads", "replay.relay.doorway"), seeds.HEAD_WORDS),
    Harness(
        "recorder", _recorder, (), seeds.requests,
        ("replay.recording.capture", "replay.recording.sessions", "replay.recording.proxy"),
        seeds.HEAD_WORDS,
    ),
    Harness("response-head", _response_head, (FramingError,), seeds.responses, ("replay.http.framing", "replay.http.heads"), seeds.HEAD_WORDS),
    Harness(
        "redaction", _redaction, (), seeds.secrets,
        ("replay.trace.redaction.requests", "replay.trace.redaction.personal", "replay.trace.redaction.personal_steps", "replay.trace.redaction.addresses", "replay.trace.redaction.people", "replay.trace.redaction.bodies", "replay.trace.redaction.headers", "replay.trace.redaction.texts", "replay.trace.redaction.secrets", "replay.trace.redaction.responses"),
        (CANARY.encode(), b"eyJ-", b'name="a"', b"\r\n--", b"password", b"tok_a", b"a@b.example", b"4111 1111 1111 1111", b"DE89370400440532013000", b"+49 30 1234567", b"203.0.113.7", b"2001:db8::7", b"Ada Lovelace", b"%22", b"--x\r\n"),
    ),
    Harness("journal", _journal, (TraceError,), seeds.journals, ("replay.recording.journal", "replay.recording.output")),
)  # fmt: skip
