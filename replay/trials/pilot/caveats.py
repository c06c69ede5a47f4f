"""What of the trace a pilot does not show: failures that were recorded. Pure."""

from collections.abc import Mapping

from replay.choice.standing import MOST_FAILED
from replay.results.types import is_transient
from replay.words.numbers import percent
from replay.words.phrases import counted


def recorded_failures(failed: Mapping[int, int], requests: int, *, are_emulated: bool) -> str | None:
    """What became of requests that the recording has as failed, by status; None where it has none.

    A replay takes a recorded status for what is to come again, so such a request says nothing of a plane.
    """
    count = sum(failed.values())
    if not count:
        return None
    statuses = ", ".join(f"{n} x {status}" for status, n in sorted(failed.items()))
    said = (
        f"{counted(count, 'request')} of {requests:,} ({percent(count / requests)}) were recorded as failed "
        f"({statuses})"
    )
    if are_emulated:
        return f"{said}; the emulated planes answered them like all others, so they count for no plane and against none"
    by_chance = sum(n for status, n in failed.items() if is_transient(status))
    kept = count - by_chance
    parts = [f"of {kept} the same status was taken for right"] if kept else []
    parts += (
        [f"of {by_chance} a status that comes by chance was not, and success was expected"] if by_chance else []
    )
    return f"{said}; {', '.join(parts)}"


def are_many(failed: Mapping[int, int], requests: int) -> bool:
    """Whether so many were recorded as failed that a plane would be out for them."""
    return sum(failed.values()) > MOST_FAILED * requests
