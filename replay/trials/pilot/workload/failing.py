"""The trace of the failure phase: the busiest part of the representative one, and when in it the fault comes.

A fault says nothing where nothing is under way. So pauses between sessions are cut short, the part with the most
requests is taken, over and over where it is short, and the fault comes when most of them are under way by the
recording's times.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.trace.file.stream import TraceReader, TraceWriter, read_sessions
from replay.trace.types import Session

FAILURE_FILE = "failure.jsonl"
MOST_REQUESTS = 60_000
_LONGEST_PAUSE_MS = 1000.0
_SHORTEST_S = 1.0
# The fault comes in this part of the phase: after enough requests to compare with, and with time to come back.
_EARLIEST, _LATEST = 0.25, 0.5
# Where the recording does not say how long a request took, the fault comes so soon after its start.
_UNKNOWN_MS = 10.0

_Floats = npt.NDArray[np.float64]


class Failing(NamedTuple):
    """at_s: when the fault comes. length_s: how long requests come. under_way: requests that the recording has under
    way when the fault comes.
    """

    trace: Path
    at_s: float
    length_s: float
    under_way: int


class _Arrivals(NamedTuple):
    """Sessions in order: when each starts once pauses are cut short, and its requests. period_ms: of one lap."""

    starts_ms: _Floats
    requests: npt.NDArray[np.int64]
    period_ms: float


def failing(representative: Path, folder: Path, failure_s: float, idle_cap_s: float) -> Failing:
    """Write the trace. failure_s: how long requests come; less where that would be more than 60,000 of them.

    idle_cap_s: no pause inside of a session is longer when it is replayed.
    """
    arrivals = _arrivals(representative, idle_cap_s)
    first, length_s = _busiest(arrivals, failure_s)
    out = folder / FAILURE_FILE
    begins: list[float] = []
    ends: list[float] = []
    with TraceReader(representative, checked=False) as reader:
        header = reader.header
    name = f"{header.name[:200]}, failure"
    with TraceWriter(out, msgspec.structs.replace(header, name=name)) as writer:
        for n, (session, start_ms) in enumerate(_over_and_over(representative, arrivals, first)):
            if start_ms >= 1000 * length_s:
                break
            writer.write(msgspec.structs.replace(session, id=f"f-{n}", start_ms=start_ms))
            for begin_ms, end_ms in requests_of(session, idle_cap_s):
                begins.append(start_ms + begin_ms)
                ends.append(start_ms + end_ms)
    at_ms, under_way = _most_under_way(np.array(begins), np.array(ends), 1000 * length_s)
    return Failing(out, at_ms / 1000, length_s, under_way)


def requests_of(session: Session, idle_cap_s: float) -> list[tuple[float, float]]:
    """When each of its requests begins and ends, in ms from its start, if each takes as long as it is recorded to.

    A step that waits for one listed after it is taken to come when it did in the recording.
    """
    cap_ms = 1000 * idle_cap_s
    known: dict[str, tuple[float, float, float]] = {}
    found = []
    for step in session.steps:
        took_ms = step.took_ms or 0.0
        if any(edge.step not in known for edge in step.after):
            start_ms = step.at_ms
        elif step.after:
            start_ms = max(known[e.step][_ANCHORS[e.anchor]] + min(e.delay_ms, cap_ms) for e in step.after)
        else:
            start_ms = min(step.at_ms, cap_ms)
        if step.is_wait:
            took_ms = min(took_ms, cap_ms)
        end_ms = start_ms + took_ms
        byte_ms = step.recorded.ttft_ms if step.recorded is not None else None
        known[step.id] = start_ms, end_ms if byte_ms is None else start_ms + min(byte_ms, took_ms), end_ms
        if not step.is_wait:
            found.append((start_ms, end_ms))
    return found


_ANCHORS = {"start": 0, "first_byte": 1, "end": 2}


def _arrivals(representative: Path, idle_cap_s: float) -> _Arrivals:
    starts: list[float] = []
    requests: list[int] = []
    busy_until_ms = cut_ms = 0.0
    for session in read_sessions(representative, checked=False):
        pause_ms = session.start_ms - cut_ms - busy_until_ms
        if pause_ms > _LONGEST_PAUSE_MS or not starts:
            cut_ms += pause_ms - (_LONGEST_PAUSE_MS if starts else 0.0)
        start_ms = session.start_ms - cut_ms
        played = requests_of(session, idle_cap_s)
        starts.append(start_ms)
        requests.append(len(played))
        busy_until_ms = max(busy_until_ms, start_ms + max((end_ms for _, end_ms in played), default=0.0))
    found = np.array(starts)
    gap_ms = float(found[-1]) / (len(found) - 1) if len(found) > 1 else 0.0
    # A lap begins a mean gap after the last session of the one before, and no later than a pause after all is over.
    over_ms = busy_until_ms + _LONGEST_PAUSE_MS
    period_ms = min(float(found[-1]) + gap_ms, over_ms) if gap_ms else over_ms
    return _Arrivals(found, np.array(requests, np.int64), period_ms)


def _busiest(arrivals: _Arrivals, failure_s: float) -> tuple[int, float]:
    """The session with which the part begins that has the most requests, and how long it may be."""
    starts_ms, sums = arrivals.starts_ms, np.concatenate(([0], np.cumsum(arrivals.requests)))
    ends = np.searchsorted(starts_ms, starts_ms + 1000 * failure_s)
    within = sums[ends] - sums[:-1]
    # A part that the trace ends before is shorter than others; it is the whole trace that is repeated then.
    is_whole = starts_ms + 1000 * failure_s <= arrivals.period_ms
    first = int(np.argmax(np.where(is_whole, within, -1))) if is_whole.any() else 0
    last = int(np.searchsorted(sums, sums[first] + MOST_REQUESTS)) - 1
    if is_whole.any() and within[first] > MOST_REQUESTS:
        return first, max(float(starts_ms[last] - starts_ms[first]) / 1000, _SHORTEST_S)
    rate = float(sums[-1]) / (arrivals.period_ms / 1000)
    return first, failure_s if is_whole.any() else min(
        failure_s, max(MOST_REQUESTS / max(rate, 1e-9), _SHORTEST_S)
    )


def _over_and_over(representative: Path, arrivals: _Arrivals, first: int) -> Iterator[tuple[Session, float]]:
    begins_ms = float(arrivals.starts_ms[first])
    for lap in count():
        shift_ms = lap * arrivals.period_ms - begins_ms
        sessions = read_sessions(representative, checked=False)
        for n, (session, start_ms) in enumerate(zip(sessions, arrivals.starts_ms.tolist(), strict=True)):
            if lap or n >= first:
                yield session, start_ms + shift_ms


def _most_under_way(begins_ms: _Floats, ends_ms: _Floats, length_ms: float) -> tuple[float, int]:
    """In the middle of which request most are under way, in the part of the phase where a fault may come; of several
    the one nearest to a third of the phase. Where no request is under way in that part, the nearest one to it.
    """
    third_ms = length_ms / 3
    ends_ms = np.maximum(ends_ms, begins_ms + 2 * _UNKNOWN_MS)
    middles = (begins_ms + np.minimum(ends_ms, length_ms)) / 2
    inside = (middles >= _EARLIEST * length_ms) & (middles <= _LATEST * length_ms)
    moments = np.concatenate((middles[inside], [third_ms]))
    under_way = _under_way(begins_ms, ends_ms, moments)
    if not under_way.any() and len(middles):
        moments = middles[[int(np.argmin(np.abs(middles - third_ms)))]]
        under_way = _under_way(begins_ms, ends_ms, moments)
    most = moments[under_way == under_way.max()]
    return round(float(most[np.argmin(np.abs(most - third_ms))]), 3), int(under_way.max())


def _under_way(begins_ms: _Floats, ends_ms: _Floats, moments: _Floats) -> npt.NDArray[np.intp]:
    begun, ended = (np.searchsorted(np.sort(times), moments, "right") for times in (begins_ms, ends_ms))
    return begun - ended
