"""The load of a run over time: what was offered, what was answered, what failed, and how much was under way."""

from typing import Any

import numpy as np

from replay.judge.load.flow import concurrency
from replay.report.page.charts import COLOURS, FAILED_COLOUR, Chart, spec_of
from replay.results.columns import ABSENT_NS
from replay.results.evidence import Evidence
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


def load_over_time(run: Evidence) -> Chart | None:
    """Requests under way, and what was offered, was answered and failed a second."""
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
    of_what = {
        "field": "what",
        "type": "nominal",
        "title": None,
        "legend": {"orient": "top", "symbolSize": 260},
    }
    looks = [_LOOKS[name] for name in lines]
    spec = spec_of(
        values,
        mark={"type": "line", "interpolate": "step-after"},
        encoding={
            "x": {"field": "at", "type": "quantitative", "title": "time of the run, s"},
            "y": {"field": "value", "type": "quantitative", "title": None},
            "color": {**of_what, "scale": {"domain": list(lines), "range": [colour for colour, _ in looks]}},
            "strokeDash": {**of_what, "scale": {"domain": list(lines), "range": [dash for _, dash in looks]}},
        },
    )
    what = "offered and answered" if "failed, 1/s" not in lines else "offered, answered and failed"
    says = f"Requests {what} a second, and requests in flight."
    return Chart("Load", says, spec, ("from", *lines, "at most"), rows)
