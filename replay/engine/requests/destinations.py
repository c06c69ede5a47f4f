"""What of a target belongs to each URL that its steps are sent to. Pure.

Credentials belong to an origin: what a target file names for the target's own goes to no other, unless a route says so
(`auth = "target"`). So a route that leads elsewhere has credentials of its own, or none.
"""

import msgspec

from replay.target.auth import Auth
from replay.target.routes import Route
from replay.target.sending import Tls
from replay.target.target import Target
from replay.target.urls import ASGI_PREFIX
from replay.trace.origins import origin_of
from replay.trace.redaction.secrets import may_be_secret


def destinations(target: Target) -> list[Target]:
    """The target as each place that its steps go to may see it, its own URL first; each place once."""
    found = [target]
    for route in target.routes:
        if route.send_to is not None and (there := destination(target, route)) not in found:
            found.append(there)
    return found


def destination(target: Target, route: Route) -> Target:
    """The target as what a route leads to may see it. The route must have a send_to."""
    assert route.send_to is not None
    own = route.auth if isinstance(route.auth, Auth) else None
    target = msgspec.structs.replace(
        target,
        shape=route.shape or target.shape,
        http2=target.http2 if route.http2 is None else route.http2,
    )
    if route.auth == "target" or is_same_origin(route.send_to, target.url):
        if own is None:
            return msgspec.structs.replace(target, url=route.send_to, login=route.login or target.login)
        return msgspec.structs.replace(target, url=route.send_to, auth=own, login=route.login)
    tls = target.tls
    return msgspec.structs.replace(
        target,
        url=route.send_to,
        auth=own or Auth(),
        login=route.login,
        headers={
            name: value
            for name, value in target.headers.items()
            if name.lower() != "host" and not may_be_secret(name, value)
        },
        tls=Tls(verify=tls.verify, ca_file=tls.ca_file),
    )


def is_same_origin(url: str, other: str) -> bool:
    """Whether two URLs of a target are of one origin; an application in this process is one by itself."""
    if url.startswith(ASGI_PREFIX) or other.startswith(ASGI_PREFIX):
        return url == other
    return origin_of(url) is not None and origin_of(url) == origin_of(other)


def bare_urls(target: Target) -> list[str]:
    """Where routes lead that get none of the credentials which the target's own URL gets, in order."""
    own, *others = destinations(target)
    if not has_secrets(own):
        return []
    return [there.url for there in others if not has_secrets(there)]


def shares_cookies(place: Target, target: Target) -> bool:
    """Whether cookies of the target's own URL may go to this place, and its own there, by their own rules."""
    if is_same_origin(place.url, target.url):
        return True
    return any(
        route.auth == "target" and route.send_to == place.url and destination(target, route) == place
        for route in target.routes
    )


def has_secrets(target: Target) -> bool:
    """Whether requests to the target's own URL carry credentials, or TLS does."""
    return (
        target.auth.is_given
        or target.login is not None
        or target.tls.client_cert is not None
        or any(may_be_secret(name, value) for name, value in target.headers.items())
    )
