"""Response times over a run as a density, with cold steps marked, and failures on a line of their own above it."""

from typing import Any

import numpy as np

from replay.judge.cold.finding import cold_steps
from replay.judge.statistics.quantile import quantile
from replay.report.page.charts import FAILED_COLOUR, Chart, spec_of
from replay.results.columns import ABSENT_NS, Columns
from replay.results.evidence import Evidence
from replay.words.numbers import count, milliseconds, seconds
from replay.words.phrases import counted

_NS = 1_000_000_000
_TIME_BINS, _LATENCY_BINS = 60, 30
_LEAST_MS = 0.001
_MOST_COLD = 2000
_TABLE_PARTS = 10
_COLD_COLOUR = "#f59e0b"
# Above the plot, since a failure is slower than any time in it.
_FAILED_Y = -12


def heat_map(run: Evidence) -> Chart | None:
    """Response times over the run, as a density of the steps that were answered."""
    columns = run.columns
    sent = columns.sent_ns != ABSENT_NS
    answered = sent & columns.ok
    if np.count_nonzero(answered) < 2:
        return None
    at_s = columns.intended_ns / _NS
    ms = np.maximum((columns.end_ns - columns.intended_ns) / 1e6, _LEAST_MS)
    edges_s = np.linspace(0, max(float(at_s.max()), 1e-6) * (1 + 1e-9), _TIME_BINS + 1)
    known = ms[answered]
    edges_ms = np.logspace(np.log10(known.min()) - 1e-9, np.log10(known.max()) + 1e-9, _LATENCY_BINS + 1)
    counts, _, _ = np.histogram2d(at_s[answered], known, bins=[edges_s, edges_ms])
    values = [
        {
            "from": float(edges_s[i]),
            "to": float(edges_s[i + 1]),
            "low": float(edges_ms[j]),
            "high": float(edges_ms[j + 1]),
            "steps": int(counts[i, j]),
        }
        for i, j in zip(*np.nonzero(counts), strict=True)
    ]
    is_cold = cold_steps(columns, sent).is_cold
    cold = [
        {"at": float(at_s[row]), "ms": float(ms[row])}
        for row in np.flatnonzero(is_cold & answered)[:_MOST_COLD].tolist()
    ]
    per_bin, _ = np.histogram(at_s[~columns.ok], edges_s)
    failed = [
        {"at": float((edges_s[i] + edges_s[i + 1]) / 2), "failed": int(per_bin[i])}
        for i in np.flatnonzero(per_bin).tolist()
    ]
    says = "Response times of the steps that were answered, over the run; darker is more steps."
    if cold:
        says += f" Amber: {counted(len(cold), 'cold step')}."
    if failed:
        says += (
            f" The red triangles above are the {counted(int(per_bin.sum()), 'step')} that failed, when they were due; "
            "larger is more of them."
        )
    heads = ("time", "answered", "p50", "p99", "max", "failed")
    return Chart("Latency over time", says, _spec(values, cold, failed), heads, _rows(columns))


def _rows(columns: Columns) -> list[tuple[str, ...]]:
    """Ten parts of the run with as many steps each."""
    at_s = columns.intended_ns / _NS
    ms = (columns.end_ns - columns.intended_ns) / 1e6
    found = []
    for part in np.array_split(np.argsort(at_s, kind="stable"), _TABLE_PARTS):
        if not len(part):
            continue
        known = np.sort(ms[part[columns.ok[part]]])
        figures = (quantile(known, 0.5), quantile(known, 0.99), float(known[-1])) if len(known) else (None,) * 3
        found.append(
            (
                f"{seconds(at_s[part].min())} to {seconds(at_s[part].max())}",
                count(len(known)),
                *(milliseconds(figure) for figure in figures),
                count(len(part) - len(known)),
            )
        )
    return found


def _spec(
    values: list[dict[str, Any]], cold: list[dict[str, Any]], failed: list[dict[str, Any]]
) -> dict[str, Any]:
    y = {"type": "quantitative", "scale": {"type": "log", "nice": False}}
    x = {"type": "quantitative", "title": "time of the run, s"}
    layer: list[dict[str, Any]] = [
        {
            "mark": "rect",
            "encoding": {
                "x": {**x, "field": "from"},
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
        }
    ]
    if cold:
        layer.append(
            {
                "data": {"values": cold},
                "mark": {"type": "point", "shape": "cross", "filled": True, "color": _COLD_COLOUR, "size": 90},
                "encoding": {"x": {**x, "field": "at"}, "y": {**y, "field": "ms"}},
            }
        )
    if failed:
        layer += [
            {
                "data": {"values": failed},
                "mark": {
                    "type": "point",
                    "shape": "triangle-up",
                    "filled": True,
                    "color": FAILED_COLOUR,
                    "opacity": 1,
                },
                "encoding": {
                    "x": {**x, "field": "at"},
                    "y": {"value": _FAILED_Y},
                    "size": {
                        "field": "failed",
                        "type": "quantitative",
                        "scale": {"type": "sqrt", "zero": True, "range": [25, 180]},
                        "legend": None,
                    },
                },
            },
            {
                "data": {"values": [{"text": "failed"}]},
                "mark": {"type": "text", "align": "right", "fontSize": 13, "color": FAILED_COLOUR},
                "encoding": {"x": {"value": -8}, "y": {"value": _FAILED_Y}, "text": {"field": "text"}},
            },
        ]
    return spec_of(values, layer=layer)
