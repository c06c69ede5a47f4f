"""The left side of an SLO in one run: the figure, how many steps are behind it, and how well it is known."""

from math import ceil, log

import msgspec
import numpy as np

from replay.judge.metrics import measured, rows_of, sample_of
from replay.judge.proportion import mean_interval, share_interval
from replay.judge.quantile import least_n, quantile, quantile_interval
from replay.judge.sample import Sample, Worth
from replay.judge.slo import Slo
from replay.judge.types import Interval
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.types import Summary


class Evidence(msgspec.Struct, frozen=True):
    """One run: its figures, and its steps."""

    summary: Summary
    columns: Columns
    name: str


class Figure(msgspec.Struct):
    """A metric of one run. interval None: it is a fact of the run and has none.

    n_needed: the least number of values that could bound it on the side that a pass needs.
    """

    observed: float | None
    n: int
    sessions: int
    interval: Interval | None = None
    worth: Worth | None = None
    censored_ms: float | None = None
    n_needed: int | None = None
    why_absent: str = "no step of that kind was measured"


def figure_of(slo: Slo, run: Evidence, confidence: float) -> Figure:
    """The SLO's left side in one run."""
    columns = run.columns
    rows = rows_of(columns, slo.selector, slo.window)
    if not rows.any():
        return Figure(None, 0, 0, why_absent=_why_absent(slo, columns))
    if slo.statistic in ("quantile", "mean", "min", "max"):
        return _latency_figure(slo, columns, rows, confidence)
    if slo.statistic == "rate":
        return _rate_figure(slo, columns, rows)
    return _share_figure(slo, columns, rows, confidence)


def _why_absent(slo: Slo, columns: Columns) -> str:
    if not columns.n:
        return "no step was sent"
    if not rows_of(columns, slo.selector, type(slo.window)()).any():
        names = sorted({f"{kind}:{name}" for kind, name in columns.series_names})
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        return f"no step is {slo.selector}; the run has {shown}"
    return "no step was intended in that window"


def _latency_figure(slo: Slo, columns: Columns, rows: Flags, confidence: float) -> Figure:
    found = measured(columns, slo.measure, rows)
    sample = found.sample
    if not sample.n:
        return Figure(None, 0, 0, why_absent=f"no step has a {slo.measure} time")
    if slo.statistic in ("min", "max"):
        edge = float(sample.values.min() if slo.statistic == "min" else sample.values.max())
        return Figure(edge, sample.n, sample.clusters)
    if slo.statistic == "mean":
        return Figure(float(sample.values.mean()), sample.n, sample.clusters, mean_interval(sample, confidence))
    assert slo.q is not None
    interval, value = quantile_interval(sample, slo.q, confidence)
    return Figure(
        quantile(np.sort(sample.values), slo.q),
        sample.n,
        sample.clusters,
        interval,
        value,
        found.censored_ms,
        least_n(slo.q, confidence),
    )


def _share_figure(slo: Slo, columns: Columns, rows: Flags, confidence: float) -> Figure:
    if slo.statistic == "errors":
        failed = ~columns.ok
        if slo.error is not None:
            wanted = columns.errors.index(slo.error) if slo.error in columns.errors else -2
            failed = columns.error == wanted
        hits, base = failed[rows], _sample(columns, rows)
    elif slo.statistic == "cold":
        rows = rows & (columns.cold >= 0)
        if not rows.any():
            return Figure(
                None,
                0,
                0,
                why_absent="the target does not say which steps were cold; name its cold_header in the target file",
            )
        hits, base = columns.cold[rows] == 1, _sample(columns, rows)
    else:
        found = measured(columns, slo.measure, rows)
        if not found.sample.n:
            return Figure(None, 0, 0, why_absent=f"no step has a {slo.measure} time")
        assert slo.within is not None
        assert slo.within_ms is not None
        compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[slo.within]
        hits, base = compare(found.sample.values, slo.within_ms), found.sample
    observed = 100 * float(np.count_nonzero(hits)) / base.n
    if slo.operator == "==":
        return Figure(observed, base.n, base.clusters)
    interval, value = share_interval(hits, base, confidence)
    low, high = interval
    bounds = Interval(None if low is None else 100 * low, None if high is None else 100 * high)
    needed = _least_share_n(slo, confidence)
    return Figure(observed, base.n, base.clusters, bounds, value, n_needed=needed)


def _least_share_n(slo: Slo, confidence: float) -> int | None:
    """The fewest independent steps that could show the bound kept, if none breaks it."""
    if slo.needs_baseline:
        return None
    room = slo.limit.value / 100 if slo.operator in ("<", "<=") else 1 - slo.limit.value / 100
    return ceil(log((1 - confidence) / 2) / log(1 - room)) if 0 < room < 1 else None


def _rate_figure(slo: Slo, columns: Columns, rows: Flags) -> Figure:
    """As in summary.json: n answers hold n - 1 gaps, over the span of sending or of intended times if longer."""
    sent = rows & (columns.sent_ns != ABSENT_NS)
    answered = int(np.count_nonzero(sent & columns.answered))
    if np.count_nonzero(sent) < 2:
        return Figure(None, answered, 0, why_absent="a rate needs two requests")
    spans = [int(np.ptp(times[sent])) for times in (columns.intended_ns, columns.sent_ns)]
    if not max(spans):
        return Figure(None, answered, 0, why_absent="all requests were sent at once, so there is no rate")
    return Figure(max(0, answered - 1) / (max(spans) / 1e9), answered, len(np.unique(columns.session[rows])))


def _sample(columns: Columns, rows: Flags) -> Sample:
    return sample_of(columns, np.zeros(int(np.count_nonzero(rows))), rows)
