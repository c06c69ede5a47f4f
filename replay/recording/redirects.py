"""Addresses of an upstream in its answers, as its clients reach them: through the recorder. Pure.

An upstream that is asked under its own name tells its own address where it leads clients elsewhere in itself; a client
that followed would leave the recorder, and nothing more of it would be recorded.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from replay.http.heads import ResponseHead
from replay.recording.types import Route, Upstream
from replay.recording.upstreams import Destination, find_destination

_PORTS = {"http": 80, "https": 443}
_HEADERS = frozenset((b"location", b"content-location"))
_MOST_BYTES = 16 * 1024
_refresh = re.compile(
    r"(?P<before>\s*[0-9.]{1,20}\s*[;,]\s*url\s*=\s*[\"']?)(?P<url>[^\"']*)(?P<after>.*)", re.IGNORECASE
).fullmatch


def with_own_addresses(
    response: ResponseHead, asked: Upstream, routes: Sequence[Route], own: str
) -> ResponseHead:
    """A response's head with what leads to an upstream leading to the recorder.

    asked: the upstream whose response it is. own: the recorder's origin, as the client reaches it.
    """
    if not any(key in _HEADERS or key == b"refresh" for key, _ in response.lines):
        return response
    return response._replace(
        lines=[(key, _line(key, line, asked, routes, own)) for key, line in response.lines]
    )


def client_url(url: str, asked: Upstream, routes: Sequence[Route], own: str) -> str | None:
    """The URL under which a client of the recorder reaches one of an upstream; None where it is to stay as it is."""
    if not url.isprintable():
        # No URL, and urlsplit would pass over what is none of it.
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    path = url[url.index(parts.netloc, url.index("//")) + len(parts.netloc) :] if parts.netloc else url
    if parts.netloc:
        scheme = parts.scheme.lower() or ("https" if asked.is_tls else "http")
        if scheme not in _PORTS or parts.username is not None or not parts.hostname:
            return None
        place = parts.hostname, _PORTS[scheme] if port is None else port, scheme == "https"
        led_to = [
            route.upstream
            for route in routes
            if (route.upstream.host.lower(), route.upstream.port, route.upstream.is_tls) == place
        ]
    elif not parts.scheme and url.startswith("/"):
        led_to, own = [asked], ""
    else:
        return None
    if not path.startswith("/"):
        path = "/" + path
    # The upstream that was asked goes before others at the same address.
    for upstream in sorted(led_to, key=lambda upstream: upstream != asked):
        found = _client_path(path, upstream, routes)
        if found is not None:
            return None if not own and found == path else own + found
    return None


def _client_path(path: str, upstream: Upstream, routes: Sequence[Route]) -> str | None:
    """The path at the recorder by which a path at an upstream is reached."""
    base = upstream.base_path
    below = path[len(base) :]
    if not path.startswith(base) or (base and below[:1] not in ("", "/", "?", "#")):
        return None
    if not below.startswith("/"):
        below = "/" + below
    asked = below.partition("#")[0]
    candidates = [below]
    candidates += [route.prefix + below for route in routes if route.upstream == upstream and route.strips]
    for candidate in candidates:
        if find_destination(routes, candidate.partition("#")[0]) == Destination(upstream, asked):
            return candidate
    return None


def _line(key: bytes, line: bytes, asked: Upstream, routes: Sequence[Route], own: str) -> bytes:
    if len(line) > _MOST_BYTES:
        return line
    name, _, value = line.partition(b":")
    text = value.strip(b" \t").decode("latin-1")
    if key in _HEADERS:
        found = client_url(text, asked, routes, own)
        return line if found is None else name + b": " + found.encode("latin-1", "replace")
    if key == b"refresh" and (parts := _refresh(text)) is not None:
        found = client_url(parts["url"], asked, routes, own)
        if found is not None:
            return f"{name.decode('latin-1')}: {parts['before']}{found}{parts['after']}".encode(
                "latin-1", "replace"
            )
    return line
