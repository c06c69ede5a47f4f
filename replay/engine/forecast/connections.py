"""Whether this machine may open as many connections as a trace needs at once."""

from replay.system.shortage import RESERVED_DESCRIPTORS, most_descriptors_possible
from replay.target.target import Target
from replay.words.phrases import counted


def short_of_descriptors(at_once: int, target: Target) -> str | None:
    """Why a run of so many requests in flight at once would wait for descriptors here; None where it would not, or its
    requests share connections.
    """
    limit, wanted = most_descriptors_possible(), min(at_once, target.connections.max)
    if limit is None or target.http2 or wanted + RESERVED_DESCRIPTORS <= limit:
        return None
    return (
        f"about {counted(wanted, 'request')} are in flight at once, and a process may have {counted(limit, 'file')} "
        "open on this machine: the others would wait here, and a run be saturated"
    )
