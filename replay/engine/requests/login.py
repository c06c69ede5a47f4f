"""The request by which a session logs in, and what of its answer is taken. Pure, but for the environment."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from replay.engine.requests.render import Renderer
from replay.http.fields import as_sent
from replay.target.login import Login, Sent, env_name
from replay.target.target import Target
from replay.trace.types import Request, Step
from replay.trace.values.extracting import LONGEST_VALUE
from replay.trace.values.pointer import MISSING, pointed
from replay.wire.signin.commands import is_plain
from replay.wire.signin.credentials import Credentials, renew_after_s

LOGIN = "login"
"""What a login is called in a record; no step of a trace has its id."""

STEP_ID = "session:login"
NOT_LOGGED_IN = "the session could not log in"
"""Why a step failed whose login did, to be followed by how that did."""

_FORM = "application/x-www-form-urlencoded"
_LONGEST_LIFE_S = 1e9

Headers = Sequence[tuple[bytes, bytes]]
Own = Callable[[str], str | None]


class Token(NamedTuple):
    """What steps carry. line: of their heads, whole; empty where cookies are all that a login gives. lives_s: how long
    it is used; None: for as long as it is not refused.
    """

    line: bytes
    lives_s: float | None

    def __repr__(self) -> str:
        return "<Token>"


class LoginAt:
    """How sessions log in at one place of a target.

    place: the number of that place. secrets: what environment variables hold, by their names. A step has the header
    that it carries the token in from the login alone.
    """

    def __init__(self, target: Target, place: int, renderer: Renderer, secrets: Callable[[str], str]) -> None:
        assert target.login is not None
        self.login, self.place, self.renderer = target.login, place, renderer
        self._secrets = {name: secrets(name) for name in self.login.variables}
        # The same for every session, unless it says who that is.
        self._alike = None if self.login.differs else self._step(lambda _: None)

    def __repr__(self) -> str:
        return f"<LoginAt {self.login.shown}>"

    def step_for(self, own: Own | None) -> Step:
        """The login of a session as a step. own: what references to who the session is stand for."""
        if self._alike is not None:
            return self._alike
        assert own is not None
        return self._step(own)

    def _step(self, own: Own) -> Step:
        def value_of(reference: str) -> str | None:
            name = env_name(reference)
            return own(reference) if name is None else self._secrets[name]

        return Step(STEP_ID, "http", LOGIN, request=_request(self.login.filled(value_of)))

    def taken(self, headers: Headers, body: bytes) -> Token | None:
        """What the answer to a login gives; None where it has no token, or none that a header can hold."""
        login, carrier = self.login, self.login.carrier
        if carrier is None:
            return Token(b"", _life_s(login, body))
        value = _token(login, headers, body)
        if not value or len(value) > LONGEST_VALUE or not is_plain(value):
            return None
        line = f"{carrier}: {login.before_token}{value}\r\n"
        return Token(as_sent(line), _life_s(login, body))

    @property
    def lacks(self) -> str:
        """What an answer lacks that has no token."""
        login = self.login
        if login.token is not None:
            return f"no token at {login.token}"
        what = "header" if login.token_cookie is None else "cookie"
        return f"no {what} {login.token_header or login.token_cookie}"


def logins_of(
    target: Target,
    places: Sequence[Target],
    credentials: Sequence[Credentials],
    run_id: str,
    secrets: Callable[[str], str],
) -> list[LoginAt | None]:
    """For each place that steps go to, where its sessions log in. Raises what `secrets` raises.

    credentials: for each place, what goes with its requests besides, also with a login. Places that are let in by the
    target's own login share one, at the target's own URL.
    """
    found: list[LoginAt | None] = []
    for n, place in enumerate(places):
        if place.login is None:
            found.append(None)
        elif n and place.login is target.login:
            found.append(found[0])
        else:
            # What a login itself sends is not what it gives.
            asked = msgspec.structs.replace(place, login=None)
            renderer = Renderer(asked, place.url, credentials[n], run_id)
            found.append(LoginAt(place, n, renderer, secrets))
    return found


def columns_asked(targets: Iterable[Target]) -> dict[str, str]:
    """The columns that the logins of these targets ask for, each with what asks for it first, in words."""
    asked: dict[str, str] = {}
    for target in targets:
        logins = [(target.login, "[login]"), *((route.login, "login of a route") for route in target.routes)]
        for login, where in logins:
            for name in () if login is None else login.columns:
                asked.setdefault(name, f"{target.name}: {where}")
    return asked


def carried(head: bytes, token: Token) -> bytes:
    """The head of a request with a token; with another one that it was sent with, that is left out."""
    if not token.line:
        return head
    before, _, rest = head.partition(b"\r\n" + token.line[: token.line.index(b": ") + 2])
    if rest:
        head = b"%s\r\n%s" % (before, rest[rest.index(b"\r\n") + 2 :])
    return b"%s%s\r\n" % (head[:-2], token.line)


def _request(sent: Sent) -> Request:
    headers = sent.headers
    if sent.json is not None:
        return Request(sent.method, sent.path, headers, json=msgspec.Raw(msgspec.json.encode(sent.json)))
    if sent.form is not None:
        if not any(name.lower() == "content-type" for name in headers):
            headers = {**headers, "content-type": _FORM}
        return Request(sent.method, sent.path, headers, body=urlencode(sent.form))
    return Request(sent.method, sent.path, headers)


def _token(login: Login, headers: Headers, body: bytes) -> str | None:
    if login.token is not None:
        found = _pointed(body, login.token)
        if isinstance(found, int | float) and not isinstance(found, bool):
            return str(found)
        return found if isinstance(found, str) else None
    if login.token_header is not None:
        wanted = login.token_header.lower().encode()
        values = [value for name, value in headers if name.lower() == wanted]
        return values[-1].decode("latin-1").strip() if values else None
    value = None
    for name, said in headers:
        if name.lower() == b"set-cookie":
            key, _, rest = said.decode("latin-1").partition(";")[0].partition("=")
            if key.strip() == login.token_cookie:
                value = rest.strip()
    return value


def _life_s(login: Login, body: bytes) -> float | None:
    """How long a token is used; some servers write a number as text."""
    if login.expires_in is None:
        return None
    found = _pointed(body, login.expires_in)
    try:
        lives_s = float(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else 0.0
    except (ValueError, OverflowError):
        lives_s = 0.0
    return renew_after_s(min(lives_s, _LONGEST_LIFE_S)) if lives_s > 0 else None


def _pointed(body: bytes, pointer: str) -> object:
    try:
        return pointed(msgspec.json.decode(body), pointer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return MISSING
