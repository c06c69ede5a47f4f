"""Waves: the steps that found the target idle, and those that came before it gave its first byte again."""

from typing import NamedTuple

import numpy as np

from replay.results.columns import ABSENT_NS, Columns, Flags


class Waves(NamedTuple):
    """Of each step, in order of rows: the idle time before its wave in ns, whether it begins the wave, and the row of
    the step that does. Steps that met a target at work have none (ABSENT_NS, -1).
    """

    idle_ns: np.ndarray
    is_first: Flags
    first_row: np.ndarray


def find_waves(columns: Columns, sent: Flags) -> Waves:
    """Which steps found the target idle, and since when. Before the first step nothing is known, so it has no wave."""
    idle = np.full(columns.n, ABSENT_NS, np.int64)
    first = np.zeros(columns.n, np.bool_)
    first_row = np.full(columns.n, -1, np.int64)
    rows = np.flatnonzero(sent)
    rows = rows[np.argsort(columns.sent_ns[rows], kind="stable")]
    if not len(rows):
        return Waves(idle, first, first_row)
    sent_ns, end_ns, byte_ns = columns.sent_ns[rows], columns.end_ns[rows], columns.first_byte_ns[rows]
    answered_ns = np.where(byte_ns == ABSENT_NS, end_ns, byte_ns)
    busy_until_ns = np.maximum.accumulate(end_ns)
    begins = np.append(False, sent_ns[1:] >= busy_until_ns[:-1])
    begun = np.flatnonzero(begins)
    idle[rows[begun]] = sent_ns[begun] - busy_until_ns[begun - 1]
    first[rows[begun]] = True
    first_row[rows[begun]] = rows[begun]
    # Of a wave are also those sent before any of it was answered: among those sent before its first step was.
    wave = np.cumsum(begins) - 1
    maybe = np.flatnonzero((wave >= 0) & ~begins)
    maybe = maybe[sent_ns[maybe] < answered_ns[begun[wave[maybe]]]]
    before, until_ns = -1, 0
    for at in maybe.tolist():
        start = begun[wave[at]]
        if start != before:
            before, until_ns = start, answered_ns[start]
        if sent_ns[at] < until_ns:
            idle[rows[at]], first_row[rows[at]] = idle[rows[start]], rows[start]
            until_ns = min(until_ns, answered_ns[at])
    return Waves(idle, first, first_row)


def followers(sent: Flags, waves: Waves) -> Flags:
    """The steps that came before the one that began their wave had an answer."""
    return sent & (waves.first_row >= 0) & ~waves.is_first
