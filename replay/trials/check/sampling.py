"""One session of each shape: which sessions of a trace a check tries. Pure.

Two sessions have one shape if they have the same steps in the same order, by kind, name and method, with the same
edges. The shapes that most sessions have come first, until so many sessions, or so many steps, were taken.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from replay.judge.check import Sampled
from replay.trace.types import Session

MOST_SESSIONS = 20
MOST_STEPS = 200
# Of so many shapes it is counted how many sessions have them; each takes a few bytes.
_MOST_COUNTED = 100_000


class Sample(NamedTuple):
    """The sessions to try, all starting at once, and what they stand for."""

    sessions: list[Session]
    sampled: Sampled


def shape_of(session: Session) -> bytes:
    """What tells the shapes of sessions apart."""
    places = {step.id: n for n, step in enumerate(session.steps)}
    shape = blake2b(digest_size=12)
    for step in session.steps:
        method = step.request.method if step.request is not None else "llm" if step.llm is not None else ""
        edges = [f"{places.get(edge.step)}{edge.anchor}" for edge in step.after]
        shape.update(repr((step.kind, step.name, method, edges)).encode("utf-8", "surrogatepass"))
    return shape.digest()


class ShapeCount:
    """First pass: how many sessions have each shape."""

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()
        self.sessions = 0

    def add(self, session: Session) -> None:
        self.sessions += 1
        if all(step.is_wait for step in session.steps):
            return
        shape = shape_of(session)
        if shape in self._counts or len(self._counts) < _MOST_COUNTED:
            self._counts[shape] += 1

    @property
    def shapes(self) -> int:
        return len(self._counts)

    def most_common(self) -> list[bytes]:
        return [shape for shape, _ in self._counts.most_common(MOST_SESSIONS)]


def sample_of(sessions: Iterable[Session], counted: ShapeCount) -> Sample:
    """Second pass: the first session of each of the shapes that most have."""
    wanted = counted.most_common()
    found = dict(_firsts(sessions, set(wanted)))
    chosen: list[Session] = []
    steps = cut = 0
    for shape in wanted:
        session = found.get(shape)
        if session is None:
            continue
        if not chosen and len(session.steps) > MOST_STEPS:
            cut = len(session.steps) - MOST_STEPS
            session = _shortened(session)
        if steps + len(session.steps) > MOST_STEPS:
            continue
        steps += len(session.steps)
        chosen.append(msgspec.structs.replace(session, start_ms=0.0))
    return Sample(chosen, Sampled(len(chosen), steps, counted.shapes, counted.sessions, cut))


def _firsts(sessions: Iterable[Session], wanted: set[bytes]) -> Iterator[tuple[bytes, Session]]:
    left = set(wanted)
    for session in sessions:
        if not left:
            return
        shape = shape_of(session)
        if shape in left:
            left.remove(shape)
            yield shape, session


def _shortened(session: Session) -> Session:
    """The first steps of a session that is longer than a whole sample may be."""
    kept = session.steps[:MOST_STEPS]
    ids = {step.id for step in kept}
    steps = [
        msgspec.structs.replace(step, after=tuple(edge for edge in step.after if edge.step in ids))
        for step in kept
    ]
    return msgspec.structs.replace(session, steps=steps)
