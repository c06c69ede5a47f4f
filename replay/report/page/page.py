"""A finished run, several runs, or a verdict as one HTML page."""

from collections.abc import Sequence

import msgspec

from replay.judge.load.ceiling import CeilingVerdict
from replay.judge.tail.coldstart import ColdVerdict, judge_coldstart
from replay.judge.types import CompareVerdict, GateVerdict
from replay.report.page import verdict_charts
from replay.report.page.heat_chart import heat_map
from replay.report.page.html import bullets, figure, page, prose_table, section, table, text_of
from replay.report.page.lanes import lanes
from replay.report.page.load_chart import load_over_time
from replay.report.page.percentile_chart import percentiles
from replay.report.page.run_tables import failures_table, fidelity_table, steps_table
from replay.report.words import answers
from replay.report.words import verdicts as verdict_words
from replay.report.words.beside import ratio
from replay.results.evidence import Evidence
from replay.results.types import Manifest, Quantiles, Summary
from replay.words.numbers import clean, clock, count, milliseconds
from replay.words.phrases import counted

Verdict = GateVerdict | CompareVerdict | CeilingVerdict | ColdVerdict
_ANSWERS_KINDS = {"same": "pass", "different": "fail", "inconclusive": "inconclusive"}


def run_page(runs: Sequence[Evidence], manifests: Sequence[Manifest], verdict: Verdict | None = None) -> str:
    """One run, or several over one another. Raises ChartError where charts cannot be drawn."""
    first = runs[0]
    title = f"{clean(first.summary.trace.name)} → {', '.join(clean(run.summary.target.name) for run in runs)}"
    parts = [f"<h1>{text_of(title)}</h1>", *(_head(run.summary) for run in runs)]
    if verdict is not None:
        parts.append(_verdict(verdict))
    if isinstance(verdict, CompareVerdict):
        parts += [answers_section(one) for one in (verdict, *verdict.further)]
    parts += [_cards(run, len(runs) > 1) for run in runs]
    parts.append(figure(percentiles(runs)))
    for run in runs:
        of = f" ({clean(run.name)})" if len(runs) > 1 else ""
        parts.append(failures_table(run, of))
        for chart in (heat_map(run), load_over_time(run)):
            parts.append(figure(chart, of))
        parts.append(figure(verdict_charts.idle_curve(judge_coldstart(run)), of))
        parts.append(figure(lanes(run), of))
        parts += [steps_table(run, of), fidelity_table(run, of)]
    parts.append(section("Audit facts", [audit(runs, manifests)], "audit"))
    return page(title, parts)


def answers_section(verdict: CompareVerdict) -> str:
    """Whether the answers are the same; nothing where that was not asked."""
    found = verdict.answers
    if found is None:
        return ""
    against = " against ".join(clean(target.name) for target in reversed(verdict.targets))
    items = "".join(f"<p>{text_of(reason)}</p>" for reason in answers.reasons(found))
    differences = answers.difference_rows([*found.differences, *found.undecided])
    notes = [line for line in (answers.noise_line(found), *answers.left_out(found)) if line]
    return "\n".join(
        (
            f"<h2>Answers: {text_of(against)}</h2>",
            f'<div class="verdict {_ANSWERS_KINDS[found.verdict]}"><b>{text_of(answers.headline(found))}</b>'
            f"{items}</div>",
            prose_table(answers.DIFFERENCE_HEADS, differences) if differences else "",
            table(*answers.step_table(found)) if found.steps else "",
            bullets(notes),
        )
    )


def verdict_page(verdict: Verdict) -> str:
    """A verdict by itself: a ceiling, or the cold starts of a probe."""
    title = f"{verdict.command}: {clean(getattr(verdict, 'target', None) or '')}"
    parts = [f"<h1>{text_of(title)}</h1>", _verdict(verdict)]
    if isinstance(verdict, CeilingVerdict):
        parts.append(figure(verdict_charts.levels(verdict)))
    if isinstance(verdict, ColdVerdict):
        parts.append(figure(verdict_charts.idle_curve(verdict)))
    return page(title, parts)


def _head(summary: Summary) -> str:
    counts = summary.counts
    status = "" if summary.status == "finished" else f"; the run was {summary.status}"
    said = (
        f"{counted(counts.sessions, 'session')}, {counted(counts.steps, 'step')} in {clock(summary.elapsed_s)} against "
        f"{clean(summary.target.url, 200)}{status}"
    )
    parts = [f'<p class="dim">{text_of(said)}</p>']
    if summary.generator.verdict != "ok":
        why = "; ".join(summary.generator.reasons)
        parts.append(
            f'<div class="verdict inconclusive">This machine was {summary.generator.verdict}: {text_of(why)}. '
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
        rows = table(("SLO", "verdict", "observed", "limit", "interval", "n (sessions)"), _check_rows(verdict))
    elif isinstance(verdict, CompareVerdict):
        rows = table(("what", "a", "b", "b - a", "percent", "interval", "p", "b is"), _difference_rows(verdict))
    else:
        rows = ""
    if isinstance(verdict, GateVerdict):
        reasons = [
            f"{check.slo}: {verdict_words.why(check)}" for check in verdict.checks if check.verdict == kind
        ]
    items = "".join(f"<p>{text_of(clean(reason, 300))}</p>" for reason in reasons)
    return f'<div class="verdict {kind}"><b>{text_of(said)}</b>{items}</div>{rows}'


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
    return [
        (
            verdict_words.subject(found),
            *verdict_words.difference_values(found),
            verdict_words.difference_delta(found),
            verdict_words.signed_percent(found.delta_percent),
            verdict_words.difference_interval(found),
            verdict_words.p_value(found),
            verdict_words.b_is(found),
        )
        for found in verdict_words.ordered(verdict.differences)
    ]


def _cards(run: Evidence, is_one_of_several: bool) -> str:
    summary = run.summary
    answered = summary.latency_ms.get("response", Quantiles(n=0))
    response = summary.latency_ms.get("response_with_failures", answered)
    tried = summary.counts.ok + summary.counts.failed
    failed = 100 * summary.counts.failed / tried if tried else 0.0
    achieved = "–" if summary.rate.achieved_rps is None else f"{summary.rate.achieved_rps:,.4g}/s"
    cards = [
        (milliseconds(response.p50), f"median response{_of_answered(response.p50, answered.p50)}"),
        (
            milliseconds(response.p99),
            f"p99 response, n = {count(response.n)}{_of_answered(response.p99, answered.p99)}",
        ),
        (f"{failed:.3g}%", f"failed, {counted(summary.counts.failed, 'step')}"),
        (achieved, "answered"),
    ]
    recorded = summary.latency_ms.get("recorded")
    if recorded is not None:
        cards.append((ratio(answered.p50, recorded.p50), "the recorded median"))
    heading = f"<h2>{text_of(clean(run.name))}</h2>" if is_one_of_several else ""
    shown = "".join(
        f'<div class="card"><b>{text_of(big)}</b><span>{text_of(small)}</span></div>' for big, small in cards
    )
    return f'{heading}<div class="cards">{shown}</div>'


def _of_answered(whole_ms: float | None, answered_ms: float | None) -> str:
    """What the figure is without failures, where they make it another one."""
    if answered_ms is None or whole_ms == answered_ms:
        return ""
    return f"; {milliseconds(answered_ms)} of those answered"


def audit(runs: Sequence[Evidence], manifests: Sequence[Manifest]) -> str:
    """The facts that a reviewer asks for, of each run."""
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
    if not rows:
        return ""
    begins = frozenset(n for n, (name, _) in enumerate(rows) if name == "run")
    return prose_table(("", ""), [(name, clean(value, 2000)) for name, value in rows], begins)


def _us(value: float | None) -> str:
    return "–" if value is None else milliseconds(value / 1000)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}%"
