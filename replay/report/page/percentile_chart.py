"""Response times by percentile: of runs, of what was answered in them, and of the same steps in the recording.

A failure is infinitely slow, so the curve of a run ends where its failures begin.
"""

from collections.abc import Iterator, Sequence
from math import inf, isfinite, log10
from typing import Any, NamedTuple

import numpy as np

from replay.judge.measures.metrics import measured
from replay.judge.measures.recording import pair
from replay.judge.statistics.quantile import quantile, quantile_interval
from replay.judge.statistics.sample import Sample
from replay.judge.types import Interval, Part
from replay.report.page.charts import COLOURS, Chart, spec_of
from replay.results.columns import Columns
from replay.results.evidence import Evidence
from replay.words.names import clean
from replay.words.numbers import milliseconds, number, percent

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999)
# What a logarithmic axis can show; a step that takes less has no time that a reader of this chart would miss.
_LEAST_MS = 0.001
_GREY = "#888"
_BEGINNING, _END = 16, 13
_LONGEST = _BEGINNING + 1 + _END
_SOLID, _DOTTED, _DASHED = [1, 0], [2, 3], [7, 4]


class _Line(NamedTuple):
    """One curve. failed: how many of the sample's values are infinite. has_interval: it is drawn with its shade."""

    label: str
    colour: str
    dash: list[int]
    sample: Sample
    failed: int = 0
    has_interval: bool = False


class _Point(NamedTuple):
    q: float
    ms: float
    interval: Interval


def percentiles(runs: Sequence[Evidence], confidence: float = 0.95) -> Chart | None:
    """Response time by percentile, on an axis of nines; what an interval leaves open is shaded."""
    lines = [line for line in _lines(runs) if line.sample.n]
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for line in lines:
        most_ms = _most_seen_ms(line)
        for point in _points(line, confidence):
            if isfinite(point.ms):
                values.append(_value(line, point, most_ms))
            rows.append(
                (
                    line.label,
                    f"p{number(100 * point.q, 4)}",
                    milliseconds(point.ms),
                    *_bounds(line, point, most_ms),
                )
            )
    if not values:
        return None
    spec = _spec(values, [line for line in lines if any(v["line"] == line.label for v in values)])
    heads = ("steps", "percentile", "response", "at least", "at most")
    return Chart("Latency by percentile", _says(lines), spec, heads, rows)


def _lines(runs: Sequence[Evidence]) -> Iterator[_Line]:
    """The recording is the same for all runs of a trace, so it is drawn once; the first run that has it gives it."""
    recorded: _Line | None = None
    names = _names(runs)
    for n, run in enumerate(runs):
        colour = COLOURS[n % len(COLOURS)]
        whole, failed = _responses(run.columns, "all")
        yield _Line(names[n], colour, _SOLID, whole, failed, has_interval=True)
        if failed:
            yield _Line(f"{names[n]}, answered", colour, _DOTTED, _responses(run.columns, "answered")[0])
        both = pair(run) if recorded is None else None
        if both is not None:
            recorded = _Line("recorded", _GREY, _DASHED, _responses(both[0].columns, "all")[0])
    if recorded is not None:
        yield recorded


def _names(runs: Sequence[Evidence]) -> list[str]:
    """What tells runs apart in a legend, which has no room for a folder's name in full: its time and its target."""
    names = [clean(run.name, 200) for run in runs]
    if len(names) == 1 and len(names[0]) > _LONGEST:
        return ["this run"]
    short = [name if len(name) <= _LONGEST else f"{name[:_BEGINNING]}…{name[-_END:]}" for name in names]
    return short if len(set(short)) == len(short) else [f"{n}: {name}" for n, name in enumerate(short, 1)]


def _responses(columns: Columns, part: Part) -> tuple[Sample, int]:
    found = measured(columns, "response", np.ones(columns.n, np.bool_), part)
    return found.sample, found.failed


def _points(line: _Line, confidence: float) -> Iterator[_Point]:
    """As many percentiles as the sample can tell; and the last one that has a time, where failures follow."""
    sample = line.sample
    ordered = sample.ordered
    # The largest share of the steps that is answered has the largest time among those.
    edge = 1 - line.failed / sample.n if line.failed else inf
    has_edge = False
    for q in _QUANTILES:
        if sample.n * (1 - q) < 1:
            break
        if q > edge and not has_edge and edge > 0:
            yield _Point(edge, float(ordered[-line.failed - 1]), Interval(None, None))
            has_edge = True
        unknown = Interval(None, None)
        interval = quantile_interval(sample, q, confidence)[0] if line.has_interval else unknown
        yield _Point(q, quantile(ordered, q), interval)


def _value(line: _Line, point: _Point, most_ms: float) -> dict[str, Any]:
    ms = max(point.ms, _LEAST_MS)
    found = {"line": line.label, "colour": line.colour, "nines": -log10(1 - point.q), "ms": ms}
    if not line.has_interval:
        return found
    low, high = point.interval
    # Where a bound is not known, or lies beyond what was seen, the shade goes as far as there are times.
    found["low"] = max(ms if low is None or not isfinite(low) else low, _LEAST_MS)
    found["high"] = most_ms if high is None else min(max(high, _LEAST_MS), most_ms)
    return found


def _most_seen_ms(line: _Line) -> float:
    """The longest time that anything took; what failed has none."""
    return float(line.sample.values[np.isfinite(line.sample.values)].max(initial=_LEAST_MS))


def _bounds(line: _Line, point: _Point, most_ms: float) -> tuple[str, str]:
    """Both ends of the interval; beyond what was seen nothing is known but that it may be more."""
    low, high = point.interval
    if not line.has_interval:
        return "–", "–"
    is_open = high is None or not isfinite(high) or high > most_ms
    return milliseconds(low), f"{milliseconds(most_ms)} or more" if is_open else milliseconds(high)


def _says(lines: Sequence[_Line]) -> str:
    said = [
        "Response time by percentile of steps; the shade is the 95% interval of each, as far as anything was seen."
    ]
    failing = [line for line in lines if line.failed]
    several = sum(line.has_interval for line in lines) > 1
    for line in failing:
        share = line.failed / line.sample.n
        who = f"In {line.label} " if several else ""
        if share == 1:
            said.append(f"{who or 'All '}{'all ' if who else ''}steps failed, so there are no times.")
            continue
        said.append(
            f"{who}{percent(share)} of the steps failed: from p{number(100 * (1 - share))} on there is no time, and "
            "the solid line ends."
        )
    if any(line.dash == _DOTTED for line in lines):
        said.append("The dotted line is of the steps that were answered.")
    if any(line.label == "recorded" for line in lines):
        said.append("The grey dashed line is the same steps when they were recorded.")
    return " ".join(said)


def _spec(values: list[dict[str, Any]], lines: Sequence[_Line]) -> dict[str, Any]:
    x = {
        "field": "nines",
        "type": "quantitative",
        "title": "percentile of steps",
        "scale": {"nice": False},
        "axis": {
            "values": [-log10(1 - q) for q in (0.5, 0.9, 0.99, 0.999, 0.9999)],
            "labelExpr": "datum.value < 0.4 ? '50' : datum.value < 1.5 ? '90' : datum.value < 2.5 ? '99' : "
            "datum.value < 3.5 ? '99.9' : '99.99'",
        },
    }
    scale = {"type": "log", "nice": False, "padding": 8}
    labels = [line.label for line in lines]
    of_line = {
        "field": "line",
        "type": "nominal",
        "title": None,
        "legend": {
            "orient": "top",
            "symbolSize": 260,
            "columns": 3 if all(len(label) <= _LONGEST for label in labels) else 2,
            "labelLimit": 320,
        },
    }
    colour = {**of_line, "scale": {"domain": labels, "range": [line.colour for line in lines]}}
    dash = {**of_line, "scale": {"domain": labels, "range": [line.dash for line in lines]}}
    y = {"type": "quantitative", "scale": scale, "title": "response time, ms"}
    # Filled in their own colours, so that the legend is of the lines alone.
    fill = {"field": "colour", "type": "nominal", "scale": None}
    return spec_of(
        values,
        layer=[
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "area", "opacity": 0.2},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "fill": fill,
                    "detail": {"field": "line"},
                },
            },
            {
                "mark": {"type": "line"},
                "encoding": {"x": x, "y": {**y, "field": "ms"}, "stroke": colour, "strokeDash": dash},
            },
            {
                "mark": {"type": "point", "size": 30, "opacity": 1, "strokeWidth": 0},
                "encoding": {"x": x, "y": {**y, "field": "ms"}, "fill": fill},
            },
        ],
    )
