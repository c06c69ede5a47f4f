"""Sessions as swim lanes: each step of the slowest ones, what their end depended on, and how they were recorded.

With the recording at hand the critical path follows its edges; without it, it is inferred from times, as told in
replay/judge/tail/session_path.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from replay.judge.measures.failures import check_at, class_at
from replay.judge.tail.session_path import path_of, waits_of
from replay.report.page.charts import FAILED_COLOUR, WIDTH, Chart, spec_of
from replay.report.words.failures import failure_name
from replay.results.columns import ABSENT_NS, Columns
from replay.results.evidence import Evidence
from replay.words.names import clean
from replay.words.numbers import milliseconds

_LANES = 3
_MOST_LANE_STEPS = 400


class RecordedStep(NamedTuple):
    """A step as the trace has it, from its session's start. after: what it waits for. Waits are steps here too."""

    at_ms: float
    took_ms: float
    after: tuple[str, ...] = ()


Recorded = Mapping[str, Mapping[str, RecordedStep]]
"""By session and step."""


def lanes(run: Evidence, recorded: Recorded | None = None) -> Chart | None:
    """The sessions that took longest: each step from when it should have been sent to its end."""
    columns = run.columns
    if not columns.n:
        return None
    slowest = np.argsort(columns.makespan_ns)[::-1][:_LANES]
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for session in slowest.tolist():
        inside = np.flatnonzero(columns.session == session)
        inside = inside[np.argsort(columns.intended_ns[inside], kind="stable")][:_MOST_LANE_STEPS]
        if len(inside):
            steps = (recorded or {}).get(columns.sessions[session], {})
            _add_session(columns, session, inside.tolist(), steps, values, rows)
    if not values:
        return None
    has_recording = any("was_from" in value for value in values)
    says = (
        "The sessions that took longest; each bar is a step, from when it should have been sent to its end. "
        "Full bars are the critical path: what the end of the session depended on."
    )
    has_failed = any("failed" in value for value in values)
    if has_failed:
        says += " A red cross is the end of a step that failed, with its class."
    if has_recording:
        says += " The grey line beneath a bar is the step as it was recorded" + (
            "." if recorded else ", drawn from when it was due here."
        )
    heads = ("session", "step", "due", "service", "response", "recorded", "critical", "failed")
    spec = _spec(values, has_recording=has_recording, has_failed=has_failed)
    return Chart("Timeline of the slowest sessions", says, spec, heads, rows)


def _add_session(
    columns: Columns,
    session: int,
    inside: Sequence[int],
    steps: Mapping[str, RecordedStep],
    values: list[dict[str, Any]],
    rows: list[tuple[str, ...]],
) -> None:
    start_ns = min(int(columns.intended_ns[row]) for row in inside)
    first_ms = min(
        (steps[columns.step[row]].at_ms for row in inside if columns.step[row] in steps), default=0.0
    )
    critical = critical_path(columns, inside, steps)
    name = clean(columns.sessions[session], 30)
    for lane, row in enumerate(inside):
        kind, step = columns.series_names[columns.series[row]]
        sent_ns = int(columns.sent_ns[row])
        intended_ns, end_ns = int(columns.intended_ns[row]), int(columns.end_ns[row])
        value: dict[str, Any] = {
            "session": name,
            "lane": lane,
            "from": (intended_ns - start_ns) / 1e6,
            "to": (end_ns - start_ns) / 1e6,
            "step": f"{kind}:{clean(step, 30)}",
            "critical": row in critical,
        }
        was = steps.get(columns.step[row])
        took_ms = was.took_ms if was is not None else _recorded_ms(columns, row)
        if took_ms is not None:
            was_from = value["from"] if was is None else was.at_ms - first_ms
            value |= {"was_from": was_from, "was_to": was_from + took_ms}
        failed = "" if columns.ok[row] else failure_name(class_at(columns, row), check_at(columns, row))
        if failed:
            value["failed"] = clean(failed, 40)
        values.append(value)
        rows.append(
            (
                name,
                f"{kind}:{clean(step, 40)}",
                milliseconds((intended_ns - start_ns) / 1e6),
                "–" if sent_ns == ABSENT_NS else milliseconds((end_ns - sent_ns) / 1e6),
                milliseconds((end_ns - intended_ns) / 1e6),
                milliseconds(took_ms),
                "yes" if row in critical else "",
                failed,
            )
        )


def _recorded_ms(columns: Columns, row: int) -> float | None:
    """How long the step took in the recording, as the record of the run has it."""
    took_ns = int(columns.numbers("recorded_ns")[row])
    return None if took_ns == ABSENT_NS else took_ns / 1e6


def critical_path(
    columns: Columns, inside: Sequence[int], steps: Mapping[str, RecordedStep] | None = None
) -> frozenset[int]:
    """The rows of a session that its end depended on, one after the other.

    inside: its rows. steps: its recording, whose edges are followed where it has all of them.
    """
    if not inside:
        return frozenset()
    if not steps or not all(columns.step[row] in steps for row in inside):
        rows = sorted(inside, key=lambda row: (int(columns.intended_ns[row]), int(columns.end_ns[row])))
        return frozenset(row for row, _, _ in path_of(columns, rows, waits_of(columns, rows)))
    by_step = {columns.step[row]: row for row in inside}
    at = max(inside, key=lambda row: int(columns.end_ns[row]))
    found = {at}
    while before := _waited_for(columns.step[at], steps, by_step) - found:
        at = max(before, key=lambda row: int(columns.end_ns[row]))
        found.add(at)
    return frozenset(found)


def _waited_for(step: str, steps: Mapping[str, RecordedStep], by_step: Mapping[str, int]) -> set[int]:
    """The rows of a step's parents; of a parent that has no row (a wait), those of its parents."""
    found: set[int] = set()
    asked, seen = list(steps[step].after), set[str]()
    while asked:
        parent = asked.pop()
        if parent in seen:
            continue
        seen.add(parent)
        if parent in by_step:
            found.add(by_step[parent])
        elif parent in steps:
            asked += steps[parent].after
    return found


def _spec(values: list[dict[str, Any]], *, has_recording: bool, has_failed: bool) -> dict[str, Any]:
    x = {"type": "quantitative", "title": "ms from the session's start"}
    y = {"field": "lane", "type": "ordinal", "axis": None}
    colour = {
        "field": "step",
        "type": "nominal",
        "title": None,
        "legend": {"orient": "bottom", "columns": 3, "symbolLimit": 24, "symbolOpacity": 1},
    }
    layer: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "cornerRadius": 2, "height": 8, "yOffset": -1},
            "encoding": {
                "x": {**x, "field": "from"},
                "x2": {"field": "to"},
                "y": y,
                "color": colour,
                "opacity": {"condition": {"test": "datum.critical", "value": 1}, "value": 0.4},
            },
        }
    ]
    if has_recording:
        layer.append(
            {
                "transform": [{"filter": "isValid(datum.was_from)"}],
                "mark": {"type": "bar", "height": 2, "yOffset": 5, "color": "#888"},
                "encoding": {"x": {**x, "field": "was_from"}, "x2": {"field": "was_to"}, "y": y},
            }
        )
    if has_failed:
        layer += _failures(x, y)
    spec = spec_of(values)
    del spec["width"], spec["height"]
    return spec | {
        "facet": {
            "row": {
                "field": "session",
                "type": "nominal",
                "title": None,
                "header": {
                    "labelColor": "#888",
                    "labelOrient": "top",
                    "labelAnchor": "start",
                    "labelFontSize": 12,
                },
            }
        },
        "spec": {"width": WIDTH, "height": {"step": 14}, "layer": layer},
        "resolve": {"scale": {"x": "independent", "y": "independent"}},
    }


def _failures(x: dict[str, Any], y: dict[str, Any]) -> list[dict[str, Any]]:
    """Layers for the steps that failed: a cross at their end, and their class beside it."""
    only = [{"filter": "isValid(datum.failed)"}]
    place = {"x": {**x, "field": "to"}, "y": y}
    return [
        {
            "transform": only,
            "mark": {
                "type": "point",
                "shape": "M-.7,-.7L.7,.7M-.7,.7L.7,-.7",
                "stroke": FAILED_COLOUR,
                "strokeWidth": 2,
                "size": 80,
                "opacity": 1,
            },
            "encoding": place,
        },
        {
            "transform": only,
            "mark": {"type": "text", "align": "left", "dx": 8, "fontSize": 11, "color": FAILED_COLOUR},
            "encoding": {**place, "text": {"field": "failed"}},
        },
    ]
