"""The charts that only a pilot has: costs by load level, where the bills cross, what moves the answer, instances."""

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

from replay.judge.pilot import BreakEvenFound, PilotVerdict, Sensitive
from replay.report.charts import Chart, spec_of
from replay.report.words import clean

_GREY = "#888"
_LEVEL_COLOURS = {"domain": ["idle", "normal", "peak"], "range": ["#93c5fd", "#3b82f6", "#1e40af"]}

Series = Sequence[tuple[float, float]]
"""(seconds from the run's start, instances)."""


def cost_by_level(verdict: PilotVerdict) -> Chart | None:
    """What each plane costs a month, by the load level that it is spent on."""
    priced = [plane for plane in verdict.planes if plane.cost_month is not None]
    if not priced:
        return None
    values = [
        {"plane": clean(plane.target), "level": bucket.name, "cost": bucket.cost_month.get(plane.target, 0.0)}
        for plane in priced
        for bucket in verdict.buckets
    ]
    currency = priced[0].currency or ""
    spec = spec_of(
        values,
        mark={"type": "bar", "height": 26},
        encoding={
            "y": {"field": "plane", "type": "nominal", "title": None},
            "x": {"field": "cost", "type": "quantitative", "stack": True, "title": f"{currency} a month"},
            "color": {
                "field": "level",
                "type": "nominal",
                "title": None,
                "scale": _LEVEL_COLOURS,
                "legend": {"orient": "top"},
            },
            "order": {"field": "level"},
        },
    )
    spec["height"] = 46 * len(priced)
    rows = [
        (
            bucket.name,
            f"{bucket.weight:.1%}",
            f"{bucket.requests_month:,.0f}",
            "–" if bucket.mean_took_ms is None else f"{bucket.mean_took_ms:,.0f} ms",
            "–" if bucket.tokens_month is None else f"{bucket.tokens_month:,.0f}",
            *(f"{bucket.cost_month.get(plane.target, 0.0):,.2f}" for plane in priced),
        )
        for bucket in verdict.buckets
    ]
    rows.append(
        (
            "month",
            "100%",
            f"{sum(bucket.requests_month for bucket in verdict.buckets):,.0f}",
            "",
            "",
            *(f"{plane.cost_month:,.2f}" for plane in priced),
        )
    )
    heads = (
        "level",
        "of the time",
        "requests",
        "mean duration",
        "model tokens",
        *(clean(p.target) for p in priced),
    )
    says = "A month's bill on each plane, by the load level at which it is spent; levels weigh as much as they last."
    return Chart("Cost by load level", says, spec, heads, rows)


def break_even(even: BreakEvenFound, currency: str) -> Chart | None:
    """Both bills over the load, where they cross, and where this workload stands."""
    if not even.curve or even.now is None:
        return None
    first, second = (clean(name) for name in even.between)
    values = [
        {"x": x, "cost": cost, "plane": name}
        for x, a, b in even.curve
        for name, cost in ((first, a), (second, b))
        if x > 0 and cost > 0
    ]
    if not values:
        return None
    x = {"type": "quantitative", "scale": {"type": "log"}, "title": even.unit}
    layer: list[dict[str, Any]] = [
        {
            "mark": {"type": "line"},
            "encoding": {
                "x": {**x, "field": "x"},
                "y": {
                    "field": "cost",
                    "type": "quantitative",
                    "scale": {"type": "log"},
                    "title": f"{currency} a month",
                },
                "color": {"field": "plane", "type": "nominal", "title": None, "legend": {"orient": "top"}},
            },
        }
    ]
    if even.ci is not None and even.ci[0] > 0:
        layer.insert(
            0,
            {
                "data": {"values": [{"from": even.ci[0], "to": even.ci[1]}]},
                "mark": {"type": "rect", "color": "#f59e0b", "opacity": 0.18},
                "encoding": {"x": {**x, "field": "from"}, "x2": {"field": "to"}},
            },
        )
    marks = [(even.now, "here now", _GREY)]
    if even.at is not None:
        marks.append((even.at, "the same cost", "#f59e0b"))
    for at, label, colour in marks:
        if at > 0:
            layer += _marked(x, at, label, colour)
    spec = spec_of(values, layer=layer)
    rows = [(f"{x_value:,.4g}", f"{a:,.2f}", f"{b:,.2f}") for x_value, a, b in even.curve[::4]]
    return Chart(f"Break-even by {even.by}", even.text, spec, (even.unit, first, second), rows)


def _marked(x: dict[str, Any], at: float, label: str, colour: str) -> list[dict[str, Any]]:
    data = {"values": [{"at": at, "label": label}]}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "color": colour, "strokeDash": [5, 3], "strokeWidth": 1.5},
            "encoding": {"x": {**x, "field": "at"}},
        },
        {
            "data": data,
            "mark": {"type": "text", "align": "left", "dx": 4, "dy": 4, "baseline": "top", "color": colour},
            "encoding": {"x": {**x, "field": "at"}, "y": {"value": 0}, "text": {"field": "label"}},
        },
    ]


def tornado(inputs: Sequence[Sensitive]) -> Chart | None:
    """By how much each input must change to flip which plane is cheaper; the shortest bar flips it soonest."""
    known = [one for one in inputs if one.flips_at_factor]
    if not known:
        return None
    values = [
        {
            "input": one.input,
            "factor": one.flips_at_factor,
            "way": "more of it" if (one.flips_at_factor or 1) > 1 else "less of it",
            "from": 1.0,
            "label": f"x {one.flips_at_factor:.3g}",
        }
        for one in known
    ]
    y = {"field": "input", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 240}}
    x = {"type": "quantitative", "scale": {"type": "log"}, "title": "times what it is now"}
    spec = spec_of(
        values,
        layer=[
            {
                "mark": {"type": "bar", "height": 16},
                "encoding": {
                    "y": y,
                    "x": {**x, "field": "from"},
                    "x2": {"field": "factor"},
                    "color": {"field": "way", "type": "nominal", "title": None, "legend": {"orient": "top"}},
                },
            },
            {
                "mark": {"type": "text", "color": _GREY, "dx": 4, "align": "left"},
                "encoding": {
                    "y": y,
                    "x": {**x, "field": "factor"},
                    "text": {"field": "label"},
                },
            },
        ],
    )
    spec["height"] = 26 * len(known)
    rows = [
        (
            one.input,
            "–" if one.value is None else f"{one.value:,.4g} {one.unit}".strip(),
            "–" if one.elasticity is None else f"{one.elasticity:+.2f}",
            f"x {one.flips_at_factor:.3g}" if one.flips_at_factor else "never, within a hundredfold",
        )
        for one in sorted(inputs, key=lambda one: abs(log(one.flips_at_factor)) if one.flips_at_factor else 99)
    ]
    heads = ("input", "now", "elasticity of the bills' ratio", "flips at")
    says = "How much each input must change for the other plane to be the cheaper one; the shortest bar is the soonest."
    return Chart("What moves the answer", says, spec, heads, rows)


def instances(by_target: Mapping[str, Series]) -> Chart | None:
    """How many instances each plane had over the run."""
    values = [
        {"at": at_s, "instances": n, "plane": clean(target)}
        for target, series in by_target.items()
        for at_s, n in series
    ]
    if not values:
        return None
    spec = spec_of(
        values,
        mark={"type": "line", "interpolate": "step-after"},
        encoding={
            "x": {"field": "at", "type": "quantitative", "title": "time of the run, s"},
            "y": {"field": "instances", "type": "quantitative", "title": "instances"},
            "color": {"field": "plane", "type": "nominal", "title": None, "legend": {"orient": "top"}},
        },
    )
    spec["height"] = 160
    rows = [
        (clean(target), f"{min(ns):g}", f"{sum(ns) / len(ns):.3g}", f"{max(ns):g}")
        for target, series in by_target.items()
        if (ns := [n for _, n in series])
    ]
    says = "Instances that each plane had during representative traffic, booting ones included."
    return Chart("Instances against load", says, spec, ("plane", "least", "mean", "most"), rows)
