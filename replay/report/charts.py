"""Charts of runs as Vega-Lite specifications, and as SVG.

Pure up to `as_svg`, which needs the extra `report`. Colours are mid-tones on no background, so that a chart reads in
light and dark alike. Beside each chart stands a table with its figures.
"""

from collections.abc import Sequence
from math import log10
from typing import Any, NamedTuple

import numpy as np

from replay.judge.ceiling import CeilingVerdict
from replay.judge.coldstart import ColdVerdict, find_cold, find_waves
from replay.judge.figures import Evidence
from replay.judge.load import concurrency
from replay.judge.metrics import measured
from replay.judge.quantile import quantile, quantile_interval
from replay.report.words import clean, milliseconds
from replay.results.columns import ABSENT_NS

_NS = 1_000_000_000
_WIDTH, _HEIGHT = 640, 260
_COLOURS = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6")
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999)
_TIME_BINS, _LATENCY_BINS = 60, 30
_LANES = 3
_MOST_LANE_STEPS = 400
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


class ChartError(Exception):
    """Charts cannot be drawn here; str() is the whole message."""


class Chart(NamedTuple):
    """title: as a heading. says: what it shows, in a sentence, also for those who cannot see it. rows: its table."""

    title: str
    says: str
    spec: dict[str, Any]
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def as_svg(chart: Chart) -> str:
    """The chart as SVG text. Raises ChartError where the extra `report` is not installed."""
    return _converted(chart, "vegalite_to_svg")


def as_png(chart: Chart) -> bytes:
    """The chart as a PNG picture, on white. Raises ChartError."""
    spec = {**chart.spec, "background": "white"}
    found: bytes = _converter().vegalite_to_png(vl_spec=spec, scale=2)
    return found


def _converted(chart: Chart, how: str) -> str:
    text: str = getattr(_converter(), how)(vl_spec=chart.spec)
    return text


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise ChartError(
            "charts need the extra `report`. Install it with: pip install 'agent-replay[report]'"
        ) from error
    return vl_convert


def spec_of(values: list[dict[str, Any]], **parts: Any) -> dict[str, Any]:
    """A Vega-Lite specification in our style. parts: its mark and encoding, or its layers."""
    quiet = {"labelColor": "#888", "titleColor": "#888", "domainColor": "#888", "tickColor": "#888"}
    return {
        "$schema": _SCHEMA,
        "width": _WIDTH,
        "height": _HEIGHT,
        "background": None,
        "data": {"values": values},
        "config": {
            "view": {"stroke": None},
            "axis": {**quiet, "gridColor": "#8884", "labelFontSize": 12, "titleFontSize": 12},
            "legend": {"labelColor": "#888", "titleColor": "#888", "labelFontSize": 12, "labelLimit": 260},
            "font": "system-ui, sans-serif",
            "range": {"category": list(_COLOURS)},
        },
        **parts,
    }


def percentiles(runs: Sequence[Evidence], confidence: float = 0.95) -> Chart | None:
    """Response time by percentile, on an axis of nines; what an interval leaves open is shaded."""
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for run in runs:
        sample = measured(run.columns, "response", np.ones(run.columns.n, np.bool_)).sample
        if not sample.n:
            continue
        ordered = np.sort(sample.values)
        for q in _QUANTILES:
            if sample.n * (1 - q) < 1:
                break
            interval, _ = quantile_interval(sample, q, confidence)
            observed = quantile(ordered, q)
            values.append(
                {
                    "run": clean(run.name),
                    "nines": -log10(1 - q),
                    "ms": observed,
                    "low": interval.low if interval.low is not None else observed,
                    "high": interval.high if interval.high is not None else float(ordered[-1]),
                }
            )
            rows.append(
                (
                    clean(run.name),
                    f"p{100 * q:g}",
                    milliseconds(observed),
                    milliseconds(interval.low),
                    milliseconds(interval.high),
                )
            )
    if not values:
        return None
    x = {
        "field": "nines",
        "type": "quantitative",
        "title": "percentile of steps",
        "axis": {
            "values": [-log10(1 - q) for q in (0.5, 0.9, 0.99, 0.999, 0.9999)],
            "labelExpr": "datum.value < 0.4 ? '50' : datum.value < 1.5 ? '90' : datum.value < 2.5 ? '99' : "
            "datum.value < 3.5 ? '99.9' : '99.99'",
        },
    }
    scale = {"type": "log", "nice": True}
    colour = {"field": "run", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    spec = spec_of(
        values,
        layer=[
            {
                "mark": {"type": "area", "opacity": 0.2},
                "encoding": {
                    "x": x,
                    "y": {"field": "low", "type": "quantitative", "scale": scale, "title": "response time, ms"},
                    "y2": {"field": "high"},
                    "color": colour,
                },
            },
            {
                "mark": {"type": "line", "point": {"size": 30}},
                "encoding": {
                    "x": x,
                    "y": {"field": "ms", "type": "quantitative", "scale": scale},
                    "color": colour,
                },
            },
        ],
    )
    says = "Response time by percentile of steps; the shade is the 95% interval of each."
    return Chart(
        "Latency by percentile", says, spec, ("run", "percentile", "response", "at least", "at most"), rows
    )


def heat_map(run: Evidence) -> Chart | None:
    """Response times over the run, as a density; cold steps are marked."""
    columns = run.columns
    sent = columns.sent_ns != ABSENT_NS
    if np.count_nonzero(sent) < 2:
        return None
    at_s = columns.intended_ns[sent] / _NS
    ms = np.maximum((columns.end_ns - columns.intended_ns)[sent] / 1e6, 0.001)
    to_s = max(float(at_s.max()), 1e-6)
    edges_s = np.linspace(0, to_s * (1 + 1e-9), _TIME_BINS + 1)
    edges_ms = np.logspace(np.log10(ms.min()) - 1e-9, np.log10(ms.max()) + 1e-9, _LATENCY_BINS + 1)
    counts, _, _ = np.histogram2d(at_s, ms, bins=[edges_s, edges_ms])
    values = [
        {
            "kind": "steps",
            "from": float(edges_s[i]),
            "to": float(edges_s[i + 1]),
            "low": float(edges_ms[j]),
            "high": float(edges_ms[j + 1]),
            "steps": int(counts[i, j]),
        }
        for i, j in zip(*np.nonzero(counts), strict=True)
    ]
    is_cold, _, _, _ = find_cold(columns, sent, find_waves(columns, sent))
    cold = np.flatnonzero(is_cold)[:2000]
    marks = [
        {
            "at": float(columns.intended_ns[row] / _NS),
            "ms": float((columns.end_ns[row] - columns.intended_ns[row]) / 1e6),
        }
        for row in cold.tolist()
    ]
    parts = np.array_split(np.argsort(at_s), 10)
    rows = [
        (
            f"{at_s[part].min():.1f} to {at_s[part].max():.1f} s",
            f"{len(part):,}",
            milliseconds(quantile(np.sort(ms[part]), 0.5)),
            milliseconds(quantile(np.sort(ms[part]), 0.99)),
            milliseconds(float(ms[part].max())),
        )
        for part in parts
        if len(part)
    ]
    y = {"type": "quantitative", "scale": {"type": "log", "nice": False}}
    spec = spec_of(
        values,
        layer=[
            {
                "mark": "rect",
                "encoding": {
                    "x": {"field": "from", "type": "quantitative", "title": "time of the run, s"},
                    "x2": {"field": "to"},
                    "y": {**y, "field": "low", "title": "response time, ms"},
                    "y2": {"field": "high"},
                    "color": {
                        "field": "steps",
                        "type": "quantitative",
                        "scale": {"type": "log", "scheme": "blues"},
                        "legend": {"title": "steps"},
                    },
                },
            },
            *(
                [
                    {
                        "data": {"values": marks},
                        "mark": {"type": "point", "shape": "cross", "color": "#ef4444", "size": 40},
                        "encoding": {
                            "x": {"field": "at", "type": "quantitative"},
                            "y": {**y, "field": "ms"},
                        },
                    }
                ]
                if marks
                else []
            ),
        ],
    )
    says = "Response times over the run; darker is more steps."
    if marks:
        says += f" Red crosses are {len(marks):,} cold steps."
    return Chart("Latency over time", says, spec, ("time", "steps", "p50", "p99", "max"), rows)


def load_over_time(run: Evidence) -> Chart | None:
    """Requests under way, and what was offered and answered a second."""
    columns = run.columns
    sent = columns.sent_ns != ABSENT_NS
    if np.count_nonzero(sent) < 2:
        return None
    to_ns = int(columns.end_ns[sent].max())
    bins = min(_TIME_BINS, max(2, to_ns // _NS))
    means, most = concurrency(columns, 0, to_ns, int(bins))
    edges = np.linspace(0, to_ns, int(bins) + 1)
    width_s = to_ns / bins / _NS
    offered, _ = np.histogram(columns.intended_ns, edges)
    answered, _ = np.histogram(columns.end_ns[columns.answered], edges)
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for n in range(int(bins)):
        at = float(edges[n] / _NS)
        for name, value in (
            ("offered, 1/s", offered[n] / width_s),
            ("answered, 1/s", answered[n] / width_s),
            ("in flight", means[n]),
        ):
            values.append({"at": at, "what": name, "value": float(value)})
        rows.append(
            (
                f"{at:.1f} s",
                f"{offered[n] / width_s:.4g}",
                f"{answered[n] / width_s:.4g}",
                f"{means[n]:.3g}",
                f"{most[n]}",
            )
        )
    spec = spec_of(
        values,
        mark={"type": "line", "interpolate": "step-after"},
        encoding={
            "x": {"field": "at", "type": "quantitative", "title": "time of the run, s"},
            "y": {"field": "value", "type": "quantitative", "title": None},
            "color": {"field": "what", "type": "nominal", "title": None, "legend": {"orient": "top"}},
        },
    )
    says = "Requests offered and answered a second, and requests under way."
    return Chart("Load", says, spec, ("from", "offered, 1/s", "answered, 1/s", "in flight", "at most"), rows)


def lanes(run: Evidence) -> Chart | None:
    """The sessions that took longest: each step from when it should have been sent to its end."""
    columns = run.columns
    if not columns.n:
        return None
    slowest = np.argsort(columns.makespan_ns)[::-1][:_LANES]
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for session in slowest.tolist():
        inside = np.flatnonzero(columns.session == session)
        inside = inside[np.argsort(columns.intended_ns[inside], kind="stable")][:_MOST_LANE_STEPS]
        if not len(inside):
            continue
        start = int(columns.intended_ns[inside].min())
        name = clean(columns.sessions[session], 30)
        for lane, row in enumerate(inside.tolist()):
            kind, step = columns.series_names[columns.series[row]]
            sent = int(columns.sent_ns[row])
            intended, end = int(columns.intended_ns[row]), int(columns.end_ns[row])
            values.append(
                {
                    "session": name,
                    "lane": lane,
                    "from": (intended - start) / 1e6,
                    "to": (end - start) / 1e6,
                    "step": f"{kind}:{clean(step, 30)}",
                }
            )
            rows.append(
                (
                    name,
                    f"{kind}:{clean(step, 40)}",
                    milliseconds((intended - start) / 1e6),
                    "–" if sent == ABSENT_NS else milliseconds((end - sent) / 1e6),
                    milliseconds((end - intended) / 1e6),
                )
            )
    if not values:
        return None
    spec = spec_of(values)
    del spec["width"], spec["height"]
    spec |= {
        "facet": {
            "row": {"field": "session", "type": "nominal", "title": None, "header": {"labelColor": "#888"}}
        },
        "spec": {
            "width": _WIDTH - 60,
            "height": {"step": 9},
            "mark": {"type": "bar", "cornerRadius": 2},
            "encoding": {
                "x": {"field": "from", "type": "quantitative", "title": "ms from the session's start"},
                "x2": {"field": "to"},
                "y": {"field": "lane", "type": "ordinal", "axis": None},
                "color": {
                    "field": "step",
                    "type": "nominal",
                    "title": None,
                    "legend": {"orient": "bottom", "columns": 4, "symbolLimit": 24},
                },
            },
        },
        "resolve": {"scale": {"x": "independent", "y": "independent"}},
    }
    says = "The sessions that took longest; each bar is a step, from when it should have been sent to its end."
    return Chart(
        "Timeline of the slowest sessions", says, spec, ("session", "step", "due", "service", "response"), rows
    )


def idle_curve(verdict: ColdVerdict) -> Chart | None:
    """How many waves of requests were cold, by how long the target had been idle."""
    if not verdict.cold.count or not verdict.idle_curve:
        return None
    values = [
        {
            "idle": (bucket.idle_s * max(bucket.to_s, 1e-9)) ** 0.5,
            "share": 100 * bucket.share,
            "low": 100 * bucket.ci[0],
            "high": 100 * bucket.ci[1],
        }
        for bucket in verdict.idle_curve
    ]
    rows = [
        (
            f"{bucket.idle_s:.3g} to {bucket.to_s:.3g} s",
            f"{bucket.cold} of {bucket.n}",
            f"{100 * bucket.share:.0f}%",
            f"{100 * bucket.ci[0]:.0f} to {100 * bucket.ci[1]:.0f}%",
        )
        for bucket in verdict.idle_curve
    ]
    x = {"field": "idle", "type": "quantitative", "scale": {"type": "log"}, "title": "idle before, s"}
    y = {"type": "quantitative", "scale": {"domain": [0, 100]}}
    spec = spec_of(
        values,
        layer=[
            {
                "mark": {"type": "rule", "color": _COLOURS[0], "opacity": 0.5},
                "encoding": {"x": x, "y": {**y, "field": "low", "title": "cold, %"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "line", "point": True, "color": _COLOURS[0]},
                "encoding": {"x": x, "y": {**y, "field": "share"}},
            },
        ],
    )
    says = "The share of waves of requests that were cold, by how long the target had been idle, with 95% intervals."
    return Chart("Cold starts by idle time", says, spec, ("idle before", "cold", "share", "95% interval"), rows)


def levels(verdict: CeilingVerdict) -> Chart | None:
    """Response time and throughput by load, with the levels that did not hold marked."""
    if not verdict.levels:
        return None
    values = [
        {
            "offered": level.offered_rps,
            "ms": level.p99_ms,
            "verdict": {"pass": "holds", "fail": "does not hold", "inconclusive": "undecided"}[level.verdict],
        }
        for level in verdict.levels
        if level.p99_ms is not None
    ]
    rows = [
        (
            f"{level.scale:.4g}x",
            f"{level.offered_rps:.5g}/s",
            f"{level.achieved_rps:.5g}/s",
            milliseconds(level.p99_ms),
            level.verdict if level.limited_by is None else f"{level.verdict}: {level.limited_by}",
        )
        for level in verdict.levels
    ]
    colours = {"domain": ["holds", "does not hold", "undecided"], "range": ["#10b981", "#ef4444", "#f59e0b"]}
    spec = spec_of(
        values,
        mark={"type": "point", "filled": True, "size": 70},
        encoding={
            "x": {
                "field": "offered",
                "type": "quantitative",
                "scale": {"type": "log"},
                "title": "offered, requests/s",
            },
            "y": {"field": "ms", "type": "quantitative", "scale": {"type": "log"}, "title": "p99 response, ms"},
            "color": {
                "field": "verdict",
                "type": "nominal",
                "scale": colours,
                "title": None,
                "legend": {"orient": "top"},
            },
        },
    )
    says = "The p99 of response time at each load that was tried, and whether it held."
    return Chart("Levels of load", says, spec, ("load", "offered", "achieved", "p99", "verdict"), rows)
