"""What of the trace a pilot does not show: failures that were recorded, and what there was too much of. Pure."""

from collections.abc import Mapping

from replay.judge.choice.standing import MOST_FAILED
from replay.judge.choice.types import Workload
from replay.judge.phrases import counted
from replay.results.types import is_transient
from replay.trials.pilot.phases import MOST_EXCERPT_STEPS


def recorded_failures(failed: Mapping[int, int], requests: int, *, are_emulated: bool) -> str | None:
    """What became of requests that the recording has as failed, by status; None where it has none.

    A replay takes a recorded status for what is to come again, so such a request says nothing of a plane.
    """
    count = sum(failed.values())
    if not count:
        return None
    statuses = ", ".join(f"{n} x {status}" for status, n in sorted(failed.items()))
    said = f"{counted(count, 'request')} of {requests:,} ({count / requests:.1%}) were recorded as failed ({statuses})"
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


def left_out(workload: Workload, replayed: int) -> str | None:
    """That a trace was too long to be simulated whole; None where it was not. replayed: requests."""
    if workload.steps <= MOST_EXCERPT_STEPS or replayed >= workload.steps:
        return None
    return (
        f"of the trace's {workload.steps:,} requests the first {replayed:,} were simulated; what came later is in no "
        "latency and in no bill"
    )
