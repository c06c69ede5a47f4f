"""How fast requests came, how many were under way at once, and the middle of a run.

Rates are over the whole run: offered counts requests over the span of their intended times, achieved those that
were answered over the same span (or that of their sending, if longer), so that a target that died shows what it
answered. A span of n events holds n - 1 gaps, and so a rate needs two of them.

A target that falls behind answers all of it in the end, long after the last request came. Its span is longer by that
backlog, which is both of two things: answers lie further apart than their requests did, as the middle half of each
shows, and those that came later took longer, as medians of the two halves show. A few long answers, a burst, or long
requests in a short run are one of the two at most.

The steady window leaves out the first tenth and the last tenth of the time in which steps were intended, and
the marked warm-up: what remains is free of the ramp of a starting run and of its drain.
"""

import numpy as np

from replay.results.histogram import Histogram, Int64s
from replay.results.instants import Instants
from replay.results.summary_types import Rate, Window
from replay.results.tables.table import Flags

_NS = 1_000_000_000
_RAMP_RATIO = 0.1
_LEAST_STEADY_STEPS = 20
# Of as many steps what is computed on the way takes a few megabytes.
_BLOCK = 1 << 18
_MOST_LOOKED_AT = 1 << 17
# Less is within what times vary by.
_LEAST_BACKLOG_RATIO = 0.05


def rates(steps: Instants, inside: Flags | None = None) -> Rate:
    """Offered and achieved rate of the steps that were tried, and the most requests in flight at once.

    inside: of these steps alone.
    """
    intended_ns = steps.intended_ns if inside is None else steps.intended_ns[inside]
    n = len(intended_ns)
    if not n:
        return Rate()
    intended_span_ns = int(np.ptp(intended_ns))
    del intended_ns
    sent, ok = steps.sent_ns >= 0, steps.ok
    if inside is not None:
        sent, ok = sent & inside, ok & inside
    starts_ns, ends_ns = steps.sent_ns[sent], steps.end_ns[sent]
    span_ns = max(intended_span_ns, int(np.ptp(starts_ns)) if len(starts_ns) else 0)
    completed = int(np.count_nonzero(ok))
    span_ns += backlog_ns(steps.sent_ns, steps.end_ns, sent & ok, span_ns)
    return Rate(
        offered_rps=_per_s(n - 1, intended_span_ns),
        achieved_rps=_per_s(completed - 1, span_ns) if completed else 0.0,
        peak_in_flight=_peak_of(starts_ns, ends_ns),
    )


def backlog_ns(sent_ns: Int64s, end_ns: Int64s, answered: Flags, span_ns: int) -> int:
    """How much longer a target that fell behind took to answer than its requests took to be sent; 0 where it kept up.

    span_ns: within which they were sent.
    """
    rows = np.flatnonzero(answered)
    rows = rows[:: 1 + len(rows) // _MOST_LOOKED_AT]
    if len(rows) < _LEAST_STEADY_STEPS:
        return 0
    came, ended = sent_ns[rows], end_ns[rows]
    apart = [np.subtract(*np.quantile(times, (0.75, 0.25))) for times in (came, ended)]
    later = came > np.median(came)
    if not later.any():
        return 0
    took = ended - came
    longer = float(np.median(took[later]) - np.median(took[~later]))
    # Half of the requests came within either, so the whole backlog is twice that.
    found = int(2 * min(float(apart[1] - apart[0]), longer))
    return found if found > _LEAST_BACKLOG_RATIO * span_ns else 0


def peak_in_flight(sent_ns: Int64s, end_ns: Int64s) -> int:
    """The most requests in flight at once; one that ends when another starts makes room for it."""
    return _peak_of(sent_ns.copy(), end_ns.copy())


def _peak_of(starts_ns: Int64s, ends_ns: Int64s) -> int:
    """The same; both are sorted in place."""
    for times_ns in (starts_ns, ends_ns):
        # Nearly in order already, which is what this kind of sorting makes use of.
        times_ns.sort(kind="stable")
    most = 0
    for at in range(0, len(starts_ns), _BLOCK):
        block = starts_ns[at : at + _BLOCK]
        begun = np.arange(at + 1, at + 1 + len(block))
        most = max(most, int((begun - np.searchsorted(ends_ns, block, side="right")).max()))
    return most


def steady_window(steps: Instants, warmup_ns: int) -> Window | None:
    """The figures of the middle of a run; None where too few steps were intended in it to say anything."""
    intended_ns = steps.intended_ns
    if not len(intended_ns):
        return None
    first, last = int(intended_ns.min()), int(intended_ns.max())
    ramp_ns = int((last - first) * _RAMP_RATIO)
    start, stop = max(first + ramp_ns, warmup_ns), last - ramp_ns
    inside = (intended_ns >= start) & (intended_ns < stop)
    n = int(np.count_nonzero(inside))
    if n < _LEAST_STEADY_STEPS:
        return None
    response, service = Histogram(), Histogram()
    for at in range(0, len(intended_ns), _BLOCK):
        block = slice(at, at + _BLOCK)
        answered = inside[block] & steps.ok[block]
        ends_ns = steps.end_ns[block][answered]
        response.record_many(ends_ns - intended_ns[block][answered])
        service.record_many(ends_ns - steps.sent_ns[block][answered])
    figures = rates(steps, inside)
    return Window(
        from_s=round(start / _NS, 3),
        to_s=round(stop / _NS, 3),
        steps=n,
        offered_rps=figures.offered_rps,
        achieved_rps=figures.achieved_rps,
        latency_ms={"response": response.quantiles(), "service": service.quantiles()},
    )


def _per_s(gaps: int, span_ns: int) -> float | None:
    return round(gaps / (span_ns / _NS), 3) if span_ns > 0 else None
