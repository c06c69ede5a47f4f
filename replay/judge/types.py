"""What judges say: intervals, checks of SLOs, differences between targets, and the verdicts made of them.

These are the fields of verdict.json, schema replay.verdict/1. Times are milliseconds where the name says so;
`observed`, `limit` and `ci` are in `unit` for metrics that are no times. Absent is None.
"""

from typing import Literal, NamedTuple

import msgspec

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
    """One SLO judged. series: the measure (response, service, ...), with the steps it was narrowed to.

    n: steps (or sessions) behind it; sessions: how many they come from; n_effective: as many independent values
    would tell as much. n_needed: the least n that could decide, where n was too few. needed_s: how long the run
    would have to be for it, at its rate. decided_early: by an anytime-valid test, while the run went on.
    n_failed: how many of n failed, and so are infinitely slow here; a figure among them is infinite, and null in
    the file. errors: failures that the figure is made of, or falls among, by class.
    """

    slo: str
    metric: str
    series: str
    verdict: Decision
    reason: str
    unit: Unit = "ms"
    observed_ms: float | None = None
    limit_ms: float | None = None
    ci_ms: tuple[float | None, float | None] | None = None
    observed: float | None = None
    limit: float | None = None
    ci: tuple[float | None, float | None] | None = None
    confidence: float = 0.95
    n: int = 0
    n_failed: int = 0
    sessions: int = 0
    n_effective: float | None = None
    n_needed: int | None = None
    needed_s: float | None = None
    decided_early: bool = False
    errors: dict[str, int] = {}


class GateVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """All SLOs of one run: fail if one fails, else inconclusive if one is, else pass."""

    schema: str
    command: Literal["gate"]
    verdict: Decision
    reasons: list[str]
    checks: list[Check]
    target: str | None = None
    trace: str | None = None
    run: str | None = None
    baselines: list[str] = []
    notes: list[str] = []


class Difference(msgspec.Struct, omit_defaults=True, kw_only=True):
    """How two targets differ in one metric of one series. Differences are b minus a: positive means that b has more.

    name: the step name, None for all steps. ci_ms: of the difference, at `confidence`, for this comparison alone.
    p_value: of a re-labelling of sessions (0.5 is as if there were no difference); p_adjusted: corrected for all the
    differences listed (Holm). detectable_ms: the least difference that would be seen here four times in five. For
    metrics that are no times the fields without _ms hold, in `unit`. A figure or a bound that falls among failures is
    infinite, and null in the file.
    """

    metric: str
    series: str
    name: str | None
    kind: str | None = None
    verdict: Comparison
    reason: str
    unit: Unit = "ms"
    a_ms: float | None = None
    b_ms: float | None = None
    delta_ms: float | None = None
    ci_ms: tuple[float | None, float | None] | None = None
    detectable_ms: float | None = None
    a: float | None = None
    b: float | None = None
    delta: float | None = None
    ci: tuple[float, float] | None = None
    detectable: float | None = None
    delta_percent: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    confidence: float = 0.95
    n_a: int = 0
    n_b: int = 0
    n_failed_a: int = 0
    n_failed_b: int = 0
    sessions: int = 0


class ComparedTarget(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One side of a comparison. label: its letter."""

    label: str
    name: str
    url: str | None = None
    runs: list[str] = []
    steps: int = 0
    failed: int = 0
    generator: str | None = None


class CompareVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Two targets side by side. verdict: of `metric`, the one that was asked for, all steps together.

    answers: whether both answer the same, where that was asked.
    """

    schema: str
    command: Literal["compare"]
    verdict: Comparison
    mode: Mode
    metric: str
    reasons: list[str]
    targets: list[ComparedTarget]
    differences: list[Difference]
    margin_percent: float = 5.0
    is_aa: bool = False
    noise_floor_ms: float | None = None
    noise_floor_percent: float | None = None
    notes: list[str] = []
    answers: AnswersVerdict | None = None
    further: "list[CompareVerdict]" = []
