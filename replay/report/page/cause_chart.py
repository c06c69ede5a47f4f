"""What slow requests were slow for: the causes of each plane's tail as stacked bars."""

from collections.abc import Sequence
from typing import Any

from replay.judge.tail.attribution import Attribution, Cause, attribute
from replay.report.page.charts import Chart, label_axis, spec_of
from replay.results.evidence import Evidence
from replay.words.names import clean
from replay.words.numbers import count, milliseconds, percent

# A tail of fewer requests is all chance.
_ENOUGH_FOR_P99 = 2_000
# The same cause has the same colour in every report; grey is for what nobody knows.
_UNKNOWN = "#9ca3af"
_COLOURS = {
    "dispatch lag": "#9f8e7a",
    "new connection": "#8b5cf6",
    "waiting for connection": "#c4b5fd",
    "retry": "#ef4444",
    "pause": "#be185d",
    "cold start": "#f59e0b",
    "one instance": "#0ea5e9",
    "queueing": "#14b8a6",
    "long answer": "#3b82f6",
    "slow stream": "#10b981",
    "slow transfer": "#84cc16",
    "one session": "#f472b6",
    "one step name": "#6366f1",
}


def causes(runs: Sequence[Evidence]) -> Chart | None:
    """Each tail's time over the normal, by what cost it."""
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for run in runs:
        found = attribute(run, 0.99 if run.columns.n >= _ENOUGH_FOR_P99 else 0.95)
        label = _label(run, found)
        values += [
            {"run": label, "cause": _words(cause), "order": order, "percent": 100 * cause.share_ms}
            for order, cause in enumerate(found.causes)
        ]
        rows += [_row(label, cause) for cause in found.causes]
    if not any(value["percent"] for value in values):
        return None
    labels = list(dict.fromkeys(value["run"] for value in values))
    known = list(dict.fromkeys(value["cause"] for value in values))
    spec = spec_of(
        values,
        mark={"type": "bar", "height": 20},
        encoding={
            "y": {"field": "run", "type": "nominal", "title": None, "sort": None, "axis": label_axis(labels)},
            "x": {
                "field": "percent",
                "type": "quantitative",
                "stack": True,
                "scale": {"domain": [0, 100]},
                "title": "% of the time over the normal",
            },
            "color": {
                "field": "cause",
                "type": "nominal",
                "title": None,
                "scale": {"domain": known, "range": [_COLOURS.get(cause, _UNKNOWN) for cause in known]},
                "legend": {"orient": "top", "columns": 4},
            },
            "order": {"field": "order"},
        },
    )
    spec["height"] = 34 * len(labels)
    says = (
        "What made the slowest requests slow: the time that they took over what is normal for steps of their kind and "
        "name, by its cause."
    )
    heads = (
        "requests",
        "cause",
        "mainly of",
        "of them",
        "cost them",
        "of their time",
        "about",
        "worst session, step",
    )
    return Chart("Why slow requests were slow", says, spec, heads, rows)


def _label(run: Evidence, found: Attribution) -> str:
    return f"{clean(run.name, 30)}, slowest {percent(1 - found.quantile)}"


def _words(cause: Cause) -> str:
    return cause.cause.replace("_", " ")


def _row(label: str, cause: Cause) -> tuple[str, ...]:
    worst = cause.example
    return (
        label,
        _words(cause),
        count(cause.steps),
        percent(cause.share),
        milliseconds(cause.ms),
        percent(cause.share_ms),
        ", ".join(clean(name, 40) for name in cause.names) or "–",
        "–" if worst is None else f"{clean(worst.session, 40)}, {clean(worst.step, 40)}",
    )
