"""How many requests of a run have the bytes of one before them: where copies are clones, a cache answers for them.

Nothing is rendered: a request is known by what it would be rendered from, eight bytes each. Not looked at are
traceparent and the idempotency key, which are never the same twice. What only the target can say is taken to
differ from session to session: a value from a response, and the cookies of a session that has had an answer.
"""

import contextlib
from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np

from replay.engine.users.casting import Casting
from replay.engine.users.values import SessionValues
from replay.http.fields import NOT_OF_A_TRACE
from replay.target.target import Target
from replay.trace.types import GrpcCall, LlmCall, McpCall, Request, Session, Step
from replay.trace.values.extracting import MissingValue
from replay.trace.values.sockets import as_request


class Alike:
    """Told of each request of each session; `count` says how many are like one before.

    logs_in: for each place that requests go to, whether sessions log in there, and so have tokens of their own.
    """

    def __init__(self, target: Target, casting: Casting, logs_in: Sequence[bool] = ()) -> None:
        self._casting = casting
        self._logs_in = logs_in
        self._has_cookies = target.session.cookies
        self._sends_recorded = target.send_recorded_ms
        self._left_out = NOT_OF_A_TRACE | {name.lower() for name in target.headers}
        if target.traceparent:
            self._left_out |= {"traceparent", "tracestate"}
        if target.retry.idempotency_header is not None:
            self._left_out |= {target.retry.idempotency_header.lower()}
        self._seen = array("Q")

    def __repr__(self) -> str:
        return f"<Alike of {len(self._seen)} requests>"

    def values_of(self, session: Session) -> SessionValues | None:
        """What the session's requests are filled with; values from responses are made up."""
        values = self._casting.values_of(session)
        if values is not None:
            for step in session.steps:
                for name in step.extract:
                    values.taken[name] = f"{name} of {session.id}"
        return values

    def add(self, where: int, session: Session, step: Step, values: SessionValues | None) -> None:
        """A request that would be sent to this place of the target."""
        ready = step
        if values is not None:
            # A step that asks for what nobody gives is not sent at all; it counts as it is written.
            with contextlib.suppress(MissingValue):
                ready = values.filled(step)
        digest = blake2b(digest_size=8)
        asked = ready.request if ready.ws is None else as_request(ready.ws)
        parts = _call_parts(ready, session.id) if asked is None else self._parts(asked)
        for part in (str(where).encode(), *parts, *self._told(where, session, step)):
            digest.update(b"%d:" % len(part))
            digest.update(part)
        self._seen.append(int.from_bytes(digest.digest()))

    def _told(self, where: int, session: Session, step: Step) -> Iterator[bytes]:
        if self._logs_in and self._logs_in[where]:
            yield _bytes(f"token {session.id}")
        if self._sends_recorded:
            yield f"recorded {step.took_ms} {step.recorded and step.recorded.ttft_ms}".encode()
        if self._has_cookies and step.after:
            yield _bytes(f"cookies {session.id}")

    def _parts(self, request: Request) -> Iterator[bytes]:
        yield _bytes(f"{request.method} {request.path.partition('#')[0]}")
        for name, value in request.headers.items():
            if name.lower() not in self._left_out:
                yield _bytes(f"{name}: {value}")
        yield b"json" + bytes(request.json)
        for body in (request.body, request.body_base64):
            yield b"none" if body is None else b"body" + _bytes(body)
        yield b"%d" % (request.body_bytes or 0)

    @property
    def count(self) -> int:
        """How many were like one before."""
        return len(self._seen) - len(np.unique(np.frombuffer(self._seen, np.uint64))) if self._seen else 0


def _call_parts(step: Step, session_id: str) -> Iterator[bytes]:
    if step.mcp is not None:
        return _mcp_parts(step.mcp)
    return _llm_parts(step, session_id) if step.grpc is None else _grpc_parts(step.grpc)


def _grpc_parts(call: GrpcCall) -> Iterator[bytes]:
    yield _bytes(
        f"grpc {call.method} {call.metadata} {call.timeout_ms} {call.message_base64} {call.message_bytes}"
    )
    yield bytes(call.message)


def _mcp_parts(call: McpCall) -> Iterator[bytes]:
    """The message, but for its id, which no other has."""
    yield _bytes(f"mcp {call.version} {call.method} {call.server} {call.tool} {call.name} {call.uri}")
    yield from (bytes(call.arguments), bytes(call.params))


def _llm_parts(step: Step, session_id: str) -> Iterator[bytes]:
    """A prompt is drawn from its session and step but for the blocks that it shares."""
    llm = step.llm
    assert llm is not None
    yield _bytes(f"llm {llm.model} {llm.stream} {llm.input_tokens} {llm.output_tokens} {llm.prefix}")
    yield _bytes(f"{llm.prefix_block_tokens} {llm.images} {llm.tools}")
    if not _is_all_shared(llm):
        yield _bytes(f"{session_id}\0{step.id}")


def _is_all_shared(llm: LlmCall) -> bool:
    if any(image.id is None for image in llm.images):
        return False
    if not llm.input_tokens:
        return True
    if not llm.prefix:
        return False
    size = llm.prefix_block_tokens
    return size is None or size * len(llm.prefix) >= llm.input_tokens


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
