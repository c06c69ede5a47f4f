"""Sessions in the likeness of a recording: how they arrive is fitted to it, what they are is drawn from it.

Pure but for reading the trace. Gaps between session starts are fitted by a gamma renewal process with their mean and
coefficient of variation (method of moments). Where counts in windows vary more than such a process's would, load comes
and goes: then an on-off process (a Markov-modulated Poisson process of two states) takes its two rates and the mean
lengths of its states from windows above and below half of the mean of the busiest fifth. Sessions are resampled whole,
from a reservoir that is drawn evenly (Vitter 1985, algorithm R).
"""

from array import array
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import numpy as np

from replay.trace.errors import TraceError
from replay.trace.file import TraceReader
from replay.trace.synthesis.recipe import ArrivalRecipe
from replay.trace.types import Header, Session

_MOST_KEPT = 2_000
_MOST_STEPS = 200_000
_WINDOW_S = 10.0
_LEAST_SESSIONS = 10
_ON_OFF_RATIO = 2.0


class Likeness(NamedTuple):
    """What a recording is like: its header, how sessions arrive, and sessions to draw from."""

    header: Header
    arrivals: ArrivalRecipe
    sessions: list[Session]
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
            f"{trace}: has {len(starts)} sessions; it takes {_LEAST_SESSIONS} to tell what it is like. Use a recipe."
        )
    return Likeness(header, fitted(np.frombuffer(starts) / 1000), kept, (starts[-1] - starts[0]) / 1000)


def fitted(starts_s: "np.ndarray") -> ArrivalRecipe:
    """The process whose rate, gaps and dispersion are those of these starts, ascending."""
    gaps = np.diff(starts_s)
    span_s = float(starts_s[-1] - starts_s[0])
    if span_s <= 0:
        return ArrivalRecipe(process="bursts", per_min=len(starts_s), burst_size=(len(starts_s), len(starts_s)))
    per_min = 60 * len(gaps) / span_s
    cv = min(max(float(gaps.std() / gaps.mean()), 0.01), 100.0)
    counts = np.histogram(starts_s, np.arange(starts_s[0], starts_s[-1] + _WINDOW_S, _WINDOW_S))[0]
    dispersion = float(counts.var() / counts.mean()) if len(counts) > 1 and counts.mean() else 1.0
    # In the long run, counts of a renewal process have the dispersion of its gaps, squared.
    if len(counts) >= 6 and dispersion > _ON_OFF_RATIO * max(1.0, cv**2):
        found = _on_off(counts, per_min)
        if found is not None:
            return found
    if cv < 0.02:
        return ArrivalRecipe(process="even", per_min=per_min)
    return ArrivalRecipe(process="gamma", per_min=per_min, cv=cv)


def _on_off(counts: "np.ndarray", per_min: float) -> ArrivalRecipe | None:
    """Two states by windows; None where only one is seen."""
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
        on_s=_WINDOW_S * float(is_on.sum()) / runs_on,
        off_s=_WINDOW_S * float((~is_on).sum()) / runs_off,
        off_ratio=min(off / on, 0.99),
    )


def drawn(sessions: list[Session], random: Random, session_id: str, start_ms: float) -> Session:
    """One of the sessions, under another id."""
    return msgspec.structs.replace(
        sessions[random.randrange(len(sessions))], id=session_id, start_ms=round(start_ms, 3)
    )
