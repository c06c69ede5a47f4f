"""How full a target was over a run, and whether it grew slower: requests in flight, what was answered, drift.

Little's law (1961) holds the record to itself: requests in flight in the mean are their rate times their mean service
time. Over a whole run it can only fail by what the run's ends cut off, so a ratio far from 1 tells of a faulty record.

Drift is looked for in what is settled of a run (MSER-5, see replay/judge/load/flow.py), on the medians of up to 20
equal parts of response time, each step's over the median of its kind and name, so that a change of the mix is no
drift. Test, slope and interval are those of replay/judge/statistics/trend.py (p < 0.01; 95 %). Sure of a small slope is
not much: a run drifts if the times change by a tenth or more from its first part to its last. Where the requests that
were sent a second surely changed as much, and in the same direction, the times may have changed for that: whether the
target itself did is then unknown.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from replay.judge.load.flow import concurrency, flow, settled
from replay.judge.statistics.sample import Floats
from replay.judge.statistics.trend import Trend as Times
from replay.judge.statistics.trend import find_trend
from replay.judge.tail.causes import medians_of
from replay.results.columns import ABSENT_NS, Columns, Flags, Rows
from replay.results.evidence import Evidence
from replay.words.numbers import exact, number, percent

_BINS = 60
_MOST_PARTS = 20
_LEAST_PARTS = 8
_LEAST_IN_PART = 10
_TEST = 0.01
_LEAST_CHANGE_PERCENT = 10.0
_LITTLE_WITHIN = 0.1

Trend = Literal["slower", "faster", "steady", "unknown"]


class InFlight(msgspec.Struct):
    """Requests under way at once, of one kind of step or of all."""

    kind: Annotated[str, Meta(description="The kind of step; all: of every kind.")]
    mean: Annotated[float, Meta(description="The mean over the run.")]
    peak: Annotated[int, Meta(description="The most.")]
    by_time: Annotated[list[float], Meta(description="The mean in each of equal parts of the run.")]


class Drift(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Whether response times change over a run. What is absent cannot be said of so short a run."""

    trend: Annotated[Trend, Meta(description="Whether they grow slower or faster.")]
    why: Annotated[str, Meta(description="Why that is said, in a sentence.")]
    parts: Annotated[int, Meta(description="Into how many equal parts the run was cut.")] = 0
    from_s: Annotated[
        float | None, Meta(description="From when on it was looked at, in s from the run's start.")
    ] = None
    change_percent: Annotated[
        float | None,
        Meta(
            description=(
                "The change from the first part's middle to the last one's by Sen's slope, in percent."
            )
        ),
    ] = None
    ci_percent: Annotated[
        tuple[float, float] | None, Meta(description="The interval of that change at 95 %, in percent.")
    ] = None
    slope_percent_per_min: Annotated[float | None, Meta(description="The change a minute, in percent.")] = None
    p_value: Annotated[
        float | None, Meta(description="The p-value of there being a trend (Mann and Kendall).")
    ] = None


class Saturation(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Load over a run."""

    offered_rps: Annotated[float, Meta(description="Requests a second that the schedule asked for.")]
    achieved_rps: Annotated[float, Meta(description="Steps answered a second.")]
    in_flight: Annotated[list[InFlight], Meta(description="Requests under way at once, over all and by kind.")]
    part_s: Annotated[float, Meta(description="The length of the parts of by_time, in s.")]
    backlog: Annotated[
        int, Meta(description="How many more steps were intended than ended, until the last was intended.")
    ]
    little_ratio: Annotated[
        float | None, Meta(description="Requests in flight over rate times service time, by Little's law 1.")
    ]
    little_holds: Annotated[bool | None, Meta(description="Whether that is near enough to 1.")]
    drift: Annotated[Drift, Meta(description="Whether response times changed.")]
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []


def saturation(evidence: Evidence) -> Saturation:
    """How full the target was, whether it kept up, and whether it grew slower."""
    columns = evidence.columns
    sent = columns.sent_ns != ABSENT_NS
    drift = find_drift(columns)
    if not sent.any():
        return Saturation(
            offered_rps=0.0,
            achieved_rps=0.0,
            in_flight=[],
            part_s=0.0,
            backlog=0,
            little_ratio=None,
            little_holds=None,
            drift=drift,
            notes=["no step was sent"],
        )
    from_ns, to_ns = int(columns.intended_ns[sent].min()), int(columns.end_ns[sent].max()) + 1
    over_all = flow(columns, from_ns, to_ns)
    until_ns = int(columns.intended_ns[sent].max()) + 1
    arriving = flow(columns, from_ns, until_ns)
    kinds = sorted({kind for kind, _ in columns.series_names})
    lines = [_in_flight("all", columns, sent, from_ns, to_ns)]
    if len(kinds) > 1:
        for kind in kinds:
            of_kind = np.array([kind == known for known, _ in columns.series_names], np.bool_)[columns.series]
            if (sent & of_kind).any():
                lines.append(_in_flight(kind, columns, sent & of_kind, from_ns, to_ns))
    ratio = over_all.little_ratio
    rate = evidence.summary.rate
    return Saturation(
        offered_rps=_rounded(arriving.offered_rps if rate.offered_rps is None else rate.offered_rps),
        achieved_rps=_rounded(over_all.achieved_rps if rate.achieved_rps is None else rate.achieved_rps),
        in_flight=lines,
        part_s=_rounded((to_ns - from_ns) / 1e9 / _BINS),
        backlog=max(0, int(arriving.backlog)),
        little_ratio=None if ratio is None else _rounded(ratio),
        little_holds=None if ratio is None else abs(ratio - 1) <= _LITTLE_WITHIN,
        drift=drift,
    )


def _in_flight(kind: str, columns: Columns, rows: Flags, from_ns: int, to_ns: int) -> InFlight:
    own = columns._replace(sent_ns=np.where(rows, columns.sent_ns, ABSENT_NS))
    means, most = concurrency(own, from_ns, to_ns, _BINS)
    by_time = [_rounded(max(0.0, mean)) for mean in means.tolist()]
    return InFlight(kind, _rounded(float(means.mean())), int(most.max()), by_time)


def find_drift(columns: Columns) -> Drift:
    """Whether response times rise or fall over a run."""
    rows = np.flatnonzero(columns.ok | columns.censored)
    rows = rows[np.argsort(columns.intended_ns[rows], kind="stable")]
    response_ns = columns.end_ns - columns.intended_ns
    if len(rows) >= _LEAST_PARTS * _LEAST_IN_PART:
        # One that never settles may be one that drifts: all of it is looked at then.
        start = settled(columns.intended_ns[rows], response_ns[rows]).from_ns
        rows = rows if start is None else rows[columns.intended_ns[rows] >= start]
    parts = min(_MOST_PARTS, len(rows) // _LEAST_IN_PART)
    if parts < _LEAST_PARTS:
        least = _LEAST_PARTS * _LEAST_IN_PART
        return Drift(trend="unknown", why=f"{least} steps are needed to tell, and the run has {len(rows):,}")
    used = np.zeros(columns.n, np.bool_)
    used[rows] = True
    relative = response_ns / 1e6 / np.maximum(1e-6, medians_of(response_ns / 1e6, columns, used))
    pieces = np.array_split(rows, parts)
    values: Floats = np.array([np.median(relative[piece]) for piece in pieces])
    at_s: Floats = np.array([np.median(columns.intended_ns[piece]) / 1e9 for piece in pieces])
    if at_s[0] == at_s[-1]:
        return Drift(trend="unknown", why="all steps were due at once")
    times = find_trend(at_s, values)
    # A relative value of 1 is the run's median; changes are told as parts of what it began with.
    base = max(1e-9, times.first)
    length_s = float(at_s[-1] - at_s[0])
    change, low, high = (100 * slope * length_s / base for slope in (times.slope, times.low, times.high))
    trend, why = _judged(times, change)
    if trend in ("slower", "faster") and (load := _load_as_well(columns, pieces, at_s, change)) is not None:
        trend, why = "unknown", f"{why}, and so does the load, {load}: a run at a steady one would tell"
    return Drift(
        trend=trend,
        why=why,
        parts=parts,
        from_s=_rounded(float(columns.intended_ns[rows[0]]) / 1e9),
        change_percent=_rounded(change),
        ci_percent=(_rounded(low), _rounded(high)),
        slope_percent_per_min=_rounded(change / length_s * 60),
        p_value=round(times.p_value, 6),
    )


def _load_as_well(columns: Columns, pieces: Sequence[Rows], at_s: Floats, change_percent: float) -> str | None:
    """How the requests sent a second changed, in words, if they did in the direction of the times; else None."""
    edges_ns = np.array(
        [columns.intended_ns[piece[0]] for piece in pieces] + [columns.intended_ns[pieces[-1][-1]]]
    )
    sizes = np.array([len(piece) for piece in pieces])
    per_s = sizes / np.maximum(1e-9, np.diff(edges_ns) / 1e9)
    load = find_trend(at_s, per_s)
    first, last = max(0.0, load.first), load.first + load.slope * float(at_s[-1] - at_s[0])
    far = 1 + _LEAST_CHANGE_PERCENT / 100
    goes_along = last > far * first if change_percent > 0 else first > far * last
    if load.p_value >= _TEST or not goes_along:
        return None
    return f"from {number(per_s[0])} to {number(per_s[-1])} requests a second"


def _judged(times: Times, change_percent: float) -> tuple[Trend, str]:
    far = abs(change_percent) >= _LEAST_CHANGE_PERCENT
    trend: Trend = "slower" if change_percent > 0 else "faster"
    said = "response times rise" if change_percent > 0 else "response times fall"
    if times.p_value < _TEST:
        little = f"a trend, but of less than {exact(_LEAST_CHANGE_PERCENT)}% over the run"
        return (trend, said) if far else ("steady", little)
    if far and times.p_value_unlike < _TEST:
        return "unknown", f"{said}, or are slow for a while by chance: neighbouring parts of the run are alike"
    return "steady", f"no trend at the level of {percent(_TEST)}"


def _rounded(value: float) -> float:
    return round(float(value), 4)
