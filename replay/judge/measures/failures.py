"""What failed in a run: by class, by the check that was not met, and by step name. Pure.

Counted are the last attempts of steps that were tried, as in counts.failed of summary.json.
"""

from collections import Counter
from collections.abc import Iterable
from math import inf
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from replay.judge.measures.metrics import rows_of
from replay.judge.measures.slo import Slo
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.evidence import Evidence
from replay.results.summary_types import Counts
from replay.results.types import ERROR_CLASSES

_MOST_GROUPS = 100
_UNKNOWN = "unknown"

MAYBE_OURS = ("timeout", "local", "connect", "reset")
"""Classes of failure that a late machine may have made itself; all others come from what was answered."""

# The shortest time limits that servers ship with for a client that sends or reads slowly are of several seconds
# (uvicorn's and Node's for idle connections 5 s, Gunicorn's 2 s).
_SHORTEST_LIMIT_MS = 1_000


class FailureGroup(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Failures alike."""

    error: Annotated[str, Meta(description="The class of failure.")]
    meaning: Annotated[str, Meta(description="What that class says.")]
    kind: Annotated[str, Meta(description="The kind of the steps.")]
    name: Annotated[str, Meta(description="The name of the steps.")]
    steps: Annotated[int, Meta(description="How many steps failed so.")]
    share: Annotated[
        float, Meta(description="Their share of the steps of this kind and name that were tried, from 0 to 1.")
    ]
    first_s: Annotated[float, Meta(description="When the first one ended, in s from the run's start.")]
    first_session: Annotated[str, Meta(description="The session of the first one.")]
    check: Annotated[str | None, Meta(description="The name of the expectation that was not met.")] = None
    why: Annotated[
        str | None, Meta(description="What was wrong with the first one that tells, in a sentence.")
    ] = None
    median_ms: Annotated[
        float | None, Meta(description="The median of their own response times, in ms; absent: none was sent.")
    ] = None


class Failures(msgspec.Struct, omit_defaults=True, kw_only=True):
    """All failures of a run."""

    steps: Annotated[int, Meta(description="Steps that failed.")]
    of_steps: Annotated[int, Meta(description="Steps that were tried.")]
    groups: Annotated[list[FailureGroup], Meta(description="The failures by class, the largest first.")] = []
    left_out: Annotated[int, Meta(description="Failures of groups that are not listed.")] = 0


def failures(columns: Columns) -> Failures:
    """The failures of a run, grouped."""
    failed = np.flatnonzero(~columns.ok)
    found = Failures(steps=len(failed), of_steps=columns.n)
    if not len(failed):
        return found
    checks = np.full(columns.n, -1, np.int32) if columns.check is None else columns.check
    rows_of: dict[tuple[int, ...], list[int]] = {}
    alike = (columns.error[failed], checks[failed], columns.series[failed])
    for row, *key in zip(failed.tolist(), *(codes.tolist() for codes in alike), strict=True):
        rows_of.setdefault(tuple(key), []).append(row)
    of_class = by_class(columns, ~columns.ok)
    tried = np.bincount(columns.series, minlength=len(columns.series_names))
    groups = [_group(columns, np.array(rows), tried) for rows in rows_of.values()]
    groups.sort(key=lambda group: (-of_class[group.error], group.error, -group.steps, group.kind, group.name))
    found.groups = groups[:_MOST_GROUPS]
    found.left_out = sum(group.steps for group in groups[_MOST_GROUPS:])
    return found


def unbound_failures(slos: Iterable[Slo], columns: Columns) -> Counter[str]:
    """By kind and name, the failures that none of these SLOs counts among errors."""
    left = ~columns.ok
    for slo in slos:
        if slo.statistic == "errors":
            counted = rows_of(columns, slo.selector, slo.window)
            if slo.error is not None:
                code = columns.errors.index(slo.error) if slo.error in columns.errors else -2
                counted &= columns.error == code
            left &= ~counted
    times = np.bincount(columns.series[left], minlength=len(columns.series_names)).tolist()
    return Counter({":".join(columns.series_names[code]): n for code, n in enumerate(times) if n})


def _group(columns: Columns, rows: np.ndarray, tried: np.ndarray) -> FailureGroup:
    """One group. rows: its failures, of which there is one at least."""
    first = int(rows[np.argmin(columns.end_ns[rows])])
    error = class_at(columns, first)
    kind, name = columns.series_names[columns.series[first]]
    timed = rows[(columns.sent_ns[rows] != ABSENT_NS) | columns.censored[rows]]
    took_ns = columns.end_ns[timed] - columns.intended_ns[timed]
    return FailureGroup(
        error=error,
        meaning=ERROR_CLASSES.get(error, "no class that is known"),
        kind=kind,
        name=name,
        steps=len(rows),
        share=round(len(rows) / int(tried[columns.series[first]]), 6),
        first_s=round(float(columns.end_ns[first]) / 1e9, 3),
        first_session=columns.sessions[columns.session[first]],
        check=check_at(columns, first),
        why=_why_of(columns, rows),
        median_ms=round(float(np.median(took_ns)) / 1e6, 3) if len(took_ns) else None,
    )


def class_at(columns: Columns, row: int) -> str:
    """The class of a failed step."""
    code = int(columns.error[row])
    return columns.errors[code] if code >= 0 else _UNKNOWN


def check_at(columns: Columns, row: int) -> str | None:
    """The name of the expectation that a failed step did not meet, if it failed by one."""
    if columns.check is None or columns.checks is None or columns.check[row] < 0:
        return None
    return columns.checks[int(columns.check[row])]


def examples(counts: Counts) -> list[str]:
    """Of each class of which something is known, what was wrong with the first that failed so."""
    return [f"{error}, for example: {why}" for error, why in counts.error_examples.items()]


def example_of(columns: Columns, rows: Flags) -> str:
    """The most frequent failure of these rows, one of which failed at least: its class, and what was wrong with one."""
    error = next(iter(by_class(columns, rows)))
    of_it = np.flatnonzero(rows & ~columns.ok)
    alike = np.array([row for row in of_it.tolist() if class_at(columns, row) == error])
    first = int(alike[0])
    kind, name = columns.series_names[columns.series[first]]
    status = int(columns.status[first])
    answered = f"status {status}" if status > 0 else ERROR_CLASSES.get(error, "no class that is known")
    return f"{error}, for example {kind}:{name}: {_why_of(columns, alike) or answered}"


def _why_of(columns: Columns, rows: np.ndarray) -> str | None:
    """What was wrong with the first of these failures that tells."""
    if columns.why is None or columns.whys is None:
        return None
    telling = rows[columns.why[rows] >= 0]
    return columns.whys[int(columns.why[telling[0]])] if len(telling) else None


def may_be_ours(columns: Columns, late_ms: float) -> Flags:
    """The failures that a machine which was late by so much may have made itself, those of no known class among them.

    A target ends a connection because of a client that is late if it was about to for being idle, which an answer
    that has begun rules out, and a new connection does; or by a time limit.
    """
    ours = np.array([error in MAYBE_OURS for error in columns.errors] + [True])
    flags: Flags = ~columns.ok & ours[columns.error]
    if late_ms < _SHORTEST_LIMIT_MS and "reset" in columns.errors:
        was_busy = (columns.first_byte_ns != ABSENT_NS) | columns.new_connection
        flags &= ~(was_busy & (columns.error == columns.errors.index("reset")))
    return flags


def forgiven(run: Evidence) -> Evidence:
    """The run as if each failure that its machine's lateness may have made had been an answer, and had come at once."""
    late_ms = run.summary.generator.late_ms
    columns = run.columns
    ours = may_be_ours(columns, inf if late_ms is None else late_ms)
    if not ours.any():
        return run
    sent_ns = np.where(ours & (columns.sent_ns == ABSENT_NS), columns.intended_ns, columns.sent_ns)
    has_token = columns.first_token_ns != ABSENT_NS
    at_once = columns._replace(
        ok=columns.ok | ours,
        sent_ns=sent_ns,
        end_ns=np.where(ours, sent_ns, columns.end_ns),
        first_byte_ns=np.where(ours, sent_ns, columns.first_byte_ns),
        first_token_ns=np.where(ours & has_token, sent_ns, columns.first_token_ns),
    )
    return msgspec.structs.replace(run, columns=at_once)


def by_class(columns: Columns, rows: Flags) -> dict[str, int]:
    """How many of these rows failed with each class, the most frequent first."""
    codes = Counter(columns.error[rows & ~columns.ok].tolist())
    named = {columns.errors[code] if code >= 0 else _UNKNOWN: n for code, n in codes.items()}
    return dict(sorted(named.items(), key=lambda pair: (-pair[1], pair[0])))
