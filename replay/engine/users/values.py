"""What the requests of one session are filled with: values from its responses, values of its own, and its cookies."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import msgspec

from replay.engine.requests.render import Rendered
from replay.http.fields import as_sent
from replay.trace.types import Request, Step
from replay.trace.values.extracting import MissingValue, filled_step, is_name
from replay.trace.values.reserved import BadReference, reserved, time_text

if TYPE_CHECKING:
    from replay.engine.users.cookies import Cookies

_Headers = Iterable[tuple[bytes, bytes]]


class Renders(Protocol):
    def render(self, step: Step, session_id: str, number: int = 1) -> Rendered: ...


class User(msgspec.Struct, frozen=True, gc=False):
    """Who a session is. copy: its number. row: what a column of its row holds; None for a column that it has not.

    wall_ns: the time, in ns since 1970.
    """

    session_id: str
    copy: int
    seed: int
    row: Callable[[str], str | None]
    wall_ns: Callable[[], int]


class SessionValues:
    """taken: values from responses so far, by name. user: None where only such values are filled in.

    names: of all values that the session's steps take; these are never reserved. cookies: None: as recorded. who: who
    the session is to the run's own requests, whatever its steps ask; None where they do not ask either.
    """

    __slots__ = ("_names", "_sent_at_ns", "_who", "cookies", "taken", "user")

    def __init__(
        self,
        names: frozenset[str],
        user: User | None = None,
        cookies: "Cookies | None" = None,
        who: User | None = None,
    ) -> None:
        self._names = names
        self._who = who
        # By step: an attempt that is made again tells the time of the first, so that it is the same request.
        self._sent_at_ns: dict[str, int] = {}
        self.taken: dict[str, str] = {}
        self.user = user
        self.cookies = cookies

    def __repr__(self) -> str:
        return f"<SessionValues {len(self.taken)} taken, {self.cookies}>"

    def filled(self, step: Step) -> Step:
        """The step with everything in its place in what it sends; the same one if nothing stands for anything.

        Raises MissingValue.
        """
        if self.user is None and not self._names:
            return step
        own = None
        if self.user is not None:
            own = _Own(self.user, step.id, self._names, self._sent_at_ns).value_of
        return filled_step(step, self.taken, own)

    def own(self, step_id: str) -> Callable[[str], str | None] | None:
        """What gives the values that a request of the run's own asks for; None where it can ask for none."""
        if self._who is None:
            return None
        return _Own(self._who, step_id, frozenset(), {}).value_of

    def rendered(
        self,
        step: Step,
        session_id: str,
        renderer: Renders,
        origin: str,
        ahead: Rendered | None,
        jar: str = "",
        number: int = 1,
    ) -> Rendered:
        """The step's request, ready for the wire, with cookies of this jar.

        ahead: as it was rendered before. number: of the attempt. Raises MissingValue.
        """
        ready = self.filled(step)
        recorded = ""
        if self.cookies is not None and ready.request is not None:
            request, recorded = _without_cookies(ready.request)
            if request is not ready.request:
                ready = msgspec.structs.replace(ready, request=request)
        if ahead is None or ready is not step:
            ahead = renderer.render(ready, session_id, number)
        return self.with_cookies(ahead, origin, jar, recorded)

    def with_cookies(self, rendered: Rendered, origin: str, jar: str, recorded: str = "") -> Rendered:
        """The request with cookies of this jar. recorded: those that it was recorded with."""
        if self.cookies is None:
            return rendered
        cookie = self.cookies.header_for(origin + _target_of(rendered.head), recorded, jar)
        if not cookie:
            return rendered
        # The head ends with the empty line; before it there is room for one more header.
        return rendered._replace(head=b"%scookie: %s\r\n\r\n" % (rendered.head[:-2], as_sent(cookie)))

    def with_newer_cookies(self, head: bytes, origin: str, jar: str = "") -> bytes:
        """The head of a request that waited, with the cookies that the session has meanwhile."""
        if self.cookies is None:
            return head
        before, mark, rest = head.partition(b"\r\ncookie: ")
        line, _, after = rest.partition(b"\r\n")
        bare = b"%s\r\n%s" % (before, after) if mark else head
        url = origin + _target_of(head)
        cookie = self.cookies.header_for(url, line.decode("latin-1"), jar)
        return b"%scookie: %s\r\n\r\n" % (bare[:-2], as_sent(cookie)) if cookie else bare

    def keep_cookies(self, origin: str, head: bytes, headers: _Headers, jar: str = "") -> None:
        """Put the cookies of an answer into this jar. head: of the request."""
        if self.cookies is not None and head:
            self.cookies.take(origin + _target_of(head), headers, jar)


class _Own:
    """The values that are the run's own to give, for one request; one time for all of it."""

    __slots__ = ("_names", "_sent_at_ns", "_step_id", "_user", "_uuids")

    def __init__(self, user: User, step_id: str, names: frozenset[str], sent_at_ns: dict[str, int]) -> None:
        self._user, self._step_id, self._names, self._sent_at_ns = user, step_id, names, sent_at_ns
        self._uuids = 0

    def value_of(self, text: str) -> str | None:
        if text in self._names:
            raise MissingValue(text)
        try:
            found = reserved(text)
        except BadReference:
            # Of a session that was not checked, as after the file has changed.
            found = None
        if found is None:
            if self._names and is_name(text):
                raise MissingValue(text)
            return None
        user = self._user
        if found.kind == "copy":
            return str(user.copy)
        if found.kind == "session":
            return user.session_id
        if found.kind == "row":
            return user.row(found.name)
        if found.kind == "uuid":
            if found.name:
                return drawn_uuid(user.seed, user.session_id, "name", found.name)
            self._uuids += 1
            return drawn_uuid(user.seed, user.session_id, "place", self._step_id, str(self._uuids))
        at_ns = self._sent_at_ns.get(self._step_id)
        if at_ns is None:
            at_ns = self._sent_at_ns[self._step_id] = user.wall_ns()
        return time_text(at_ns, found)


def drawn_uuid(seed: int, *of: str) -> str:
    """A UUID (RFC 9562, version 4) that depends on these alone, so that the same seed gives the same again."""
    text = "\0".join((str(seed), *of)).encode("utf-8", "surrogatepass")
    return str(UUID(bytes=blake2b(text, digest_size=16, person=b"replay-uuid").digest(), version=4))


def _without_cookies(request: Request) -> tuple[Request, str]:
    """The request without its Cookie headers, and what they held."""
    held = [value for name, value in request.headers.items() if name.lower() == "cookie"]
    if not held:
        return request, ""
    headers = {name: value for name, value in request.headers.items() if name.lower() != "cookie"}
    return msgspec.structs.replace(request, headers=headers), "; ".join(held)


def _target_of(head: bytes) -> str:
    """Path and query of a request, from its first line."""
    return head[: head.index(b"\r\n")].split(b" ")[1].decode("latin-1")
