"""Makes attempts of steps: the request as it is to be sent, what the wire is to keep of the answer, and what is then
taken from it. On the hot path of a run; what a step does not need of this costs it a question.
"""

import contextlib
from collections.abc import Callable, Sequence

from replay.engine.attempt import Attempt, Expectation, Renders, Sender
from replay.engine.grpc.descriptors import Unfit
from replay.engine.grpc.outcome import deadline_ns
from replay.engine.outcome import Outcomes, plain_body
from replay.engine.requests.login import STEP_ID, LoginAt
from replay.engine.requests.render import Rendered
from replay.engine.requests.router import WAIT
from replay.engine.users.casting import Casting
from replay.engine.walker import Walk
from replay.results.types import status_class
from replay.trace.types import Step
from replay.trace.values.extracting import taken
from replay.wire.types import ALWAYS

_EXTRACT = "extract"
# A longer one takes so long to render that it is not done when it is read, but shortly before it is due.
_LONG_BODY_BYTES = 4096

OnAttempt = Callable[[Attempt], None]


class Composer:
    """One run's. done, first_byte: what attempts call back.

    casting: what makes users of sessions; None where nothing is sent that values could stand in, and responses have
    none. keeps_headers, keeps_bodies: whether somebody looks at the headers, or at the bodies, of every answer.
    """

    __slots__ = (
        "_decide",
        "_done",
        "_expected_of",
        "_fail_page",
        "_first_byte",
        "_jars",
        "_keeps_bodies",
        "_keeps_headers",
        "_origins",
        "_redirects",
        "_renderers",
    )

    def __init__(
        self,
        sender: Sender,
        outcomes: Outcomes,
        casting: Casting | None,
        done: OnAttempt,
        first_byte: OnAttempt,
        *,
        keeps_headers: bool = False,
        keeps_bodies: bool = False,
    ) -> None:
        self._decide = sender.decide
        self._renderers: Sequence[Renders] = sender.renderers
        self._expected_of, self._fail_page = outcomes.of, outcomes.fail_page
        self._origins: Sequence[str] = () if casting is None else casting.origins
        self._jars: Sequence[str] = () if casting is None else casting.jars
        self._done, self._first_byte = done, first_byte
        self._redirects = sender.redirects
        # A redirect is told by a header.
        self._keeps_headers = keeps_headers or sender.redirects is not None
        self._keeps_bodies = keeps_bodies

    def __repr__(self) -> str:
        return f"<Composer for {len(self._renderers)} places>"

    def render_first(self, walk: Walk) -> None:
        """Render the first step of a session when it is read; long prompts only shortly before they are due."""
        step = walk.steps[0]
        if walk.values is not None and walk.values.user is not None:
            # Filled in only when it is sent.
            return
        if step is None or step.is_wait or step.llm is not None:
            return
        asked = step.request
        if asked is not None and (asked.body_bytes or len(asked.json) > _LONG_BODY_BYTES):
            return
        where = self._decide(step)
        if where != WAIT:
            self._render(walk, 0, step, where)

    def render_ahead(self, walk: Walk, index: int, due_ns: int) -> None:
        """Render a step that will be due soon."""
        step = walk.steps[index]
        if step is not None:
            self._render(walk, index, step, self._decide(step))

    def _render(self, walk: Walk, index: int, step: Step, where: int) -> None:
        if walk.rendered is None:
            walk.rendered = {}
        # One that cannot be made, or only with values that are filled in later, is looked at when it is due.
        with contextlib.suppress(Unfit):
            walk.rendered[index] = self._renderers[where].render(step, walk.id)

    def first(self, walk: Walk, index: int, step: Step, where: int, due_ns: int, now: int) -> Attempt:
        """The first attempt of a step, ready for the wire. where: its place. Raises MissingValue, and Unfit."""
        rendered = walk.rendered.pop(index, None) if walk.rendered else None
        if rendered is not None and not self._renderers[where].is_current(rendered):
            rendered = None
        values = walk.values
        if values is not None:
            renderer, origin = self._renderers[where], self._origins[where]
            rendered = values.rendered(step, walk.id, renderer, origin, rendered, self._jars[where])
        elif rendered is None:
            rendered = self._renderers[where].render(step, walk.id)
        method, head, body, is_stream, is_idempotent, _ = rendered
        attempt = Attempt(
            head,
            body,
            method,
            self._done,
            step,
            walk,
            index,
            where,
            due_ns,
            now,
            on_first_byte=self._first_byte if walk.hears_first_bytes and walk.wants_first_byte(index) else None,
            session_key=walk,
            is_stream=is_stream,
            idempotent=is_idempotent,
        )
        if self._keeps_headers:
            attempt.captured_headers = []
        expected = self._expected_of(step, body)
        if expected is not None:
            _expect(attempt, expected)
        if values is not None:
            _take_from(attempt)
        return attempt

    def again(self, failed: Attempt, now: int) -> Attempt:
        """The next attempt of a step, to the same place; it is charged from when the step was first due."""
        head, body = failed.head, failed.body
        # Rendered anew, for its credentials and cookies may be others meanwhile; the rest of it is the same. What a
        # redirect led to is not the step's to render.
        if head and not failed.hops:
            head, body = self._anew(failed, failed.place)
        return self._next(failed, Rendered(failed.method, head, body, failed.is_stream, failed.idempotent), now)

    def onward(self, attempt: Attempt, now: int) -> Attempt | str:
        """The attempt that an answer leads to which is a redirect, or why none; it is charged as `again` says."""
        assert self._redirects is not None
        found = self._redirects.onward(attempt)
        if isinstance(found, str):
            return found
        place, rendered = found
        values = attempt.walk.values
        if values is not None:
            rendered = values.with_cookies(rendered, self._origins[place], self._jars[place])
        onward = self._next(attempt, rendered, now)
        onward.place, onward.hops = place, attempt.hops + 1
        return onward

    def _next(self, before: Attempt, rendered: Rendered, now: int) -> Attempt:
        """The attempt that follows another one of its step, which is looked at as that was."""
        attempt = Attempt(
            rendered.head,
            rendered.body,
            rendered.method,
            self._done,
            before.step,
            before.walk,
            before.index,
            before.place,
            before.intended_ns,
            now,
            before.number + 1,
            hops=before.hops,
            on_first_byte=before.on_first_byte,
            session_key=before.session_key,
            is_stream=rendered.is_stream,
            idempotent=rendered.is_idempotent,
        )
        if self._keeps_headers:
            attempt.captured_headers = []
        if before.expected is not None:
            _expect(attempt, before.expected)
        if before.walk.values is not None:
            _take_from(attempt)
        return attempt

    def _anew(self, failed: Attempt, where: int) -> tuple[bytes, bytes]:
        """Head and body of an attempt's request, once more."""
        walk, renderer, number = failed.walk, self._renderers[where], failed.number + 1
        rendered: Rendered
        if walk.values is None:
            rendered = renderer.render(failed.step, walk.id, number)
            # A message has an id of its own, or goes on from what is there no more.
            is_same = failed.step.mcp is None and failed.socket is None
            return rendered.head, failed.body if is_same else rendered.body
        origin, jar = self._origins[where], self._jars[where]
        rendered = walk.values.rendered(failed.step, walk.id, renderer, origin, None, jar, number)
        return rendered.head, rendered.body

    def login(self, walk: Walk, at: LoginAt, now: int, done: OnAttempt) -> Attempt:
        """The attempt to log a session in, all of whose answer is kept."""
        values, where = walk.values, at.place
        step = at.step_for(None if values is None else values.own(STEP_ID))
        rendered = at.renderer.render(step, walk.id)
        if values is not None:
            rendered = values.with_cookies(rendered, self._origins[where], self._jars[where])
        return _own(rendered, walk, step, where, now, done)

    def with_cookies(self, attempt: Attempt) -> None:
        """Give an attempt that waited for a login the cookies that its session has by now."""
        values, where = attempt.walk.values, attempt.place
        if values is not None:
            attempt.head = values.with_newer_cookies(attempt.head, self._origins[where], self._jars[where])

    def own(self, walk: Walk, step: Step, where: int, now: int, done: OnAttempt) -> Attempt:
        """An attempt of a message of the run's own to an MCP server at this place, all of whose answer is kept."""
        renderer = self._renderers[where]
        if walk.values is None:
            rendered = renderer.render(step, walk.id)
        else:
            origin, jar = self._origins[where], self._jars[where]
            rendered = walk.values.rendered(step, walk.id, renderer, origin, None, jar)
        return _own(rendered, walk, step, where, now, done, family="rpc")

    def unmade(
        self, walk: Walk, index: int, step: Step, due_ns: int, now: int, why: str | None = None
    ) -> Attempt:
        """The failed attempt of a step that refers to a value which no response gave; or, with why, cannot be made."""
        return Attempt(
            b"",
            b"",
            "",
            self._done,
            step,
            walk,
            index,
            self._decide(step),
            due_ns,
            now,
            session_key=walk,
            end_ns=now,
            error=_EXTRACT if why is None else "protocol",
            phase=None if why is None else "send",
            why=why,
        )

    def keep_cookies(self, attempt: Attempt) -> None:
        """Whatever became of the attempt: a redirect and a failure set cookies too."""
        values = attempt.walk.values
        if values is not None and attempt.captured_headers:
            where = attempt.place
            values.keep_cookies(self._origins[where], attempt.head, attempt.captured_headers, self._jars[where])

    def settle(self, attempt: Attempt) -> None:
        """Hold a whole answer to what was expected, and take from it what later steps need."""
        if attempt.expected is not None:
            attempt.expected.settle(attempt)
        elif attempt.status >= 400:
            attempt.error = status_class(attempt.status)
        if attempt.error is None and attempt.captured and not attempt.family:
            self._fail_page(attempt)
        step, values = attempt.step, attempt.walk.values
        if attempt.error is None and step.extract and values is not None:
            headers, body = attempt.captured_headers or [], bytes(attempt.captured or b"")
            if step.mcp is not None and attempt.events is not None:
                body = plain_body(attempt)
                headers = [(name, value) for name, value in headers if name.lower() != b"content-encoding"]
            if taken(step, headers, body, values.taken) is not None:
                attempt.error = _EXTRACT
        attempt.captured_headers = None
        if not self._keeps_bodies:
            attempt.captured = None


def _own(
    rendered: Rendered,
    walk: Walk,
    step: Step,
    where: int,
    now: int,
    done: OnAttempt,
    family: str | None = None,
) -> Attempt:
    """An attempt that is no step's, but the run's own."""
    return Attempt(
        rendered.head,
        rendered.body,
        rendered.method,
        done,
        step,
        walk,
        0,
        where,
        now,
        now,
        session_key=walk,
        idempotent=rendered.is_idempotent,
        family=family,
        keeps_body=ALWAYS,
        captured_headers=[],
    )


def _expect(attempt: Attempt, expected: Expectation) -> None:
    """Have the wire keep of the answer what it will be held to."""
    attempt.expected, attempt.family = expected, expected.family
    attempt.keeps_body = expected.keeps_body
    if attempt.step.grpc is not None:
        attempt.most_ns = deadline_ns(attempt.step.grpc)
    if expected.keeps_headers:
        attempt.captured_headers = []


def _take_from(attempt: Attempt) -> None:
    """Have the wire keep of the answer what the session takes from it."""
    values = attempt.walk.values
    if attempt.step.extract:
        attempt.keeps_body, attempt.captured_headers = ALWAYS, []
    elif values is not None and values.cookies is not None:
        attempt.captured_headers = []
