"""Who is faster: the verdict of each comparison, corrected for how many there are, and never for who fails more."""

from collections.abc import Sequence
from math import isinf
from typing import NamedTuple

from replay.judge.comparison.difference import MARGIN_PERCENT
from replay.judge.comparison.found import difference_of
from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Pair
from replay.judge.types import (
    Difference,
)
from replay.results.selector import Selector
from replay.words.numbers import milliseconds, percent

_MOST_FIGURES = 6


def confidence_of_each(confidence: float, comparisons: int) -> float:
    """What each of several comparisons with the same side needs, so that all of their verdicts hold together.

    Bonferroni's correction (Dunn 1961), for equalities as for differences. Dunnett's, which uses that they share a
    side, is narrower by little (at three and 95%: 2.35 in place of 2.39 standard errors) and wants normal errors.
    """
    return 1 - (1 - confidence) / max(comparisons, 1)


class Failing(NamedTuple):
    """Who fails more than the other, and how much, as a share of 0..1."""

    label: str | None
    a: float
    b: float

    def __str__(self) -> str:
        more, less = (self.a, self.b) if self.label == "a" else (self.b, self.a)
        return f"{self.label} fails more ({percent(more)} of its steps against {percent(less)})"


def failing_more(pair: Pair, confidence: float) -> Failing:
    """By the test of the difference at alpha, or by more than matters of any difference."""
    a, b = pair.alone(Metric("errors"), Selector())
    if not a.n or not b.n or not (a.values.any() or b.values.any()):
        return Failing(None, 0.0, 0.0)
    found = difference_of(pair, Metric("errors"), Selector(), confidence)
    is_more = found.p_value < 1 - confidence or abs(found.delta) > MARGIN_PERCENT / 1000
    label = None if not is_more or not found.delta else "b" if found.delta > 0 else "a"
    return Failing(label, found.a, found.b)


def decide(difference: Difference, failing: Failing, confidence: float) -> None:
    """The verdict of a comparison that is not settled yet, by its adjusted p-value."""
    p_value = difference.p_adjusted
    if difference.verdict != "inconclusive" or p_value is None:
        return
    is_time = difference.unit == "ms"
    delta = difference.delta_ms if is_time else difference.delta
    if p_value >= 1 - confidence or not delta or _holds_zero(difference):
        unsure = difference.reason and f": {difference.reason}"
        difference.reason = f"neither a difference nor its absence can be shown{unsure}"
        return
    worse, better = ("b", "a") if delta > 0 else ("a", "b")
    if is_time and failing.label == better:
        difference.reason = (
            f"{better} is quicker where it answers, but {failing}, and nothing that fails is fast"
        )
        return
    difference.verdict = f"{better}_faster"  # type: ignore[assignment]
    if is_time and isinf(delta):
        share = failing.b if worse == "b" else failing.a
        figure = f"its {difference.metric.replace('_', '.')} falls among them"
        difference.reason = f"{worse} fails: {percent(share)} of its steps failed, and {figure}"
        return
    more = {"errors": "fails more often", "cold": "is cold more often"}.get(difference.metric, "takes longer")
    difference.reason = f"{worse} {more}"
    if is_time and failing.label == worse and difference.metric != "mean":
        difference.reason += f", and {failing}, each of which counts as infinitely slow"


def shown_by_others(main: Difference, others: Sequence[Difference]) -> list[str]:
    """What the verdict does not say and other figures of the same times show, of all steps or of those of one name."""
    said = []
    for verdict, slower in (("a_faster", "b"), ("b_faster", "a")):
        if main.verdict == verdict:
            continue
        figures = [
            _named(other) for other in others if other.series == main.series and other.verdict == verdict
        ]
        if figures:
            *most, last = figures[:_MOST_FIGURES]
            listed = f"{', '.join(most)} and {last}" if most else last
            said.append(f"{slower} takes longer all the same, by {listed} of the {main.series} times")
    return said


def _named(difference: Difference) -> str:
    """A figure; of the steps of one name with its values, since no row shows them at a glance."""
    figure = difference.metric.replace("_", ".")
    if difference.name is None:
        return figure
    known = [difference.a_ms, difference.b_ms]
    a, b = ("∞" if ms is None or isinf(ms) else milliseconds(ms) for ms in known)
    return f"the {figure} of {difference.kind}:{difference.name} ({a} against {b})"


def _holds_zero(difference: Difference) -> bool:
    """Whether the interval shown beside a difference has none in it."""
    shown = difference.ci_ms if difference.unit == "ms" else difference.ci
    if shown is None:
        return True
    low, high = shown
    return (low is None or low <= 0) and (high is None or high >= 0)


def correct_together(differences: Sequence[Difference]) -> None:
    """Holm (1979), in place: step down from the smallest p-value."""
    tested = sorted((d for d in differences if d.p_value is not None), key=lambda d: d.p_value or 0.0)
    least = 0.0
    for rank, difference in enumerate(tested):
        least = max(least, min(1.0, (len(tested) - rank) * (difference.p_value or 0.0)))
        difference.p_adjusted = round(least, 6)
