"""Traces into one: sessions of several in order of start, and copies of each, all with ids of their own.

Ids are told apart by 8 bytes of hash each, which memory holds for as long as the trace streams by; two ids with one
hash only cost one of them a new name.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from heapq import heappop, heappush, merge
from itertools import count

import msgspec

from replay.trace.copies import copy_id, jitter_ratio
from replay.trace.file.rules import LONGEST_NAME
from replay.trace.origins import united
from replay.trace.transforms.types import Tally
from replay.trace.types import Header, Session


class Scale(msgspec.Struct, frozen=True):
    """Each session `times` times, its copies within gap_ms of it, by the rule of a run's `--scale`.

    gap_ms: the mean gap between starts of the trace. A copy is called like its session, with ~2, ~3 and so on.
    Memory holds the copies of the sessions of one gap.
    """

    times: int
    seed: int
    gap_ms: float

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        return unique(((0, session) for session in self._copies(sessions, tally)), tally)

    def _copies(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        held: list[tuple[float, int, Session]] = []
        numbers = count()
        for session in sessions:
            while held and held[0][0] <= session.start_ms:
                yield heappop(held)[2]
            for copy in range(1, self.times):
                start_ms = session.start_ms + self.gap_ms * jitter_ratio(self.seed, session.id, copy)
                heappush(held, (start_ms, next(numbers), _copied(session, copy, start_ms)))
                tally["sessions copied"] += 1
            yield session
        while held:
            yield heappop(held)[2]


def merged(traces: Sequence[Iterator[Session]], tally: Tally) -> Iterator[Session]:
    """The sessions of several traces, whose starts are taken to be one instant, in order of start.

    Where an id occurs again, its later session's gets the number of its trace, from 1, in front: `2.ID`.
    """
    numbered = (_numbered(number, trace) for number, trace in enumerate(traces, 1))
    return unique(merge(*numbered, key=lambda item: item[1].start_ms), tally)


def unique(sessions: Iterator[tuple[int, Session]], tally: Tally) -> Iterator[Session]:
    """The sessions of (number, session); one whose id was there before gets the number, or a higher one, in front."""
    seen: set[bytes] = set()
    for number, session in sessions:
        found = _hash(session.id)
        if found in seen:
            tally["sessions given another id, which was taken"] += 1
            names = (f"{n}.{session.id}"[:LONGEST_NAME] for n in count(number or 2))
            session.id = next(name for name in names if _hash(name) not in seen)
            found = _hash(session.id)
        seen.add(found)
        yield session


def merged_header(headers: Sequence[Header]) -> Header:
    """One header for several traces: their names joined, the coarsest resolution, attributes one after another."""
    if len(headers) == 1:
        return headers[0]
    known_ms = [header.resolution_ms for header in headers if header.resolution_ms is not None]
    first = headers[0]
    return Header(
        first.format,
        first.version,
        " + ".join(header.name for header in headers)[:LONGEST_NAME],
        resolution_ms=max(known_ms, default=None),
        origins=united(origin for header in headers for origin in header.origins),
        attributes={"merged": [{"name": header.name} | header.attributes for header in headers]},
        extra={name: value for header in headers for name, value in (header.extra or {}).items()} or None,
    )


def _numbered(number: int, trace: Iterator[Session]) -> Iterator[tuple[int, Session]]:
    return ((number, session) for session in trace)


def _hash(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()


def _copied(session: Session, copy: int, start_ms: float) -> Session:
    """A copy that shares nothing that transforms change in place."""
    replace = msgspec.structs.replace
    steps = [
        replace(
            step,
            request=step.request and replace(step.request),
            llm=step.llm and replace(step.llm),
            mcp=step.mcp and replace(step.mcp),
            ws=step.ws and replace(step.ws),
            grpc=step.grpc and replace(step.grpc),
            recorded=step.recorded and replace(step.recorded),
        )
        for step in session.steps
    ]
    return replace(session, id=copy_id(session.id, copy), start_ms=start_ms, steps=steps)
