"""The figures beside the one that was asked for: each is judged, all are corrected together, and none is said to differ
for steps that one side tried alone. Pure.
"""

from collections.abc import Sequence

from replay.judge.comparison.asked import further_questions
from replay.judge.comparison.both_tried import InCommon
from replay.judge.comparison.deciding import Failing, correct_together, decide, failing_more
from replay.judge.comparison.difference import compared
from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Pair
from replay.judge.types import Difference, Mode
from replay.results.selector import Selector

_Question = tuple[Metric, Selector]


def other_differences(
    pair: Pair,
    common: InCommon,
    mode: Mode,
    main: Metric,
    failing: Failing,
    margin_percent: float,
    confidence: float,
) -> list[Difference]:
    """Those that both sides have. What does not hold of the steps that both tried, or answered, is left open."""
    questions = further_questions(pair, main, confidence)
    others = _judged(pair, questions, failing, margin_percent, confidence)
    for both in (common.tried, common.answered):
        if both is None:
            continue
        asked = [(metric, selector) for metric, selector in questions if common.of(metric) is both]
        pair_of_both = Pair(both.a, both.b, mode)
        failing_of_both = failing_more(pair_of_both, confidence)
        held = _judged(pair_of_both, asked, failing_of_both, margin_percent, confidence)
        for question in asked:
            difference = others.get(question)
            again = held.get(question)
            if difference is None or difference.verdict == "inconclusive":
                continue
            if again is None or again.verdict != difference.verdict:
                difference.verdict = "inconclusive"
                difference.reason = f"it does not hold of the steps that both tried: {both}"
    return list(others.values())


def _judged(
    pair: Pair, questions: Sequence[_Question], failing: Failing, margin_percent: float, confidence: float
) -> dict[_Question, Difference]:
    found = {
        (metric, selector): compared(pair, metric, selector, margin_percent, confidence)
        for metric, selector in questions
    }
    found = {
        question: difference for question, difference in found.items() if difference.n_a and difference.n_b
    }
    correct_together(list(found.values()))
    for difference in found.values():
        decide(difference, failing, confidence)
    return found
