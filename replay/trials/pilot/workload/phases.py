"""What a pilot does to each plane: its phases, and the traces that they replay, cut from the user's own.

Every trace is made of the user's sessions: an excerpt that shows the load levels in their own proportions, bursts as
large as the largest second of the recording, single sessions after growing idle times, and the longest chains.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf, isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from replay.choice.standing import LEAST_STEPS
from replay.trace.file.stream import TraceReader, TraceWriter
from replay.trace.profile.shape import session_depth
from replay.trace.types import Header, Session, Step
from replay.trials.pilot.workload.shape import Shape

How = Literal["live", "quick", "simulated"]

_SAMPLED = 64
_LONGEST = 12
_MOST_STEPS = 500
MOST_EXCERPT_STEPS = 300_000
_MOST_BURST_STEPS = 60_000
REPRESENTATIVE_FILE = "representative.jsonl"


class Plan(NamedTuple):
    """How long each phase lasts. representative_s: infinite where all of the trace is replayed. idle_gaps_s: idle times
    between single sessions. idle_cap_s: no pause inside of a session is longer, but in the representative phase.
    pause_s: where that must be made of a sparse trace, no pause in it is longer. level_s: of the ceiling's search;
    search_s: when that ends, infinite where it goes on until it is done.
    """

    how: How
    representative_s: float
    burst_rounds: int
    burst_gap_s: float
    idle_gaps_s: tuple[float, ...]
    chains_s: float
    failure_s: float
    level_s: float
    search_s: float
    precision: float
    idle_cap_s: float
    pause_s: float


QUICK = Plan(
    how="quick",
    representative_s=35.0,
    burst_rounds=3,
    burst_gap_s=4.0,
    idle_gaps_s=(1.0, 2.0, 3.5, 5.0, 7.0),
    chains_s=10.0,
    failure_s=15.0,
    level_s=5.0,
    search_s=60.0,
    precision=0.1,
    idle_cap_s=2.0,
    pause_s=5.0,
)
LIVE = Plan(
    how="live",
    representative_s=600.0,
    burst_rounds=5,
    burst_gap_s=20.0,
    idle_gaps_s=(5.0, 15.0, 30.0, 60.0, 120.0, 240.0),
    chains_s=300.0,
    failure_s=120.0,
    level_s=10.0,
    search_s=600.0,
    precision=0.05,
    idle_cap_s=30.0,
    pause_s=60.0,
)
SIMULATED = Plan(
    how="simulated",
    representative_s=inf,
    burst_rounds=5,
    burst_gap_s=1200.0,
    idle_gaps_s=(30.0, 60.0, 120.0, 300.0, 600.0, 800.0, 1000.0, 1500.0),
    chains_s=3600.0,
    failure_s=600.0,
    level_s=10.0,
    search_s=inf,
    precision=0.05,
    idle_cap_s=600.0,
    pause_s=600.0,
)


class Excerpt(NamedTuple):
    """A part of the trace. offset_s: where in the trace it begins. length_s: until its last session starts.

    cut_s: by how much it was shortened at pauses; its times are not the trace's then. left_out: requests that belong
    to that part and are not in it, since they came after its 300,000. failed: how many of its requests were recorded
    with each status of 400 or more.
    """

    trace: Path
    offset_s: float
    length_s: float
    sessions: int
    requests: int
    cut_s: float = 0.0
    left_out: int = 0
    failed: Mapping[int, int] = MappingProxyType({})

    @property
    def rps(self) -> float:
        """Requests a second in it."""
        return max(self.requests, 1) / self.length_s


def excerpt(trace: Path, folder: Path, shape: Shape, plan: Plan) -> Excerpt:
    """The part of the trace whose windows have the load levels most nearly as the whole has them.

    Where that holds too few requests to judge by, the trace from its beginning on, with its pauses cut short. It is as
    long as the plan has it, and holds no more than 300,000 requests.
    """
    window_s = float(shape.workload.window_s)
    levels = shape.levels
    wanted = max(1, round(plan.representative_s / window_s)) if isfinite(plan.representative_s) else len(levels)
    offset_s = 0.0 if wanted >= len(levels) else _most_alike(levels, wanted) * window_s
    out = folder / REPRESENTATIVE_FILE
    found = _cut(trace, out, offset_s, plan.representative_s, None)
    if found.requests >= min(LEAST_STEPS, shape.workload.steps):
        return found
    return _cut(trace, out, 0.0, plan.representative_s, plan.pause_s)


def whole(trace: Path, folder: Path) -> Excerpt:
    """The trace from its beginning, up to 300,000 requests."""
    return _cut(trace, folder / "whole.jsonl", 0.0, inf, None)


def _cut(trace: Path, out: Path, offset_s: float, length_s: float, pause_s: float | None) -> Excerpt:
    """The sessions that start in that part. pause_s: no time without a step under way is longer."""
    sessions = requests = left_out = 0
    last_ms = cut_ms = 0.0
    busy_until_ms = offset_s * 1000
    failed: Counter[int] = Counter()
    with TraceReader(trace, checked=False) as reader:
        header = _named(reader.header, out.stem)
        with TraceWriter(out, header) as writer:
            for session in reader:
                if session.start_ms < offset_s * 1000:
                    continue
                pause_ms = session.start_ms - busy_until_ms
                if pause_s is not None and pause_ms > 1000 * pause_s:
                    cut_ms += pause_ms - (1000 * pause_s if sessions else 0.0)
                start_ms = session.start_ms - 1000 * offset_s - cut_ms
                if start_ms >= 1000 * length_s:
                    break
                sends = sum(not step.is_wait for step in session.steps)
                if left_out or requests >= MOST_EXCERPT_STEPS:
                    left_out += sends
                    continue
                writer.write(msgspec.structs.replace(session, start_ms=start_ms))
                sessions += 1
                requests += sends
                failed.update(status for step in session.steps if (status := _failed_status(step)))
                last_ms = start_ms
                lasts_ms = max((step.at_ms + (step.took_ms or 0.0) for step in session.steps), default=0.0)
                busy_until_ms = max(busy_until_ms, session.start_ms + lasts_ms)
    length_s = max(last_ms / 1000, 1e-3)
    return Excerpt(out, offset_s, length_s, sessions, requests, cut_ms / 1000, left_out, dict(failed))


def _failed_status(step: Step) -> int | None:
    status = step.recorded.status if step.recorded is not None else None
    return status if status is not None and status >= 400 else None


def _most_alike(levels: np.ndarray, wanted: int) -> int:
    """Where to cut so many windows. Among parts alike the one with the most load in it."""
    best, place = (-np.inf, 0.0), 0
    whole = np.bincount(levels, minlength=3) / len(levels)
    running = np.stack([np.concatenate(([0], np.cumsum(levels == level))) for level in range(3)])
    for at in range(len(levels) - wanted + 1):
        shares = (running[:, at + wanted] - running[:, at]) / wanted
        score = (-round(float(np.abs(shares - whole).sum()), 6), float(shares @ np.arange(3)))
        if score > best:
            best, place = score, at
    return place


class Picked(NamedTuple):
    """Sessions of the trace: a sample, drawn evenly with a seed, and those with the longest chains; of a very long one
    its beginning.

    burst: sessions that start in the fullest second.
    """

    header: Header
    sample: list[Session]
    longest: list[Session]
    burst: int


def pick(trace: Path, seed: int) -> Picked:
    """One pass over the trace, in flat memory."""
    drawn = random.Random(seed)
    sample: list[Session] = []
    longest: list[tuple[int, int, Session]] = []
    seen = burst = in_second = 0
    second = -1
    with TraceReader(trace, checked=False) as reader:
        for session in reader:
            now = int(session.start_ms / 1000)
            in_second = in_second + 1 if now == second else 1
            second, burst = now, max(burst, in_second)
            if all(step.is_wait for step in session.steps):
                continue
            seen += 1
            session = _beginning(session)
            if len(sample) < _SAMPLED:
                sample.append(session)
            elif (place := drawn.randrange(seen)) < _SAMPLED:
                sample[place] = session
            longest.append((session_depth(session), -seen, session))
            if len(longest) > 4 * _LONGEST:
                longest = sorted(longest, key=lambda item: item[:2], reverse=True)[:_LONGEST]
        header = reader.header
    longest.sort(key=lambda item: item[:2], reverse=True)
    return Picked(header, sample, [session for _, _, session in longest[:_LONGEST]], max(burst, 1))


def _beginning(session: Session) -> Session:
    """The session, or the first 500 steps of a longer one, its first request among them.

    Sessions of thousands of steps may be all that there are, and a phase of the others would be of another load.
    """
    if len(session.steps) <= _MOST_STEPS:
        return session
    in_order = sorted(session.steps, key=lambda step: step.at_ms)
    first = next(n for n, step in enumerate(in_order) if not step.is_wait)
    kept = in_order[max(0, first - _MOST_STEPS + 1) :][:_MOST_STEPS]
    known = {step.id for step in kept}
    steps = [
        msgspec.structs.replace(
            step,
            after=tuple(edge for edge in step.after if edge.step in known),
            at_ms=step.at_ms - kept[0].at_ms,
        )
        for step in kept
    ]
    return msgspec.structs.replace(session, steps=steps)


def bursts(picked: Picked, folder: Path, plan: Plan, least: int = 4, most: int = 200) -> Path:
    """As many sessions at once as ever start within a second, several times, with a pause between; 60,000 requests in
    all at most.
    """
    requests = sum(not step.is_wait for session in picked.sample for step in session.steps) / len(picked.sample)
    size = max(1, min(max(picked.burst, least), most, int(_MOST_BURST_STEPS / plan.burst_rounds / requests)))
    starts = [n * plan.burst_gap_s for n in range(plan.burst_rounds) for _ in range(size)]
    return _written(folder / "bursts.jsonl", picked.header, "bursts", _dealt(picked.sample, starts))


def idle_wake(picked: Picked, folder: Path, plan: Plan) -> Path:
    """Single requests after idle times that grow. A session's first request stands for it, so that gaps are exact."""
    firsts = [_first_alone(session) for session in picked.sample]
    starts = np.concatenate(([0.0], np.cumsum(plan.idle_gaps_s))).tolist()
    return _written(folder / "idle-wake.jsonl", picked.header, "idle and wake", _dealt(firsts, starts))


def chains(picked: Picked, folder: Path, plan: Plan) -> Path:
    """The sessions with the longest chains, side by side."""
    gap_s = min(1.0, plan.chains_s / 10 / max(1, len(picked.longest)))
    starts = [n * gap_s for n in range(len(picked.longest))]
    return _written(folder / "long-chains.jsonl", picked.header, "long chains", _dealt(picked.longest, starts))


def _first_alone(session: Session) -> Session:
    step = next(step for step in session.steps if not step.is_wait)
    return Session(session.id, 0.0, [msgspec.structs.replace(step, after=(), at_ms=0.0)], session.attributes)


def _dealt(sessions: Sequence[Session], starts_s: Sequence[float]) -> Iterator[Session]:
    """Sessions in turn, under new ids, at these times."""
    for n, start_s in enumerate(starts_s):
        yield msgspec.structs.replace(sessions[n % len(sessions)], id=f"p-{n}", start_ms=start_s * 1000)


def _written(path: Path, header: Header, what: str, sessions: Iterable[Session]) -> Path:
    with TraceWriter(path, _named(header, what)) as writer:
        for session in sessions:
            writer.write(session)
    return path


def _named(header: Header, what: str) -> Header:
    return msgspec.structs.replace(header, name=f"{header.name[:200]}, {what}")
