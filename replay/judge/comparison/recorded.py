"""A run held to its own recording, as if that were another target: side a is the recording, side b the run.

Both are of the same steps (replay/judge/measures/recording.py), so the comparison is paired. Where the recording's
clock is so coarse that a reading at its other end would give another verdict, there is none.
"""

import msgspec

from replay.judge.comparison.difference import MARGIN_PERCENT
from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Side
from replay.judge.comparison.sides import judge_compare, judge_difference
from replay.judge.gate.judging import CONFIDENCE
from replay.judge.measures.recording import RECORDED, bends_makespans, pair, resolution_ms
from replay.judge.types import VERDICT_SCHEMA, ComparedTarget, CompareVerdict
from replay.results.evidence import Evidence
from replay.results.fidelity import LEAST_FIDELITY
from replay.words.numbers import milliseconds
from replay.words.phrases import were


def compare_with_recording(
    run: Evidence,
    metric: Metric = Metric("p99"),  # noqa: B008 - a NamedTuple, so no call can change it
    margin_percent: float = MARGIN_PERCENT,
    confidence: float = CONFIDENCE,
    least_fidelity: float = LEAST_FIDELITY,
) -> CompareVerdict:
    """Judge every difference between a run and its recording; inconclusive where nothing was recorded."""
    both = pair(run)
    if both is None:
        return _nothing_recorded(run, metric, margin_percent)
    recording, ours = both
    name = run.summary.target.name
    verdict = judge_compare(
        Side(RECORDED, [recording], is_recording=True),
        Side(name, [ours]),
        "paired",
        metric,
        margin_percent,
        confidence,
        least_fidelity=least_fidelity,
    )
    if bends_makespans(run):
        kept = [found for found in verdict.differences if found.series != "makespan"]
        verdict = msgspec.structs.replace(verdict, differences=kept)
        if metric.measure == "makespan":
            why = "the run changed the gaps between steps, so its makespans are not the recorded ones"
            return msgspec.structs.replace(verdict, verdict="inconclusive", reasons=[why])
    left_out = run.columns.n - ours.columns.n
    if left_out:
        why = f"{were(left_out, 'step')} left out, recorded without a duration or as a failure by chance"
        verdict.notes.append(why)
    return _within_resolution(verdict, run, metric, margin_percent, confidence)


def _within_resolution(
    verdict: CompareVerdict, run: Evidence, metric: Metric, margin_percent: float, confidence: float
) -> CompareVerdict:
    coarse_ms = resolution_ms(run)
    if verdict.verdict == "inconclusive" or not coarse_ms or metric.statistic in ("errors", "cold"):
        return verdict
    for shift_ms in (-coarse_ms, coarse_ms):
        both = pair(run, shift_ms)
        assert both is not None
        recording, ours = both
        sides = Side(RECORDED, [recording], is_recording=True), Side(run.summary.target.name, [ours])
        found = judge_difference(*sides, "paired", metric, margin_percent, confidence)
        if found.verdict != verdict.verdict:
            why = (
                f"the recording's times are only good to {milliseconds(coarse_ms)}, and {milliseconds(abs(shift_ms))} "
                f"{'more' if shift_ms > 0 else 'less'} would give another verdict"
            )
            return msgspec.structs.replace(verdict, verdict="inconclusive", reasons=[why])
    return verdict


def _nothing_recorded(run: Evidence, metric: Metric, margin_percent: float) -> CompareVerdict:
    return CompareVerdict(
        schema=VERDICT_SCHEMA,
        command="compare",
        verdict="inconclusive",
        mode="paired",
        metric=str(metric),
        reasons=["the trace has no recorded durations to compare the run with"],
        targets=[
            ComparedTarget(label="a", name=RECORDED),
            ComparedTarget(label="b", name=run.summary.target.name, runs=[run.name]),
        ],
        differences=[],
        margin_percent=margin_percent,
    )
