"""What of an exchange is kept: its body while it passes, and the step that it becomes. Sans I/O."""

import contextlib
import os
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import httptools
import msgspec

from replay.dialects.asked import is_model_path
from replay.recording.responses import kept_response
from replay.recording.types import Bodies, Exchange, OnSocket
from replay.trace.edges.names import LONGEST_NAME, grouped_name
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.model_calls import carried_by, model_in_path, put_carried
from replay.trace.redaction.bodies import of_size_only
from replay.trace.redaction.personal_steps import personal_taken_out
from replay.trace.redaction.requests import Redactor, RequestRedactor
from replay.trace.socket_steps import opening_of, until_of, with_message
from replay.trace.types import Kind, LlmCall, Recorded, Request, Step
from replay.websocket.types import NORMAL, is_code

MOST_BODY_BYTES = 1 << 20
MOST_MODEL_BODY_BYTES = 16 << 20
"""Of a request to a model: held for a moment, so that its images and tools can be told. No more of it is written."""

INCOMPLETE = "incomplete"
"""The attribute of a step of which not all has come: what that is."""

_MCP_ENDING = "/mcp"
_MS = 1e6
_HEAD_OF_CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class _Call(msgspec.Struct):
    """What names a model or MCP call in its body; of any type, since a client may send anything."""

    model: Any = None
    stream: Any = None
    method: Any = None
    params: Any = None


class Unchunked:
    """Takes the chunks off a body; on_body is called with what was in them."""

    def __init__(self, on_body: Callable[[bytes], None]) -> None:
        self.on_body = on_body  # the parser looks it up by this name
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(_HEAD_OF_CHUNKS)

    def feed(self, data: bytes) -> None:
        # Whether the framing is right is for the proxy to say; what could be read counts.
        with contextlib.suppress(httptools.HttpParserError):
            self._parser.feed_data(data)


class BodyCapture:
    """A body as it passes: the whole of it up to most_bytes, its size, and its hash where one is wanted.

    key: of the hash; None: none. Equal bodies have equal hashes within one recording only, so that a hash does not
    give away a body that can be guessed.
    """

    def __init__(self, is_chunked: bool, key: bytes | None, most_bytes: int = MOST_BODY_BYTES) -> None:
        self._kept = bytearray()
        self._most_bytes = most_bytes
        self._hash = None if key is None else blake2b(key=key, digest_size=16)
        self.body_bytes = 0
        self._unchunked = Unchunked(self._add) if is_chunked else None

    def feed(self, data: bytes) -> None:
        if self._unchunked is not None:
            self._unchunked.feed(data)
        else:
            self._add(data)

    @property
    def body(self) -> bytes | None:
        """The body; None where it is too large to be kept."""
        return bytes(self._kept) if self.body_bytes <= self._most_bytes else None

    @property
    def body_hash(self) -> str | None:
        return None if self._hash is None or not self.body_bytes else self._hash.hexdigest()

    def _add(self, data: bytes) -> None:
        self.body_bytes += len(data)
        if self._hash is not None:
            self._hash.update(data)
        if self.body_bytes <= self._most_bytes:
            self._kept += data
        else:
            self._kept = bytearray()


def step_of(exchange: Exchange, begin_ns: int, redactor: Redactor, bodies: Bodies) -> Step:
    """The step that an exchange becomes, without its secrets; at_ms counts from begin_ns.

    took_ms is None where the response did not come to its end, since nobody knows how long it would have taken.
    """
    clean = redactor.of_request(exchange.headers)
    path = clean.path(exchange.path)
    if exchange.socket is not None:
        return _on_socket(exchange, exchange.socket, begin_ns, path, clean, redactor, bodies)
    client_path = path if exchange.client_path == exchange.path else clean.path(exchange.client_path)
    kind, name, attributes = _told(exchange, client_path, clean)
    if exchange.upstream:
        attributes["upstream"] = exchange.upstream
    if exchange.body_hash is not None and bodies == "hash":
        attributes["body_hash"] = exchange.body_hash
    if exchange.fault is not None:
        attributes["fault"] = exchange.fault
    if exchange.is_cut_short:
        attributes[INCOMPLETE] = "request body"
    attributes |= {key: str(count) for key, count in exchange.usage.items()}
    # Of a model's stream the first byte is not yet its first token: the head, a role and a ping come before.
    first_ns, end_ns = exchange.first_token_ns or exchange.first_byte_ns, exchange.end_ns
    response_json, response_headers = kept_response(exchange, redactor)
    request = _request(exchange, path, clean, bodies)
    llm = _by_counts(exchange, attributes) if kind == "llm" and request.body_bytes else None
    step = Step(
        id=f"r{exchange.number}",
        kind=kind,
        name=name[:LONGEST_NAME],
        at_ms=_ms(exchange.begin_ns - begin_ns),
        took_ms=None if end_ns is None else _ms(end_ns - exchange.begin_ns),
        request=None if llm is not None else request,
        llm=llm,
        recorded=Recorded(
            status=exchange.status,
            ttft_ms=None if first_ns is None else _ms(first_ns - exchange.begin_ns),
            request_bytes=exchange.body_bytes,
            response_bytes=exchange.response_bytes,
            content_type=exchange.content_type,
            response_json=response_json,
            response_headers=response_headers,
        ),
        attributes=attributes,
    )
    if redactor.personal is not None:
        personal_taken_out(step, redactor.personal)
    return step


def _on_socket(
    exchange: Exchange,
    socket: OnSocket,
    begin_ns: int,
    path: str,
    clean: RequestRedactor,
    redactor: Redactor,
    bodies: Bodies,
) -> Step:
    """What an exchange on a WebSocket becomes."""
    call = opening_of(path, clean.headers(), f"r{socket.connection}")
    name = grouped_name("WS", path)
    if socket.action == "message":
        call.action = "message"
        data, size = exchange.body, exchange.body_bytes
        if bodies == "keep" and data is not None:
            call = with_message(call, data, clean, is_text=socket.is_text)
        else:
            call.message_bytes = min(size, 1 << 30)
        # By what it says a message is named only where what messages say is kept.
        call.until = until_of(socket.names if bodies == "keep" else (), socket.messages, clean)
    else:
        call.action = socket.action
        name = f"{name} {socket.action}"
        if socket.action == "close" and socket.code not in (None, NORMAL) and is_code(socket.code or 0):
            call.code = socket.code
    attributes = {"upstream": exchange.upstream} if exchange.upstream else {}
    if exchange.body_hash is not None and bodies == "hash":
        attributes["body_hash"] = exchange.body_hash
    if exchange.fault is not None:
        attributes["fault"] = exchange.fault
    first_ns, end_ns = exchange.first_byte_ns, exchange.end_ns
    is_message = socket.action == "message"
    step = Step(
        id=f"r{exchange.number}",
        kind="ws",
        name=name[:LONGEST_NAME],
        at_ms=_ms(exchange.begin_ns - begin_ns),
        took_ms=None if end_ns is None else _ms(end_ns - exchange.begin_ns),
        ws=call,
        recorded=Recorded(
            status=exchange.status,
            ttft_ms=None if first_ns is None or not is_message else _ms(first_ns - exchange.begin_ns),
            response_bytes=exchange.response_bytes if is_message else None,
        ),
        attributes=attributes,
    )
    if redactor.personal is not None:
        personal_taken_out(step, redactor.personal)
    return step


def wait_of(exchange: Exchange, begin_ns: int) -> Step:
    """A step that only keeps an exchange's time: where it cannot be told what may be written of it."""
    end_ns = exchange.end_ns
    return Step(
        id=f"r{exchange.number}",
        kind="http",
        name="unreadable request",
        at_ms=_ms(exchange.begin_ns - begin_ns),
        took_ms=None if end_ns is None else _ms(end_ns - exchange.begin_ns),
    )


def _request(exchange: Exchange, path: str, clean: RequestRedactor, bodies: Bodies) -> Request:
    request = Request(exchange.method, path, clean.headers())
    if not exchange.body_bytes:
        return request
    data = exchange.body
    if bodies != "keep" or data is None or len(data) > MOST_BODY_BYTES:
        return of_size_only(request, min(exchange.body_bytes, 1 << 30))
    clean.put_body(request, data, _header(exchange, "content-type"), _header(exchange, "content-encoding"))
    return request


def _by_counts(exchange: Exchange, attributes: dict[str, str]) -> LlmCall | None:
    """A model call whose body is not kept, by what its answer counted; None where that, or the body, told nothing.

    Bytes that stand for a body would be refused by every model.
    """
    used, data = exchange.usage, exchange.body
    if data is None or "input_tokens" not in used or exchange.is_cut_short:
        return None
    call = _call(data)
    if call == _Call() and not data.lstrip().startswith(b"{"):
        return None
    model = attributes.get("model") or model_in_path(exchange.path)
    is_stream = call.stream is True or exchange.first_token_ns is not None
    llm = LlmCall(
        min(used["input_tokens"], MOST_TOKENS), min(used.get("output_tokens", 0), MOST_TOKENS), model, is_stream
    )
    put_carried(llm, carried_by(data), _image_id)
    return llm


# So that equal images are told within one recording, and an image that somebody has is not found in it.
_IMAGE_KEY = os.urandom(16)


def _image_id(told: int) -> int:
    return int.from_bytes(blake2b(told.to_bytes(8), digest_size=6, key=_IMAGE_KEY).digest())


def _told(exchange: Exchange, client_path: str, clean: RequestRedactor) -> tuple[Kind, str, dict[str, str]]:
    """Kind, name and attributes, as path and body tell them."""
    grouped = grouped_name(exchange.method, client_path)
    path = exchange.path.partition("?")[0].rstrip("/")
    is_llm = is_model_path(path)
    if not (is_llm or path.endswith(_MCP_ENDING)):
        return "http", grouped, {}
    call = _call(exchange.body)
    if is_llm:
        attributes = {}
        if isinstance(call.model, str) and call.model:
            attributes["model"] = clean.text(call.model[:LONGEST_NAME])
        if call.stream is True:
            attributes["stream"] = "true"
        return "llm", grouped, attributes
    if not isinstance(call.method, str) or not call.method:
        return "http", grouped, {}
    tool = call.params.get("name") if isinstance(call.params, dict) else None
    name = f"{call.method} {tool}" if call.method == "tools/call" and isinstance(tool, str) else call.method
    return "mcp", clean.text(name[:LONGEST_NAME]), {}


def _call(body: bytes | None) -> _Call:
    if body and body.lstrip()[:1] == b"{":
        try:
            return msgspec.json.decode(body, type=_Call)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass
    return _Call()


def _header(exchange: Exchange, wanted: str) -> str:
    return next((value for name, value in exchange.headers if name.lower() == wanted), "")


def _ms(duration_ns: int) -> float:
    return round(max(0, duration_ns) / _MS, 3)
