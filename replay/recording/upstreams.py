"""Where a request goes: upstreams and routes as the user writes them, and the choice by path.

Pure.
"""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from replay.recording.types import Route, Upstream
from replay.trace.redaction.shown_urls import problem_of, shown_url

_PORTS = {"http": 80, "https": 443}


class UpstreamError(ValueError):
    """An upstream or a route that cannot be used; str() is the whole message."""


class Destination(NamedTuple):
    """path: below the upstream's URL, query included."""

    upstream: Upstream
    path: str


def parse_upstream(text: str) -> Upstream:
    """Read `URL` or `NAME=URL`. Raises UpstreamError."""
    name, equals, url = text.partition("=")
    if not equals or "://" in name:
        name, url = "", text
    elif not name or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise UpstreamError(
            f"the upstream {shown_url(text)!r} needs a name of letters, digits, - and _ before the =."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UpstreamError(
            f"the upstream {shown_url(url)!r} is not a valid URL: {problem_of(url, error)}."
        ) from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise UpstreamError(f"the upstream {shown_url(url)!r} is not an http:// or https:// URL with a host.")
    if parts.username is not None or parts.query or parts.fragment:
        raise UpstreamError(
            f"the upstream {parts.hostname!r} must have no user, query or fragment in its URL; clients send those."
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UpstreamError(f"the upstream {shown_url(url)!r} has characters that a URL cannot have.")
    return Upstream(
        name=name,
        host=parts.hostname,
        port=_PORTS[parts.scheme] if port is None else port,
        is_tls=parts.scheme == "https",
        authority=parts.netloc,
        base_path=parts.path.rstrip("/"),
    )


def parse_routes(upstreams: Sequence[str], routes: Sequence[str]) -> list[Route]:
    """The routes that `--upstream` and `--route` values make, in the order in which they are tried.

    Each named upstream is found under `/NAME/`, besides the prefixes that routes give it; what is under no prefix
    goes to the upstream without a name. Raises UpstreamError.
    """
    known: dict[str, Upstream] = {}
    for text in upstreams:
        upstream = parse_upstream(text)
        if upstream.name in known:
            which = f"called {upstream.name!r}" if upstream.name else "without a name"
            raise UpstreamError(f"there are two upstreams {which}. Name them apart: --upstream NAME=URL.")
        known[upstream.name] = upstream
    if not known:
        raise UpstreamError("say where requests go: --upstream URL.")
    made: dict[str, Route] = {}
    for text in routes:
        prefix, equals, name = text.partition("=")
        prefix = prefix.rstrip("/")
        if not equals or not text.startswith("/"):
            raise UpstreamError(f"the route {text!r} is not written /PREFIX=NAME.")
        if name not in known:
            raise UpstreamError(f"the route {text!r} goes to {name!r}, but no --upstream has that name.")
        if prefix in made:
            raise UpstreamError(f"there are two routes for {prefix or '/'!r}.")
        made[prefix] = Route(prefix, known[name])
    for name, upstream in known.items():
        prefix = f"/{name}" if name else ""
        made.setdefault(prefix, Route(prefix, upstream, strips=bool(name)))
    return sorted(made.values(), key=lambda route: -len(route.prefix))


def find_destination(routes: Sequence[Route], path: str) -> Destination | None:
    """Where a request for this path goes by the longest prefix; None where no route leads."""
    for route in routes:
        length = len(route.prefix)
        if path.startswith(route.prefix) and (not length or path[length : length + 1] in ("", "/", "?")):
            if not route.strips:
                return Destination(route.upstream, path)
            rest = path[length:]
            return Destination(route.upstream, rest if rest.startswith("/") else "/" + rest)
    return None
