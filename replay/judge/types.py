"""What judges say: intervals, checks of SLOs, differences between targets, and the verdicts made of them.

These are the fields of verdict.json, schema replay.verdict/1. Times are milliseconds where the name says so;
`observed`, `limit` and `ci` are in `unit` for metrics that are no times. Absent is None.
"""

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from replay.judge.answers.types import AnswersVerdict

VERDICT_SCHEMA = "replay.verdict/1"
VERDICT_FILE = "verdict.json"

Decision = Literal["pass", "fail", "inconclusive"]
Unit = Literal["ms", "percent", "rps", "count"]
Part = Literal["all", "answered", "failed"]
"""Which steps a time is of: all (those that failed are infinitely slow), those answered, or those that failed."""

Mode = Literal["paired", "interleaved", "sequential", "unpaired"]
Comparison = Literal["a_faster", "b_faster", "no_difference", "inconclusive"]


class Interval(NamedTuple):
    """A confidence interval. None: there are too few values to bound that side. Infinite: it lies among failures."""

    low: float | None
    high: float | None


class Check(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One SLO judged. For times the fields with _ms hold; for other metrics those without, in `unit`. A figure or a
    bound that falls among failures is infinite, and null in the file.
    """

    slo: Annotated[str, Meta(description="The SLO as it was written.")]
    metric: Annotated[str, Meta(description="The metric that is bounded, such as p99.")]
    series: Annotated[
        str, Meta(description="The measure (response, service, ...), with the steps that it was narrowed to.")
    ]
    verdict: Annotated[Decision, Meta(description="Whether it holds.")]
    reason: Annotated[str, Meta(description="Why, in a sentence.")]
    unit: Annotated[
        Unit,
        Meta(description="The unit of observed, limit and ci; with ms, they stand in the fields with _ms."),
    ] = "ms"
    observed_ms: Annotated[float | None, Meta(description="Of a time: the metric's figure, in ms.")] = None
    limit_ms: Annotated[float | None, Meta(description="Of a time: the limit, in ms.")] = None
    ci_ms: Annotated[
        tuple[float | None, float | None] | None,
        Meta(
            description=(
                "Of a time: the figure's confidence interval, in ms; null on a side that too few values bound."
            )
        ),
    ] = None
    observed: Annotated[
        float | None, Meta(description="Of a metric that is not a time: the metric's figure, in `unit`.")
    ] = None
    limit: Annotated[
        float | None, Meta(description="Of a metric that is not a time: the limit, in `unit`.")
    ] = None
    ci: Annotated[
        tuple[float | None, float | None] | None,
        Meta(description="Of a metric that is not a time: the figure's confidence interval, in `unit`."),
    ] = None
    confidence: Annotated[float, Meta(description="The confidence of the interval.")] = 0.95
    n: Annotated[int, Meta(description="Steps (or sessions) behind the figure.")] = 0
    n_failed: Annotated[int, Meta(description="How many of n failed, and so are infinitely slow here.")] = 0
    sessions: Annotated[int, Meta(description="How many sessions they come from.")] = 0
    n_effective: Annotated[
        float | None, Meta(description="How many independent values would tell as much.")
    ] = None
    n_needed: Annotated[
        int | None, Meta(description="The least n that could decide, where n was too small.")
    ] = None
    needed_s: Annotated[
        float | None, Meta(description="How long the run would have to be for that at its rate, in s.")
    ] = None
    decided_early: Annotated[
        bool, Meta(description="Whether it was decided during the run, by an anytime-valid test.")
    ] = False
    errors: Annotated[
        dict[str, int], Meta(description="Failures that the figure is made of, or falls among, by class.")
    ] = {}


class GateVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """All SLOs of one run: fail if one fails, else inconclusive if one is, else pass."""

    schema: Annotated[str, Meta(description="replay.verdict/1.")]
    command: Annotated[Literal["gate"], Meta(description="gate.")]
    verdict: Annotated[Decision, Meta(description="pass, fail or inconclusive.")]
    reasons: Annotated[list[str], Meta(description="Why, in sentences.")]
    checks: Annotated[list[Check], Meta(description="The SLOs, one by one.")]
    target: Annotated[str | None, Meta(description="The target's name.")] = None
    trace: Annotated[str | None, Meta(description="The trace's name.")] = None
    run: Annotated[str | None, Meta(description="The name of the run directory.")] = None
    baselines: Annotated[list[str], Meta(description="The runs that it was held against.")] = []
    kept: Annotated[
        str | None, Meta(description="The name by which --keep has it among the baselines of later runs.")
    ] = None
    is_copy: Annotated[
        bool,
        Meta(description="Whether this is the copy that --keep made, which goes when later runs are kept."),
    ] = False
    elapsed_s: Annotated[float | None, Meta(description="How long the run took, in s.")] = None
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []


class Difference(msgspec.Struct, omit_defaults=True, kw_only=True):
    """How two targets differ in one metric of one series. Differences are b minus a. For times the fields with _ms
    hold; for other metrics those without, in `unit`. A figure or a bound that falls among failures is infinite, and
    null in the file.
    """

    metric: Annotated[str, Meta(description="The metric that is compared, such as p99.")]
    series: Annotated[str, Meta(description="The measure (response, service, ...).")]
    name: Annotated[str | None, Meta(description="The name of the steps; null for all steps.")]
    kind: Annotated[str | None, Meta(description="The kind of the steps.")] = None
    verdict: Annotated[Comparison, Meta(description="Which target is better in it, if any is.")]
    reason: Annotated[str, Meta(description="Why, in a sentence.")]
    unit: Annotated[
        Unit,
        Meta(
            description=(
                "The unit of a, b, delta, ci and detectable; with ms, they stand in the fields with _ms."
            )
        ),
    ] = "ms"
    a_ms: Annotated[float | None, Meta(description="Of a time: the first target's figure, in ms.")] = None
    b_ms: Annotated[float | None, Meta(description="Of a time: the second target's figure, in ms.")] = None
    delta_ms: Annotated[float | None, Meta(description="Of a time: b_ms - a_ms, in ms.")] = None
    ci_ms: Annotated[
        tuple[float | None, float | None] | None,
        Meta(description="Of a time: the difference's confidence interval, in ms, for this comparison alone."),
    ] = None
    detectable_ms: Annotated[
        float | None,
        Meta(description="Of a time: the least difference that would be seen here four times in five, in ms."),
    ] = None
    a: Annotated[
        float | None, Meta(description="Of a metric that is not a time: the first target's figure, in `unit`.")
    ] = None
    b: Annotated[
        float | None, Meta(description="Of a metric that is not a time: the second target's figure, in `unit`.")
    ] = None
    delta: Annotated[float | None, Meta(description="Of a metric that is not a time: b - a, in `unit`.")] = None
    ci: Annotated[
        tuple[float, float] | None,
        Meta(
            description=(
                "Of a metric that is not a time: the difference's confidence interval, in `unit`, for this comparison "
                "alone."
            )
        ),
    ] = None
    detectable: Annotated[
        float | None,
        Meta(
            description=(
                "Of a metric that is not a time: the least difference that would be seen here four times in five, in "
                "`unit`."
            )
        ),
    ] = None
    delta_percent: Annotated[
        float | None, Meta(description="The difference in percent of the first target's figure.")
    ] = None
    p_value: Annotated[
        float | None,
        Meta(description="The p-value of a re-labelling of sessions; 0.5 is as if there were no difference."),
    ] = None
    p_adjusted: Annotated[
        float | None, Meta(description="The p-value, corrected for all the differences listed (Holm).")
    ] = None
    confidence: Annotated[float, Meta(description="The confidence of the interval.")] = 0.95
    n_a: Annotated[int, Meta(description="Steps (or sessions) behind the first figure.")] = 0
    n_b: Annotated[int, Meta(description="Steps (or sessions) behind the second figure.")] = 0
    n_failed_a: Annotated[int, Meta(description="How many of n_a failed.")] = 0
    n_failed_b: Annotated[int, Meta(description="How many of n_b failed.")] = 0
    sessions: Annotated[int, Meta(description="How many sessions they come from.")] = 0


class ComparedTarget(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One side of a comparison."""

    label: Annotated[str, Meta(description="Its letter.")]
    name: Annotated[str, Meta(description="The target's name.")]
    url: Annotated[str | None, Meta(description="The target's URL, without secrets.")] = None
    runs: Annotated[list[str], Meta(description="The run directories that are of it.")] = []
    steps: Annotated[int, Meta(description="Steps that were judged.")] = 0
    failed: Annotated[int, Meta(description="How many of them failed.")] = 0
    generator: Annotated[str | None, Meta(description="The generator's self-check over its runs.")] = None


class CompareVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Two targets side by side."""

    schema: Annotated[str, Meta(description="replay.verdict/1.")]
    command: Annotated[Literal["compare"], Meta(description="compare.")]
    verdict: Annotated[
        Comparison, Meta(description="Of `metric`, which was asked for, over all steps together.")
    ]
    mode: Annotated[Mode, Meta(description="How the runs were paired.")]
    metric: Annotated[str, Meta(description="The metric that the verdict is of.")]
    reasons: Annotated[list[str], Meta(description="Why, in sentences.")]
    targets: Annotated[list[ComparedTarget], Meta(description="The sides, the first one first.")]
    differences: Annotated[
        list[Difference], Meta(description="In which metrics, for which steps, they differ and by how much.")
    ]
    margin_percent: Annotated[
        float, Meta(description="Differences within so many percent count as equivalent.")
    ] = 5.0
    is_aa: Annotated[bool, Meta(description="Whether both sides are the same target.")] = False
    noise_floor_ms: Annotated[
        float | None,
        Meta(description="With is_aa: the least difference that would be seen between the two, in ms."),
    ] = None
    noise_floor_percent: Annotated[
        float | None,
        Meta(description="With is_aa: the same in percent of the first target's figure."),
    ] = None
    elapsed_s: Annotated[
        float | None, Meta(description="How long the runs took, in s; one after the other, their sum.")
    ] = None
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []
    answers: Annotated[
        AnswersVerdict | None, Meta(description="Whether both answer the same, where that was asked.")
    ] = None
    further: Annotated[
        "list[CompareVerdict]", Meta(description="The comparisons with a third target, a fourth, and so on.")
    ] = []
