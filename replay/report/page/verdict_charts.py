"""Charts of verdicts: when a target goes cold, and which load it holds."""

from collections.abc import Sequence
from math import isfinite, isinf
from typing import Any

from replay.judge.cold.types import ColdVerdict
from replay.judge.load.types import Ceiling, CeilingVerdict, Knee, Level
from replay.report.page.charts import COLOURS, FAILED_COLOUR, Chart, marked, spec_of
from replay.words.numbers import milliseconds, number, or_failing, percent, seconds


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
            f"{seconds(bucket.idle_s)} to {seconds(bucket.to_s)}",
            f"{bucket.cold} of {bucket.n}",
            percent(bucket.share),
            f"{percent(bucket.ci[0])} to {percent(bucket.ci[1])}",
        )
        for bucket in verdict.idle_curve
    ]
    x = {
        "field": "idle",
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 8},
        "title": "idle before, s",
        "axis": {"format": ",.3~r"},
    }
    y = {"type": "quantitative", "scale": {"domain": [0, 100]}}
    spec = spec_of(
        values,
        layer=[
            {
                "mark": {"type": "rule", "color": COLOURS[0], "opacity": 0.4, "strokeWidth": 5},
                "encoding": {"x": x, "y": {**y, "field": "low", "title": "cold, %"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "line", "point": True, "color": COLOURS[0]},
                "encoding": {"x": x, "y": {**y, "field": "share"}},
            },
        ],
    )
    says = "The share of waves of requests that were cold, by how long the target had been idle, with 95% intervals."
    return Chart("Cold starts by idle time", says, spec, ("idle before", "cold", "share", "95% interval"), rows)


def levels(verdict: CeilingVerdict) -> Chart | None:
    """Response time by load, with what held, the ceiling, and where throughput per response time is highest."""
    if not verdict.levels:
        return None
    values = [
        {
            "offered": level.offered_rps,
            "ms": level.p99_ms,
            "verdict": {"pass": "holds", "fail": "does not hold", "inconclusive": "undecided"}[level.verdict],
        }
        for level in verdict.levels
        if level.p99_ms is not None and isfinite(level.p99_ms) and level.offered_rps > 0
    ]
    rows = [
        (
            f"{number(level.scale, 4)}x",
            f"{number(level.offered_rps, 4)}/s",
            f"{number(level.achieved_rps, 4)}/s",
            milliseconds(or_failing(level.p99_ms, level.errors)),
            level.verdict if level.limited_by is None else f"{level.verdict}: {level.limited_by}",
        )
        for level in verdict.levels
    ]
    colours = {"domain": ["holds", "does not hold", "undecided"], "range": ["#10b981", "#ef4444", "#f59e0b"]}
    scale = {"type": "log", "nice": False, "padding": 12}
    x = {"type": "quantitative", "scale": scale, "title": "offered, requests/s"}
    layer: list[dict[str, Any]] = [
        {
            "mark": {"type": "point", "filled": True, "size": 70},
            "encoding": {
                "x": {**x, "field": "offered"},
                "y": {"field": "ms", "type": "quantitative", "scale": scale, "title": "p99 response, ms"},
                "color": {
                    "field": "verdict",
                    "type": "nominal",
                    "scale": colours,
                    "title": None,
                    "legend": {"orient": "top"},
                },
                "shape": {"field": "verdict", "type": "nominal", "scale": {"domain": colours["domain"]}},
            },
        }
    ]
    says = "The p99 of response time at each load that was tried, and whether it held."
    if verdict.ceiling is not None and verdict.ceiling.rps > 0:
        layer += marked(x, _offered_rps(verdict.levels, verdict.ceiling), "ceiling", "#10b981")
        says += f" At the ceiling {number(verdict.ceiling.rps, 4)} requests/s were answered."
    if verdict.knee is not None and verdict.knee.rps > 0:
        layer += marked(x, _offered_rps(verdict.levels, verdict.knee), "knee", "#888", row=1)
        says += f" At the knee, where throughput per response time is highest, it was {number(verdict.knee.rps, 4)}/s."
    failing = [
        {"offered": level.offered_rps}
        for level in verdict.levels
        if isinf(or_failing(level.p99_ms, level.errors) or 0.0)
    ]
    if failing:
        layer.append(
            {
                "data": {"values": failing},
                "mark": {
                    "type": "point",
                    "shape": "triangle-up",
                    "filled": True,
                    "color": FAILED_COLOUR,
                    "size": 110,
                },
                "encoding": {"x": {**x, "field": "offered"}, "y": {"value": -10}},
            }
        )
        says += " Red triangles above are loads at which so many requests failed that there is no p99."
    spec = spec_of(values, layer=layer)
    return Chart("Levels of load", says, spec, ("load", "offered", "achieved", "p99", "verdict"), rows)


def _offered_rps(levels: Sequence[Level], found: Ceiling | Knee) -> float:
    """Where what was found stands on an axis of what was offered: its own rate is of what was answered.

    A load may have been tried more than once, at another part of the trace or for longer, and a ceiling may be told as
    a lower scale than that of the levels that held.
    """
    at = [level for level in levels if level.scale == found.scale]
    held = [level for level in levels if level.verdict == "pass"]
    nearest = min(at or held, key=lambda level: abs(level.achieved_rps - found.rps), default=None)
    return found.rps if nearest is None else nearest.offered_rps
