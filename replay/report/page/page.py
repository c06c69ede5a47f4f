"""A finished run, several runs, or a verdict as one HTML page."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from replay.judge.cold.coldstart import judge_coldstart
from replay.judge.load.recovery import Fault
from replay.judge.types import ComparedTarget, CompareVerdict, GateVerdict
from replay.report.page import verdict_charts
from replay.report.page.heat_chart import heat_map
from replay.report.page.html import bullets, figure, page, prose_of, prose_table, section, table, text_of
from replay.report.page.lanes import lanes
from replay.report.page.load_chart import load_over_time
from replay.report.page.percentile_chart import percentiles
from replay.report.page.run_tables import failures_table, fidelity_table, steps_table
from replay.report.words import answers
from replay.report.words import verdicts as verdict_words
from replay.report.words.beside import ratio
from replay.report.words.outlines import Outline
from replay.results.evidence import Evidence
from replay.results.manifest_types import Manifest
from replay.results.summary import PROBES_UNCHECKED
from replay.results.summary_types import Quantiles, Summary
from replay.words.endings import ending
from replay.words.names import clean
from replay.words.numbers import NOTHING, count, exact, milliseconds, number, seconds
from replay.words.phrases import counted

_OF_PROBES = "These are probes, of which each was sent alone: how late this machine was is not known."
_ANSWERS_KINDS = {"same": "pass", "different": "fail", "inconclusive": "inconclusive"}


def run_page(
    runs: Sequence[Evidence],
    manifests: Sequence[Manifest],
    verdict: Sequence[str] = (),
    faults: Mapping[str, Sequence[Fault]] = MappingProxyType({}),
) -> str:
    """One run, or several over one another, below what their verdict says. faults: those of each run, by its name.

    Raises ChartError if a chart fails.
    """
    first = runs[0]
    title = f"{clean(first.summary.trace.name)} → {', '.join(clean(run.summary.target.name) for run in runs)}"
    parts = [f"<h1>{text_of(title)}</h1>", *(_said_of(run.summary) for run in runs)]
    parts += verdict
    parts += [_doubt(run, len(runs) > 1) for run in runs if not _is_told(run, verdict)]
    parts += [_cards(run, len(runs) > 1) for run in runs]
    parts.append(figure(percentiles(runs)))
    for run in runs:
        of = f" ({clean(run.name)})" if len(runs) > 1 else ""
        parts.append(failures_table(run, of))
        for chart in (heat_map(run), load_over_time(run, faults.get(run.name, ()))):
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


def verdict_page(title: str, parts: Sequence[str]) -> str:
    """A verdict by itself, where there is no run to be shown with it."""
    return page(title, [f"<h1>{text_of(title)}</h1>", *parts])


def _said_of(summary: Summary) -> str:
    counts = summary.counts
    status = f"; {ended}" if (ended := ending(summary.status)) else ""
    said = (
        f"{counted(counts.sessions, 'session')}, {counted(counts.steps, 'step')} in "
        f"{seconds(summary.elapsed_s)} against "
        f"{clean(summary.target.url, 200)}{status}"
    )
    return f'<p class="dim">{text_of(said)}</p>'


def _is_told(run: Evidence, verdict: Sequence[str]) -> bool:
    """Whether the verdict above has said what there is to doubt of this run."""
    said = "".join(verdict)
    return bool(said) and all(text_of(reason) in said for reason in run.summary.generator.reasons)


def _doubt(run: Evidence, is_named: bool) -> str:
    """Why the figures may be this machine's: below what was found, which has taken it into account."""
    generator = run.summary.generator
    if generator.verdict == "ok":
        return ""
    if generator.reasons == [PROBES_UNCHECKED]:
        return f'<p class="dim">{text_of(_OF_PROBES)}</p>'
    where = f" while it replayed {clean(run.name)}" if is_named else ""
    why = "; ".join(generator.reasons)
    said = f"This machine was {generator.verdict}{where}: {why}. The figures may be partly its own."
    return f'<div class="verdict inconclusive">{text_of(said)}</div>'


def gate_parts(verdict: GateVerdict) -> list[str]:
    """A gate's answer, and its SLOs."""
    reasons = [
        f"{check.slo}: {verdict_words.why(check)}"
        for check in verdict.checks
        if check.verdict == verdict.verdict
    ]
    heads = ("SLO", "verdict", "observed", "limit", "interval", "n (sessions)")
    said = _said(verdict.verdict, verdict_words.gate_headline(verdict), reasons)
    return [said, table(heads, _check_rows(verdict)), _notes(verdict.notes)]


def compare_parts(verdict: CompareVerdict) -> list[str]:
    """What a comparison found, and whether the answers are the same; then so of each further target."""
    return [part for one in (verdict, *verdict.further) for part in _comparison(one)]


def _comparison(verdict: CompareVerdict) -> list[str]:
    heads = ("what", "a", "b", "b - a", "percent", "interval", "p", "b is")
    return [
        _said(verdict.verdict, verdict_words.compare_headline(verdict), verdict.reasons),
        bullets([_side(target) for target in verdict.targets]),
        table(heads, _difference_rows(verdict)),
        _notes(verdict.notes),
        answers_section(verdict),
    ]


def _side(target: ComparedTarget) -> str:
    """Which target one side is, and how much of it failed."""
    failed = f"; {count(target.failed)} of {counted(target.steps, 'step')} failed" if target.failed else ""
    return f"{clean(target.label)} is {clean(target.name)} {clean(target.url or '', 200)}".rstrip() + failed


def _notes(notes: Sequence[str]) -> str:
    return bullets([f"note: {clean(note, 300)}" for note in notes])


def outline_parts(found: Outline) -> list[str]:
    """A verdict that has no form of its own here."""
    # On a phone each figure stands beside its head.
    tables = [table([*heads[:-1], heads[-1] or "result"], rows) for heads, rows in found.tables if rows]
    return [_said(found.verdict, found.headline, found.reasons), *tables, _notes(found.notes)]


def _said(kind: str, headline: str, reasons: Sequence[str]) -> str:
    items = "".join(f"<p>{prose_of(clean(reason, 300))}</p>" for reason in reasons)
    return f'<div class="verdict {kind}"><b>{text_of(headline)}</b>{items}</div>'


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
    cards = [
        (milliseconds(response.p50), f"median response{_of_answered(response.p50, answered.p50)}"),
        (
            milliseconds(response.p99),
            f"p99 response, n = {count(response.n)}{_of_answered(response.p99, answered.p99)}",
        ),
        (f"{number(failed)}%", f"failed, {counted(summary.counts.failed, 'step')}"),
    ]
    if summary.rate.achieved_rps is not None:
        cards.append((f"{number(summary.rate.achieved_rps, 4)}/s", "answered"))
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
            ("options", ", ".join(_options(manifest.options))),
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


def _options(options: Mapping[str, Any]) -> Iterator[str]:
    """Those that say something: an absent one, an empty one and one that is off say nothing."""
    for name, value in options.items():
        shown, unit = name.removesuffix("_s").replace("_", " "), " s" if name.endswith("_s") else ""
        if isinstance(value, Mapping):
            yield from _options(value)
        elif value is True:
            yield shown
        elif isinstance(value, list | tuple) and value:
            yield f"{shown} {msgspec.json.encode(value).decode()}"
        elif value or (value == 0 and value is not False):
            yield f"{shown} {exact(value) if isinstance(value, float) else value}{unit}"


def _us(value: float | None) -> str:
    return "–" if value is None else milliseconds(value / 1000)


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{number(value)}%"
