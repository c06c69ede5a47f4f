"""The load of a run over time: what was offered, what was answered, what failed, and how much was under way."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from replay.judge.load.flow import concurrency
from replay.judge.load.recovery import Fault
from replay.report.page.charts import COLOURS, FAILED_COLOUR, Chart, spec_of
from replay.results.columns import ABSENT_NS
from replay.results.evidence import Evidence
from replay.words.names import clean
from replay.words.numbers import number, seconds

_NS = 1_000_000_000
_TIME_BINS = 60
# Dashes tell them apart where colours do not.
_LOOKS = {
    "offered, 1/s": (COLOURS[0], [6, 3]),
    "answered, 1/s": (COLOURS[2], [1, 0]),
    "failed, 1/s": (FAILED_COLOUR, [2, 2]),
    "in flight": (COLOURS[1], [1, 0]),
}


_FAULT_COLOUR = "#888"
# Names of faults that follow one another closely stand below one another.
_NAME_LINES, _NAME_LINE_PX = 4, 14


def load_over_time(run: Evidence, faults: Sequence[Fault] = ()) -> Chart | None:
    """Requests under way, and what was offered, was answered and failed a second; and the run's faults."""
    columns = run.columns
    sent = columns.sent_ns != ABSENT_NS
    if np.count_nonzero(sent) < 2:
        return None
    to_ns = int(columns.end_ns.max())
    bins = int(min(_TIME_BINS, max(2, to_ns // _NS)))
    means, most = concurrency(columns, 0, to_ns, bins)
    edges = np.linspace(0, to_ns, bins + 1)
    width_s = to_ns / bins / _NS
    offered, answered, failed = (
        np.histogram(times, edges)[0] / width_s
        for times in (columns.intended_ns, columns.end_ns[columns.ok], columns.end_ns[~columns.ok])
    )
    lines = {"offered, 1/s": offered, "answered, 1/s": answered, "failed, 1/s": failed, "in flight": means}
    if columns.ok.all():
        del lines["failed, 1/s"]
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for n in range(bins):
        at = float(edges[n] / _NS)
        values += [{"at": at, "what": name, "value": float(line[n])} for name, line in lines.items()]
        rows.append((seconds(at), *(number(line[n], 4) for line in lines.values()), f"{most[n]}"))
    # A step is drawn up to the next point: the last one ends with the run.
    end = to_ns / _NS
    values += [{"at": end, "what": name, "value": float(line[-1])} for name, line in lines.items()]
    of_what = {
        "field": "what",
        "type": "nominal",
        "title": None,
        "legend": {"orient": "top", "symbolSize": 260},
    }
    looks = [_LOOKS[name] for name in lines]
    x = {"field": "at", "type": "quantitative", "title": "time of the run, s"}
    drawn = {
        "mark": {"type": "line", "interpolate": "step-after"},
        "encoding": {
            "x": x,
            "y": {"field": "value", "type": "quantitative", "title": None},
            "color": {**of_what, "scale": {"domain": list(lines), "range": [colour for colour, _ in looks]}},
            "strokeDash": {**of_what, "scale": {"domain": list(lines), "range": [dash for _, dash in looks]}},
        },
    }
    spec = spec_of(values, layer=[*_fault_layers(faults, x, end), drawn])
    what = "offered and answered" if "failed, 1/s" not in lines else "offered, answered and failed"
    says = f"Requests {what} a second, and requests in flight."
    if faults:
        says += " An upright line is a fault, and the grey behind it lasts until the target was back."
    return Chart("Load", says, spec, ("from", *lines, "at most"), rows)


def _fault_layers(faults: Sequence[Fault], x: dict[str, Any], to_s: float) -> list[dict[str, Any]]:
    """Behind the lines: each fault with its name, and the time until the target was back, or to the end of the run."""
    if not faults:
        return []
    values = [
        {
            "at": fault.at_s,
            "until": to_s if fault.recovered_s is None else fault.at_s + fault.recovered_s,
            "what": clean(fault.what, 30),
            "line": n % _NAME_LINES * _NAME_LINE_PX,
        }
        for n, fault in enumerate(faults)
    ]
    data = {"values": values}
    name = {"type": "text", "align": "left", "baseline": "top", "dx": 4, "fontSize": 12}
    return [
        {
            "data": data,
            "mark": {"type": "rect", "color": _FAULT_COLOUR, "opacity": 0.15},
            "encoding": {"x": x, "x2": {"field": "until"}},
        },
        {
            "data": data,
            "mark": {"type": "rule", "color": _FAULT_COLOUR, "strokeWidth": 1.5},
            "encoding": {"x": x},
        },
        {
            "data": data,
            "mark": {**name, "color": _FAULT_COLOUR},
            "encoding": {
                "x": x,
                "y": {"field": "line", "type": "quantitative", "scale": None},
                "text": {"field": "what"},
            },
        },
    ]
