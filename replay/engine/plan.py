"""Which sessions of a trace a run replays, and when each starts: limits, copies, and their spread.

Pure: an iterator of sessions in, an iterator of (start, session) out, in order of start. Copies of a session
(`--scale`) start within one mean gap between sessions of their original, by a jitter that depends on the
seed, the session and the copy alone; so the order is restored with a buffer of that length, not of the trace.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from heapq import heappop, heappush
from itertools import chain, count, islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.engine.arms import ALL, Arm, armed
from replay.engine.shares import WHOLE, Scheduled, Share
from replay.engine.types import Phase, RunOptions
from replay.engine.walker import Pace
from replay.trace.copies import Copy, copied, copy_id, jitter_ratio, lap_id, placed
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stream import TraceScan, read_sessions, scan
from replay.trace.types import Session
from replay.words.copies import COPY

_NS = 1_000_000_000


def read_trace(trace: Path, options: RunOptions) -> TraceScan:
    """Read a trace through and check it; what a run by these options needs of it is kept, where that is not too long.

    Raises TraceError, also where there is nothing in it to replay.
    """
    if trace.exists() and not trace.is_file() and not trace.is_dir():
        kind = "a socket" if trace.is_socket() else "a pipe" if trace.is_fifo() else "a device"
        raise TraceError(
            f"{shown_path(trace)}: is {kind} rather than a file, and a trace is read twice. Write it to a file."
        )
    found = scan(trace, references=options.references, keeps=_may_be_planned(options))
    if not found.steps:
        raise TraceError(f"{shown_path(trace)}: has no sessions, so there is nothing to replay.")
    return found


def _may_be_planned(options: RunOptions) -> Callable[[Session], bool]:
    """Asked of the sessions of a trace, one after the other: whether the limits of a run leave any of this one on."""
    if options.repeat:
        return lambda _: True
    pace, limit_ns, numbers = Pace(options.knobs), _limit_ns(options), count()

    def may_be_planned(session: Session) -> bool:
        if options.sessions is not None and next(numbers) >= options.sessions:
            return False
        return limit_ns is None or bent(pace.start_ns(session.start_ms), options.phases) < limit_ns

    return may_be_planned


def _limit_ns(options: RunOptions) -> int | None:
    return None if options.duration_s is None else int(options.duration_s * _NS)


class Planned(NamedTuple):
    """What a run sets out to do, after its limits and copies."""

    sessions: int
    steps: int


def planned_counts(
    trace: Path, found: TraceScan, options: RunOptions, arm: Arm = ALL, share: Share = WHOLE
) -> Planned:
    """How many sessions and steps this run plans; looks at them only where a limit, an arm or a share asks for it."""
    if (
        options.sessions is None
        and options.duration_s is None
        and not options.repeat
        and arm.dealing != "interleaved"
        and arm.only is None
        and share.of == 1
    ):
        return Planned(found.sessions * options.knobs.scale, found.steps * options.knobs.scale)
    sessions = steps = 0
    for _, session in planned_sessions(trace, found, options, Pace(options.knobs), arm, share):
        sessions += 1
        steps += len(session.steps)
    return Planned(sessions, steps)


def planned_end_s(found: TraceScan, options: RunOptions) -> float | None:
    """When the run would be over if everything took as long as it was recorded, in s from its start.

    None where a limit takes a number of the sessions: how long those last is not known before they are read.
    """
    if options.sessions is not None:
        return None
    pace, limit_ns = Pace(options.knobs), _limit_ns(options)
    last_ns = bent(pace.start_ns(found.last_start_ms), options.phases)
    if limit_ns is not None:
        last_ns = limit_ns if options.repeat else min(last_ns, limit_ns)
    return (last_ns + pace.recorded_ns(found.span_ms - found.last_start_ms)) / _NS


def planned_sessions(
    trace: Path,
    found: TraceScan,
    options: RunOptions,
    pace: Pace,
    arm: Arm = ALL,
    share: Share = WHOLE,
    *,
    names_users: bool = False,
) -> Iterator[Scheduled]:
    """The sessions that this run replays, read as a stream: (start in ns from the run's start, session).

    found: from a scan of this file, which has checked it. names_users: each is a user of its own, though nothing in the
    trace asks which.
    """
    read = partial(read_sessions, trace, checked=False, text=found.text)
    sessions = _laps(read, found, options.knobs.scale, options.begins_with) if options.repeat else read()
    planned = scheduled(sessions, options, pace, found.mean_gap_ms or 1000.0, found.marks.copy)
    if found.has_references or names_users:
        # Counted before arms and shares part, so that a session is the same user in all of them.
        planned = ((start_ns, placed(session, place)) for place, (start_ns, session) in enumerate(planned))
    return armed(planned, arm, share)


def lap_gap_ms(found: TraceScan) -> float:
    """The time from the last session of a lap to the first of the next, in ms: as between others, in the mean."""
    return found.mean_gap_ms or found.span_ms or 1000.0


def _laps(
    read: Callable[[], Iterable[Session]], found: TraceScan, scale: int, begins_with: int | None
) -> Iterator[Session]:
    """The trace again and again, without end; each lap begins one mean gap after the last session of the lap before.

    The copies of a lap are numbered on from those of the lap before. begins_with: the place of the session that comes
    first, at once; those before it are passed over here and now, since a run that has begun has no time for that.
    """
    if begins_with is None:
        return _from_here((), None, read, found, scale)
    sessions = iter(read())
    return _from_here(tuple(islice(sessions, begins_with, begins_with + 1)), sessions, read, found, scale)


def _from_here(
    ahead: Sequence[Session],
    sessions: Iterable[Session] | None,
    read: Callable[[], Iterable[Session]],
    found: TraceScan,
    scale: int,
) -> Iterator[Session]:
    """ahead, sessions: what is left of the first lap, of which nothing was read yet if it is None."""
    period_ms = found.last_start_ms - found.first_start_ms + lap_gap_ms(found)
    before_ms = ahead[0].start_ms if ahead else 0.0
    for session in read() if sessions is None else chain(ahead, sessions):
        yield (
            msgspec.structs.replace(session, start_ms=session.start_ms - before_ms) if before_ms else session
        )
    for lap in count(1):
        for session in read():
            start_ms = session.start_ms - before_ms + lap * period_ms
            yield copied(session, lap_id(session.id, lap, found.marks.lap), start_ms, lap * scale)


def bent(start_ns: int, phases: Sequence[Phase]) -> int:
    """When a session starts whose arrivals the phases hurry or slow."""
    left_ns, now_ns = float(start_ns), 0.0
    for phase in phases[:-1]:
        length_ns = phase.length_s * _NS
        if left_ns < length_ns * phase.arrivals:
            return int(now_ns + left_ns / phase.arrivals)
        left_ns -= length_ns * phase.arrivals
        now_ns += length_ns
    return int(now_ns + left_ns / phases[-1].arrivals) if phases else start_ns


def scheduled(
    sessions: Iterable[Session], options: RunOptions, pace: Pace, mean_gap_ms: float, mark: str = COPY
) -> Iterator[tuple[int, Session]]:
    """The sessions of this run with their starts in ns, in order of start.

    mean_gap_ms: the mean time between session starts in the trace; the copies of a session are spread over it.
    """
    knobs = options.knobs
    phases = options.phases
    limit_ns = _limit_ns(options)
    for start_ns, session in _in_order(
        _first(sessions, options.sessions), knobs.scale, knobs.seed, pace, mean_gap_ms, mark
    ):
        if phases:
            start_ns = bent(start_ns, phases)
        if limit_ns is not None and start_ns >= limit_ns:
            return
        yield start_ns, session


def _first(sessions: Iterable[Session], most: int | None) -> Iterator[Session]:
    for n, session in enumerate(sessions):
        if most is not None and n >= most:
            return
        yield session


def _in_order(
    sessions: Iterable[Session], scale: int, seed: int, pace: Pace, mean_gap_ms: float, mark: str
) -> Iterator[tuple[int, Session]]:
    if scale == 1:
        for session in sessions:
            yield pace.start_ns(session.start_ms), session
        return
    held: list[tuple[int, int, Session]] = []
    n = 0
    for session in sessions:
        original_ns = pace.start_ns(session.start_ms)
        while held and held[0][0] <= original_ns:
            start_ns, _, ready = heappop(held)
            yield start_ns, ready
        for copy in range(scale):
            n += 1
            start_ns = original_ns
            one = session
            if copy:
                start_ns += pace.start_ns(mean_gap_ms * jitter_ratio(seed, session.id, copy))
                first = session.copy if isinstance(session, Copy) else 0
                one = copied(session, copy_id(session.id, copy, mark), session.start_ms, first + copy)
            heappush(held, (start_ns, n, one))
    while held:
        start_ns, _, ready = heappop(held)
        yield start_ns, ready
