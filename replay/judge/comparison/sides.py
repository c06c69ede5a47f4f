"""Two targets side by side: which is faster, in what, and how sure that is.

Every metric of every series is one comparison, of this figure alone. Times are drawn again
(replay/judge/statistics/resampling.py) in blocks of sessions that start one after the other, so that neither what a
session has in common nor what a moment has counts more than once; blocks are as long as steps are seen to depend on
those before them (replay/judge/measures/blocks.py). Where that leaves too few, and for shares, the difference is
made of the intervals that each side has by itself (replay/judge/statistics/own_intervals.py). Its verdict:

- no_difference: the 1 - 2 alpha interval of the difference lies within the margin either way (two one-sided tests,
  Schuirmann 1987), whether or not a difference can be shown;
- a_faster or b_faster: the p-value is below alpha = 1 - confidence, which is to say that the interval leaves out zero;
- inconclusive: neither, or there are too few values.

A step that failed is infinitely slow, in percentiles; a mean is of the steps that were answered. Whoever fails more is
not called faster, whatever else the figures say: where a percentile falls among failures that is what the verdict says,
and where it does not, that the other is quicker where it answers decides nothing.

The metric that was asked for is tested at alpha by itself. All others are corrected together (Holm 1979), so that
the chance of any false difference among them is alpha. Nothing is decided when a run is in doubt
(`run_doubts` of replay/judge/gate/judging.py), but for failures that the lateness of this machine cannot have made
(replay/judge/comparison/lateness.py). What is said has to hold of the steps that both sides tried, too
(replay/judge/comparison/both_tried.py), and no side is called faster, or as fast, for answers in which there is nothing
(replay/judge/comparison/likeness.py). Each round of sequential runs must show half of the difference at least, and no
two rounds opposite ones where there is to be none: time between them is not in any interval.
"""

from collections.abc import Sequence
from math import copysign, isfinite, isinf

from replay.judge.comparison.both_tried import in_common
from replay.judge.comparison.deciding import (
    Failing,
    decide,
    failing_more,
    shown_by_others,
)
from replay.judge.comparison.difference import MARGIN_PERCENT, compared, percent_of
from replay.judge.comparison.lateness import forgiven, is_of_failures, known_late_ms
from replay.judge.comparison.likeness import answered_less
from replay.judge.comparison.metric import Metric
from replay.judge.comparison.others import other_differences
from replay.judge.comparison.pair import Pair, Side, values_of
from replay.judge.comparison.slowest import slowest_of_one_side
from replay.judge.gate.baselines import other_option
from replay.judge.gate.judging import CONFIDENCE, run_doubts, unlike_recording
from replay.judge.gate.resting import tried_again
from replay.judge.measures.failures import examples
from replay.judge.statistics.quantile import quantile
from replay.judge.statistics.sample import Sample
from replay.judge.types import (
    VERDICT_SCHEMA,
    ComparedTarget,
    CompareVerdict,
    Difference,
    Mode,
)
from replay.results.evidence import Evidence
from replay.results.fidelity import LEAST_FIDELITY
from replay.results.selector import Selector
from replay.results.summary import redirect_note
from replay.words.numbers import milliseconds

# Rounds of a true difference show it alike; one that a moment of one round made is in that round alone.
_ROUND_SHARE = 0.5
_SAID = {"a_faster": "a is faster", "b_faster": "b is faster", "no_difference": "there is no difference"}


def judge_compare(
    a: Side,
    b: Side,
    mode: Mode,
    metric: Metric = Metric("p99"),  # noqa: B008 - a NamedTuple, so no call can change it
    margin_percent: float = MARGIN_PERCENT,
    confidence: float = CONFIDENCE,
    *,
    is_aa: bool = False,
    least_fidelity: float = LEAST_FIDELITY,
) -> CompareVerdict:
    """Judge every difference between two targets.

    least_fidelity: how like the recording each replay has to be, 0..1, for the two to be compared with each other.
    """
    pair = Pair(a, b, mode)
    failing = failing_more(pair, confidence)
    main = _main(pair, failing, metric, margin_percent, confidence)
    common = in_common(a, b, mode)
    others = other_differences(pair, common, mode, metric, failing, margin_percent, confidence)
    reasons = [main.reason]
    if main.verdict == "no_difference" and main.unit == "ms" and failing.label:
        # Times that are alike are not all that a reader takes it for.
        reasons.append(f"but {failing}")
    doubts_of = [
        (run, [*run_doubts(run.summary), *unlike_recording(run.summary, least_fidelity)])
        for run in (*a.runs, *b.runs)
    ]
    doubts = [f"{run.name}: {doubt}" for run, said in doubts_of for doubt in said]
    verdict = main.verdict
    if mode == "sequential" and verdict != "inconclusive":
        against = _rounds_against(a, b, metric, main, margin_percent)
        if against:
            verdict, reasons = "inconclusive", [against]
    both = common.of(metric)
    # What one side alone was asked for is not slow on it alone.
    pair_tried = pair if common.tried is None else Pair(common.tried.a, common.tried.b, mode)
    if both is not None and verdict != "inconclusive":
        again = judge_difference(both.a, both.b, mode, metric, margin_percent, confidence)
        if again.verdict != verdict:
            why = f"the figures say that {_SAID[verdict]}, but not those of the steps that both tried: {both}"
            verdict, reasons = "inconclusive", [why]
    less = answered_less(a, b)
    is_done = verdict == "no_difference" or (less is not None and verdict == f"{less.label}_faster")
    if less is not None and is_done and least_fidelity > 0:
        verdict, reasons = "inconclusive", [f"the figures say that {_SAID[verdict]}, but {less}"]
    if doubts and verdict != "inconclusive":
        late_ms = _late_ms(doubts_of)
        if late_ms is not None and _stands_late(main, a, b, mode, metric, margin_percent, confidence):
            late = f"this machine was late by up to {milliseconds(late_ms)}, which changes nothing"
            reasons = [f"{main.reason}; {late}"]
        else:
            verdict, reasons = "inconclusive", [f"the figures say that {_SAID[verdict]}, but {doubts[0]}"]
    return CompareVerdict(
        schema=VERDICT_SCHEMA,
        command="compare",
        verdict=verdict,
        mode=mode,
        metric=str(metric),
        reasons=reasons,
        targets=[_described("a", a), _described("b", b)],
        differences=[main, *others],
        margin_percent=margin_percent,
        is_aa=is_aa,
        noise_floor_ms=main.detectable_ms if is_aa else None,
        noise_floor_percent=percent_of(main.detectable_ms, main.a_ms) if is_aa else None,
        elapsed_s=_elapsed_s(a, b, mode),
        notes=[
            *doubts,
            *([] if doubts else shown_by_others(main, others)),
            *([] if doubts or main.unit != "ms" else filter(None, [slowest_of_one_side(pair_tried, main)])),
            *([str(failing)] if failing.label else []),
            *([str(less)] if less is not None else []),
            *([str(both)] if both is not None and (both.only_a or both.only_b) else []),
            *_notes(a, b, mode),
        ],
    )


def judge_difference(
    a: Side, b: Side, mode: Mode, metric: Metric, margin_percent: float, confidence: float
) -> Difference:
    """The difference that judge_compare would decide by, without its doubts."""
    pair = Pair(a, b, mode)
    return _main(pair, failing_more(pair, confidence), metric, margin_percent, confidence)


def _main(
    pair: "Pair", failing: "Failing", metric: Metric, margin_percent: float, confidence: float
) -> Difference:
    main = compared(pair, metric, Selector(), margin_percent, confidence)
    main.p_adjusted = main.p_value
    decide(main, failing, confidence)
    return main


def _late_ms(doubts_of: Sequence[tuple[Evidence, list[str]]]) -> float | None:
    """By how much this machine was late at most, where nothing else is doubted; None where something is."""
    late = [known_late_ms(run) for run, said in doubts_of if said]
    are_alone = all(len(said) <= 1 for _, said in doubts_of)
    known = [ms for ms in late if ms is not None]
    return max(known) if are_alone and known and len(known) == len(late) else None


def _stands_late(
    main: Difference, a: Side, b: Side, mode: Mode, metric: Metric, margin_percent: float, confidence: float
) -> bool:
    """Whether failures decide the same when the side that fails more is forgiven those that lateness may have made."""
    if main.verdict not in ("a_faster", "b_faster") or not is_of_failures(main):
        return False
    a, b = (a, forgiven(b)) if main.verdict == "a_faster" else (forgiven(a), b)
    again = judge_difference(a, b, mode, metric, margin_percent, confidence)
    is_borne_out = mode != "sequential" or _rounds_against(a, b, metric, again, margin_percent) is None
    return again.verdict == main.verdict and is_of_failures(again) and is_borne_out


def _rounds_against(a: Side, b: Side, metric: Metric, main: Difference, margin_percent: float) -> str | None:
    """Why the rounds of a sequential comparison do not bear each other out; None if they do."""
    pairs = [
        [_figure(values_of(run.columns, metric, Selector()), metric) for run in runs]
        for runs in zip(a.runs, b.runs, strict=False)
    ]
    if main.verdict == "no_difference":
        return _opposite_rounds(pairs, margin_percent)
    delta = (main.delta_ms if main.unit == "ms" else (main.delta or 0.0) / 100) or 0.0
    least = 0.0 if isinf(delta) else _ROUND_SHARE * abs(delta)
    for round_no, (of_a, of_b) in enumerate(pairs, 1):
        # Written so that two infinite figures, which differ by nothing known, do not bear it out.
        if of_a is None or of_b is None or not copysign(1.0, delta) * (of_b - of_a) > least:
            return f"round {round_no} does not show the difference that all rounds together show"
    return None


def _opposite_rounds(pairs: Sequence[list[float | None]], margin_percent: float) -> str | None:
    """Rounds that differ by more than the margin, one this way and one that, cancel in the figure of all."""
    apart = [
        (of_b - of_a) / of_a
        for of_a, of_b in pairs
        if of_a is not None and of_b is not None and isfinite(of_b - of_a) and of_a > 0
    ]
    if apart and min(apart) < -margin_percent / 100 and max(apart) > margin_percent / 100:
        return "the rounds differ by more than the margin, one this way and one that"
    return None


def _figure(sample: Sample, metric: Metric) -> float | None:
    if not sample.n:
        return None
    return float(sample.values.mean()) if metric.q is None else quantile(sample.ordered, metric.q)


def _elapsed_s(a: Side, b: Side, mode: Mode) -> float:
    """How long the runs took: those of targets that were replayed side by side went on at the same time."""
    took_s = [run.summary.elapsed_s for run in (*a.runs, *b.runs)]
    return round(max(took_s) if mode in ("paired", "interleaved") else sum(took_s), 3)


def _described(label: str, side: Side) -> ComparedTarget:
    counts = [run.summary.counts for run in side.runs]
    verdicts = [run.summary.generator.verdict for run in side.runs]
    return ComparedTarget(
        label=label,
        name=side.name,
        url=side.runs[0].summary.target.url,
        runs=[run.name for run in side.runs],
        steps=sum(count.steps for count in counts),
        failed=sum(count.failed for count in counts),
        generator=next((verdict for verdict in ("saturated", "suspect") if verdict in verdicts), "ok"),
    )


def _notes(a: Side, b: Side, mode: Mode) -> list[str]:
    notes = []
    if mode == "unpaired":
        notes.append(
            "these runs were made apart from each other, so what differed between their times counts as a difference "
            "between the targets"
        )
    if mode == "sequential":
        notes.append(
            "the targets were replayed one after the other; no interval accounts for drift between the rounds"
        )
    if {run.summary.trace.sha256 for run in a.runs} != {run.summary.trace.sha256 for run in b.runs}:
        notes.append("the sides replayed different traces")
    elif mode == "unpaired" and (other := other_option(a.runs[0], b.runs[0])) is not None:
        notes.append(
            f"side a had {other[0]} {other[1]}, and side b {other[2]}: what differs may be the load, and not the target"
        )
    kept_back = [any(run.summary.counts.withheld for run in side.runs) for side in (a, b)]
    if kept_back[0] != kept_back[1]:
        notes.append(f"side {'a' if kept_back[0] else 'b'} was replayed read-only and the other was not")
    failed = [(side.name, sum(run.summary.counts.failed for run in side.runs)) for side in (a, b)]
    if any(n for _, n in failed):
        shown = ", ".join(f"{name} {n}" for name, n in failed)
        notes.append(
            f"failed steps: {shown}; in percentiles they are infinitely slow, in means they are left out"
        )
    notes += [
        f"{side.name}: {redirect_note(redirected)}"
        for side in (a, b)
        if (redirected := sum(run.summary.counts.redirected for run in side.runs))
    ]
    notes += dict.fromkeys(
        f"{side.name}: {said}"
        for side in (a, b)
        for run in side.runs
        if (said := tried_again(run.summary.counts))
    )
    notes += dict.fromkeys(
        f"{side.name}: {said}" for side in (a, b) for run in side.runs for said in examples(run.summary.counts)
    )
    return notes
