"""A pilot as one HTML page: the answer and three figures first, then all that they rest on."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from replay.judge.ceiling import CeilingVerdict
from replay.judge.coldstart import ColdVerdict
from replay.judge.figures import Evidence
from replay.judge.pilot import PhaseName, PilotVerdict
from replay.report import charts, pilot_charts
from replay.report.charts import Chart
from replay.report.html import figure, page, table, text_of
from replay.report.page import audit
from replay.report.pilot_charts import Series
from replay.report.words import clean, count, milliseconds
from replay.results.types import Manifest

_CHOICES = {"serverless": "pass", "vm": "pass", "hybrid": "pass", "inconclusive": "inconclusive"}
_MOST = 400


class PilotMaterial(NamedTuple):
    """What the page draws, by target. runs: of each phase. wakes: cold starts as the idle-wake phase shows them.
    instances: over the representative run. manifests: of the representative runs, in the verdict's order of targets.
    """

    runs: Mapping[str, Mapping[PhaseName, Evidence]]
    ceilings: Mapping[str, CeilingVerdict]
    wakes: Mapping[str, ColdVerdict]
    instances: Mapping[str, Series]
    manifests: Sequence[Manifest]


def pilot_page(verdict: PilotVerdict, material: PilotMaterial) -> str:
    """Raises ChartError where charts cannot be drawn."""
    title = f"Pilot of {clean(verdict.workload.trace)}: {verdict.verdict}"
    drawn = pilot_figures(verdict, material)
    parts = [
        _first_screen(verdict),
        "<h2>Side by side</h2>",
        _planes(verdict),
        _dimensions(verdict),
        "<h2>The rules, and what each rests on</h2>",
        _rules(verdict),
        _routes(verdict),
        _workload(verdict),
        *(figure(chart) for chart in drawn),
        _bill(verdict),
        _effort(verdict),
        _afterwards(verdict),
        _phases(verdict),
    ]
    runs = [found["representative"] for found in material.runs.values() if "representative" in found]
    parts.append(audit(runs, material.manifests))
    return page(title, parts)


def pilot_figures(verdict: PilotVerdict, material: PilotMaterial) -> list[Chart]:
    """Every chart of the page, in its order."""
    main = [found["representative"] for found in material.runs.values() if "representative" in found]
    currency = next((plane.currency for plane in verdict.planes if plane.currency), "") or ""
    found: list[Chart | None] = [charts.percentiles(main)]
    found += [_of(charts.heat_map(run), run.name) for run in main]
    found.append(pilot_charts.instances(material.instances))
    found += [_of(charts.idle_curve(wake), name) for name, wake in material.wakes.items()]
    found += [_of(charts.levels(ceiling), name) for name, ceiling in material.ceilings.items()]
    found.append(pilot_charts.cost_by_level(verdict))
    found += [pilot_charts.break_even(even, currency) for even in verdict.break_even]
    found.append(pilot_charts.tornado(verdict.sensitivity))
    found += [_of(charts.lanes(run), run.name) for run in main]
    return [chart for chart in found if chart is not None]


def _of(chart: Chart | None, target: str) -> Chart | None:
    return None if chart is None else chart._replace(title=f"{chart.title}: {clean(target)}")


def _first_screen(verdict: PilotVerdict) -> str:
    load = verdict.workload
    about = (
        f"{clean(load.trace)}: {count(load.sessions)} sessions, {count(load.steps)} requests over "
        f"{load.span_s:,.0f} s, {load.pattern}. Made {verdict.made_at}, {verdict.how}."
    )
    cards = "".join(
        f'<div class="card"><span>{text_of(name)}</span><dl>'
        + "".join(f"<dt>{text_of(clean(target))}</dt><dd>{text_of(value)}</dd>" for target, value in by.items())
        + "</dl></div>"
        for name, by in verdict.headline
    )
    doubt = verdict.doubts[0] if verdict.doubts else ""
    said = f'<p class="doubt"><b>In doubt:</b> {text_of(clean(doubt, _MOST))}.</p>' if doubt else ""
    kind = _CHOICES[verdict.verdict]
    return (
        f'<p class="dim">{text_of(about)}</p><div class="verdict {kind}">'
        f'<h1 class="answer">{text_of(clean(verdict.answer, _MOST))}</h1></div><div class="cards">{cards}</div>{said}'
    )


def _planes(verdict: PilotVerdict) -> str:
    planes = verdict.planes
    rows: list[tuple[str, ...]] = [
        ("p50 response", *(milliseconds(p.p50_ms) for p in planes)),
        ("p95 response", *(milliseconds(p.p95_ms) for p in planes)),
        ("p99 response", *(milliseconds(p.p99_ms) for p in planes)),
        ("p99, 95% interval", *(_interval(p.p99_ci_ms) for p in planes)),
        ("p99 without cold starts", *(milliseconds(p.p99_without_cold_ms) for p in planes)),
        ("cold requests", *(_share(p.cold_share) for p in planes)),
        ("a cold start adds", *(milliseconds(p.cold_added_ms) for p in planes)),
        ("stays warm for", *(_keep_alive(p.keep_alive_s) for p in planes)),
        ("ceiling, requests/s", *(_number(p.ceiling_rps) for p in planes)),
        ("gives way first", *(p.limited_by or "–" for p in planes)),
        ("active instances, mean", *(_number(p.utilisation) for p in planes)),
        ("machines for the peak", *("–" if p.machines is None else str(p.machines) for p in planes)),
        ("a month", *(_money(p.cost_month, p.currency) for p in planes)),
        ("a month, 95% interval", *(_money_interval(p.cost_ci) for p in planes)),
        ("staff, beside the bill", *(_money(p.staff_month, p.currency) for p in planes)),
        ("failed requests, all phases", *(count(p.errors) for p in planes)),
        ("sessions lost", *(count(p.sessions_lost) for p in planes)),
        ("generator", *(p.generator for p in planes)),
    ]
    if verdict.slos and any(p.budget for p in planes):
        rows.insert(4, ("latency budget", *(p.budget or "–" for p in planes)))
    return table(("", *(clean(p.target) for p in planes)), rows)


def _dimensions(verdict: PilotVerdict) -> str:
    rows = [
        (row.name, *(clean(row.by_plane.get(p.target, "–"), 200) for p in verdict.planes), clean(row.better))
        for row in verdict.dimensions
    ]
    heads = ("dimension", *(clean(p.target) for p in verdict.planes), "better")
    return f"<h3>Eight dimensions</h3>{_prose_table(heads, rows)}" if rows else ""


def _rules(verdict: PilotVerdict) -> str:
    rows = [
        (
            ("● " if rule.decides else "") + rule.name,
            rule.favours,
            clean(rule.text, _MOST),
            _pairs(rule.evidence),
            _pairs(rule.flips_at or {}),
        )
        for rule in verdict.rules
    ]
    marked = frozenset(n for n, rule in enumerate(verdict.rules) if rule.decides)
    shown = _prose_table(("rule", "favours", "because", "its numbers", "flips at"), rows, marked)
    return f'<p class="dim">● decided. Nothing is added up: the first that decides does.</p>{shown}'


def _pairs(values: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{name.replace('_', ' ')}: {_value(value)}"
        for name, value in values.items()
        if value not in (None, {})
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    if isinstance(value, dict):
        return ", ".join(f"{clean(str(name))} {_value(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_value(inner) for inner in value) or "none"
    return clean(str(value), 80)


def _routes(verdict: PilotVerdict) -> str:
    if not verdict.routes:
        return ""
    rows = [(f"{route.kind}:{clean(route.name)}", route.to, clean(route.why)) for route in verdict.routes]
    return f"<h2>Where steps go</h2>{_prose_table(('step', 'to', 'why'), rows)}"


def _workload(verdict: PilotVerdict) -> str:
    load = verdict.workload
    facts = [
        ("pattern", f"{load.pattern}: {load.pattern_rule}"),
        (
            "requests/s, mean and peak",
            f"{load.mean_rps:,.3g} and {load.peak_rps:,.3g} (windows of {load.window_s} s)",
        ),
        ("under way, mean and peak", f"{_number(load.mean_in_flight)} and {_number(load.peak_in_flight)}"),
        ("idle", _share(load.idle_share)),
        ("waits on tools", f"{_share(load.tool_share)} of the request time"),
        ("longest request", milliseconds(load.longest_ms)),
        ("longest session", "–" if load.longest_session_s is None else f"{load.longest_session_s:,.1f} s"),
    ]
    steps = [
        (
            f"{step.kind}:{clean(step.name)}",
            count(step.steps),
            milliseconds(step.p50_ms),
            milliseconds(step.longest_ms),
            f"{step.busy_share:.1%}",
            f"{step.in_flight:.3g}",
            clean(step.needs or ("the agent's own machine" if step.is_local else "–")),
        )
        for step in load.series[:40]
    ]
    heads = ("step", "n", "p50", "longest", "of the time", "under way", "needs")
    return (
        f"<h2>The workload</h2>{_prose_table(('', ''), facts)}<details><summary>its steps</summary>"
        f"{table(heads, steps)}</details>"
    )


def _bill(verdict: PilotVerdict) -> str:
    parts = []
    for plane in verdict.planes:
        rows = [
            (
                clean(str(line.get("name", ""))) + (" (beside the bill)" if line.get("beside") else ""),
                f"{line.get('quantity', 0):,.4g} {line.get('unit', '')}",
                f"{line.get('free', 0):,.4g}",
                f"{line.get('unit_price', 0):.8g}",
                f"{line.get('amount', 0):,.2f}",
                clean(str(line.get("inputs", "")), 200),
            )
            for line in plane.cost_lines
        ]
        if rows:
            heads = ("line", "quantity", "free", "unit price", plane.currency or "amount", "made of")
            parts.append(
                f"<details><summary>{text_of(clean(plane.target))}, line by line</summary>"
                f"{table(heads, rows)}</details>"
            )
    tables = [
        f"{price['provider']}, {price['region']}: {price['date']}, {price['source']}"
        for price in verdict.prices
    ]
    return "<h2>The bills</h2>" + "".join(parts) + _list(tables) if parts else ""


def _effort(verdict: PilotVerdict) -> str:
    return f"<h2>How much trouble it was</h2>{_list(verdict.effort)}" if verdict.effort else ""


def _afterwards(verdict: PilotVerdict) -> str:
    doubts = f"<h2>What remains in doubt</h2>{_list(verdict.doubts)}" if verdict.doubts else ""
    after = _list([line for line in (verdict.rollback, verdict.check_again) if line])
    return f"{doubts}<h2>The way back, and when to ask again</h2>{after}{_list(verdict.notes)}"


def _phases(verdict: PilotVerdict) -> str:
    rows = [
        (
            found.phase,
            clean(found.target),
            count(found.steps),
            count(found.failed),
            milliseconds(found.p50_ms),
            milliseconds(found.p99_ms),
            "–" if found.cold is None else count(found.cold),
            "–" if found.most_instances is None else str(found.most_instances),
            found.generator,
            clean(found.run),
        )
        for found in verdict.phases
    ]
    heads = ("phase", "target", "sent", "failed", "p50", "p99", "cold", "instances", "generator", "run")
    return f"<h2>Every phase</h2>{table(heads, rows)}" if rows else ""


def _prose_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], marked: frozenset[int] = frozenset()
) -> str:
    """A table whose cells hold sentences."""
    head = "".join(f'<th scope="col">{text_of(name)}</th>' for name in heads)
    body = "".join(
        ('<tr class="decides">' if n in marked else "<tr>")
        + "".join(f'<td class="long">{text_of(cell)}</td>' for cell in row)
        + "</tr>"
        for n, row in enumerate(rows)
    )
    shown = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    return f'<div class="wide"><table class="prose">{shown}<tbody>{body}</tbody></table></div>'


def _list(lines: Sequence[str]) -> str:
    return (
        "<ul>" + "".join(f"<li>{text_of(clean(line, _MOST))}</li>" for line in lines) + "</ul>" if lines else ""
    )


def _interval(ci: tuple[float | None, float | None] | None) -> str:
    if ci is None:
        return "–"
    low, high = ci
    return f"{milliseconds(low)} to {'(too few requests)' if high is None else milliseconds(high)}"


def _keep_alive(keeps: tuple[float, float | None] | None) -> str:
    if keeps is None:
        return "–"
    low, high = keeps
    return f"more than {low:,.3g} s" if high is None else f"{low:,.3g} to {high:,.3g} s"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.3g}"


def _money(value: float | None, currency: str | None) -> str:
    return "–" if value is None else f"{value:,.2f} {currency or ''}".strip()


def _money_interval(ci: tuple[float, float] | None) -> str:
    return "–" if ci is None else f"{ci[0]:,.2f} to {ci[1]:,.2f}"
