"""A run's figure with the doubt of the baselines in it, so that it can be compared with a limit made from them.

One baseline: blocks of sessions of both sides are drawn again (quantiles), or, for other figures and where the runs
hold too few blocks, the widths of both intervals are added in quadrature (Zou and Donner 2008, MOVER). Two: their
widths are, and the standard error of their mean, half of what they differ by. Noise from run to run is not in that.

Three or more: the scatter of the baselines' own figures is that noise, and a new run's figure is held to their mean
by the t prediction interval (Hahn and Meeker, Statistical Intervals, sec. 4.7), for times on the log scale. A few
figures scatter less than chance would have them, by chance, and say nothing of a run that is smaller than theirs: so
the interval is never narrower than the widths on both sides make it, and open where one of them is.
"""

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import Any

import msgspec
import numpy as np

from replay.judge.measures.blocks import (
    are_enough,
    blocks_of,
    stretches_of,
    variance_shown_by,
)
from replay.judge.measures.figures import Figure
from replay.judge.measures.metrics import measured, rows_of
from replay.judge.measures.slo import Slo
from replay.judge.statistics.distributions import student_quantile
from replay.judge.statistics.own_intervals import widened
from replay.judge.statistics.proportion import as_clustered, share_bounds
from replay.judge.statistics.quantile import least_n
from replay.judge.statistics.resampling import Resampling, quantile_differences
from replay.judge.statistics.sample import Sample
from replay.judge.types import Interval
from replay.results.columns import Codes
from replay.results.evidence import Evidence
from replay.words.numbers import number
from replay.words.phrases import counted

# Below this, loads differ by how their spans were rounded.
_SAME_LOAD = 0.01
_LOAD = {
    "--speed": "speed",
    "--arrivals": "arrivals",
    "--think": "think",
    "--idle-cap": "idle_cap_s",
    "--timing": "timing",
    "--max-in-flight": "max_in_flight",
    "--read-only": "read_only",
    "--at or --fault": "at",
}
FEW = 3
"""As many baselines tell how much runs differ among themselves."""


def are_finite(known: Sequence[float]) -> bool:
    """Whether a limit can be made from these figures: one that falls among a baseline's failures makes none."""
    return bool(np.isfinite(known).all())


def unlike_baseline(run: Evidence, baselines: Sequence[Evidence]) -> str | None:
    """Why a baseline did not have the same to do as this run, so that a difference is no news; None if each had.

    What it had to do is the trace with all that makes load of it: speed, arrivals, copies, limits.
    """
    ours = run.summary.trace
    for baseline in baselines:
        theirs = baseline.summary.trace
        if baseline.is_early:
            return f"the baseline {baseline.name} was ended by --early, so that it did a part of the work only"
        if theirs.sha256 != ours.sha256:
            return f"the baseline {baseline.name} replayed another trace"
        if (theirs.sessions, theirs.steps) != (ours.sessions, ours.steps):
            return (
                f"the baseline {baseline.name} replayed {counted(theirs.sessions, 'session')}, "
                f"{counted(theirs.steps, 'step')}, and this run {counted(ours.sessions, 'session')}, "
                f"{counted(ours.steps, 'step')}"
            )
        if theirs.recorded_in_flight and ours.recorded_in_flight:
            ratio = ours.recorded_in_flight / theirs.recorded_in_flight
            if abs(ratio - 1) > _SAME_LOAD:
                return f"this run's load was {number(ratio)} times that of the baseline {baseline.name}"
        other = other_option(run, baseline)
        if other is not None:
            return f"this run had {other[0]} {other[1]}, and the baseline {baseline.name} {other[2]}"
    return None


def other_option(one: Evidence, other: Evidence) -> tuple[str, str, str] | None:
    """An option by which two runs had another load, and what it was in each; None where none is known to differ."""
    mine, theirs = _load_of(one.options), _load_of(other.options)
    for option in mine:
        # Older runs lack some of them.
        if option in theirs and mine[option] != theirs[option]:
            return option, _as_written(mine[option]), _as_written(theirs[option])
    return None


def _load_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run's load of its trace, by the name of the option."""
    told = {**options, **(options.get("knobs") or {})}
    return {option: told[key] for option, key in _LOAD.items() if key in told}


def _as_written(value: Any) -> str:
    """A value of an option; what is off, or was not given, is none."""
    if value is None or value is False or value == []:
        return "none"
    return "some" if value is True or isinstance(value, list) else str(value)


def limit_from(slo: Slo, known: Sequence[float]) -> float:
    """The SLO's right side. known: its left side in each baseline. Times are averaged on the log scale."""
    if len(known) >= FEW and slo.unit == "ms":
        base = exp(sum(log(max(value, 1e-6)) for value in known) / len(known))
    else:
        base = sum(known) / len(known)
    return (slo.limit.factor or 1.0) * base + slo.limit.value


def against_baselines(
    slo: Slo,
    run: Evidence,
    baselines: Sequence[Evidence],
    figure: Figure,
    others: Sequence[Figure],
    limit: float,
    confidence: float,
) -> Interval | None:
    """The interval of the run's figure; None where it is a fact of the run. others: of each baseline."""
    observed = figure.observed
    assert observed is not None
    known = [other.observed for other in others if other.observed is not None]
    is_scatter_known = len(known) >= FEW
    is_open = any(one.is_open for one in (figure, *others))
    interval = figure.interval
    if interval is None and is_open:
        interval = Interval(observed, observed)
    if interval is None:
        return _predicted(slo, observed, known, confidence) if is_scatter_known else None
    if len(known) == 1 and slo.statistic == "quantile" and not is_open:
        stretches = min(stretches_of(one.columns) for one in (run, *baselines))
        blocks = min(blocks_of([one.columns], stretches).n for one in (run, *baselines))
        if are_enough(blocks, stretches, slo.q, confidence):
            return _by_resampling(slo, run, baselines[0], limit, confidence, stretches)
    figure, *others = _as_clustered(slo, [figure, *others], confidence)
    own = _with_baseline_width(figure.interval or interval, observed, slo, others)
    return _wider(own, _predicted(slo, observed, known, confidence)) if is_scatter_known else own


def _by_resampling(
    slo: Slo, run: Evidence, baseline: Evidence, limit: float, confidence: float, stretches: float
) -> Interval | None:
    assert slo.q is not None
    ours, theirs = blocks_of([run.columns], stretches), blocks_of([baseline.columns], stretches)
    own = _in_blocks(slo, run, ours.of[0])
    base = _in_blocks(slo, baseline, theirs.of[0])
    base = msgspec.structs.replace(base, values=base.values * (slo.limit.factor or 1.0))
    if min(own.n, base.n) < least_n(slo.q, confidence):
        return Interval(None, None)
    shown = variance_shown_by(ours.n, stretches)
    resampling = Resampling(theirs.n, ours.n, is_paired=False, variance_shown=shown)
    found = quantile_differences(resampling, base, own, (slo.q,))[0]
    if found is None:
        return None
    low, high = found.interval(confidence)
    # The differences are the run minus the scaled baseline, so they lie about the limit without its fixed part.
    return Interval(limit - slo.limit.value + low, limit - slo.limit.value + high)


def _in_blocks(slo: Slo, run: Evidence, block: Codes) -> Sample:
    """The SLO's values, in blocks of sessions rather than in sessions."""
    sample = measured(run.columns, slo.measure, rows_of(run.columns, slo.selector, slo.window), slo.part).sample
    return Sample(sample.values, block[sample.cluster])


def _as_clustered(slo: Slo, figures: Sequence[Figure], confidence: float) -> list[Figure]:
    """Shares of runs that are alike, of which one without a hit does not show how hits cluster."""
    if slo.unit != "percent":
        return list(figures)
    shown = [
        (one, one.observed / 100, one.worth)
        for one in figures
        if one.observed is not None and one.worth is not None and one.interval is not None and not one.is_open
    ]
    known = as_clustered(
        [share for _, share, _ in shown], [tells for *_, tells in shown], [one.n for one, *_ in shown]
    )
    wider = {
        id(one): msgspec.structs.replace(
            one,
            interval=Interval(
                *(None if end is None else 100 * end for end in share_bounds(share, tells, confidence))
            ),
        )
        for (one, share, _), tells in zip(shown, known, strict=True)
    }
    return [wider.get(id(one), one) for one in figures]


def _with_baseline_width(own: Interval, observed: float, slo: Slo, others: Sequence[Figure]) -> Interval:
    """Widths of independent intervals added in quadrature."""
    widths = [
        (other.observed, other.interval or Interval(other.observed, other.observed))
        for other in others
        if other.observed is not None
    ]
    known = [value for value, _ in widths]
    factor = (slo.limit.factor or 1.0) / len(known)
    # The standard error of the mean of two: where they disagree, neither is what a run has to be like.
    apart = factor * (max(known) - min(known)) if len(known) < FEW else 0.0
    return widened(own, observed, widths, factor, apart)


def _wider(one: Interval, other: Interval) -> Interval:
    """What both hold; None where one of them does not bound a side."""
    return Interval(
        None if one.low is None or other.low is None else min(one.low, other.low),
        None if one.high is None or other.high is None else max(one.high, other.high),
    )


def _predicted(slo: Slo, observed: float, known: Sequence[float], confidence: float) -> Interval:
    """Where the figure of a run like this one lies, by the scatter of the baselines from run to run."""
    k = len(known)
    width = student_quantile((1 + confidence) / 2, k - 1) * (1 + 1 / k) ** 0.5
    if slo.unit == "ms":
        logs = np.log(np.maximum(np.asarray(known), 1e-6))
        half = width * float(logs.std(ddof=1))
        return Interval(observed * exp(-half), observed * exp(half))
    half = width * float(np.std(known, ddof=1))
    return Interval(observed - half, observed + half)
