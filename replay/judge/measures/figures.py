"""The left side of an SLO in one run: the figure, how many steps are behind it, and how well it is known."""

from math import ceil, isinf, log

import msgspec
import numpy as np

from replay.judge.measures.failures import by_class
from replay.judge.measures.metrics import Measured, measured, rows_of, sample_of
from replay.judge.measures.slo import Slo
from replay.judge.statistics.heavy_tail import is_heavy_tailed
from replay.judge.statistics.proportion import mean_interval, share_interval
from replay.judge.statistics.quantile import FAR, least_n, quantile, quantile_interval
from replay.judge.statistics.sample import LEAST_SESSIONS, LEAST_STRETCHES, Sample, Worth
from replay.judge.types import Interval
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.evidence import Evidence
from replay.results.rates import backlog_ns
from replay.results.tables.table import constant
from replay.words.numbers import milliseconds, number, seconds
from replay.words.phrases import counted

_RARE_Q = 0.99
"""What one step in a hundred takes moves a mean by as much as it likes, and few steps do not show it."""

_WHY_SHORT = (
    "so few may show none of the slowest one in a hundred, which can move a mean by any amount; bound a percentile "
    "instead, or replay more"
)


class Figure(msgspec.Struct):
    """A metric of one run. interval None: it is a fact of the run and has none.

    observed, interval: infinite where they lie among failures. failed: how many of n failed. n_needed: the least number
    of values that could bound it on the side that a pass needs, if each tells by itself; least_steps: of steps, however
    much each tells. why_unbounded: why a side of the interval is None,
    where that is not for want of values. is_open: because values that are only known to be at least so much may be any
    more. errors: failures that it is made of, or falls among, by class.
    """

    observed: float | None
    n: int
    sessions: int
    interval: Interval | None = None
    worth: Worth | None = None
    censored_ms: float | None = None
    n_needed: int | None = None
    failed: int = 0
    why_unbounded: str | None = None
    is_open: bool = False
    why_absent: str = "no step of that kind was measured"
    errors: dict[str, int] = {}
    least_steps: int | None = None


def figure_of(slo: Slo, run: Evidence, confidence: float) -> Figure:
    """The SLO's left side in one run."""
    columns = run.columns
    rows = rows_of(columns, slo.selector, slo.window)
    if not rows.any():
        return Figure(None, 0, 0, why_absent=_why_absent(slo, columns))
    if slo.statistic in ("quantile", "mean", "min", "max"):
        figure = _latency_figure(slo, columns, rows, confidence)
    elif slo.statistic == "rate":
        figure = _rate_figure(slo, columns, rows)
    else:
        figure = _share_figure(slo, columns, rows, confidence)
    if _rests_on_failures(slo, figure):
        figure.errors = _errors_behind(slo, columns, rows)
    return figure


def _rests_on_failures(slo: Slo, figure: Figure) -> bool:
    """Whether failures make the figure what it is, rather than being somewhere beyond it."""
    if slo.statistic == "errors":
        return True
    if slo.part != "all" or not figure.failed:
        return False
    if slo.statistic in ("share", "mean"):
        return True
    low, high = figure.interval or (None, None)
    if any(value is not None and isinf(value) for value in (figure.observed, low)):
        return True
    # What breaks its limit at the lower end does so without them, however far the upper end reaches.
    is_open = low is None or slo.limit.factor is not None or low < slo.limit.value
    return is_open and high is not None and isinf(high)


def _errors_behind(slo: Slo, columns: Columns, rows: Flags) -> dict[str, int]:
    if slo.measure == "makespan" and slo.statistic != "errors":
        # A session fails by any of its steps, also by those that were not asked for.
        rows = np.isin(columns.session, columns.session[rows])
    found = by_class(columns, rows)
    return found if slo.error is None else {name: n for name, n in found.items() if name == slo.error}


def _why_absent(slo: Slo, columns: Columns) -> str:
    if not columns.n:
        return "no step was sent"
    if not rows_of(columns, slo.selector, type(slo.window)()).any():
        names = sorted({f"{kind}:{name}" for kind, name in columns.series_names})
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        return f"no step is {slo.selector}; the run has {shown}"
    return "no step was intended in that window"


def _latency_figure(slo: Slo, columns: Columns, rows: Flags, confidence: float) -> Figure:
    found = measured(columns, slo.measure, rows, slo.part)
    sample = found.sample
    if not sample.n:
        return Figure(None, 0, 0, why_absent=why_unmeasured(slo) if found.cut is None else _why_open(found))
    least, most = _readings(found)
    if slo.statistic in ("min", "max"):
        edge = np.min if slo.statistic == "min" else np.max
        figure = Figure(float(edge(sample.values)), sample.n, sample.clusters, failed=found.failed)
        at_least, at_most = float(edge(least.values)), float(edge(most.values))
        # An extreme is a fact of the run, unless it is of values that are not known.
        return figure if at_least == at_most else _opened(figure, at_least, at_most, found)
    if slo.statistic == "mean":
        return _mean_figure(found, confidence)
    assert slo.q is not None
    interval, value = quantile_interval(sample, slo.q, confidence)
    why = why_unseen(value, sample)
    figure = Figure(
        quantile(sample.ordered, slo.q),
        sample.n,
        sample.clusters,
        interval,
        value,
        found.censored_ms,
        _needed(value, least_n(slo.q, confidence)),
        found.failed,
        why,
    )
    if most is sample:
        return figure
    (low, _), (_, high) = (quantile_interval(one, slo.q, confidence)[0] for one in (least, most))
    if high == interval.high and low == interval.low:
        return figure
    return _opened(figure, _least(low, interval.low), high, found)


def _least(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)


def _readings(found: Measured) -> tuple[Sample, Sample]:
    """The values as small as they may be, and as large: those of which only a least is known, and infinite."""
    sample, cut = found.sample, found.cut
    if cut is not None:
        assert sample.at is not None
        assert cut.at is not None
        open_from = sample.n
        sample = Sample(
            np.concatenate([sample.values, cut.values]),
            np.concatenate([sample.cluster, cut.cluster]),
            np.concatenate([sample.at, cut.at]),
        )
        is_open = np.arange(sample.n) >= open_from
    elif found.censored is not None:
        is_open = found.censored
    else:
        return sample, sample
    return sample, msgspec.structs.replace(sample, values=np.where(is_open, np.inf, sample.values))


def _opened(figure: Figure, low: float | None, high: float | None, found: Measured) -> Figure:
    """The figure with what is not known of its values in its interval."""
    if high == np.inf and not (figure.interval and figure.interval.high == np.inf):
        # Not among failures: it has an end, which nobody saw.
        high = None
    return msgspec.structs.replace(
        figure, interval=Interval(low, high), why_unbounded=_why_open(found), n_needed=None, is_open=True
    )


def _why_open(found: Measured) -> str:
    if found.cut is not None:
        n, of = found.cut.n, found.cut.n + found.sample.n
        return f"of {counted(of, 'session')} {n:,} {'was' if n == 1 else 'were'} cut off, and may have taken far longer"
    return f"steps that ended at a time limit took at least {milliseconds(found.censored_ms)}, and may have taken more"


def _needed(value: Worth, otherwise: int | None) -> int | None:
    """The least number of independent values that could decide."""
    if value.has_few_sessions:
        return None
    return LEAST_STRETCHES if value.is_unseen else otherwise


def why_unseen(value: Worth, sample: Sample) -> str | None:
    """Why a run has not shown the worst: too few sessions, or steps that depend on one another for too long."""
    if value.has_few_sessions:
        sessions = counted(sample.clusters, "session")
        times = ceil(LEAST_SESSIONS / max(1, sample.clusters))
        come = "the only step comes" if sample.n == 1 else f"all {counted(sample.n, 'step')} come"
        return (
            f"{come} from {sessions}, too few to show how much sessions differ; at least {LEAST_SESSIONS} are needed: "
            f"replay at {times} times the --scale"
        )
    if not value.is_unseen or value.stretches is None:
        return None
    span = "" if sample.at is None else f", {seconds(float(np.ptp(sample.at)) / 1e9 / value.stretches)}"
    return (
        f"each step depends on those before it over a stretch of about "
        f"{counted(sample.n / value.stretches, 'step')}{span}, "
        f"and the run holds only {number(value.stretches)} of these"
    )


def why_unmeasured(slo: Slo) -> str:
    """Why there is no value where there are steps."""
    if slo.part == "failed":
        return "no step failed with a time of its own"
    which = " that was answered" if slo.part == "answered" else ""
    return f"no step{which} has a {slo.measure} time"


def _mean_figure(found: Measured, confidence: float) -> Figure:
    """A failure has no time to add, so with one among them a mean is bounded from below only, by the others."""
    sample = found.sample
    is_open = found.censored_ms is not None or found.cut is not None
    if not is_open and not np.isinf(sample.values).any():
        interval, value = mean_interval(sample, confidence)
        observed = float(sample.values.mean())
        needed = least_n(_RARE_Q, confidence)
        is_short = sample.n < needed
        if is_short and interval.high is not None:
            # As where the worst was not seen: no theorem, but a limit far beyond all that was is decided.
            far = FAR * observed if sample.values.min() > 0 else None
            interval = Interval(interval.low, far)
        return Figure(
            observed,
            sample.n,
            sample.clusters,
            interval,
            value,
            n_needed=_needed(value, None),
            least_steps=needed if is_short and not value.has_few_sessions else None,
            failed=found.failed,
            why_unbounded=why_unseen(value, sample) or (_WHY_SHORT if is_short else _why_heavy(sample)),
        )
    if is_open and not np.isinf(sample.values).any():
        own = mean_interval(sample, confidence)[0].low
        low = _least(mean_interval(_readings(found)[0], confidence)[0].low, own)
        why = _why_open(found)
        observed = float(sample.values.mean())
    else:
        timed = np.isfinite(sample.values)
        answered = sample.where(timed)
        low = mean_interval(answered, confidence)[0].low if answered.n else None
        why = (
            f"{found.failed} of {counted(sample.n, 'step')} failed, and a failure has no time to take the mean of; "
            "bound errors, and write mean(answered)"
        )
        observed = float(answered.values.mean()) if answered.n else np.inf
    return Figure(
        observed,
        sample.n,
        sample.clusters,
        Interval(low, None),
        failed=found.failed,
        why_unbounded=why,
        is_open=is_open,
    )


def _why_heavy(sample: Sample) -> str | None:
    if not is_heavy_tailed(sample.ordered):
        return None
    return (
        "a few steps took so much longer than all others that one more of them may change the mean by any amount; "
        "bound a percentile instead"
    )


def _share_figure(slo: Slo, columns: Columns, rows: Flags, confidence: float) -> Figure:
    failed_n = 0
    found: Measured | None = None
    if slo.statistic == "errors":
        failed = ~columns.ok
        if slo.error is not None:
            wanted = columns.errors.index(slo.error) if slo.error in columns.errors else -2
            failed = columns.error == wanted
        hits, base = failed[rows], _sample(columns, rows)
    elif slo.statistic == "cold":
        return _cold_figure(slo, columns, rows, confidence)
    else:
        found = measured(columns, slo.measure, rows, slo.part)
        if not found.sample.n:
            return Figure(None, 0, 0, why_absent=why_unmeasured(slo) if found.cut is None else _why_open(found))
        failed_n = found.failed
        assert slo.within is not None
        assert slo.within_ms is not None
        hits, base = _within(slo, found.sample), found.sample
    observed = 100 * float(np.count_nonzero(hits)) / base.n
    readings = (base, base) if found is None else _readings(found)
    if slo.operator == "==":
        figure = Figure(observed, base.n, base.clusters)
        if found is None or readings[0] is readings[1]:
            return figure
        edges = [100 * float(np.mean(_within(slo, reading))) for reading in readings]
        return figure if edges == [observed] * 2 else _opened(figure, min(edges), max(edges), found)
    interval, value = share_interval(hits, base, confidence)
    bounds = _in_percent(interval)
    needed = None if value.has_few_sessions else _least_share_n(slo, confidence)
    why = why_unseen(value, base) if value.has_few_sessions else _why_never_shown(slo)
    figure = Figure(
        observed, base.n, base.clusters, bounds, value, n_needed=needed, failed=failed_n, why_unbounded=why
    )
    if found is None or readings[0] is readings[1]:
        return figure
    either = [_in_percent(share_interval(_within(slo, one), one, confidence)[0]) for one in readings]
    low = _least(either[0].low, either[1].low)
    high = None if None in (either[0].high, either[1].high) else max(one.high or 0.0 for one in either)
    return figure if (low, high) == bounds else _opened(figure, low, high, found)


def _cold_figure(slo: Slo, columns: Columns, rows: Flags, confidence: float) -> Figure:
    """Of the steps that say whether they were cold. What failed without saying so may have been, as what ran into a
    time limit behind a boot was, and so may what was answered without a word where others of its kind and name have
    one; so the share is open by as much. Where none of a name says so, it goes elsewhere, and is left out.
    """
    known = rows & (columns.cold >= 0)
    if not known.any():
        return Figure(
            None,
            0,
            0,
            why_absent="the target does not say which steps were cold; name its cold_header in the target file",
        )
    hits, base = columns.cold[known] == 1, _sample(columns, known)
    observed = 100 * float(np.count_nonzero(hits)) / base.n
    interval, value = share_interval(hits, base, confidence)
    figure = Figure(observed, base.n, base.clusters)
    if slo.operator != "==":
        figure.interval, figure.worth = _in_percent(interval), value
        figure.n_needed = None if value.has_few_sessions else _least_share_n(slo, confidence)
        figure.why_unbounded = why_unseen(value, base) if value.has_few_sessions else _why_never_shown(slo)
    says = np.bincount(columns.series[known], minlength=len(columns.series_names)) > 0
    silent = rows & (columns.cold < 0) & (~columns.ok | says[columns.series])
    n_silent, n_failed = int(np.count_nonzero(silent)), int(np.count_nonzero(silent & ~columns.ok))
    if not n_silent:
        return figure
    most = known | silent
    may_be = _in_percent(share_interval(columns.cold[most] != 0, _sample(columns, most), confidence)[0])
    low = observed if figure.interval is None else figure.interval.low
    ended = {0: "were answered", n_silent: "failed"}.get(n_failed, "were answered, or failed,")
    why = f"{counted(n_silent, 'step')} {ended} without saying whether they were cold, and may have been"
    return msgspec.structs.replace(
        figure, interval=Interval(low, may_be.high), why_unbounded=why, n_needed=None, is_open=True
    )


def _why_never_shown(slo: Slo) -> str | None:
    """Why no pass is to be had, however many steps there are."""
    if slo.limit.factor is not None or (slo.operator, slo.limit.value) not in (("<=", 0.0), (">=", 100.0)):
        return None
    share = "0%" if slo.operator == "<=" else "100%"
    fact = f"; {slo.metric} == 0 is about this run alone" if slo.operator == "<=" else ""
    return f"no number of steps shows that a share is exactly {share}: write a limit short of it{fact}"


def _within(slo: Slo, sample: Sample) -> Flags:
    """Which values lie within the limit of a share."""
    assert slo.within is not None
    assert slo.within_ms is not None
    compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[slo.within]
    found: Flags = compare(sample.values, slo.within_ms)
    return found


def _in_percent(interval: Interval) -> Interval:
    low, high = interval
    return Interval(None if low is None else 100 * low, None if high is None else 100 * high)


def least_values(slo: Slo, confidence: float) -> int | None:
    """The fewest independent values that can settle the SLO; None where no number of them is known to."""
    if slo.q is not None:
        return least_n(slo.q, confidence)
    return _least_share_n(slo, confidence) if slo.statistic in ("share", "errors", "cold") else None


def _least_share_n(slo: Slo, confidence: float) -> int | None:
    """The fewest independent steps that could show the bound kept, if none breaks it."""
    if slo.limit.factor is not None:
        return None
    room = slo.limit.value / 100 if slo.operator in ("<", "<=") else 1 - slo.limit.value / 100
    return ceil(log((1 - confidence) / 2) / log(1 - room)) if 0 < room < 1 else None


def _rate_figure(slo: Slo, columns: Columns, rows: Flags) -> Figure:
    """As in summary.json: n answers hold n - 1 gaps, over the whole span in which steps were due or sent, whether or
    not the target was still there, and its backlog at the end of that.
    """
    is_answered = rows & columns.ok
    answered = int(np.count_nonzero(is_answered))
    if np.count_nonzero(rows) < 2:
        return Figure(None, answered, 0, why_absent="a rate needs two requests")
    sent = rows & (columns.sent_ns != ABSENT_NS)
    spans = [int(np.ptp(columns.intended_ns[rows])), int(np.ptp(columns.sent_ns[sent])) if sent.any() else 0]
    if not max(spans):
        return Figure(None, answered, 0, why_absent="all requests were sent at once, so there is no rate")
    span_ns = max(spans) + backlog_ns(columns.sent_ns, columns.end_ns, is_answered, max(spans))
    return Figure(max(0, answered - 1) / (span_ns / 1e9), answered, len(np.unique(columns.session[rows])))


def _sample(columns: Columns, rows: Flags) -> Sample:
    return sample_of(columns, constant(0.0, int(np.count_nonzero(rows)), np.float64), rows)
