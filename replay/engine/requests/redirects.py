"""Follows redirects as clients do (RFC 9110, section 15.4), where a target file asks for it. Pure.

None leads where the target file does not: to its own URL's origin, and to those that its routes name, each with the
credentials of that place and no others. The request that follows is made of the one that was redirected, so that what
it was filled with stays, and nothing in a Location is taken for a reference.
"""

import base64
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from replay.engine.attempt import Attempt, Renders
from replay.engine.requests.render import Rendered
from replay.http.fields import NOT_OF_A_TRACE
from replay.target.target import Target
from replay.trace.origins import origin_of
from replay.trace.redaction.secrets import may_be_secret
from replay.trace.types import Request

_SEE_OTHER = 303
_FOLLOWED = frozenset((301, 302, _SEE_OTHER, 307, 308))
# Clients make these a GET where they were a POST (RFC 9110, sections 15.4.2 and 15.4.3).
_AS_GET = frozenset((301, 302))
_GUEST = "http://asgi"
# What stands in a URL as it is; all else is encoded.
_OF_URLS = "%/:?#[]@!$&'()*+,;=~-._"

TOO_MANY = "more redirects, one after the other, than follow under [redirects] says"
LEADS_AWAY = "the answer redirects to an origin that neither the target's url nor a route names"
NO_URL = "the answer redirects to what is no URL"


class Onward(NamedTuple):
    """The request that a redirect leads to, and at which place."""

    place: int
    rendered: Rendered


class Redirects:
    """Of one target. renderers: for each place, of requests whose paths begin at its origin's root. most: how many are
    followed one after the other.
    """

    def __init__(self, places: Sequence[Target], renderers: Sequence[Renders], most: int) -> None:
        self._places, self._renderers, self._most = places, renderers, most
        self._origins = [_origins_of(place) for place in places]

    def __repr__(self) -> str:
        return f"<Redirects, at most {self._most}>"

    def leads_on(self, attempt: Attempt) -> bool:
        """Whether an answer is a redirect that is not what was recorded: what followed that is in the trace."""
        recorded = attempt.step.recorded
        return (
            attempt.status in _FOLLOWED
            and attempt.error is None
            and attempt.step.mcp is None
            and attempt.socket is None
            and attempt.step.grpc is None
            and (recorded is None or recorded.status not in _FOLLOWED)
            and _location(attempt) is not None
        )

    def onward(self, attempt: Attempt) -> Onward | str:
        """What to send next, or why nothing. attempt: it leads on."""
        where = attempt.place
        if attempt.hops >= self._most:
            return TOO_MANY
        method, target, lines = _parts(attempt.head)
        location = _location(attempt)
        assert location is not None
        base = next(iter(self._origins[where])) + target
        try:
            url = urljoin(base, quote(location, safe=_OF_URLS))
            parts = urlsplit(url)
            origin = origin_of(url)
        except ValueError:
            return NO_URL
        if origin is None:
            return NO_URL
        place = where if origin in self._origins[where] else self._place_at(origin)
        if place is None:
            return LEADS_AWAY
        is_get = attempt.status == _SEE_OTHER or (attempt.status in _AS_GET and method == "POST")
        if is_get and method != "HEAD":
            method = "GET"
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        request = Request(method, path, self._headers(attempt, lines, where, place, has_body=not is_get))
        if attempt.body and not is_get:
            request.body_base64 = base64.b64encode(attempt.body).decode()
        step = msgspec.structs.replace(attempt.step, request=request, llm=None)
        rendered = self._renderers[place].render(step, attempt.walk.id, attempt.number + 1)
        return Onward(place, rendered._replace(is_stream=attempt.is_stream))

    def _place_at(self, origin: str) -> int | None:
        return next((n for n, origins in enumerate(self._origins) if origin in origins), None)

    def _headers(
        self, attempt: Attempt, lines: list[tuple[str, str]], where: int, place: int, *, has_body: bool
    ) -> dict[str, str]:
        """The step's own headers, as they were sent; to another origin, none that may hold a secret."""
        request = attempt.step.request
        own = {"content-type", *(name.lower() for name in (request.headers if request is not None else ()))}
        there = self._places[where]
        carrier = () if there.login is None else (there.login.carrier or "",)
        ours = {name.lower() for name in (*there.auth.header_names, *there.headers, *carrier)}
        kept = {}
        for name, value in lines:
            key = name.lower()
            if key not in own or key in NOT_OF_A_TRACE or key == "cookie":
                continue
            if key.startswith("content-") and not has_body:
                continue
            if place != where and (key in ours or key == "authorization" or may_be_secret(name, value)):
                continue
            kept[name] = value
        return kept


def _origins_of(place: Target) -> list[str]:
    """Under which names a place is known: by its URL, and by the Host header that the target file gives it."""
    own = origin_of(place.url) or _GUEST
    host = next((value for name, value in place.headers.items() if name.lower() == "host"), None)
    named = None if host is None else origin_of(f"{urlsplit(own).scheme}://{host}")
    return [own] if named is None else [own, named]


def _parts(head: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """Method, target and header lines of a request."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    fields = (line.partition(":") for line in lines if line)
    return method, target, [(name, value.strip()) for name, _, value in fields]


def _location(attempt: Attempt) -> str | None:
    for name, value in attempt.captured_headers or ():
        if name.lower() == b"location":
            return value.decode("latin-1").strip() or None
    return None
