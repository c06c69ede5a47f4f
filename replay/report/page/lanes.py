"""Sessions as swim lanes: each step of the slowest ones, what their end depended on, and how they were recorded.

With the recording at hand the critical path follows its edges; without it, it is inferred from times, as told in
replay/judge/tail/session_path.py.
"""

from collections import Counter
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
from replay.words.phrases import counted

_SESSIONS = 3
_MOST_STEPS = 400
# Up to here each step has a lane of its own, and a session reads from top left to bottom right; beyond, they share.
_MOST_LANES = 40
# A step that is shorter is drawn this wide.
_LEAST_WIDTH = 2 / WIDTH
# Without the red of failures.
_NAME_COLOURS = (
    "#3b82f6",
    "#f59e0b",
    "#10b981",
    "#8b5cf6",
    "#ec4899",
    "#06b6d4",
    "#84cc16",
    "#a16207",
    "#0f766e",
    "#ea580c",
)
# From here on an axis has seconds: 700,000 ms is nothing that anybody reads.
_LONG_MS = 20_000.0
_TIMES = ("from", "to", "until", "was_from", "was_to")
_OTHERS, _OTHERS_COLOUR = "other steps", "#94a3b8"


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
    slowest = np.argsort(columns.makespan_ns)[::-1][:_SESSIONS]
    values: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    left_out = 0
    for session in slowest.tolist():
        inside = np.flatnonzero(columns.session == session)
        left_out += max(0, len(inside) - _MOST_STEPS)
        inside = inside[np.argsort(columns.intended_ns[inside], kind="stable")][:_MOST_STEPS]
        if len(inside):
            steps = (recorded or {}).get(columns.sessions[session], {})
            _add_session(columns, session, inside.tolist(), steps, values, rows)
    if not values:
        return None
    is_long = max(value["until"] for value in values) >= _LONG_MS
    if is_long:
        _in_seconds(values)
    colours = _coloured(values)
    has_recording = any("was_from" in value for value in values)
    says = (
        "The sessions that took longest; each bar is a step, from when it should have been sent to its end. "
        "Full bars are the critical path: what the end of the session depended on."
    )
    has_failed = any("failed" in value for value in values)
    if has_failed:
        says += " A red cross is the end of a step that failed."
    if has_recording:
        says += " The grey line beneath a bar is the step as it was recorded" + (
            "." if recorded else ", drawn from when it was due here."
        )
    if left_out:
        says += (
            f" Of each session the first {_MOST_STEPS} steps are shown; {counted(left_out, 'step')} came later."
        )
    heads = ("session", "step", "due", "service", "response", "recorded", "critical", "failed")
    unit = "s" if is_long else "ms"
    spec = _spec(values, colours, unit, has_recording=has_recording, has_failed=has_failed)
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
    drawn: list[dict[str, Any]] = []
    for row in inside:
        kind, step = columns.series_names[columns.series[row]]
        sent_ns = int(columns.sent_ns[row])
        intended_ns, end_ns = int(columns.intended_ns[row]), int(columns.end_ns[row])
        value: dict[str, Any] = {
            "session": name,
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
        drawn.append(value)
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
    _lay_out(drawn)
    values += drawn


def _lay_out(steps: Sequence[dict[str, Any]]) -> None:
    """Gives each step of a session, in order of their starts, its lane and the end that it is drawn to.

    What failed is said beside its end where no other step can stand there.
    """
    least = _LEAST_WIDTH * max(step["to"] for step in steps)
    for step in steps:
        step["until"] = max(step["to"], step["from"] + least)
    if len(steps) <= _MOST_LANES:
        for lane, step in enumerate(steps):
            step["lane"] = lane
            if "failed" in step:
                step["said"] = step["failed"]
        return
    free_from: list[float] = []
    for step in steps:
        lane = next((lane for lane, free in enumerate(free_from) if free <= step["from"]), len(free_from))
        if lane == len(free_from) < _MOST_LANES:
            free_from.append(0.0)
        elif lane == len(free_from):  # one over another rather than a page of lanes
            lane = min(range(lane), key=free_from.__getitem__)
        free_from[lane] = max(free_from[lane], step["until"])
        step["lane"] = lane


def _in_seconds(values: Sequence[dict[str, Any]]) -> None:
    for value in values:
        value |= {name: value[name] / 1e3 for name in _TIMES if name in value}


def _coloured(values: Sequence[dict[str, Any]]) -> dict[str, str]:
    """A colour for each name of a step; where there are more, the rarest become one."""
    names = [name for name, _ in Counter(value["step"] for value in values).most_common()]
    known = set(names[: len(_NAME_COLOURS)])
    for value in values:
        value["colour"] = value["step"] if value["step"] in known else _OTHERS
    seen = dict.fromkeys(value["colour"] for value in values if value["colour"] != _OTHERS)
    colours = dict(zip(seen, _NAME_COLOURS, strict=False))
    return colours if len(known) == len(names) else colours | {_OTHERS: _OTHERS_COLOUR}


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


def _spec(
    values: list[dict[str, Any]],
    colours: Mapping[str, str],
    unit: str,
    *,
    has_recording: bool,
    has_failed: bool,
) -> dict[str, Any]:
    x = {"type": "quantitative", "title": f"{unit} from the session's start"}
    y = {"field": "lane", "type": "ordinal", "axis": None}
    colour = {
        "field": "colour",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": {"orient": "bottom", "columns": 3, "symbolLimit": 24, "symbolOpacity": 1},
    }
    layer: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "cornerRadius": 2, "height": 8, "yOffset": -1},
            "encoding": {
                "x": {**x, "field": "from"},
                "x2": {"field": "until"},
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
            "transform": [{"filter": "isValid(datum.said)"}],
            "mark": {"type": "text", "align": "left", "dx": 8, "fontSize": 11, "color": FAILED_COLOUR},
            "encoding": {**place, "text": {"field": "said"}},
        },
    ]
