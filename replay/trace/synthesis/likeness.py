"""Sessions in the likeness of a recording: how they arrive is fitted to it, what they are is drawn from it.

Pure but for reading the trace. Several kinds of arrivals are fitted to its moments: a gamma renewal process by the mean
and the coefficient of variation of its gaps; bursts by the sessions that start within 200 ms of each other; and on-off
processes (Markov-modulated Poisson processes of two states) by windows of 1, 10 and 60 s, above and below half of the
mean of the busiest fifth of them. Each is then played, and the one whose gaps and whose index of dispersion at 1, 10
and 60 s come nearest is taken (as in the method of simulated moments, McFadden 1989). Sessions are resampled whole,
from a reservoir that is drawn evenly (Vitter 1985, algorithm R).
"""

from array import array
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceReader
from replay.trace.synthesis.arrivals import starts_ms
from replay.trace.synthesis.recipe import ArrivalRecipe
from replay.trace.types import Header, Session
from replay.words.phrases import counted

_MOST_KEPT = 2_000
_MOST_STEPS = 200_000
_LEAST_SESSIONS = 10
_WINDOWS_S = (1.0, 10.0, 60.0)
_LEAST_WINDOWS = 6
_EVEN_CV = 0.02
_CLOSE_S = 0.2
_PLAYS = 3
_MOST_PLAYED = 20_000

Floats = npt.NDArray[np.float64]


class Likeness(NamedTuple):
    """What a recording is like: its header, how sessions arrive, and sessions to draw from.

    session_count, span_s: how many sessions it has, and from its first start to its last.
    """

    header: Header
    arrivals: ArrivalRecipe
    sessions: list[Session]
    session_count: int
    span_s: float


def likeness_of(trace: Path, seed: int) -> Likeness:
    """Read a trace once, in bounded memory. Raises TraceError for one of fewer than ten sessions."""
    random = Random(seed)
    starts = array("d")
    kept: list[Session] = []
    steps = 0
    with TraceReader(trace) as reader:
        for session in reader:
            starts.append(session.start_ms)
            if len(kept) < _MOST_KEPT and steps < _MOST_STEPS:
                kept.append(session)
                steps += len(session.steps)
            elif (place := random.randrange(len(starts))) < len(kept):
                kept[place] = session
        header = reader.header
    if len(starts) < _LEAST_SESSIONS:
        raise TraceError(
            f"{trace}: has {counted(len(starts), 'session')}; it takes {_LEAST_SESSIONS} to tell what it is "
            "like. Use a recipe."
        )
    return Likeness(
        header, fitted(np.frombuffer(starts) / 1000), kept, len(starts), (starts[-1] - starts[0]) / 1000
    )


def fitted(starts_s: Floats) -> ArrivalRecipe:
    """The process that is most like these starts, ascending."""
    span_s = float(starts_s[-1] - starts_s[0])
    if span_s <= 0:
        return ArrivalRecipe(process="bursts", per_min=len(starts_s), burst_size=(len(starts_s), len(starts_s)))
    gaps = np.diff(starts_s)
    per_min = 60 * len(gaps) / span_s
    cv = min(max(float(gaps.std() / gaps.mean()), 0.01), 100.0)
    if cv < _EVEN_CV:
        return ArrivalRecipe(process="even", per_min=per_min)
    candidates = [ArrivalRecipe(process="gamma", per_min=per_min, cv=cv)]
    candidates += filter(None, (_on_off(starts_s, window_s, per_min) for window_s in _WINDOWS_S))
    candidates += filter(None, (_bursts(gaps, per_min),))
    wanted = _moments(starts_s)
    return min(candidates, key=lambda recipe: _distance(wanted, recipe, span_s))


def _moments(starts_s: Floats) -> Floats:
    """Logs of the gaps' coefficient of variation and of the dispersion of counts by window."""
    gaps = np.diff(starts_s)
    found = [float(gaps.std() / gaps.mean()) if gaps.mean() else 1.0]
    for window_s in _WINDOWS_S:
        counts = _counts(starts_s, window_s)
        found.append(float(counts.var() / counts.mean()) if len(counts) > 2 and counts.mean() else np.nan)
    return np.log(np.maximum(found, 1e-3))


def _distance(wanted: Floats, recipe: ArrivalRecipe, span_s: float) -> float:
    """How far the process is from it, by the mean of three plays."""
    found = []
    for seed in range(_PLAYS):
        starts: list[float] = []
        for at_ms in starts_ms(recipe, Random(seed)):
            if at_ms > 1000 * span_s or len(starts) >= _MOST_PLAYED:
                break
            starts.append(at_ms / 1000)
        found.append(_moments(np.array(starts)) if len(starts) > 2 else np.full(len(wanted), np.nan))
    played = np.ma.masked_invalid(np.array(found)).mean(axis=0).filled(np.nan)
    apart = np.abs(played - wanted)
    # What the recording is too short to tell is no difference; what the process did not show is a large one.
    apart = np.where(np.isfinite(wanted), np.where(np.isfinite(apart), apart, 10.0), 0.0)
    return float(apart.sum())


def _counts(starts_s: Floats, window_s: float) -> Floats:
    edges = np.arange(starts_s[0], starts_s[-1] + window_s, window_s)
    return np.histogram(starts_s, edges)[0].astype(np.float64) if len(edges) > 1 else np.zeros(0)


def _on_off(starts_s: Floats, window_s: float, per_min: float) -> ArrivalRecipe | None:
    """Two states by windows; None where only one is seen."""
    counts = _counts(starts_s, window_s)
    if len(counts) < _LEAST_WINDOWS:
        return None
    busiest = np.sort(counts)[-max(1, len(counts) // 5) :]
    is_on = counts > busiest.mean() / 2
    if is_on.all() or not is_on.any():
        return None
    changes = int(np.count_nonzero(np.diff(is_on.astype(np.int8))))
    runs_on = max(1, round((changes + is_on[0] + is_on[-1]) / 2))
    runs_off = max(1, round((changes + (not is_on[0]) + (not is_on[-1])) / 2))
    on, off = float(counts[is_on].mean()), float(counts[~is_on].mean())
    return ArrivalRecipe(
        process="on-off",
        per_min=per_min,
        on_s=window_s * float(is_on.sum()) / runs_on,
        off_s=window_s * float((~is_on).sum()) / runs_off,
        off_ratio=min(off / on, 0.99),
    )


def _bursts(gaps: Floats, per_min: float) -> ArrivalRecipe | None:
    """By how many sessions start close to each other; None where they seldom do."""
    ends = np.flatnonzero(gaps > _CLOSE_S)
    sizes = np.diff(np.concatenate(([-1], ends, [len(gaps)])))
    if sizes.mean() < 2:
        return None
    low, high = (round(float(size)) for size in np.quantile(sizes, [0.1, 0.9]))
    return ArrivalRecipe(process="bursts", per_min=per_min, burst_size=(max(1, low), max(1, low, high)))


def drawn(sessions: list[Session], random: Random, session_id: str, start_ms: float) -> Session:
    """One of the sessions, under another id."""
    return msgspec.structs.replace(
        sessions[random.randrange(len(sessions))], id=session_id, start_ms=round(start_ms, 3)
    )
