"""The trace that the search for a ceiling replays: steady load, made of the user's own.

A level of load is short beside a trace, and begins where its trace does. So the trace is the densest part of the
representative one, with its pauses cut short: a level that began in a night would have no requests to judge by. Each
request is a session of its own, so that a level settles at once; where requests take values from others, or from who
their session is, sessions stay whole.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.trace.file.stream import TraceReader, TraceWriter, read_sessions
from replay.trace.types import Header, Session, Step
from replay.trace.values.extracting import MissingValue, filled_step
from replay.trace.values.reserved import found_in

MOST_REQUESTS = 20_000
LEAST_REQUESTS = 200
# Of a Poisson stream, one gap in a thousand is longer than ten times the median (2 ** -10).
_LONGEST_GAP = 10.0
_USUAL = 0.99

_Floats = npt.NDArray[np.float64]


class Steady(NamedTuple):
    """rps: requests a second in it. usual_s: what all but the longest hundredth of them take by the recording."""

    trace: Path
    rps: float
    usual_s: float


class _Part(NamedTuple):
    """A part of a trace whose pauses are cut short. cuts_ms: what is cut of the trace up to each start."""

    from_ms: float
    to_ms: float
    starts_ms: _Floats
    cuts_ms: _Floats

    def place_ms(self, at_ms: float) -> float | None:
        """When in the part comes what starts at that time of the trace; None if that is outside of it."""
        if not self.from_ms <= at_ms <= self.to_ms:
            return None
        return at_ms - float(self.cuts_ms[np.searchsorted(self.starts_ms, at_ms, "right") - 1])


def steady(representative: Path, folder: Path, *, keeps_sessions: bool = False) -> Steady:
    """Write the trace: 20,000 requests or the few more that begin at one instant. keeps_sessions: sessions stay whole,
    whatever their requests take.
    """
    with TraceReader(representative, checked=False) as reader:
        header = reader.header
    if keeps_sessions or _hang_together(representative):
        return _written(folder / "steady-sessions.jsonl", header, "steady sessions", _sessions(representative))
    return _written(folder / "steady-requests.jsonl", header, "single requests", _alone(representative))


def _sessions(trace: Path) -> Iterator[Session]:
    came = [
        (
            session.start_ms,
            sum(not step.is_wait for step in session.steps),
            max((step.at_ms + (step.took_ms or 0.0) for step in session.steps), default=0.0),
        )
        for session in read_sessions(trace, checked=False)
    ]
    part = _densest(came)
    for session in read_sessions(trace, checked=False):
        if (place_ms := part.place_ms(session.start_ms)) is not None:
            yield msgspec.structs.replace(session, start_ms=place_ms)


def _alone(trace: Path) -> Iterator[Session]:
    part = _densest(sorted((at_ms, 1, step.took_ms or 0.0) for at_ms, step in _requests(trace)))
    inside = [(place, step) for at_ms, step in _requests(trace) if (place := part.place_ms(at_ms)) is not None]
    inside.sort(key=lambda item: item[0])
    for n, (place_ms, step) in enumerate(inside):
        yield Session(f"r-{n}", place_ms, [msgspec.structs.replace(step, after=(), at_ms=0.0)])


def _requests(trace: Path) -> Iterator[tuple[float, Step]]:
    """Every request, and when it came in the recording."""
    for session in read_sessions(trace, checked=False):
        for step in session.steps:
            if not step.is_wait:
                yield session.start_ms + step.at_ms, step


def _densest(came: list[tuple[float, int, float]]) -> _Part:
    """Of what came in this order (when, how many requests, how long it took): the part in which half of the requests,
    but no fewer than 200 and no more than 20,000, come in the least time. No gap in it is longer than ten times the
    usual one, or than a request takes in the mean.
    """
    starts_ms, counts, took_ms = (np.array(column, np.float64) for column in zip(*came, strict=True))
    gaps_ms = np.diff(starts_ms)
    longest_ms = max(
        _LONGEST_GAP * float(np.median(gaps_ms)) if len(gaps_ms) else 0.0, float(took_ms.mean()), 1.0
    )
    cuts_ms = starts_ms[0] + np.concatenate(([0.0], np.cumsum(np.maximum(gaps_ms - longest_ms, 0.0))))
    places_ms = starts_ms - cuts_ms
    sums = np.concatenate(([0.0], np.cumsum(counts)))
    wanted = min(sums[-1], MOST_REQUESTS, max(LEAST_REQUESTS, sums[-1] / 2))
    firsts = np.flatnonzero(sums[:-1] + wanted <= sums[-1] + 1e-9)
    lasts = np.searchsorted(sums, sums[firsts] + wanted - 1e-9) - 1
    best = int(np.argmin(places_ms[lasts] - places_ms[firsts]))
    first, last = int(firsts[best]), int(lasts[best])
    return _Part(float(starts_ms[first]), float(starts_ms[last]), starts_ms, cuts_ms + places_ms[first])


def _hang_together(trace: Path) -> bool:
    return any(step.extract or _takes_values(step) for _, step in _requests(trace))


def _takes_values(step: Step) -> bool:
    if any(found_in(step)):
        return True
    try:
        filled_step(step, {})
    except MissingValue:
        return True
    return False


def _written(path: Path, header: Header, what: str, sessions: Iterable[Session]) -> Steady:
    """The trace with what is to be known of it."""
    requests, last_ms, n = 0, 0.0, 0
    took_ms: list[float] = []
    with TraceWriter(path, msgspec.structs.replace(header, name=f"{header.name[:200]}, {what}")) as writer:
        for session in sessions:
            writer.write(session)
            n, last_ms = n + 1, session.start_ms
            for step in session.steps:
                if not step.is_wait:
                    requests += 1
                    took_ms.append(step.took_ms or 0.0)
    # As the search counts: the gap after the last one is as long as the others in the mean.
    span_ms = last_ms * n / (n - 1) if n > 1 and last_ms else max(took_ms, default=0.0) or 1000.0
    usual_s = float(np.quantile(took_ms, _USUAL)) / 1000 if took_ms else 0.0
    return Steady(path, requests * 1000 / span_ms, usual_s)
