"""How many instances each plane had, before the load that it had them for."""

from collections.abc import Mapping, Sequence
from typing import Any

from replay.judge.load.flow import concurrency
from replay.report.page.charts import COLOURS, WIDTH, Chart, spec_of
from replay.results.columns import ABSENT_NS
from replay.results.evidence import Evidence
from replay.words.names import clean
from replay.words.numbers import exact, number

_GREY = "#888"
_TIME_BINS = 100

Series = Sequence[tuple[float, float]]
"""(seconds from the run's start, instances)."""


def instances(by_target: Mapping[str, Series], runs: Mapping[str, Evidence]) -> Chart | None:
    """How many instances each plane had over its run, before the requests that were under way."""
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    parts: list[dict[str, Any]] = []
    for target, whole in by_target.items():
        load = _under_way(runs[target]) if target in runs else []
        series = _within(whole, load[-1][0] if load else 0.0)
        if not series:
            continue
        name = clean(target, 30)
        counts = [n for _, n in series]
        values += [{"plane": name, "at": at_s, "instances": n} for at_s, n in series]
        mean, most = "–", "–"
        if load:
            values += [{"plane": name, "at": at_s, "under_way": n} for at_s, n in load]
            mean = number(sum(n for _, n in load) / len(load))
            most = number(max(n for _, n in load))
        parts.append(_beside_load(name, max(counts)))
        rows.append((name, exact(min(counts)), exact(max(counts)), mean, most))
    if not rows:
        return None
    spec = spec_of(values)
    del spec["width"], spec["height"]
    spec |= {"vconcat": parts, "spacing": 24}
    says = (
        "Instances that each plane had during representative traffic, booting ones included (blue line), and requests "
        "in flight (grey)."
    )
    heads = ("plane", "least instances", "most", "requests in flight, mean", "most of a part")
    return Chart("Instances against load", says, spec, heads, rows)


def _within(series: Series, end_s: float) -> list[tuple[float, float]]:
    """From the run's start, with what was there already then, to its end at least, which nothing may mark."""
    before = [n for at_s, n in series if at_s <= 0]
    found = [(0.0, before[-1])] if before else []
    found += [(at_s, n) for at_s, n in series if at_s > 0]
    if found and found[-1][0] < end_s:
        found.append((end_s, found[-1][1]))
    return found


def _beside_load(plane: str, most: float) -> dict[str, Any]:
    """One plane's part of the chart. Of its two axes, the left one counts requests, and the right one instances."""
    x = {"field": "at", "type": "quantitative", "title": "time of the run, s"}
    y = {"type": "quantitative", "scale": {"zero": True}}
    step = max(1, round(most / 4))
    whole = {"values": list(range(0, int(most) + step, step)), "format": "d"}
    return {
        "transform": [{"filter": {"field": "plane", "equal": plane}}],
        "title": {"text": plane, "color": _GREY, "anchor": "start", "fontWeight": "normal", "fontSize": 13},
        "width": WIDTH - 20,
        "height": 120,
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.under_way)"}],
                "mark": {"type": "area", "interpolate": "step-after", "color": _GREY, "opacity": 0.3},
                "encoding": {
                    "x": x,
                    "y": {
                        **y,
                        "field": "under_way",
                        "title": "requests in flight",
                        "axis": {"grid": False, "tickCount": 4},
                    },
                },
            },
            {
                "transform": [{"filter": "isValid(datum.instances)"}],
                "mark": {"type": "line", "interpolate": "step-after", "color": COLOURS[0]},
                "encoding": {
                    "x": x,
                    "y": {
                        **y,
                        "field": "instances",
                        "title": "instances",
                        "axis": {**whole, "titleColor": COLOURS[0], "orient": "right"},
                    },
                },
            },
        ],
        "resolve": {"scale": {"y": "independent"}},
    }


def _under_way(run: Evidence) -> list[tuple[float, float]]:
    """(seconds, requests in flight in the mean) of equal parts of a run."""
    columns = run.columns
    sent = columns.sent_ns != ABSENT_NS
    if not sent.any():
        return []
    to_ns = int(columns.end_ns[sent].max())
    means, _ = concurrency(columns, 0, to_ns, _TIME_BINS)
    return [(n * to_ns / _TIME_BINS / 1e9, float(mean)) for n, mean in enumerate(means)]
