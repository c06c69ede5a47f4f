"""What each step of a session waited for, inferred from times, and the path that the session's end depended on.

The record of a run does not hold the edges of its trace. A step is taken to have waited for the step that ended latest
(or, for a stream, gave its first byte latest) at or before the time that it was due; what lies between is think time.
That is what happened wherever steps wait for one another. It is approximate where two unrelated steps end
close together just before a third is due (the later one is taken), where steps are due at fixed times (`--timing
recorded`), and for waits, which have no rows and count as think time.

At a join a step waited for others too: for all that had ended by its time and that nothing between them follows.
"""

from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from replay.results.columns import ABSENT_NS, Columns

# A step is due a moment after what it waits for ended: clocks are read twice.
_AFTER_NS = 50_000

Rows = list[int]


class PathPart(NamedTuple):
    """A step of a session. from_ns: when it was due; to_ns: its end. on_path: the session's end depended on it; then
    gap_ns is the think time before it, and until_ns when the next one of the path no longer waited for it (its end, or
    its first byte).
    """

    step: str
    kind: str
    name: str
    from_ns: int
    to_ns: int
    on_path: bool
    gap_ns: int = 0
    until_ns: int = 0


class Waits(NamedTuple):
    """What a step waited for. parents: rows and whether by their first byte; gap_ns: think time after the last."""

    parents: list[tuple[int, bool]]
    gap_ns: int


def rows_by_session(columns: Columns, every: int = 1) -> list[Rows]:
    """Each session's rows, by the time that they were due; none of those of other sessions than one of so many."""
    found: list[Rows] = [[] for _ in columns.sessions]
    rows = np.flatnonzero(columns.session % every == 0) if every > 1 else np.arange(columns.n)
    order = rows[np.lexsort((columns.end_ns[rows], columns.intended_ns[rows]))]
    for row, session in zip(order.tolist(), columns.session[order].tolist(), strict=True):
        found[session].append(row)
    return found


def session_path(columns: Columns, rows: Rows) -> list[PathPart]:
    """The steps of one session in order of time, and which of them its end depended on.

    rows: all rows of the session, in any order.
    """
    if not rows:
        return []
    rows = sorted(rows, key=lambda row: (int(columns.intended_ns[row]), int(columns.end_ns[row])))
    path = {row: (gap, until) for row, gap, until in path_of(columns, rows, waits_of(columns, rows))}
    parts = []
    for row in rows:
        kind, name = columns.series_names[columns.series[row]]
        gap_ns, until_ns = path.get(row, (0, 0))
        parts.append(
            PathPart(
                columns.step[row],
                kind,
                name,
                int(columns.intended_ns[row]),
                int(columns.end_ns[row]),
                row in path,
                gap_ns,
                until_ns,
            )
        )
    return parts


def waits_of(columns: Columns, rows: Rows) -> dict[int, Waits]:
    """What each step waited for, itself in order of time. The parent that was last comes first."""
    due = columns.intended_ns[rows].tolist()
    ends = columns.end_ns[rows].tolist()
    start_ns = due[0]
    by_end = sorted(range(len(rows)), key=ends.__getitem__)
    end_times = [ends[at] for at in by_end]
    bytes_ns = columns.first_byte_ns[rows]
    streams = np.flatnonzero((columns.first_token_ns[rows] != ABSENT_NS) & (bytes_ns != ABSENT_NS))
    by_byte = sorted(zip(bytes_ns[streams].tolist(), streams.tolist(), strict=True))
    # The latest time at which any of the steps that have ended so far had been due.
    latest_due, most = [], start_ns
    for at in by_end:
        most = max(most, due[at])
        latest_due.append(most)
    found = {}
    for at, row in enumerate(rows):
        until = due[at] + _AFTER_NS
        n = bisect_right(end_times, until)
        parents: list[tuple[int, bool]] = []
        last_ns = ABSENT_NS
        if n:
            # Whatever ended before one of them was due is followed by that one.
            floor = latest_due[n - 1]
            for k in range(n - 1, -1, -1):
                if end_times[k] < floor and parents:
                    break
                if by_end[k] < at:
                    last_ns = last_ns if parents else end_times[k]
                    parents.append((rows[by_end[k]], False))
        begun = bisect_right(by_byte, (until, len(rows)))
        if begun and by_byte[begun - 1][0] > last_ns and by_byte[begun - 1][1] < at:
            last_ns, stream = by_byte[begun - 1]
            parents.insert(0, (rows[stream], True))
        gap_ns = due[at] - (last_ns if parents else start_ns)
        found[row] = Waits(parents, max(0, gap_ns))
    return found


def path_of(columns: Columns, rows: Rows, waits: dict[int, Waits]) -> list[tuple[int, int, int]]:
    """The rows that the end depended on, last first, each with its gap and until when the next waited for it."""
    row = rows[int(columns.end_ns[rows].argmax())]
    until_ns, found = int(columns.end_ns[row]), []
    while True:
        parents, gap_ns = waits[row]
        found.append((row, gap_ns, until_ns))
        if not parents:
            return found
        row, is_byte = parents[0]
        until_ns = int(columns.first_byte_ns[row] if is_byte else columns.end_ns[row])
