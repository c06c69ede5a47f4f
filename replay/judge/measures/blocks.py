"""Blocks of sessions: what is drawn as one when runs are held to each other."""

from collections.abc import Sequence
from math import inf, isinf
from typing import NamedTuple

import numpy as np

from replay.judge.measures.metrics import measured, starts_of
from replay.judge.statistics.quantile import least_n
from replay.judge.statistics.sample import in_time
from replay.results.columns import Codes, Columns
from replay.results.histogram import Int64s

BLOCKS = 64
"""As many parts of a run are drawn as one."""

LEAST_BLOCKS = 16
"""Of fewer, what is drawn again says too little of what another run would have been (Hesterberg 2015, sec. 4)."""

# Kuensch 1989, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17: a
# block of l values of which tau tell as much as one shows about 1 - tau / (2 l) of their variance. tau is taken at
# its upper end.
_STRETCHES_A_BLOCK = 2.0


def stretches_of(columns: Columns) -> float:
    """How many stretches of a run are independent of one another; infinite where neighbours are."""
    sample = measured(columns, "response", np.ones(columns.n, np.bool_)).sample
    if not sample.n:
        return inf
    tied = in_time(sample, np.isinf(sample.values))
    return sample.n / tied.tau if tied.is_significant else inf


class Blocks(NamedTuple):
    """n: how many there are. of: of each run, by its own session codes, the block that a session is of."""

    n: int
    of: list[Codes]


def blocks_of(runs: Sequence[Columns], stretches: float = inf) -> Blocks:
    """Blocks of sessions that start one after the other, at most BLOCKS of them, and each at least two of the runs'
    stretches (stretches_of) long. A session of the same name is the same one in all of these runs.

    What a pause of one target does to the sessions of a moment it does once; resampled session by session it would
    count as often as there are sessions in it. So would a queue, which all sessions of a stretch wait in.
    """
    names, common = _common(runs)
    starts: Int64s = np.full(len(names), np.iinfo(np.int64).max)
    for columns, own in zip(runs, common, strict=True):
        np.minimum.at(starts, own, starts_of(columns))
    sessions = len(names)
    count = int(max(1, min(BLOCKS, sessions, stretches / _STRETCHES_A_BLOCK))) if sessions else 0
    block = np.empty(sessions, np.int32)
    block[_in_order(starts, names)] = np.arange(sessions) * count // max(1, sessions)
    return Blocks(count, [block[own] for own in common])


def _common(runs: Sequence[Columns]) -> tuple[Sequence[str], list[Int64s]]:
    """The names of all sessions, and where among them those of each run are."""
    if len(runs) == 1:
        return runs[0].sessions, [np.arange(len(runs[0].sessions))]
    at: dict[str, int] = {}
    common = [
        np.array([at.setdefault(session, len(at)) for session in columns.sessions], np.int64)
        for columns in runs
    ]
    return list(at), common


def _in_order(starts: Int64s, names: Sequence[str]) -> Int64s:
    """Sessions by when they start, and those of one instant by their names, which of a long run takes longest."""
    order = np.argsort(starts, kind="stable")
    in_turn = starts[order]
    is_tied = np.zeros(len(order), np.bool_)
    is_tied[1:] = in_turn[1:] == in_turn[:-1]
    is_tied[:-1] |= is_tied[1:]
    tied = order[is_tied]
    if not len(tied):
        return order
    rank = np.zeros(len(starts), np.int64)
    rank[sorted(tied.tolist(), key=names.__getitem__)] = np.arange(len(tied))
    return np.lexsort((rank, starts))


def are_enough(blocks: int, stretches: float, q: float | None, confidence: float) -> bool:
    """Whether drawing so many blocks again tells how well a mean, or this quantile, is known."""
    return blocks >= LEAST_BLOCKS and (q is None or stretches >= least_n(q, confidence))


def variance_shown_by(blocks: int, stretches: float) -> float:
    """How much of the variance so many blocks show, 0..1: 1 - tau / (2 l) for blocks of l values (Kuensch 1989)."""
    return 1.0 if isinf(stretches) else max(0.5, 1 - blocks / (2 * stretches))
