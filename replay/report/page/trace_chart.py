"""The load of a trace over its time, as a chart."""

from collections.abc import Sequence
from typing import Any

from replay.report.page.charts import Chart, spec_of
from replay.words.numbers import number, seconds

_LEVEL_COLOURS = {"domain": ["low", "middle", "high"], "range": ["#93c5fd", "#3b82f6", "#1e40af"]}


def trace_load(
    name: str,
    span_s: float,
    steps: Sequence[int],
    under_way: Sequence[int],
    levels: Sequence[tuple[str, float]],
) -> Chart | None:
    """Steps a second and steps under way. steps, under_way: by equal parts of the span. levels: name and steps a second
    of each load level, ascending.
    """
    if not steps or span_s <= 0:
        return None
    width_s = span_s / len(steps)
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for n, (count, most) in enumerate(zip(steps, under_way, strict=True)):
        rate = count / width_s
        level = _level(rate, levels)
        values.append(
            {"from": n * width_s, "to": (n + 1) * width_s, "rate": rate, "level": level, "under_way": most}
        )
        rows.append((seconds(n * width_s), number(rate, 4), str(most), level))
    scale = {"domain": [0, span_s], "nice": False}
    x = {"field": "from", "type": "quantitative", "title": "time of the trace, s", "scale": scale}
    spec = spec_of(values)
    width = spec.pop("width")
    spec.pop("height")
    spec["vconcat"] = [
        {
            "width": width,
            "height": 180,
            "mark": {"type": "rect"},
            "encoding": {
                "x": x,
                "x2": {"field": "to"},
                "y": {"field": "rate", "type": "quantitative", "title": "steps a second"},
                "y2": {"datum": 0},
                "color": {
                    "field": "level",
                    "type": "nominal",
                    "title": None,
                    "scale": _LEVEL_COLOURS,
                    "legend": {"orient": "top"},
                },
            },
        },
        {
            "width": width,
            "height": 110,
            "mark": {"type": "line", "interpolate": "step-after", "color": "#f59e0b"},
            "encoding": {
                "x": x,
                "y": {"field": "under_way", "type": "quantitative", "title": "in flight, most"},
            },
        },
    ]
    says = f"Steps that start a second in {name}, by load level, and the most in flight."
    return Chart("Load of the trace", says, spec, ("from", "steps a second", "in flight, most", "level"), rows)


def _level(rate: float, levels: Sequence[tuple[str, float]]) -> str:
    """The level whose rate is nearest."""
    return min(levels, key=lambda level: abs(level[1] - rate))[0] if levels else "middle"
