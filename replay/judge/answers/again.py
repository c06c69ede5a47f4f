"""Which sessions the first target is asked again, so that what is random in its answers is known. Pure.

All in which the two targets' answers differ, up to a bound, since only those can tell who is the odd one; and of the
others a share, drawn by the seed, but of a short trace all, for they tell how often the first differs from itself.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from replay.judge.answers.differing import Differing
from replay.judge.answers.facts import Answered, Where

AGAIN_SHARE = 0.2
LEAST_AGAIN = 200
MOST_DIFFERING_AGAIN = 2_000


def sessions_of(answered: Iterable[Where]) -> set[str]:
    return {session for session, _ in answered}


def differing_sessions(
    a: Mapping[Where, Answered], b: Mapping[Where, Answered], differing: Differing
) -> set[str]:
    """The sessions in which any answer of b differs from that of a."""
    found: set[str] = set()
    for where, one in a.items():
        other = b.get(where)
        if other is None or one.facts is None or other.facts is None or where[0] in found:
            continue
        if differing.keys(one.facts, other.facts):
            found.add(where[0])
    return found


def sessions_to_ask_again(
    a: Mapping[Where, Answered],
    others: Sequence[Mapping[Where, Answered]],
    differing: Differing,
    share: float = AGAIN_SHARE,
    seed: int = 1,
) -> frozenset[str]:
    """The ids of the sessions to ask again. share: of those in which nothing differs."""
    differ: set[str] = set()
    for b in others:
        differ |= differing_sessions(a, b, differing)
    alike = sessions_of(a) - differ
    chosen = in_drawn_order(differ, seed)[:MOST_DIFFERING_AGAIN]
    least = max(0, LEAST_AGAIN - len(chosen)) if share else 0
    chosen += in_drawn_order(alike, seed)[: max(ceil(min(1.0, share) * len(alike)), least)]
    return frozenset(chosen)


def in_drawn_order(sessions: Iterable[str], seed: int) -> list[str]:
    """The sessions in an order that the seed draws, and each session's id alone decides its place in."""

    def drawn(session: str) -> bytes:
        text = f"{seed}:again:{session}"
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    return sorted(sessions, key=drawn)
