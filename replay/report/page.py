"""A finished run, several runs, or a verdict as one HTML page: nothing is loaded from anywhere, and no script runs.

Everything that comes from a trace or a target is escaped. Charts are SVG; a table with the same figures folds out below
each. The page follows the reader's light or dark setting, narrows to a phone, and prints.
"""

from collections.abc import Sequence
from html import escape

import msgspec

from replay.judge.ceiling import CeilingVerdict
from replay.judge.coldstart import ColdVerdict, judge_coldstart
from replay.judge.figures import Evidence
from replay.judge.types import CompareVerdict, GateVerdict
from replay.report import charts, verdict_words
from replay.report.charts import Chart, as_svg
from replay.report.words import clean, clock, count, milliseconds
from replay.results.types import Manifest, Quantiles, Summary

Verdict = GateVerdict | CompareVerdict | CeilingVerdict | ColdVerdict

_CSS = """
:root{color-scheme:light dark;--fg:#1f2937;--dim:#6b7280;--line:#e5e7eb;--bg:#fff;--card:#f9fafb}
@media(prefers-color-scheme:dark){:root{--fg:#e5e7eb;--dim:#9ca3af;--line:#374151;--bg:#111827;--card:#1f2937}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
main{max-width:860px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.5rem;margin:0 0 4px}h2{font-size:1.15rem;margin:40px 0 4px}
p{margin:4px 0}.dim{color:var(--dim)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.card b{display:block;font-size:1.5rem;font-weight:650}.card span{color:var(--dim);font-size:.85rem}
.verdict{border-left:4px solid var(--dim);padding:8px 14px;background:var(--card);margin:16px 0}
.pass,.b_faster,.no_difference,.found{border-color:#10b981}.fail,.a_faster{border-color:#ef4444}
.inconclusive,.at_least,.not_reached{border-color:#f59e0b}
figure{margin:12px 0;overflow-x:auto}svg{max-width:100%;height:auto}
td{white-space:nowrap}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}th,td{padding:4px 12px 4px 0;text-align:right;border-bottom:1px solid var(--line)}
th{color:var(--dim);font-weight:500}th:first-child,td:first-child{text-align:left}
td.long{text-align:left;white-space:normal;overflow-wrap:anywhere}
details{margin:4px 0}summary{cursor:pointer;color:var(--dim)}
a:focus-visible,summary:focus-visible{outline:2px solid #3b82f6;outline-offset:2px}
@media print{details{display:none}h2{break-after:avoid}figure{break-inside:avoid}}
"""


def run_page(runs: Sequence[Evidence], manifests: Sequence[Manifest], verdict: Verdict | None = None) -> str:
    """One run, or several over one another. Raises ChartError where charts cannot be drawn."""
    first = runs[0]
    title = f"{clean(first.summary.trace.name)} → {', '.join(clean(run.summary.target.name) for run in runs)}"
    parts = [f"<h1>{_text(title)}</h1>", *(_head(run.summary) for run in runs)]
    if verdict is not None:
        parts.append(_verdict(verdict))
    parts += [_cards(run, len(runs) > 1) for run in runs]
    parts.append(_figure(charts.percentiles(runs)))
    for run in runs:
        of = f" ({clean(run.name)})" if len(runs) > 1 else ""
        for chart in (charts.heat_map(run), charts.load_over_time(run)):
            parts.append(_figure(chart, of))
        parts.append(_figure(charts.idle_curve(judge_coldstart(run)), of))
        parts.append(_figure(charts.lanes(run), of))
        parts.append(_steps(run.summary, of))
    parts.append(_audit(runs, manifests))
    return _page(title, parts)


def verdict_page(verdict: Verdict) -> str:
    """A verdict by itself: a ceiling, or the cold starts of a probe."""
    title = f"{verdict.command}: {clean(getattr(verdict, 'target', None) or '')}"
    parts = [f"<h1>{_text(title)}</h1>", _verdict(verdict)]
    if isinstance(verdict, CeilingVerdict):
        parts.append(_figure(charts.levels(verdict)))
    if isinstance(verdict, ColdVerdict):
        parts.append(_figure(charts.idle_curve(verdict)))
    return _page(title, parts)


def _page(title: str, parts: Sequence[str]) -> str:
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        # The page needs nothing and may load nothing, whatever a name in it says.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{_text(title)}</title><style>{_CSS}</style></head>\n<body><main>\n{body}\n</main></body></html>\n"
    )


def _text(text: str) -> str:
    return escape(text, quote=True)


def _head(summary: Summary) -> str:
    counts = summary.counts
    status = "" if summary.status == "finished" else f"; the run was {summary.status}"
    said = (
        f"{count(counts.sessions)} sessions, {count(counts.steps)} steps in {clock(summary.elapsed_s)} against "
        f"{clean(summary.target.url, 200)}{status}"
    )
    parts = [f'<p class="dim">{_text(said)}</p>']
    if summary.generator.verdict != "ok":
        why = "; ".join(summary.generator.reasons)
        parts.append(
            f'<div class="verdict inconclusive">This machine was {summary.generator.verdict}: {_text(why)}. '
            "The figures are partly its own.</div>"
        )
    return "".join(parts)


def _verdict(verdict: Verdict) -> str:
    kind: str
    if isinstance(verdict, GateVerdict):
        said, reasons, kind = verdict_words.gate_headline(verdict), verdict.reasons, verdict.verdict
    elif isinstance(verdict, CompareVerdict):
        said, reasons, kind = verdict_words.compare_headline(verdict), verdict.reasons, verdict.verdict
    elif isinstance(verdict, CeilingVerdict):
        reasons, kind = verdict.reasons, verdict.verdict
        found = verdict.ceiling
        said = (
            f"ceiling: {verdict.verdict.replace('_', ' ')}"
            if found is None
            else f"ceiling: {'at least ' if kind == 'at_least' else ''}{found.scale:.4g}x, {found.rps:.4g} requests/s, "
            f"limited by {found.limited_by}"
        )
    else:
        kind, reasons = "found" if verdict.cold.count else "inconclusive", [verdict.cold.why]
        low_high = verdict.keep_alive_s
        keeps = "" if low_high is None else f"; it stays warm for about {low_high[0]:.3g} s"
        adds = "" if verdict.cold.added_ms is None else f", each adds {milliseconds(verdict.cold.added_ms)}"
        said = f"{count(verdict.cold.count)} cold starts{adds}{keeps}"
    if isinstance(verdict, GateVerdict):
        table = _table(
            ("SLO", "verdict", "observed", "limit", "interval", "n (sessions)"), _check_rows(verdict)
        )
    elif isinstance(verdict, CompareVerdict):
        table = _table(
            ("what", "a", "b", "b - a", "percent", "interval", "p", "b is"), _difference_rows(verdict)
        )
    else:
        table = ""
    items = "".join(f"<p>{_text(clean(reason, 300))}</p>" for reason in reasons)
    return f'<div class="verdict {kind}"><b>{_text(said)}</b>{items}</div>{table}'


def _check_rows(verdict: GateVerdict) -> list[tuple[str, ...]]:
    return [
        (
            check.slo,
            check.verdict,
            verdict_words.observed(check),
            verdict_words.limit(check),
            verdict_words.check_interval(check),
            verdict_words.sample_size(check),
        )
        for check in verdict.checks
    ]


def _difference_rows(verdict: CompareVerdict) -> list[tuple[str, ...]]:
    said = {"a_faster": "slower", "b_faster": "faster", "no_difference": "same", "inconclusive": "unclear"}
    rows = []
    for found in verdict.differences:
        is_time = found.unit == "ms"
        shown = [
            (milliseconds(value) if is_time else f"{value:.4g}%") if value is not None else "–"
            for value in ((found.a_ms, found.b_ms) if is_time else (found.a, found.b))
        ]
        delta, interval = (found.delta_ms, found.ci_ms) if is_time else (found.delta, found.ci)
        unit = " ms" if is_time else " points"
        rows.append(
            (
                f"{found.metric} {found.series}" + (f" {found.kind}:{clean(found.name)}" if found.name else ""),
                *shown,
                "–" if delta is None else f"{delta:+.4g}{unit}",
                "–" if found.delta_percent is None else f"{found.delta_percent:+.3g}%",
                "–" if interval is None else f"[{interval[0]:+.4g}, {interval[1]:+.4g}]{unit}",
                "–" if found.p_adjusted is None else f"{found.p_adjusted:.3f}",
                said[found.verdict],
            )
        )
    return rows


def _cards(run: Evidence, is_one_of_several: bool) -> str:
    summary = run.summary
    response = summary.latency_ms.get("response", Quantiles(n=0))
    tried = summary.counts.ok + summary.counts.failed
    failed = 100 * summary.counts.failed / tried if tried else 0.0
    achieved = "–" if summary.rate.achieved_rps is None else f"{summary.rate.achieved_rps:,.4g}/s"
    cards = [
        (milliseconds(response.p50), "median response"),
        (milliseconds(response.p99), f"p99 response, n = {count(response.n)}"),
        (f"{failed:.3g}%", f"failed, {count(summary.counts.failed)} steps"),
        (achieved, "answered"),
    ]
    heading = f"<h2>{_text(clean(run.name))}</h2>" if is_one_of_several else ""
    shown = "".join(
        f'<div class="card"><b>{_text(big)}</b><span>{_text(small)}</span></div>' for big, small in cards
    )
    return f'{heading}<div class="cards">{shown}</div>'


def _figure(chart: Chart | None, of: str = "") -> str:
    if chart is None:
        return ""
    # The picture says in words what it shows; a reader of the page without eyes for it has the table.
    svg = as_svg(chart).replace("<svg ", f'<svg role="img" aria-label="{_text(chart.says)}" ', 1)
    return (
        f'<h2>{_text(chart.title + of)}</h2><p class="dim">{_text(chart.says)}</p><figure>{svg}</figure>'
        f"<details><summary>as a table</summary>{_table(chart.heads, chart.rows)}</details>"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _steps(summary: Summary, of: str) -> str:
    rows = [
        (
            f"{series.kind}:{clean(series.name)}",
            count(series.response.n),
            milliseconds(series.response.p50),
            milliseconds(series.response.p99),
            milliseconds(series.service.p50),
            milliseconds(series.service.p99),
            count(series.counts.get("failed", 0)),
        )
        for series in summary.series
    ]
    heads = ("step", "n", "response p50", "p99", "service p50", "p99", "failed")
    return f"<h2>{_text('Steps' + of)}</h2>{_table(heads, rows)}" if rows else ""


def _audit(runs: Sequence[Evidence], manifests: Sequence[Manifest]) -> str:
    rows: list[tuple[str, str]] = []
    for run, manifest in zip(runs, manifests, strict=True):
        lag = run.summary.dispatch_lag_us
        rows += [
            ("run", run.name),
            ("trace", f"{manifest.trace.name}, sha256 {manifest.trace.sha256}"),
            ("target", f"{run.summary.target.name}, {run.summary.target.url}"),
            ("started", manifest.started_at),
            ("version, seed", f"{manifest.version}, {manifest.seed}"),
            ("options", msgspec.json.encode(manifest.options).decode()),
            ("machine", ", ".join(f"{name} {value}" for name, value in manifest.host.items())),
            ("clock", ", ".join(f"{name} {value}" for name, value in manifest.clock.items())),
            (
                "generator",
                f"{run.summary.generator.verdict}; dispatch lag p50 {_us(lag.p50)}, p99 {_us(lag.p99)}; "
                f"CPU {_percent(run.summary.generator.cpu_percent)}",
            ),
            *(("note", note) for note in run.summary.notes),
        ]
    shown = "".join(
        f'<tr><td>{_text(name)}</td><td class="long">{_text(clean(value, 2000))}</td></tr>'
        for name, value in rows
    )
    return f"<h2>Audit facts</h2><table><tbody>{shown}</tbody></table>"


def _us(value: float | None) -> str:
    return "–" if value is None else milliseconds(value / 1000)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}%"
