"""A pilot as one HTML page: the answer and three figures first, then all that they rest on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from replay.choice.types import PhaseName, PilotVerdict
from replay.judge.cold.types import ColdVerdict
from replay.judge.load.types import CeilingVerdict
from replay.report.page import instance_chart, pilot_charts, pilot_tables, verdict_charts
from replay.report.page.cause_chart import causes
from replay.report.page.charts import Chart
from replay.report.page.heat_chart import heat_map
from replay.report.page.html import bullets, figure, page, section, text_of
from replay.report.page.instance_chart import Series
from replay.report.page.lanes import Recorded, lanes
from replay.report.page.page import audit
from replay.report.page.percentile_chart import percentiles
from replay.report.page.tail import tail
from replay.results.evidence import Evidence
from replay.results.manifest_types import Manifest
from replay.words.names import clean

_LATENCY, _INSTANCES, _CAPACITY = "latency", "instances", "capacity"
_COST, _SESSIONS = "cost", "sessions"
_RULE_TABLES = (pilot_tables.rules, pilot_tables.routes, pilot_tables.answers)
_COST_TABLES = (pilot_tables.months, pilot_tables.splits, pilot_tables.crossings, pilot_tables.bills)


class PilotMaterial(NamedTuple):
    """What the page draws, by target. runs: of each phase. wakes: cold starts as the idle-wake phase shows them.
    instances: over the representative run. manifests: of the representative runs, in the verdict's order of targets.
    recorded: sessions as the trace has them, to be shown beside those of the runs.
    """

    runs: Mapping[str, Mapping[PhaseName, Evidence]]
    ceilings: Mapping[str, CeilingVerdict]
    wakes: Mapping[str, ColdVerdict]
    instances: Mapping[str, Series]
    manifests: Sequence[Manifest]
    recorded: Recorded | None = None


def pilot_page(verdict: PilotVerdict, material: PilotMaterial) -> str:
    """Raises ChartError where charts cannot be drawn."""
    title = f"Pilot of {clean(verdict.workload.trace)}: {verdict.verdict}"
    drawn = {
        name: [figure(chart, level=3) for chart in found] for name, found in _figures(verdict, material).items()
    }
    main = _representative(material)
    sections = (
        ("planes", "Side by side", [pilot_tables.planes(verdict), pilot_tables.dimensions(verdict)]),
        ("rules", "Why: the rules", [part(verdict) for part in _RULE_TABLES]),
        ("workload", "The workload", [pilot_tables.workload(verdict)]),
        (_LATENCY, "Latency", drawn[_LATENCY]),
        (
            _INSTANCES,
            "Instances and cold starts",
            [pilot_tables.boots(verdict), *drawn[_INSTANCES], _no_cold_starts(material)],
        ),
        (_CAPACITY, "Capacity", [*drawn[_CAPACITY], _no_ceilings(verdict, material)]),
        (_COST, "Cost", [*drawn[_COST], *(part(verdict) for part in _COST_TABLES)]),
        (_SESSIONS, "Single sessions", drawn[_SESSIONS]),
        ("effort", "Operational incidents", [pilot_tables.effort(verdict)]),
        ("doubts", "Open doubts", [pilot_tables.doubts(verdict)]),
        ("assumed", "Assumptions", [pilot_tables.assumptions(verdict)]),
        ("afterwards", "Rollback and review date", [pilot_tables.afterwards(verdict)]),
        ("phases", "Every phase", [pilot_tables.phases(verdict)]),
        ("audit", "Audit facts", [audit(main, material.manifests)]),
    )
    shown = [(name, heading, section(heading, parts, name)) for name, heading, parts in sections]
    links = "".join(f'<a href="#{name}">{text_of(heading)}</a>' for name, heading, html in shown if html)
    contents = f'<nav aria-label="Contents">{links}</nav>'
    return page(title, [pilot_tables.first_screen(verdict), contents, *(html for _, _, html in shown)])


def pilot_figures(verdict: PilotVerdict, material: PilotMaterial) -> list[Chart]:
    """Every chart of the page, in its order."""
    return [chart for found in _figures(verdict, material).values() for chart in found]


def _figures(verdict: PilotVerdict, material: PilotMaterial) -> dict[str, list[Chart]]:
    main = _representative(material)
    currency = next((plane.currency for plane in verdict.planes if plane.currency), "") or ""
    found: dict[str, list[Chart | None]] = {
        _LATENCY: [
            percentiles(main),
            *(_of(heat_map(run), run.name) for run in main),
            causes(main),
            tail(main),
        ],
        _INSTANCES: [
            instance_chart.instances(
                material.instances,
                {
                    name: runs["representative"]
                    for name, runs in material.runs.items()
                    if "representative" in runs
                },
            ),
            *(_of(verdict_charts.idle_curve(wake), name) for name, wake in material.wakes.items()),
        ],
        _CAPACITY: [_of(verdict_charts.levels(ceiling), name) for name, ceiling in material.ceilings.items()],
        _COST: [
            pilot_charts.cost_by_level(verdict),
            *(pilot_charts.break_even(even, currency) for even in verdict.break_even),
            pilot_charts.tornado(verdict.sensitivity),
        ],
        _SESSIONS: [_of(lanes(run, material.recorded), run.name) for run in main],
    }
    return {name: [chart for chart in drawn if chart is not None] for name, drawn in found.items()}


def _representative(material: PilotMaterial) -> list[Evidence]:
    return [runs["representative"] for runs in material.runs.values() if "representative" in runs]


def _of(chart: Chart | None, target: str) -> Chart | None:
    return None if chart is None else chart._replace(title=f"{chart.title}: {clean(target)}")


def _no_cold_starts(material: PilotMaterial) -> str:
    quiet = [clean(name) for name, wake in material.wakes.items() if not wake.cold.count]
    return (
        f"<p>No request of the idle and wake phase was cold on {text_of(', '.join(quiet))}.</p>"
        if quiet
        else ""
    )


def _no_ceilings(verdict: PilotVerdict, material: PilotMaterial) -> str:
    without = [clean(plane.target) for plane in verdict.planes if plane.target not in material.ceilings]
    said = f"<p>No ceiling was looked for on {text_of(', '.join(without))}.</p>" if without else ""
    return said + bullets(
        [
            f"{clean(plane.target)}: {clean(plane.ceiling_reason, 300)}"
            for plane in verdict.planes
            if plane.ceiling_reason and plane.ceiling_verdict != "found"
        ]
    )
