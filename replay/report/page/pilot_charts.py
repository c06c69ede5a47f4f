"""The charts of a pilot's costs: by load level, where the bills cross, and what moves the answer."""

from collections.abc import Sequence
from math import inf, log
from typing import Any

from replay.choice.types import PilotVerdict
from replay.money.types import BreakEvenFound, Sensitive
from replay.report.page.charts import Chart, label_axis, marked, spec_of
from replay.report.words.levels import LEVELS, level_of
from replay.words.names import clean
from replay.words.numbers import milliseconds, money, number, percent, signed

_GREY = "#888"
_LEVEL_COLOURS = {"domain": list(LEVELS), "range": ["#9ca3af", "#3b82f6", "#f59e0b"]}


def cost_by_level(verdict: PilotVerdict) -> Chart | None:
    """What each plane costs a month, by the load level that it is spent on."""
    priced = [plane for plane in verdict.planes if plane.cost_month is not None]
    if not priced:
        return None
    values = [
        {
            "plane": clean(plane.target),
            "level": level_of(bucket.name),
            "cost": bucket.cost_month.get(plane.target, 0.0),
        }
        for plane in priced
        for bucket in verdict.buckets
    ]
    currency = priced[0].currency or ""
    spec = spec_of(
        values,
        mark={"type": "bar", "height": 26},
        encoding={
            "y": {
                "field": "plane",
                "type": "nominal",
                "title": None,
                "axis": label_axis([clean(plane.target) for plane in priced]),
            },
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
            level_of(bucket.name),
            percent(bucket.weight),
            number(bucket.requests_month),
            "–" if bucket.mean_took_ms is None else milliseconds(bucket.mean_took_ms),
            "–" if bucket.tokens_month is None else number(bucket.tokens_month),
            *(money(bucket.cost_month.get(plane.target, 0.0)) for plane in priced),
        )
        for bucket in verdict.buckets
    ]
    rows.append(
        (
            "month",
            "100%",
            number(sum(bucket.requests_month for bucket in verdict.buckets)),
            "",
            "",
            *(money(plane.cost_month) for plane in priced),
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
    scale = {"type": "log", "nice": False, "padding": 8}
    x = {"type": "quantitative", "scale": scale, "title": even.unit}
    layer: list[dict[str, Any]] = [
        {
            "mark": {"type": "line"},
            "encoding": {
                "x": {**x, "field": "x"},
                "y": {
                    "field": "cost",
                    "type": "quantitative",
                    "scale": scale,
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
    for row, (at, label, colour) in enumerate(marks):
        if at > 0:
            layer += marked(x, at, label, colour, row)
    spec = spec_of(values, layer=layer)
    rows = [(number(x_value, 4), money(a), money(b)) for x_value, a, b in even.curve[::4]]
    return Chart(f"Break-even by {even.by}", even.text, spec, (even.unit, first, second), rows)


def tornado(inputs: Sequence[Sensitive]) -> Chart | None:
    """By how much each input must change to flip which plane is cheaper; the shortest bar flips it soonest."""
    ordered = sorted(inputs, key=_to_flip)
    values = [
        {
            "input": one.input,
            "factor": one.flips_at_factor,
            "way": "more of it" if one.flips_at_factor > 1 else "less of it",
            "from": 1.0,
            "label": f"x {number(one.flips_at_factor)}",
            "label_at": max(1.0, one.flips_at_factor),
        }
        for one in ordered
        if one.flips_at_factor
    ]
    if not values:
        return None
    y = {
        "field": "input",
        "type": "nominal",
        "title": None,
        "sort": None,
        "axis": label_axis([one.input for one in ordered]),
    }
    scale = {"type": "log", "nice": False, "padding": 40}
    x = {"type": "quantitative", "scale": scale, "title": "times what it is now"}
    ways = {"domain": ["less of it", "more of it"], "range": ["#3b82f6", "#f59e0b"]}
    spec = spec_of(
        values,
        layer=[
            {
                "mark": {"type": "bar", "height": 16},
                "encoding": {
                    "y": y,
                    "x": {**x, "field": "from"},
                    "x2": {"field": "factor"},
                    "color": {
                        "field": "way",
                        "type": "nominal",
                        "title": None,
                        "scale": ways,
                        "legend": {"orient": "top"},
                    },
                },
            },
            {
                "mark": {"type": "text", "color": _GREY, "dx": 4, "align": "left", "fontSize": 12},
                "encoding": {"y": y, "x": {**x, "field": "label_at"}, "text": {"field": "label"}},
            },
        ],
    )
    spec["height"] = 28 * len(values)
    rows = [
        (
            one.input,
            "–" if one.value is None else f"{number(one.value, 4)} {one.unit}".strip(),
            "–" if one.elasticity is None else signed(one.elasticity),
            f"x {number(one.flips_at_factor)}" if one.flips_at_factor else "never, within a hundredfold",
        )
        for one in ordered
    ]
    heads = ("input", "now", "elasticity of the bills' ratio", "flips at")
    says = (
        "How much each input must change for the other plane to be cheaper; the shortest bar flips it soonest."
    )
    return Chart("What moves the answer", says, spec, heads, rows)


def _to_flip(one: Sensitive) -> float:
    """How far an input is from flipping the answer, upwards or downwards alike."""
    return abs(log(one.flips_at_factor)) if one.flips_at_factor else inf
