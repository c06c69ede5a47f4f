"""Makes of each session of a run the user that it is. Pure, but for the clock that it is given.

Most runs have no references, no rows and no cookies; a session then costs the look for `extract`, as it always did.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from replay.engine.requests.destinations import shares_cookies
from replay.engine.users.rows import Rows
from replay.engine.users.values import SessionValues, User
from replay.target.target import Target
from replay.trace.copies import Copy
from replay.trace.origins import origin_of
from replay.trace.types import Session
from replay.trace.values.reserved import found_in

if TYPE_CHECKING:
    from replay.engine.users.cookies import Cookies


class Casting:
    """origins: scheme and host of each place that steps go to, as cookies see them; jars: the name of each one's jar.

    fills: whether the trace has reserved references. names_users: whether a login of the target asks who a session is.
    seed: of UUIDs. wall_ns: the time, in ns since 1970.
    """

    def __init__(
        self,
        origins: Sequence[str] = (),
        *,
        fills: bool = False,
        names_users: bool = False,
        rows: Rows | None = None,
        seed: int = 1,
        cookies: bool = False,
        jars: Sequence[str] = (),
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.origins, self.jars = origins, jars
        self._fills = fills
        self._rows = rows
        self._seed = seed
        self._new_cookies = _maker_of_cookies() if cookies else None
        self._wall_ns = wall_ns
        self._names_users = names_users
        self._is_idle = not (fills or cookies or names_users)

    def __repr__(self) -> str:
        return f"<Casting with {self._rows}{', cookies' if self._new_cookies else ''}>"

    def values_of(self, session: Session) -> SessionValues | None:
        """What this session's requests are filled with; None where they are sent as they are."""
        for step in session.steps:
            if step.extract:
                names = frozenset(name for each in session.steps for name in each.extract)
                break
        else:
            if self._is_idle:
                return None
            names = frozenset()
        is_asked = self._fills and _asks(session)
        who = self._user(session) if is_asked or self._names_users else None
        new_cookies = self._new_cookies
        if who is None and not names and new_cookies is None:
            return None
        cookies = None if new_cookies is None else new_cookies()
        return SessionValues(names, who if is_asked else None, cookies, who)

    def _user(self, session: Session) -> User:
        copy, place = (session.copy, session.place) if isinstance(session, Copy) else (0, 0)
        row = _nothing if self._rows is None else partial(_value, self._rows, place)
        return User(session.id, copy, self._seed, row, self._wall_ns)


def _maker_of_cookies() -> "type[Cookies]":
    # Few runs have any, and the standard library's rules for them bring much with them.
    from replay.engine.users.cookies import Cookies

    return Cookies


def casting_for(
    target: Target,
    places: Sequence[Target],
    seed: int,
    *,
    fills: bool = False,
    rows: Rows | None = None,
    wall_ns: Callable[[], int] = time.time_ns,
) -> Casting:
    """The casting of a run at this target, whose steps go to these places of it."""
    return Casting(
        [_as_cookies_see(place) for place in places],
        fills=fills,
        names_users=any(place.login is not None and place.login.differs for place in places),
        rows=rows,
        seed=seed,
        cookies=target.session.cookies,
        jars=["" if shares_cookies(place, target) else _sent_to(place) for place in places],
        wall_ns=wall_ns,
    )


def _as_cookies_see(place: Target) -> str:
    """Scheme and host of what is sent there, the host as the headers of the target file name it, if they do."""
    named = next((value for name, value in place.headers.items() if name.lower() == "host"), None)
    if place.is_asgi:
        return f"http://{named or 'asgi'}"
    parts = urlsplit(place.url)
    return f"{parts.scheme}://{named or parts.netloc}"


def _sent_to(place: Target) -> str:
    """The origin that is really sent to, whatever the headers name."""
    return origin_of(place.url) or place.url


def _asks(session: Session) -> bool:
    return any(any(found_in(step)) for step in session.steps)


def _value(rows: Rows, place: int, column: str) -> str | None:
    return rows.value(column, place)


def _nothing(_: str) -> str | None:
    return None
