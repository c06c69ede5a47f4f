"""Blocks of sessions: what is drawn as one when runs are held to each other."""

from collections.abc import Sequence
from math import inf, isinf

import numpy as np

from replay.judge.measures.metrics import measured, starts_of
from replay.judge.statistics.quantile import least_n
from replay.judge.statistics.sample import in_time
from replay.results.columns import Codes, Columns

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


def blocks_of(runs: Sequence[Columns], stretches: float = inf) -> dict[str, int]:
    """The block of each session: sessions that start one after the other, at most BLOCKS of them, and each at least two
    of the run's stretches (stretches_of) long.

    What a pause of one target does to the sessions of a moment it does once; resampled session by session it would
    count as often as there are sessions in it. So would a queue, which all sessions of a stretch wait in.
    """
    starts: dict[str, int] = {}
    for columns in runs:
        for session, start in zip(columns.sessions, starts_of(columns).tolist(), strict=True):
            starts[session] = min(start, starts.get(session, start))
    order = sorted(starts, key=lambda session: (starts[session], session))
    blocks = int(max(1, min(BLOCKS, len(order), stretches / _STRETCHES_A_BLOCK)))
    return {session: n * blocks // len(order) for n, session in enumerate(order)}


def are_enough(blocks: int, stretches: float, q: float | None, confidence: float) -> bool:
    """Whether drawing so many blocks again tells how well a mean, or this quantile, is known."""
    return blocks >= LEAST_BLOCKS and (q is None or stretches >= least_n(q, confidence))


def variance_shown_by(blocks: int, stretches: float) -> float:
    """How much of the variance so many blocks show, 0..1: 1 - tau / (2 l) for blocks of l values (Kuensch 1989)."""
    return 1.0 if isinf(stretches) else max(0.5, 1 - blocks / (2 * stretches))


def count_of(blocks: dict[str, int]) -> int:
    """How many blocks there are."""
    return max(blocks.values(), default=-1) + 1


def codes_in(columns: Columns, blocks: dict[str, int]) -> Codes:
    """The block of each of the run's own session codes."""
    return np.array([blocks[session] for session in columns.sessions], np.int32)
