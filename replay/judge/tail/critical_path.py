"""The critical paths of sessions: which steps and gaps made their makespans, and what faster steps would win.

What a step waited for is inferred from times, as told in replay/judge/tail/session_path.py. What faster steps of
one kind and name would win is found by playing the sessions again with those shortened. A step is then due when the
last of what it waited for is over, plus the think time that it had; so at a join the second longest path bounds
what is won. Two things are approximate: the other branches of a join may have had longer think times than the last
one, so the win is then overstated; and how the target would fare under the load so changed is not told.
"""

from collections import defaultdict
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from replay.judge.statistics.quantile import quantile
from replay.judge.statistics.sample import Floats
from replay.judge.tail.session_path import Rows, Waits, path_of, rows_by_session, waits_of
from replay.results.columns import ABSENT_NS, Columns
from replay.results.evidence import Evidence

_FASTER = (0.1, 0.5)
_MOST_SERIES = 12
_MOST_STEPS = 60_000
# Of more, evenly drawn sessions with so many steps say what makespans are made of; a note says that they are a part.
_MOST_LOOKED_AT = 250_000


class Win(msgspec.Struct):
    """What faster steps would win."""

    faster: Annotated[float, Meta(description="By what share the steps take less, from 0 to 1.")]
    p50_ms: Annotated[float, Meta(description="By how much the median makespan would be less, in ms.")]
    p99_ms: Annotated[
        float, Meta(description="By how much the 99th percentile of makespans would be less, in ms.")
    ]


class PathSeries(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Steps of one kind and name on critical paths."""

    kind: Annotated[str, Meta(description="Their kind.")]
    name: Annotated[str, Meta(description="Their name.")]
    steps: Annotated[int, Meta(description="How many are on a path.")]
    sessions: Annotated[int, Meta(description="Sessions on whose path they are.")]
    share: Annotated[float, Meta(description="Their share of the sum of makespans, from 0 to 1.")]
    ms: Annotated[float, Meta(description="Their time on a session's path on average, in ms.")]
    wins: Annotated[
        list[Win],
        Meta(description="What makespans would win if they were faster; empty beyond the first twelve names."),
    ] = []


class CriticalPaths(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What makespans are made of."""

    sessions: Annotated[int, Meta(description="Sessions that were looked at.")]
    p50_ms: Annotated[float | None, Meta(description="The median makespan, in ms.")]
    p99_ms: Annotated[float | None, Meta(description="The 99th percentile of makespans, in ms.")]
    gap_share: Annotated[
        float, Meta(description="Think time and waits, as a share of the sum of makespans, from 0 to 1.")
    ]
    gap_ms: Annotated[float, Meta(description="Think time and waits of a session on average, in ms.")]
    series: Annotated[list[PathSeries], Meta(description="The steps on critical paths, by kind and name.")]
    played: Annotated[int, Meta(description="Sessions that the wins are of.")] = 0
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []


def critical_paths(evidence: Evidence) -> CriticalPaths:
    """What the makespans of a run are made of, over all its sessions, or of a long run's over an even part of them."""
    columns = evidence.columns
    every = max(1, -(-columns.n // _MOST_LOOKED_AT))
    sessions = [rows for rows in rows_by_session(columns, every) if rows]
    steps: dict[int, int] = defaultdict(int)
    ns: dict[int, int] = defaultdict(int)
    seen: dict[int, int] = defaultdict(int)
    gaps_ns = 0
    chosen = frozenset(_evenly(sessions))
    # Of these alone what steps waited for is kept: of ten million steps it would take gigabytes.
    played: list[tuple[Rows, dict[int, Waits]]] = []
    for at, rows in enumerate(sessions):
        waits = waits_of(columns, rows)
        if at in chosen:
            played.append((rows, waits))
        path = path_of(columns, rows, waits)
        for row, gap_ns, until_ns in path:
            code = int(columns.series[row])
            steps[code] += 1
            ns[code] += until_ns - int(columns.intended_ns[row])
            gaps_ns += gap_ns
        for code in {int(columns.series[row]) for row, _, _ in path}:
            seen[code] += 1
    whole_ns = max(1, gaps_ns + sum(ns.values()))
    shown = sorted(ns, key=lambda code: -ns[code])
    before, after = _played(columns, played, shown[:_MOST_SERIES])
    makespans = np.sort([_makespan_ms(columns, rows) for rows in sessions])
    found = CriticalPaths(
        sessions=len(sessions),
        p50_ms=round(quantile(makespans, 0.5), 3) if len(sessions) else None,
        p99_ms=round(quantile(makespans, 0.99), 3) if len(sessions) else None,
        gap_share=round(gaps_ns / whole_ns, 4),
        gap_ms=round(gaps_ns / 1e6 / max(1, len(sessions)), 3),
        series=[],
        played=len(played),
    )
    for at, code in enumerate(shown):
        kind, name = columns.series_names[code]
        found.series.append(
            PathSeries(
                kind=kind,
                name=name,
                steps=steps[code],
                sessions=seen[code],
                share=round(ns[code] / whole_ns, 4),
                ms=round(ns[code] / 1e6 / len(sessions), 3),
                wins=_wins(before, after[at]) if at < _MOST_SERIES else [],
            )
        )
    if every > 1:
        found.notes.append(f"makespans and paths are those of one of {every} sessions, evenly drawn")
    if len(played) < len(sessions):
        found.notes.append(f"what a faster step would win is of {len(played)} of the sessions, evenly drawn")
    return found


def _makespan_ms(columns: Columns, rows: Rows) -> float:
    return float(columns.end_ns[rows].max() - columns.intended_ns[rows].min()) / 1e6


def _evenly(sessions: list[Rows]) -> list[int]:
    """Which sessions to play again, so that it takes a second or two whatever the run's length."""
    steps = sum(len(rows) for rows in sessions)
    every = max(1, -(-steps // _MOST_STEPS))
    return list(range(0, len(sessions), every))


def _played(
    columns: Columns, sessions: list[tuple[Rows, dict[int, Waits]]], codes: list[int]
) -> tuple[Floats, list[list[Floats]]]:
    """Makespans in ms as they were, and with each series faster: by series, then by how much."""
    changes = [(code, faster) for code in codes for faster in _FASTER]
    left = np.ones((len(columns.series_names) + 1, 1 + len(changes)))
    for at, (code, faster) in enumerate(changes, start=1):
        left[code, at] -= faster
    makespans = np.array([_play(columns, rows, waits, left) for rows, waits in sessions]).reshape(
        -1, left.shape[1]
    )
    after = [makespans[:, at] for at in range(1, left.shape[1])]
    return makespans[:, 0], [after[at : at + len(_FASTER)] for at in range(0, len(after), len(_FASTER))]


def _play(columns: Columns, rows: Rows, waits: dict[int, Waits], left: Floats) -> Floats:
    """The makespan in ms of one session, for each column of what is left of each series' times."""
    ends: dict[int, Floats] = {}
    bytes_at: dict[int, Floats] = {}
    last = np.zeros(left.shape[1])
    instants = (columns.intended_ns[rows], columns.end_ns[rows], columns.first_byte_ns[rows])
    for row, due, end, byte in zip(rows, *(times.tolist() for times in instants), strict=True):
        parents, gap_ns = waits[row]
        at = np.full(left.shape[1], float(gap_ns))
        if parents:
            at += np.maximum.reduce([(bytes_at if is_byte else ends)[parent] for parent, is_byte in parents])
        rest = left[columns.series[row]]
        ends[row] = at + (end - due) * rest
        if byte != ABSENT_NS:
            bytes_at[row] = at + (byte - due) * rest
        last = np.maximum(last, ends[row])
    return last / 1e6


def _wins(before: Floats, after: list[Floats]) -> list[Win]:
    was = [quantile(np.sort(before), q) for q in (0.5, 0.99)]
    found = []
    for faster, makespans in zip(_FASTER, after, strict=True):
        now = np.sort(makespans)
        p50, p99 = (round(max(0.0, a - quantile(now, q)), 3) for a, q in zip(was, (0.5, 0.99), strict=True))
        found.append(Win(faster, p50, p99))
    return found
