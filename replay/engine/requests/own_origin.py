"""Whether a run would send a recording's requests to where they were recorded. Pure.

A recording of production that is fired at production by mistake does everything in it again: orders, mails, deletions.
So a run is refused where any URL that the target file sends steps to is an origin of the trace, unless that was asked
for. On this machine (localhost, 127.0.0.1, ::1) recording and replaying in one place is what everybody does who tries
things out, so nothing is refused there.
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from replay.engine.requests.destinations import destinations
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trace.errors import shown_path
from replay.trace.origins import is_loopback, is_same_service, origin_at, origin_of
from replay.trace.types import Header


class OriginRefused(TargetError):
    """A run would go to where its trace was recorded; str() says where, and what to do."""


def origins_of(target: Target) -> list[str]:
    """Every origin that steps may go to: the target's own, and those of its routes; none where there is no network.

    A Host header in the target file counts as well: a gateway passes requests on by it, whatever address they came to.
    """
    if target.unix_socket is not None:
        return []
    found: list[str | None] = []
    for place in destinations(target):
        named = next((value for name, value in place.headers.items() if name.lower() == "host"), None)
        if not place.is_asgi:
            found.append(origin_of(place.url))
            if named is not None:
                found.append(origin_at(urlsplit(place.url).scheme, named))
    return list(dict.fromkeys(origin for origin in found if origin is not None))


def recorded_at(header: Header, target: Target) -> str | None:
    """The first origin of the target, other than of this machine, that the trace was recorded at."""
    recorded = [origin for written in header.origins if (origin := origin_of(written)) is not None]
    for origin in origins_of(target):
        if not is_loopback(origin) and any(is_same_service(origin, other) for other in recorded):
            return origin
    return None


def refuse_own_origin(trace: Path, header: Header, targets: Sequence[Target], *, to_origin: bool) -> None:
    """Raises OriginRefused for the first target that the trace was recorded at; to_origin: that is meant."""
    for target in targets:
        origin = None if to_origin else recorded_at(header, target)
        if origin is not None:
            raise OriginRefused(
                f"{shown_path(trace)}: was recorded at {origin}, and the target {target.name} sends requests there, "
                "which would do everything that was recorded once more. Name another target, or say that it is meant "
                "with --to-origin."
            )
