"""Blocks of sessions: what is drawn and exchanged as one when runs are held to each other."""

from collections.abc import Sequence

import numpy as np

from replay.results.columns import Codes, Columns

BLOCKS = 64
"""As many parts of a run are drawn and exchanged as one."""


def blocks_of(runs: Sequence[Columns]) -> dict[str, int]:
    """The block of each session: sessions that start one after the other, at most BLOCKS of them.

    What a pause of one target does to the sessions of a moment it does once; resampled session by session it would
    count as often as there are sessions in it.
    """
    starts: dict[str, int] = {}
    for columns in runs:
        first = np.full(len(columns.sessions), np.iinfo(np.int64).max)
        np.minimum.at(first, columns.session, columns.intended_ns)
        for session, start in zip(columns.sessions, first.tolist(), strict=True):
            starts[session] = min(start, starts.get(session, start))
    order = sorted(starts, key=lambda session: (starts[session], session))
    blocks = min(BLOCKS, len(order))
    return {session: n * blocks // len(order) for n, session in enumerate(order)}


def count_of(blocks: dict[str, int]) -> int:
    """How many blocks there are."""
    return max(blocks.values(), default=-1) + 1


def codes_in(columns: Columns, blocks: dict[str, int]) -> Codes:
    """The block of each of the run's own session codes."""
    return np.array([blocks[session] for session in columns.sessions], np.int32)
