"""What a fault in the middle of a run did: how soon it was felt, what failed or was lost, when it was over. Pure.

Response times before the fault are the yardstick, of each kind and name by itself: a step is late if it takes more
than half as much again as their 95th percentile. A kind and name that was answered fewer than five times before the
fault is held to all of them together.

The target is back when two things are so. Of ten steps in a row by intended time no more than two are late or failed,
and that stays so to the end of the run; a run that ends before that has not recovered. Ten and two let one slow step
pass, of which the time before the fault has some as well. And each kind and name that the fault silenced answers on
time again: from the fault on, its steps failed or took longer than any before it did, until one that was sent after
them did not. So a silence counts to its end, however few steps waited in it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from replay.judge.statistics.sample import Floats
from replay.judge.types import VERDICT_SCHEMA
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.evidence import Evidence

_NS = 1_000_000_000
LATE_RATIO = 1.5
LEAST_BEFORE = 5
WINDOW = 10
MOST_LATE = 0.2


class Event(NamedTuple):
    """Something that was done to the target, so long after the run's start."""

    at_ns: int
    what: str


class Amplification(msgspec.Struct, omit_defaults=True):
    """Attempts for each step."""

    before: Annotated[float | None, Meta(description="Before the fault.")] = None
    during: Annotated[float | None, Meta(description="From the fault until the target was back.")] = None
    after: Annotated[float | None, Meta(description="After the target was back.")] = None


class Fault(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One fault and what followed, up to the next one."""

    what: Annotated[str, Meta(description="What was done to the target.")]
    at_s: Annotated[float, Meta(description="When, in s from the run's start.")]
    detect_s: Annotated[
        float | None,
        Meta(description="From then until the first step ended failed or late, in s; absent if none did."),
    ] = None
    recovered_s: Annotated[
        float | None,
        Meta(
            description=(
                "From then until the target was back, in s; absent if that was not seen, 0 if nothing was felt."
            )
        ),
    ] = None
    failed_steps: Annotated[int, Meta(description="Steps that failed.")] = 0
    errors: Annotated[dict[str, int], Meta(description="Steps that failed, by class of failure.")] = {}
    retried_steps: Annotated[int, Meta(description="Steps that were tried again.")] = 0
    retried_ok: Annotated[int, Meta(description="Steps that were tried again and then answered.")] = 0
    retried: Annotated[dict[str, int], Meta(description="Steps that were tried again, by name.")] = {}
    sessions_lost: Annotated[int, Meta(description="Sessions that lost a step.")] = 0
    amplification: Annotated[
        Amplification, Meta(description="Attempts for each step, before, during and after.")
    ] = msgspec.field(default_factory=Amplification)
    under_way: Annotated[int, Meta(description="Requests that the fault found under way.")] = 0
    sent_after: Annotated[int, Meta(description="Requests sent from then on.")] = 0


class RecoveryVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """verdict.json of `replay run` with faults."""

    schema: Annotated[str, Meta(description="replay.verdict/1.")]
    command: Annotated[Literal["run"], Meta(description="run.")]
    faults: Annotated[
        list[Fault], Meta(description="What was done to the target, in order, and what followed.")
    ]
    target: Annotated[str | None, Meta(description="The target's name.")] = None
    run: Annotated[str | None, Meta(description="The name of the run directory.")] = None
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []


def judge_recovery(run: Evidence, events: Sequence[Event]) -> RecoveryVerdict:
    """What followed each event, up to the next one."""
    ordered = sorted(events)
    ends = [*(event.at_ns for event in ordered[1:]), None] if ordered else []
    return RecoveryVerdict(
        schema=VERDICT_SCHEMA,
        command="run",
        faults=[_after(run.columns, event, until) for event, until in zip(ordered, ends, strict=True)],
        target=run.summary.target.name,
        run=run.name,
        notes=[] if ordered else ["nothing was done to the target in this run"],
    )


def _after(columns: Columns, event: Event, until_ns: int | None) -> Fault:
    sent = columns.sent_ns != ABSENT_NS
    upto = columns.intended_ns < (1 << 62 if until_ns is None else until_ns)
    # What was under way when it happened may be its victim too.
    touched = sent & upto & (columns.end_ns >= event.at_ns)
    before = sent & (columns.intended_ns < event.at_ns) & (columns.end_ns < event.at_ns)
    response_ns = columns.end_ns - columns.intended_ns
    yard = _yardstick(columns, before)
    late = touched & ((response_ns > yard.late_ns) | ~columns.ok)
    failed = touched & ~columns.ok
    after = touched & (columns.intended_ns >= event.at_ns)
    back_ns = _back_ns(columns, after, late, event.at_ns) if touched.any() else None
    felt_ns = int(columns.end_ns[late].min()) if late.any() else None
    if felt_ns is not None and back_ns is not None:
        # The victims under way ended late even if everything sent afterwards was well.
        back_ns = max(back_ns, int(columns.end_ns[failed].max()) if failed.any() else back_ns)
        silenced = touched & (~columns.ok | (response_ns > np.maximum(yard.late_ns, yard.longest_ns)))
        back_ns = max(back_ns, _heard_ns(columns, touched, silenced, event.at_ns))
    during = touched & (columns.intended_ns < (back_ns if back_ns is not None else 1 << 62))
    retried = during & (columns.attempts > 1)
    return Fault(
        what=event.what,
        at_s=round(event.at_ns / _NS, 3),
        detect_s=None if felt_ns is None else _seconds(felt_ns - event.at_ns),
        recovered_s=None if back_ns is None else _seconds(back_ns - event.at_ns),
        failed_steps=int(np.count_nonzero(failed)),
        errors=_errors(columns, failed),
        retried_steps=int(np.count_nonzero(retried)),
        retried_ok=int(np.count_nonzero(retried & columns.ok)),
        retried=_by_name(columns, retried),
        sessions_lost=len(np.unique(columns.session[failed])),
        amplification=Amplification(
            _attempts(columns, before),
            _attempts(columns, during),
            _attempts(columns, touched & ~during),
        ),
        under_way=int(np.count_nonzero(touched & (columns.sent_ns < event.at_ns))),
        sent_after=int(np.count_nonzero(touched & (columns.sent_ns >= event.at_ns))),
    )


class _Yardstick(NamedTuple):
    """For each step, by those of its kind and name that were answered before: beyond what it is late, and the longest.
    Infinite where nothing was answered before: nothing is late then.
    """

    late_ns: Floats
    longest_ns: Floats


def _yardstick(columns: Columns, before: Flags) -> _Yardstick:
    calm = before & columns.ok
    response_ns = columns.end_ns - columns.intended_ns
    late_ns, longest_ns = (np.full(len(columns.series_names), np.inf) for _ in range(2))
    if not calm.any():
        return _Yardstick(late_ns[columns.series], longest_ns[columns.series])
    late_ns[:] = LATE_RATIO * float(np.quantile(response_ns[calm], 0.95))
    longest_ns[:] = float(response_ns[calm].max())
    order = np.argsort(columns.series[calm], kind="stable")
    codes, starts = np.unique(columns.series[calm][order], return_index=True)
    for code, own_ns in zip(codes.tolist(), np.split(response_ns[calm][order], starts[1:]), strict=True):
        if len(own_ns) >= LEAST_BEFORE:
            late_ns[code], longest_ns[code] = LATE_RATIO * float(np.quantile(own_ns, 0.95)), float(own_ns.max())
    return _Yardstick(late_ns[columns.series], longest_ns[columns.series])


def _heard_ns(columns: Columns, touched: Flags, silenced: Flags, from_ns: int) -> int:
    """When every kind and name that was silenced had answered on time again; from_ns if none was.

    A late answer is one, so where none is known to be on time after it, the silence ends with it. A failure is none:
    what is sent next and is well ends it.
    """
    heard_ns = from_ns
    for code in np.unique(columns.series[silenced]).tolist():
        rows = np.flatnonzero(touched & (columns.series == code))
        rows = rows[np.argsort(columns.intended_ns[rows], kind="stable")]
        silent_until_ns = from_ns
        awaits_answer = False
        for row in rows.tolist():
            intended_ns, end_ns = int(columns.intended_ns[row]), int(columns.end_ns[row])
            if silenced[row]:
                silent_until_ns = max(silent_until_ns, end_ns)
                awaits_answer = not columns.ok[row]
            elif intended_ns >= from_ns:
                if silent_until_ns > from_ns and (awaits_answer or intended_ns < silent_until_ns):
                    silent_until_ns = intended_ns
                break
        heard_ns = max(heard_ns, silent_until_ns)
    return heard_ns


def _back_ns(columns: Columns, after: Flags, late: Flags, from_ns: int) -> int | None:
    """When the target was back; from_ns if it never was away, None if that was not seen."""
    rows = np.flatnonzero(after)
    if not len(rows):
        return from_ns if not late.any() else None
    rows = rows[np.argsort(columns.intended_ns[rows], kind="stable")]
    window = min(WINDOW, len(rows))
    share = np.convolve(late[rows], np.ones(window) / window, mode="valid")
    above = np.flatnonzero(share > MOST_LATE + 1e-9)
    if not len(above):
        return from_ns
    end = int(above[-1]) + window
    if end >= len(rows):
        return None
    # Within the last bad window the late ones may have been the first.
    last_late = int(np.flatnonzero(late[rows[:end]])[-1])
    return max(from_ns, int(columns.intended_ns[rows[last_late + 1]]))


def back_after_s(columns: Columns, calm_ns: int, over_ns: int) -> float | None:
    """From the end of an overload until response times stay what they were in the calm part before calm_ns (of which
    the first quarter is left out): seconds, 0 if they never left it, None if they do not come back.
    """
    sent = columns.sent_ns != ABSENT_NS
    calm = sent & (columns.intended_ns >= calm_ns // 4) & (columns.intended_ns < calm_ns)
    after = sent & (columns.intended_ns >= over_ns)
    if not calm.any() or not after.any():
        return None
    late = after & ((columns.end_ns - columns.intended_ns) > _yardstick(columns, calm).late_ns)
    back_ns = _back_ns(columns, after, late, over_ns)
    return None if back_ns is None else _seconds(back_ns - over_ns)


def _errors(columns: Columns, failed: Flags) -> dict[str, int]:
    codes = columns.error[failed]
    counts = Counter(columns.errors[code] if code >= 0 else "failed" for code in codes.tolist())
    return dict(counts.most_common())


def _by_name(columns: Columns, rows: Flags) -> dict[str, int]:
    counts = Counter(columns.series_names[code][1] for code in columns.series[rows].tolist())
    return dict(counts.most_common())


def _attempts(columns: Columns, rows: Flags) -> float | None:
    return round(float(columns.attempts[rows].mean()), 4) if rows.any() else None


def _seconds(ns: int) -> float:
    return round(ns / _NS, 3)
