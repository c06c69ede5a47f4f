"""Which sessions of a trace go to which of several targets, and when: the arms of a comparison.

Pure. Paired: every session goes to every target, shifted by a few milliseconds in an order that a seed draws for
each session anew, so that none always goes first. Interleaved: sessions are dealt out in blocks, each block in an
order drawn by the seed, so that every target gets its share of every part of the trace.
"""

import hashlib
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Literal, NamedTuple

from replay.engine.shares import WHOLE, Scheduled, Share, of_share
from replay.trace.types import Session

_MS = 1_000_000
Dealing = Literal["all", "paired", "interleaved"]


class Arm(NamedTuple):
    """One target's part: place 0 to of - 1, of so many targets. all: every session at its own time.

    phase_ms: with paired, how far the sessions of two targets stand apart at least, and twice that at most.
    only: the ids of the sessions that it sends at all; None: of all.
    """

    dealing: Dealing = "all"
    place: int = 0
    of: int = 1
    seed: int = 1
    phase_ms: float = 5.0
    only: frozenset[str] | None = None


ALL = Arm()


def armed(sessions: Iterable[Scheduled], arm: Arm, share: Share = WHOLE) -> Iterator[Scheduled]:
    """This arm's sessions with their starts in ns, in order of start. share: those of all arms that are done here.

    What is compared stays in one share: a session that every arm sends, a block of which each arm sends one.
    """
    if arm.only is not None:
        sessions = _chosen(sessions, arm.only)
    if arm.dealing == "interleaved":
        return _dealt(sessions, arm, share)
    mine = of_share(sessions, share)
    return _shifted(mine, arm) if arm.dealing == "paired" else mine


def shift_ns(session_id: str, arm: Arm) -> int:
    """How much later than in the trace this arm sends a session."""
    digest = _drawn(f"{arm.seed}:{session_id}")
    phase_ns = int(arm.phase_ms * _MS * (1 + (digest % 1_000_003) / 1_000_003))
    return _order(digest // 1_000_003, arm.of)[arm.place] * phase_ns


def _shifted(sessions: Iterable[Scheduled], arm: Arm) -> Iterator[Scheduled]:
    """Shifts are bounded, so a buffer of that length restores the order."""
    longest_ns = int(2 * arm.phase_ms * _MS * (arm.of - 1))
    held: list[tuple[int, int, Session]] = []
    for n, (start_ns, session) in enumerate(sessions):
        while held and held[0][0] <= start_ns:
            due_ns, _, earlier = heappop(held)
            yield due_ns, earlier
        shift = min(longest_ns, shift_ns(session.id, arm))
        heappush(held, (start_ns + shift, n, session))
    while held:
        due_ns, _, earlier = heappop(held)
        yield due_ns, earlier


def _chosen(sessions: Iterable[Scheduled], only: frozenset[str]) -> Iterator[Scheduled]:
    """Ends with the last of them: a trace that is repeated has no end of its own."""
    left = len(only)
    for scheduled in sessions:
        if not left:
            return
        if scheduled[1].id in only:
            left -= 1
            yield scheduled


def _dealt(sessions: Iterable[Scheduled], arm: Arm, share: Share) -> Iterator[Scheduled]:
    """A block is one session for each target."""
    order: list[int] = []
    for n, scheduled in enumerate(sessions):
        block, turn = divmod(n, arm.of)
        if block % share.of != share.place:
            continue
        if not turn:
            order = _order(_drawn(f"{arm.seed}:block:{block}"), arm.of)
        if order[turn] == arm.place:
            yield scheduled


def _drawn(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())


def _order(number: int, count: int) -> list[int]:
    """A permutation of 0..count-1: the number's own, in the factorial number system."""
    left = list(range(count))
    found = []
    for size in range(count, 0, -1):
        number, place = divmod(number, size)
        found.append(left.pop(place))
    return found
