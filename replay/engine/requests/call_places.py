"""Whether the places of a target can take the gRPC calls that a trace has for them. Pure."""

from collections.abc import Mapping

from replay.engine.requests.router import WAIT, Router
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trace.errors import shown


def refuse_unspoken(target: Target, router: Router, calls: Mapping[tuple[str, str], bool]) -> None:
    """Raises TargetError where a call would go to a place that does not speak HTTP/2, or cannot be encoded.

    calls: kind and name of steps that make them, and whether one of them has its message in JSON.
    """
    for (kind, name), is_json in calls.items():
        where = router.place(kind, name)
        if where == WAIT:
            continue
        place = router.places[where]
        if not place.http2 or place.transport != "fast":
            raise TargetError(
                f"{target.name}: step {shown(name)} of the trace is a gRPC call, which needs HTTP/2 at {place.url}. "
                'Write http2 = true in the target file, or under the step\'s route; proxies and transport = "httpx" '
                "carry no gRPC."
            )
        if is_json and place.grpc.descriptors is None:
            raise TargetError(
                f"{target.name}: step {shown(name)} of the trace has a gRPC message in JSON, and the target does not "
                "say how that is encoded. Name a file of descriptors under [grpc]; docs/grpc.md says how it is made."
            )
