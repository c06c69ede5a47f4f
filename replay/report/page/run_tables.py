"""The tables of a run's page: its steps beside the recording, what failed, and how like the recording it was."""

from collections.abc import Sequence

import numpy as np

from replay.judge.measures.failures import failures
from replay.judge.measures.recording import makespans_beside
from replay.report.page.html import bullets, prose_table, table, text_of
from replay.report.words.beside import RECORDED_HEADS, recorded_cells
from replay.report.words.failures import FAILURE_HEADS, failure_meanings, failure_rows, failures_headline
from replay.report.words.fidelity import NOTHING_IS_OK, failed_of, fidelity_rows
from replay.results.evidence import Evidence
from replay.results.summary_types import Quantiles, Series
from replay.words.names import clean
from replay.words.numbers import count, milliseconds, percent
from replay.words.phrases import counted

_Row = tuple[str, ...]


def steps_table(run: Evidence, of: str) -> str:
    """Each kind and name of step, as it was answered; beside the recording where there is one."""
    series = run.summary.series
    if not series:
        return ""
    has_recording = any(one.recorded is not None for one in series)
    rows = [_step_row(one, has_recording=has_recording) for one in series]
    heads: _Row = ("step", "answered", "failed")
    heads += RECORDED_HEADS if has_recording else ("response p50", "p99")
    heads += ("service p50", "service p99")
    said = "Response and service times are of the steps that were answered."
    if has_recording:
        said += (
            " Recorded are the same steps; the ratio is the run's time over the recorded one. A star marks a "
            "percentile of too few values: it is only the largest."
        )
        rows += _session_rows(run)
    return f'<h2>{text_of("Steps" + of)}</h2><p class="dim">{text_of(said)}</p>{table(heads, rows)}'


def _step_row(series: Series, *, has_recording: bool) -> _Row:
    response, service = series.response, series.service
    times: Sequence[str] = (milliseconds(response.p50), milliseconds(response.p99))
    return (
        f"{series.kind}:{clean(series.name)}",
        count(response.n),
        count(series.counts.get("failed", 0)),
        *(recorded_cells(response, series.recorded) if has_recording else times),
        milliseconds(service.p50),
        milliseconds(service.p99),
    )


def _session_rows(run: Evidence) -> list[_Row]:
    """Whole sessions in which nothing failed, where their makespans can be held to the recorded ones."""
    beside = makespans_beside(run)
    if beside is None:
        return []
    ours, recorded = (_quantiles(values) for values in beside)
    failed = len(run.columns.makespan_ns) - ours.n
    return [("whole sessions", count(ours.n), count(failed), *recorded_cells(ours, recorded), "", "")]


def _quantiles(values_ms: np.ndarray) -> Quantiles:
    p50, p99 = (float(np.quantile(values_ms, q, method="inverted_cdf")) for q in (0.5, 0.99))
    return Quantiles(n=len(values_ms), p50=p50, p99=p99)


def failures_table(run: Evidence, of: str) -> str:
    """What failed, by class, check and step name; nothing where nothing did."""
    found = failures(run.columns)
    if not found.steps:
        return ""
    said = f"{failures_headline(found)}. Share: of the steps of that name; median: of the failures' own times."
    more = [f"and {counted(found.left_out, 'failure')} of other kinds"] if found.left_out else []
    return (
        f'<h2>{text_of("Failures" + of)}</h2><p class="dim">{text_of(said)}</p>'
        f"{table(FAILURE_HEADS, failure_rows(found), 'failures')}"
        f'<div class="dim">{bullets([*more, *failure_meanings(found.groups)])}</div>'
    )


def fidelity_table(run: Evidence, of: str) -> str:
    """Whether the replay did what the recording did; nothing where that is not known."""
    fidelity = run.summary.fidelity
    if fidelity is None or fidelity.ratio is None:
        return ""
    counts = run.summary.counts
    if counts.failed and not counts.ok:
        return (
            f'<h2>{text_of("Fidelity to the recording" + of)}</h2><p class="dim">{text_of(NOTHING_IS_OK)}</p>'
        )
    said = (
        f"{percent(fidelity.ratio)}: the least of these shares; requests in flight are not counted among them."
    )
    said += f" {failed_of(counts)}." if counts.failed else ""
    rows = fidelity_rows(fidelity)
    reasons = f'<div class="verdict doubt">{bullets(fidelity.reasons)}</div>' if fidelity.reasons else ""
    return (
        f'<h2>{text_of("Fidelity to the recording" + of)}</h2><p class="dim">{text_of(said)}</p>{reasons}'
        f"{prose_table(('', 'alike', 'of what'), rows)}"
    )
