"""Where the time of slow requests goes, beside that of all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from replay.judge.cold.finding import cold_steps
from replay.judge.statistics.sample import Floats
from replay.report.page.charts import Chart, label_axis, spec_of
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.evidence import Evidence
from replay.words.names import clean
from replay.words.numbers import count, milliseconds

_GROUPS = ((0.0, "all"), (0.95, "slowest 5%"), (0.99, "slowest 1%"))
_LEAST = 5
_PARTS = (
    "earlier tries",
    "connecting",
    "sent late",
    "first byte, cold start",
    "first byte",
    "rest of the answer",
)
_COLOURS = ("#ef4444", "#8b5cf6", "#9ca3af", "#f59e0b", "#3b82f6", "#10b981")


def tail(runs: Sequence[Evidence]) -> Chart | None:
    """What response time is made of, in the mean of all requests that were answered and in that of the slowest."""
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for run in runs:
        parts, sent = parts_ms(run.columns)
        # What failed at once is not among the quick ones; what a time limit ended is among the slow.
        sent &= run.columns.ok | run.columns.censored
        whole = parts.sum(axis=0)[sent]
        for q, group in _GROUPS:
            if not len(whole):
                continue
            slow = sent.copy()
            slow[sent] = whole >= np.quantile(whole, q)
            n = int(np.count_nonzero(slow))
            if n < _LEAST:
                continue
            means = parts[:, slow].mean(axis=1)
            label = f"{clean(run.name, 30)}, {group}"
            values += [
                {"group": label, "part": part, "order": order, "ms": float(mean)}
                for order, (part, mean) in enumerate(zip(_PARTS, means, strict=True))
            ]
            rows.append((label, count(n), *(milliseconds(float(mean)) for mean in means)))
    if not values:
        return None
    spec = spec_of(
        values,
        mark={"type": "bar", "height": 16},
        encoding={
            "y": {
                "field": "group",
                "type": "nominal",
                "title": None,
                "sort": None,
                "axis": label_axis([row[0] for row in rows]),
            },
            "x": {"field": "ms", "type": "quantitative", "stack": True, "title": "ms on average"},
            "color": {
                "field": "part",
                "type": "nominal",
                "title": None,
                "scale": {"domain": list(_PARTS), "range": list(_COLOURS)},
                "legend": {"orient": "top", "columns": 3},
            },
            "order": {"field": "order"},
        },
    )
    spec["height"] = 26 * len(rows)
    says = (
        "What response time is made of, on average over all requests that were answered and over the slowest."
    )
    return Chart("Where slow requests spend their time", says, spec, ("requests", "n", *_PARTS), rows)


def parts_ms(columns: Columns) -> tuple[Floats, Flags]:
    """Response time of each step in its parts, shape (parts, n), in ms, and which steps were sent.

    The parts of a step that was sent add up to its response time.
    """
    sent = columns.sent_ns != ABSENT_NS
    before_ns = np.where(sent, columns.sent_ns - columns.intended_ns, 0)
    connecting_ns = np.zeros(columns.n, np.int64)
    for spent in (columns.connect_ns, columns.tls_ns, columns.dns_ns):
        connecting_ns += np.where(spent == ABSENT_NS, 0, spent)
    connecting_ns = np.minimum(connecting_ns, np.maximum(before_ns, 0))
    waited_ns = before_ns - connecting_ns
    again = columns.attempts > 1
    # A request that was never answered spent all its time on a first byte.
    answered_ns = np.where(columns.first_byte_ns == ABSENT_NS, columns.end_ns, columns.first_byte_ns)
    first_ns = np.where(sent, answered_ns - columns.sent_ns, 0)
    rest_ns = np.where(sent, columns.end_ns - answered_ns, 0)
    is_cold = cold_steps(columns, sent).is_cold
    parts = (
        np.where(again, waited_ns, 0),
        connecting_ns,
        np.where(again, 0, waited_ns),
        np.where(is_cold, first_ns, 0),
        np.where(is_cold, 0, first_ns),
        rest_ns,
    )
    return np.stack(parts).astype(np.float64) / 1e6, sent
