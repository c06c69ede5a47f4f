"""Whether a run may be what later runs are held to. Pure."""

from collections.abc import Sequence
from math import isfinite

from replay.judge.gate.judging import run_doubts, unlike_recording
from replay.judge.measures.slo import Slo, SloWindow
from replay.judge.types import Check, GateVerdict
from replay.results.evidence import Evidence
from replay.results.selector import Selector
from replay.results.types import INTERRUPTED
from replay.words.numbers import percent

# Of the first of all, where no SLO says how many may fail: as many as at a load that is held to be borne.
_MOST_FAILED = 0.01


def why_unfit(
    verdict: GateVerdict, slos: Sequence[Slo], run: Evidence, least_fidelity: float, *, is_stopped_early: bool
) -> str | None:
    """Why later runs are not to be held to this one; None where it passed, whole and without a doubt.

    The first of all has nothing to be held to: it must have the figures that later ones are held to, and pass all else.
    """
    if is_stopped_early:
        return "--early ended it, and later runs are whole"
    doubts = [*run_doubts(run.summary), *unlike_recording(run.summary, least_fidelity)]
    if doubts:
        return doubts[0]
    if verdict.verdict == "pass":
        return None
    if verdict.baselines:
        return "it did not pass"
    waiting = {slo.text for slo in slos if slo.needs_baseline}
    if not all(
        _has_figure(check) if check.slo in waiting else check.verdict == "pass" for check in verdict.checks
    ):
        return "it did not pass what needs no baseline, or lacks a figure to compare others with"
    counts = run.summary.counts
    failed = counts.failed - counts.errors.get(INTERRUPTED, 0)
    share = failed / max(1, counts.ok + failed)
    if share > _MOST_FAILED and not any(_limits_failures(slo) for slo in slos):
        return f"{percent(share)} of its steps failed, and no SLO without a baseline says how many of all may"
    return None


def _limits_failures(slo: Slo) -> bool:
    """Whether it says of all steps how many may fail: held to a baseline, a run without one may fail them all."""
    is_of_all = slo.selector == Selector() and slo.window == SloWindow() and slo.error is None
    return slo.statistic == "errors" and is_of_all and not slo.needs_baseline


def _has_figure(check: Check) -> bool:
    figure = check.observed_ms if check.unit == "ms" else check.observed
    return check.verdict == "inconclusive" and figure is not None and isfinite(figure)
