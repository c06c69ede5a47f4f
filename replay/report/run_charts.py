"""Charts of runs: response times by percentile and over time, and the load."""

from collections.abc import Sequence
from math import log10
from typing import Any

import numpy as np

from replay.judge.coldstart import find_cold, find_waves
from replay.judge.figures import Evidence
from replay.judge.load import concurrency
from replay.judge.metrics import measured
from replay.judge.quantile import quantile, quantile_interval
from replay.report.charts import Chart, spec_of
from replay.report.words import clean, milliseconds
from replay.results.columns import ABSENT_NS

_NS = 1_000_000_000
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999)
_TIME_BINS, _LATENCY_BINS = 60, 30


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
        "title": "percentile of requests",
        "scale": {"nice": False},
        "axis": {
            "values": [-log10(1 - q) for q in (0.5, 0.9, 0.99, 0.999, 0.9999)],
            "labelExpr": "datum.value < 0.4 ? '50' : datum.value < 1.5 ? '90' : datum.value < 2.5 ? '99' : "
            "datum.value < 3.5 ? '99.9' : '99.99'",
        },
    }
    scale = {"type": "log", "nice": False, "padding": 8}
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
    says = "Response time by percentile of requests; the shade is the 95% interval of each."
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
                        "scale": {"type": "log", "range": ["#93c5fd", "#1d4ed8"]},
                        "legend": {"title": "steps", "tickCount": 3, "gradientLength": 120},
                    },
                },
            },
            *(
                [
                    {
                        "data": {"values": marks},
                        "mark": {
                            "type": "point",
                            "shape": "cross",
                            "color": "#ef4444",
                            "size": 40,
                            "opacity": 0.8,
                        },
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
