"""Sessions with MCP servers, in versions of the protocol that have them: opened before a session of the trace sends
its first message to a server, named in each that follows, closed when the session of the trace is over.

What opens and closes them are handshakes: recorded, and nobody's. A step that needs a session waits until it is open.
That is the target's time and the agent's, as waiting for a connection is: in the step's response time, not in its
service time, and not in the lag that is ours. A handshake that fails fails the steps that wait for it with its class;
the next step tries anew. A server that has forgotten a session answers 404: the next step opens another. One that takes
longer over a call than there is time is told that nobody waits for it any more, as the versions with sessions have it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from replay.dialects.documents import is_web_page, read_document
from replay.dialects.layouts.json_rpc import awaited_by
from replay.dialects.mcp import (
    CANCELLED,
    INITIALIZE,
    INITIALIZED,
    SESSION_HEADER,
    STATELESS,
    negotiated,
    session_headers,
    session_id_in,
    version_spoken,
)
from replay.engine.attempt import Attempt, Sender, Sends
from replay.engine.outcome import Expected, plain_body
from replay.engine.pacing.pacer import Pacer
from replay.engine.walker import Walk
from replay.trace.types import McpCall, Request, Step

# How long a run waits at its end for servers to take leave.
_LEAVE_NS = 1_000_000_000
_GONE, _NOT_ALLOWED = 404, 405
# Nothing answers a notification, or taking leave, so that what stands in the body means nothing.
_SESSION_LINE = b"\r\nmcp-session-id:"
_ANSWERED, _TAKEN = Expected(None, None, "rpc"), Expected(None, None, None)

OnAttempt = Callable[[Attempt], None]


class Composes(Protocol):
    def own(self, walk: Walk, step: Step, where: int, now: int, done: OnAttempt) -> Attempt:
        """An attempt that is the run's own."""


class Records(Protocol):
    def handshake(self, x: Attempt) -> None:
        """A handshake has ended."""


class _Opened:
    """A session with one server. server: how the trace calls it. path: where it is.

    waiting: the steps that need it, and since when; None once it is open.
    """

    __slots__ = ("headers", "path", "server", "session_id", "waiting")

    def __init__(self, server: str | None, path: str) -> None:
        self.server, self.path = server, path
        self.headers = b""
        self.session_id: str | None = None
        self.waiting: list[tuple[Attempt, int]] | None = []


class McpSessions:
    """One run's: a session of the trace has one for each server, by its place and its path. done: what ends a step's
    attempt; ended: is told of those that are no step's. check_over: told when nothing may be left to do.

    by: for each place that steps go to, what sends requests there; wires: what sends messages to servers there.
    closing: how many are being closed, or told something, that the run waits for.
    """

    def __init__(
        self,
        sender: Sender,
        composer: Composes,
        recorder: Records,
        pacer: Pacer,
        now: Callable[[], int],
        *,
        by: Sequence[Sends],
        done: OnAttempt,
        ended: Callable[[Attempt], object],
        check_over: Callable[[], None],
    ) -> None:
        self._mcp, self._sender, self._composer, self._recorder = sender.mcp, sender, composer, recorder
        self._pacer, self._now, self._done, self._check_over = pacer, now, done, check_over
        self._of: dict[Walk, dict[tuple[int, str], _Opened]] = {}
        self.closing = 0
        # Where nothing is really sent, nothing is opened either.
        self._by, self._own_ended = by, ended
        self.wires = by
        if sender.mcp is not None:
            self.wires = [_Place(self, where) for where in range(len(by))]

    def __repr__(self) -> str:
        return f"<McpSessions of {len(self._of)} sessions>"

    def send(self, attempt: Attempt, where: int) -> None:
        """Send a step's message to this place, within the session that it needs."""
        call = attempt.step.mcp
        if call is None:
            self._send_request(attempt, where)
            return
        assert self._mcp is not None
        version = version_spoken(self._mcp.version, call.version)
        if version == STATELESS:
            self._by[where].send(attempt)
            return
        opened = self._of.setdefault(attempt.walk, {})
        path = self._mcp.path_of(call.server)
        session = opened.get((where, path))
        if session is None:
            session = opened[where, path] = _Opened(call.server, path)
        if session.waiting is None:
            self._send_within(session, attempt, where)
            return
        session.waiting.append((attempt, self._now()))
        if len(session.waiting) == 1:
            opening = McpCall(INITIALIZE, version=version, server=session.server)
            self._handshake(session, attempt.walk, where, opening, partial(self._initialized, session, where))

    def _send_request(self, attempt: Attempt, where: int) -> None:
        """Send a request as it was recorded; one that listens for what the server says of itself, within the session
        that steps of the trace have there, unless it names its own.
        """
        request = attempt.step.request
        assert request is not None
        session = None
        if request.method == "GET" and _SESSION_LINE not in attempt.head.lower():
            opened = self._of.get(attempt.walk, {})
            session = opened.get((where, request.path.partition("?")[0]))
        if session is None:
            self._by[where].send(attempt)
        elif session.waiting is None:
            self._send_within(session, attempt, where)
        else:
            session.waiting.append((attempt, self._now()))

    def end(self, walk: Walk) -> bool:
        """A session of the trace is over; whether its connections are let go of later."""
        if not self._of:
            return False
        is_closing = False
        for (where, _), session in self._of.pop(walk, {}).items():
            if session.waiting is None and session.session_id is not None:
                self._close(session, walk, where)
                is_closing = True
        return is_closing

    def _send_within(self, session: _Opened, attempt: Attempt, where: int) -> None:
        attempt.head = _with(attempt.head, session.headers)
        attempt.on_done = partial(self._ended, session, where)
        self._by[where].send(attempt)

    def _ended(self, session: _Opened, where: int, attempt: Attempt) -> None:
        """A step's attempt has ended within a session."""
        if attempt.status == _GONE and session.session_id is not None:
            self._forget(session, attempt.walk, where)
        elif attempt.censored and attempt.sent_ns:
            self._cancel(session, where, attempt)
        self._done(attempt)

    def _cancel(self, session: _Opened, where: int, late: Attempt) -> None:
        """Tell a server that nobody waits any more for its answer."""
        call, awaited = late.step.mcp, awaited_by(late.method, late.body)
        if call is None or awaited is None or awaited.listens:
            return
        params = {"requestId": awaited.message_id, "reason": "it took longer than there was time"}
        said = msgspec.Raw(msgspec.json.encode(params))
        cancels = McpCall(CANCELLED, params=said, version=call.version, server=session.server)
        self._say_last(session, Step(f"mcp:{CANCELLED}", "mcp", CANCELLED, mcp=cancels), late.walk, where)

    def _handshake(self, session: _Opened, walk: Walk, where: int, call: McpCall, done: OnAttempt) -> None:
        step = Step(f"mcp:{call.method}", "mcp", call.method, mcp=call)
        attempt = self._composer.own(walk, step, where, self._now(), done)
        attempt.head = _with(attempt.head, session.headers)
        self._by[where].send(attempt)

    def _initialized(self, session: _Opened, where: int, attempt: Attempt) -> None:
        """The server has answered to `initialize`, or will not."""
        version = None
        if self._is_well(session, attempt, _ANSWERED):
            version = negotiated(plain_body(attempt))
            if version is None:
                attempt.error = "protocol"
        if version is None:
            self._say_why(session, attempt)
        self._recorder.handshake(attempt)
        if version is None:
            self._fail(session, attempt, where)
            return
        session.session_id = _session_id(attempt)
        session.headers = _lines(session_headers(version, session.session_id))
        call = McpCall(INITIALIZED, version=version, server=session.server)
        self._handshake(session, attempt.walk, where, call, partial(self._confirmed, session, where))

    def _say_why(self, session: _Opened, attempt: Attempt) -> None:
        """Have a handshake that was answered, but not as it should be, say how, and where."""
        if attempt.status and attempt.phase is None and attempt.error != "rpc_error":
            attempt.why = f"the answer to {attempt.step.name} at {session.path} {_answers_with(attempt)}"

    def _confirmed(self, session: _Opened, where: int, attempt: Attempt) -> None:
        """The server has taken `notifications/initialized`, or has not."""
        is_well = self._is_well(session, attempt, _TAKEN)
        if not is_well:
            self._say_why(session, attempt)
        self._recorder.handshake(attempt)
        if not is_well:
            self._fail(session, attempt, where)
            return
        waiting, session.waiting = session.waiting or [], None
        now = self._now()
        for step_attempt, since_ns in waiting:
            step_attempt.handshake_ns = now - since_ns
            self._send_within(session, step_attempt, where)

    def _is_well(self, session: _Opened, attempt: Attempt, expected: Expected) -> bool:
        if attempt.error is None:
            expected.settle(attempt)
        if attempt.status == 401 and session.waiting:
            self._sender.refused(attempt.place, attempt.sent_ns)
        self._own_ended(attempt)
        return attempt.error is None

    def _fail(self, session: _Opened, failed: Attempt, where: int) -> None:
        """Fail the steps that wait as their handshake did."""
        self._forget(session, failed.walk, where)
        waiting, session.waiting = session.waiting or [], []
        now = self._now()
        for attempt, since_ns in waiting:
            attempt.handshake_ns = now - since_ns
            attempt.end_ns = now
            attempt.error, attempt.phase, attempt.censored = failed.error, failed.phase, failed.censored
            attempt.why = failed.why
            self._done(attempt)

    def _forget(self, session: _Opened, walk: Walk, where: int) -> None:
        opened = self._of.get(walk)
        if opened is not None and opened.get((where, session.path)) is session:
            del opened[where, session.path]

    def _close(self, session: _Opened, walk: Walk, where: int) -> None:
        step = Step("mcp:close", "mcp", "DELETE", request=Request("DELETE", session.path))
        self._say_last(session, step, walk, where, ends=True)

    def _say_last(self, session: _Opened, step: Step, walk: Walk, where: int, *, ends: bool = False) -> None:
        """Send what no step waits for, and the run for a while. ends: the session of the trace is over with it."""
        self.closing += 1
        leave = _Leave(self, walk if ends else None)
        now = self._now()
        attempt = self._composer.own(walk, step, where, now, leave.done)
        attempt.head = _with(attempt.head, session.headers)
        self._pacer.add(now + _LEAVE_NS, leave.expire, None, 0)
        self._by[where].send(attempt)

    def left(self, walk: Walk | None) -> None:
        """A server has taken what was said last, or takes too long to say so. walk: the session that ends with it."""
        self.closing -= 1
        if walk is not None and self._sender.keeps_by_session:
            self._sender.end_session(walk)
        if not self.closing:
            self._check_over()

    def record(self, attempt: Attempt) -> None:
        """A server was taken leave of; it need not allow that."""
        if attempt.error is None and attempt.status != _NOT_ALLOWED:
            _TAKEN.settle(attempt)
        self._recorder.handshake(attempt)


class _Leave:
    """What is said last: over when its server has taken it, or after a while. walk: the session that ends with it."""

    __slots__ = ("_is_over", "_sessions", "_walk")

    def __init__(self, sessions: McpSessions, walk: Walk | None) -> None:
        self._sessions, self._walk = sessions, walk
        self._is_over = False

    def done(self, attempt: Attempt) -> None:
        self._sessions.record(attempt)
        self._end()

    def expire(self, _: Any, __: int, ___: int) -> None:
        self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._sessions.left(self._walk)


class _Place:
    """Where messages to the servers at one place are sent."""

    __slots__ = ("_sessions", "_where")

    def __init__(self, sessions: McpSessions, where: int) -> None:
        self._sessions, self._where = sessions, where

    def send(self, attempt: Attempt, /) -> None:
        self._sessions.send(attempt, self._where)


def _answers_with(attempt: Attempt) -> str:
    """What was answered instead of what an MCP server says."""
    if attempt.status >= 400:
        return f"has the status {attempt.status}"
    if attempt.status >= 300:
        return f"is a redirect (status {attempt.status}), which is not followed"
    body = plain_body(attempt)
    document = read_document(body)
    if isinstance(document, dict) and "jsonrpc" in document:
        return "names no version of the protocol that is known here"
    kind = "a web page (HTML)" if is_web_page(body) else "no JSON" if document is None else "not JSON-RPC"
    return f"is {kind if body.strip() else 'empty'}: no MCP server is there"


def _session_id(attempt: Attempt) -> str | None:
    wanted = SESSION_HEADER.encode()
    found = (value for name, value in attempt.captured_headers or () if name.lower() == wanted)
    value = next(found, None)
    return None if value is None else session_id_in(value.strip())


def _lines(headers: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")


def _with(head: bytes, lines: bytes) -> bytes:
    """The head of a request with further headers; it ends with the empty line, before which there is room."""
    return b"%s%s\r\n" % (head[:-2], lines) if lines else head
