"""Logins: before a session of the trace sends its first step to a place that asks for it, it logs in there, and what it
sends then carries the token of that.

A login is a handshake: recorded, and nobody's. A step that needs one waits until the session is in, which is in its
response time, not in its service time, and not in the lag that is ours. A token that runs out, by its own word, is
asked for anew before the next step; one that a step is refused with (401) is asked for anew once, and the step sent
again. A token that was never taken, though it was asked for anew, is kept, so that a target which refuses all is not
logged in to for each step. A login that fails fails the steps that wait for it. Where nobody answered, or with a status
that may pass, the next step tries anew; where the login was refused, the session's other steps fail as it did.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Protocol

from replay.engine.attempt import Attempt, Holds, Sender, Sends
from replay.engine.outcome import Expected, plain_body
from replay.engine.requests.login import NOT_LOGGED_IN, LoginAt, Token, carried
from replay.engine.walker import Walk
from replay.results.types import is_transient

_UNAUTHENTICATED = "UNAUTHENTICATED"
_ANY = Expected(None, None, None)

OnAttempt = Callable[[Attempt], None]


class Composes(Protocol):
    def login(self, walk: Walk, at: LoginAt, now: int, done: OnAttempt) -> Attempt:
        """The attempt to log a session in."""

    def keep_cookies(self, attempt: Attempt) -> None:
        """Whatever became of it."""

    def with_cookies(self, attempt: Attempt) -> None:
        """Give one that waited the cookies that its session has by now."""


class Records(Protocol):
    def handshake(self, x: Attempt) -> None:
        """A login has ended."""


class _In:
    """One session at one place that asks for a login.

    token: None until it has one. since_ns: when that was asked for; ends_ns: when it is too old. waiting: attempts that
    wait for it, since when, and by what they go then; None where it is not being asked for. is_anew: it was asked for
    since another was refused; was_taken: a step has gone well with it. refusal: the login that was refused.
    """

    __slots__ = ("ends_ns", "is_anew", "refusal", "since_ns", "token", "waiting", "was_taken")

    def __init__(self) -> None:
        self.token: Token | None = None
        self.since_ns = 0
        self.ends_ns: int | None = None
        self.waiting: list[tuple[Attempt, int, Sends]] | None = None
        self.is_anew = self.was_taken = False
        self.refusal: Attempt | None = None


class Logins:
    """One run's. wires, websockets: for each place that steps go to, what sends there, once the session is in."""

    def __init__(
        self,
        sender: Sender,
        composer: Composes,
        recorder: Records,
        now: Callable[[], int],
    ) -> None:
        self._logins, self._composer, self._recorder, self._now = sender.logins, composer, recorder, now
        self._plain = sender.wires
        self._of: dict[Walk, dict[int, _In]] = {}
        self.is_needed = any(self._logins)
        self.wires: Sequence[Sends] = sender.wires
        self.websockets: Sequence[Holds] = sender.websockets
        if self.is_needed:
            self.wires = [
                wire if at is None else _Wire(self, at, wire)
                for wire, at in zip(sender.wires, self._logins, strict=True)
            ]
        if self.is_needed and sender.websockets:
            self.websockets = [
                held if at is None else _Held(self, at, held)
                for held, at in zip(sender.websockets, self._logins, strict=True)
            ]

    def __repr__(self) -> str:
        return f"<Logins of {len(self._of)} sessions>"

    def send(self, attempt: Attempt, at: LoginAt, by: Sends) -> None:
        """Send an attempt by this, once its session is logged in here."""
        session = self._of.setdefault(attempt.walk, {}).setdefault(at.place, _In())
        if session.refusal is not None:
            _fail(attempt, session.refusal, self._now())
            return
        if session.waiting is not None:
            session.waiting.append((attempt, self._now(), by))
            return
        now = self._now()
        token = session.token
        if token is not None and (session.ends_ns is None or now < session.ends_ns):
            attempt.head = carried(attempt.head, token)
            by.send(attempt)
            return
        session.waiting = [(attempt, now, by)]
        asked = self._composer.login(attempt.walk, at, now, partial(self._answered, session, at))
        self._plain[at.place].send(asked)

    def asks_again(self, attempt: Attempt) -> bool:
        """Whether an answer says that the session is logged in no more, so that its step is better sent again.

        Nothing is changed by asking, so that it can be asked when an answer has but begun.
        """
        if attempt.status != 401 and attempt.grpc_status != _UNAUTHENTICATED:
            return False
        recorded = attempt.step.recorded
        if recorded is not None and recorded.status == 401:
            return False
        session = self._session_of(attempt)
        if session is None or session.refusal is not None:
            return False
        if session.token is None or attempt.sent_ns < session.since_ns:
            return True
        return session.was_taken or not session.is_anew

    def is_refused(self, attempt: Attempt) -> bool:
        """Whether an attempt that has ended is better sent again; its token is then asked for anew."""
        session = self._session_of(attempt)
        if session is None:
            return False
        is_refused = attempt.error is not None and self.asks_again(attempt)
        if session.token is not None and attempt.sent_ns >= session.since_ns:
            if is_refused:
                session.token, session.is_anew = None, True
            elif attempt.error is None:
                session.was_taken = True
        return is_refused

    def end(self, walk: Walk) -> None:
        """A session of the trace is over."""
        if self._of:
            self._of.pop(walk, None)

    def _session_of(self, attempt: Attempt) -> _In | None:
        at = self._logins[attempt.place] if self.is_needed else None
        return None if at is None else self._of.get(attempt.walk, {}).get(at.place)

    def _answered(self, session: _In, at: LoginAt, asked: Attempt) -> None:
        """A login has ended, well or not."""
        self._composer.keep_cookies(asked)
        if asked.error is None:
            _ANY.settle(asked)
        token = None
        if asked.error is None:
            token = at.taken(asked.captured_headers or (), plain_body(asked))
            if token is None:
                asked.error = "extract"
        if token is None:
            asked.why = f"{NOT_LOGGED_IN}: {_told(asked, at)}"
        self._recorder.handshake(asked)
        waiting, session.waiting = session.waiting or [], None
        now = self._now()
        if token is None:
            if asked.status and not is_transient(asked.status):
                session.refusal = asked
            for attempt, since_ns, _ in waiting:
                attempt.handshake_ns += now - since_ns
                _fail(attempt, asked, now)
            return
        session.token, session.since_ns, session.was_taken = token, asked.sent_ns, False
        session.ends_ns = None if token.lives_s is None else asked.sent_ns + int(token.lives_s * 1e9)
        for attempt, since_ns, by in waiting:
            attempt.handshake_ns += now - since_ns
            self._composer.with_cookies(attempt)
            attempt.head = carried(attempt.head, token)
            by.send(attempt)


def _fail(attempt: Attempt, login: Attempt, now: int) -> None:
    """Fail an attempt as the login did that it needs."""
    attempt.end_ns = now
    attempt.error, attempt.phase, attempt.censored = login.error, login.phase, login.censored
    attempt.why = login.why
    attempt.on_done(attempt)


def _told(asked: Attempt, at: LoginAt) -> str:
    """What became of a login that gave no token."""
    request = at.login.shown
    if asked.error == "extract":
        return f"the answer to {request} has {at.lacks}"
    if asked.phase is None and asked.status:
        return f"{request} was answered with status {asked.status}"
    more = f", {asked.why}" if asked.why else ""
    return f"{request} failed with {asked.error}{more}"


class _Wire:
    """Sends to one place, once the session is in."""

    __slots__ = ("_at", "_by", "_logins")

    def __init__(self, logins: Logins, at: LoginAt, by: Sends) -> None:
        self._logins, self._at, self._by = logins, at, by

    def send(self, attempt: Attempt, /) -> None:
        self._logins.send(attempt, self._at, self._by)


class _Held(_Wire):
    """Sends on connections that sessions hold at one place."""

    __slots__ = ("_held",)

    def __init__(self, logins: Logins, at: LoginAt, held: Holds) -> None:
        super().__init__(logins, at, held)
        self._held = held

    def holds(self, walk: Walk, connection: Hashable, /) -> bool:
        return self._held.holds(walk, connection)

    def end_session(self, walk: Walk, /) -> None:
        self._held.end_session(walk)
