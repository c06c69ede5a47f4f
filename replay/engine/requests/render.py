"""A step as the bytes of an HTTP/1.1 request, made ahead of its due time where that takes long.

Headers come from three places; what a later one names, an earlier one's is left out: the step's own, the target
file's, the credentials. Headers that belong to a connection rather than to a request, and those that framing
decides, are never taken from a recording. `traceparent` (https://www.w3.org/TR/trace-context/) is derived from
the run, the session and the step alone, so that a request can be found in the target's own traces.
"""

import base64
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from replay import __version__
from replay.dialects.mcp import is_safe
from replay.engine.grpc.calls import GrpcCalls
from replay.engine.requests.dot_segments import below_root
from replay.engine.requests.mcp_messages import McpMessages
from replay.engine.requests.shapes import ModelCalls
from replay.http.fields import NOT_OF_A_TRACE, as_sent
from replay.http.methods import SAFE_METHODS
from replay.target.target import Target
from replay.target.urls import ASGI_PREFIX
from replay.trace.types import Request, Step, WsCall
from replay.trace.values.sockets import as_request
from replay.websocket.handshake import OWN_HEADERS
from replay.wire.signin.credentials import Credentials
from replay.wire.signin.sigv4 import SIGNED_ANEW

_BODILESS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "DELETE", "CONNECT"))
_CLOSES = b"\r\nconnection: close\r\n"
# Sessions under way whose trace ids are remembered; each takes some 200 bytes.
_MOST_TRACES = 1 << 12
_LONGEST_UNTIL = 8_000
_FILLER = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n" * 64


class Rendered(NamedTuple):
    """A request, ready for the wire. head ends with the empty line. turn: of the credentials in it."""

    method: str
    head: bytes
    body: bytes
    is_stream: bool
    is_idempotent: bool
    turn: int = 0


class Renderer:
    """Renders the steps that go to one URL of a target. run_id: what tells this run's traces from another's."""

    def __init__(self, target: Target, url: str, credentials: Credentials, run_id: str) -> None:
        parts = urlsplit(url)
        is_asgi = url.startswith(ASGI_PREFIX)
        self._prefix = "" if is_asgi else parts.path.rstrip("/")
        self._host = "asgi" if is_asgi else _host(url)
        self._credentials = credentials
        self._signer = credentials.signer
        self._own = [(name.lower(), value) for name, value in target.headers.items()]
        self._closes = target.connections.reuse == "none"
        self._has_traceparent = target.traceparent
        # Salted rather than keyed: a key is a block more to digest, each time.
        salt = blake2b(run_id.encode(), digest_size=blake2b.SALT_SIZE).digest()
        self._trace_hash = blake2b(digest_size=16, salt=salt, person=b"trace")
        self._traces: dict[str, str] = {}
        self._span_hash = blake2b(digest_size=8, salt=salt, person=b"span")
        self._idempotency = target.retry.idempotency_header
        self._sends_recorded = target.send_recorded_ms
        self._shape = ModelCalls(target.shape)
        self._is_on_sockets = target.shape.websocket
        self._messages = McpMessages(target.mcp)
        self._calls = GrpcCalls(target.grpc)
        self._carrier = None if target.login is None else target.login.carrier
        self._known_credentials: list[tuple[bytes, bytes]] | None = None
        self._common = self._agent = ""
        self._replaced: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<Renderer for {self._host}{self._prefix}>"

    @property
    def clamped_prompts(self) -> int:
        return self._shape.clamped

    def render(self, step: Step, session_id: str, number: int = 1) -> Rendered:
        """The request of a step that has one, or of its call. number: of the attempt. Raises Unfit."""
        if self._credentials.headers() is not self._known_credentials:
            self._learn_credentials()
        request = step.request
        is_stream = is_safe_call = False
        agent, extra = self._agent, ""
        if request is not None:
            method, path = request.method, request.path
            body, content_type = _body(request)
        elif step.mcp is not None:
            request = self._messages.request_of(step.mcp, self._message_id(session_id, step.id, number))
            is_safe_call = is_safe(step.mcp.method)
            method, path = request.method, request.path
            body, content_type = _body(request)
        elif step.ws is not None:
            return self._on_socket(step, step.ws, session_id, number)
        elif step.grpc is not None:
            request = self._calls.request_of(step.grpc)
            method, path = request.method, request.path
            body, content_type = self._calls.body_of(step.grpc), ""
            # Without this, proxies need not pass on the trailers, which have the outcome.
            extra = "te: trailers\r\n"
        else:
            llm = step.llm
            assert llm is not None
            if self._is_on_sockets:
                message = self._shape.body(llm, session_id, step.id)
                call = WsCall(self._shape.path(llm), json=msgspec.Raw(message))
                return self._on_socket(step, call, session_id, number)
            method, path = "POST", self._shape.path(llm)
            body, content_type = self._shape.body(llm, session_id, step.id), "application/json"
            is_stream = llm.stream
        if request is not None and request.headers:
            for name, value in request.headers.items():
                key = name.lower()
                if key in NOT_OF_A_TRACE or key in self._replaced:
                    continue
                if key == "content-type":
                    content_type = ""
                elif key == "user-agent":
                    agent = ""
                extra += f"{name}: {value}\r\n"
        if content_type and "content-type" not in self._replaced:
            extra += f"content-type: {content_type}\r\n"
        if body or method not in _BODILESS:
            extra += f"content-length: {len(body)}\r\n"
        if self._has_traceparent:
            extra += self._traceparent(session_id, step.id)
        if self._sends_recorded:
            extra += _recorded(step, session_id)
        if self._idempotency is not None:
            extra += f"{self._idempotency}: {self._key(session_id, step.id)}\r\n"
        if "#" in path:
            path = path.partition("#")[0]
        if self._prefix:
            path = below_root(path)
        turn = self._credentials.turn
        if self._signer is not None:
            turn = self._signer.turn
            extra += self._signer.lines(method, f"{self._prefix}{path}", self._common + extra, body)
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._common}{agent}{extra}\r\n"
        return Rendered(method, as_sent(head), body, is_stream, is_safe_call or method in SAFE_METHODS, turn)

    def following(self, step: Step, session_id: str, tokens: int, earlier: str) -> bytes:
        """The message of a model call on a WebSocket that goes on from an earlier answer; see ModelCalls."""
        assert step.llm is not None
        return self._shape.following(step.llm, session_id, step.id, tokens, earlier)

    def _on_socket(self, step: Step, call: WsCall, session_id: str, number: int) -> Rendered:
        """The request that opens a connection, without what makes it one for a WebSocket, and the message."""
        seen = as_request(call)
        headers = {name: value for name, value in seen.headers.items() if name.lower() not in OWN_HEADERS}
        asks = msgspec.structs.replace(step, ws=None, llm=None, request=Request("GET", seen.path, headers))
        rendered = self.render(asks, session_id, number)
        head = rendered.head.replace(_CLOSES, b"\r\n", 1) if self._closes else rendered.head
        if self._sends_recorded and step.ws is not None:
            head = head[:-2] + _recorded_on_socket(step.ws) + b"\r\n"
        return rendered._replace(head=head, body=_body(seen)[0], is_idempotent=call.action != "message")

    def is_current(self, rendered: Rendered) -> bool:
        """Whether a request that was rendered ahead carries the credentials as they are now."""
        return rendered.turn == (self._credentials if self._signer is None else self._signer).turn

    def _learn_credentials(self) -> None:
        """What is the same in every request, with the credentials as they are now."""
        held = self._known_credentials = self._credentials.headers()
        names = {name.decode() for name, _ in held}
        own = [(name, value) for name, value in self._own if name not in names]
        names |= {name for name, _ in own}
        lines = [] if "host" in names else [("host", self._host)]
        lines += own
        lines += [(name.decode(), value.decode("latin-1")) for name, value in held]
        if self._closes:
            lines.append(("connection", "close"))
        if self._has_traceparent:
            names |= {"traceparent", "tracestate"}
        if self._carrier is not None:
            # Of the session's own login, and put in once that is over.
            names.add(self._carrier)
        if self._signer is not None:
            names |= SIGNED_ANEW
        self._replaced = frozenset(names)
        self._common = "".join(f"{name}: {value}\r\n" for name, value in lines)
        self._agent = "" if "user-agent" in names else f"user-agent: agent-replay/{__version__}\r\n"

    def _key(self, session_id: str, step_id: str) -> str:
        """The same for every attempt of a step, and for no other step or run."""
        key = self._trace_hash.copy()
        key.update((session_id + "\0" + step_id).encode("utf-8", "surrogatepass"))
        return key.hexdigest()

    def _message_id(self, session_id: str, step_id: str, number: int) -> str:
        """Of a JSON-RPC message: no other of the session has it, nor another attempt of the same step."""
        key = self._span_hash.copy()
        key.update(f"{session_id}\0{step_id}\0{number}".encode("utf-8", "surrogatepass"))
        return key.hexdigest()

    def _traceparent(self, session_id: str, step_id: str) -> str:
        # Remembered, since a digest takes half as long as all else of a head: a session's steps have it in common.
        trace = self._traces.get(session_id)
        if trace is None:
            of_session = self._trace_hash.copy()
            of_session.update(session_id.encode("utf-8", "surrogatepass"))
            if len(self._traces) >= _MOST_TRACES:
                self._traces.clear()
            trace = self._traces[session_id] = of_session.hexdigest()
        span = self._span_hash.copy()
        span.update(f"{session_id}\0{step_id}".encode("utf-8", "surrogatepass"))
        return f"traceparent: 00-{trace}-{span.hexdigest()}-01\r\n"


def _recorded(step: Step, session_id: str) -> str:
    """What tells a modelled plane how the step was when it was recorded, and which it is."""
    lines = (
        f"x-replay-recorded-ids: {quote(session_id, safe='', errors='replace')} "
        f"{quote(step.id, safe='', errors='replace')}\r\n"
    )
    if step.took_ms is not None:
        ttft_ms = step.recorded.ttft_ms if step.recorded is not None else None
        first = "" if ttft_ms is None else f" {ttft_ms:.3f}"
        lines += f"x-replay-recorded-ms: {step.took_ms:.3f}{first}\r\n"
        lines += f"x-replay-recorded-step: {step.kind} {quote(step.name[:200], errors='replace')}\r\n"
    return lines


def _recorded_on_socket(call: WsCall) -> bytes:
    """The same of what a step does on a WebSocket: its action, and which message ends it."""
    if call.until is None:
        return f"x-replay-recorded-ws: {call.action}\r\n".encode()
    try:
        until = quote(msgspec.json.encode(call.until), safe="")
    except UnicodeEncodeError:
        until = ""
    # One that cannot be told, or is too long for a header, is left to whoever answers.
    return (
        f"x-replay-recorded-ws: {call.action} {until if 0 < len(until) <= _LONGEST_UNTIL else '?'}\r\n".encode()
    )


@lru_cache(maxsize=64)
def _filler(size: int) -> bytes:
    return (_FILLER * (size // len(_FILLER) + 1))[:size]


def _body(request: Request) -> tuple[bytes, str]:
    """The body, and the content type that goes with it where the recording names none."""
    if request.json:
        return bytes(request.json), "application/json"
    if request.body is not None:
        return request.body.encode("utf-8", "surrogatepass"), "text/plain; charset=utf-8"
    if request.body_base64 is not None:
        return base64.b64decode(request.body_base64), "application/octet-stream"
    if request.body_bytes:
        return _filler(request.body_bytes), "application/octet-stream"
    return b"", ""


def _host(url: str) -> str:
    """The Host header: without the port where it is the scheme's own (RFC 9110, section 7.2)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    default = 443 if parts.scheme == "https" else 80
    return host if parts.port in (None, default) else f"{host}:{parts.port}"
