"""A target that answers with nothing is not called faster for it, nor as fast."""

import numpy as np
import pytest

from replay.judge.comparison.likeness import answered_less
from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Side
from replay.judge.comparison.sides import judge_compare
from replay.results.columns import columns_of
from tests.support.runs import Evidence, step, summary

SESSIONS, STEPS = 100, 4


def side(name, ms, seed=1, **odd):
    """Times around ms. odd: share, and what the steps of that share were answered with; of names alone, if named."""
    rng = np.random.default_rng(seed)
    share, names = odd.pop("share", 0.0), odd.pop("names", None)
    records = []
    for session in range(SESSIONS):
        for n in range(STEPS):
            called = ("search", "fetch")[n % 2]
            fields = {"status": 200, "response_bytes": 40}
            if rng.random() < share and (names is None or called in names):
                fields |= odd
            took_ms = ms * float(np.exp(rng.normal(0, 0.1)))
            records.append(
                step(f"s-{session}", took_ms, n, at_ms=session * 100.0 + n * 20, name=called, **fields)
            )
    return Side(name, [Evidence(summary(), columns_of([records]), name)])


NOTHING = {"status": 204, "response_bytes": 0}
ELSEWHERE = {"status": 302, "response_bytes": 40}


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"share": 1.0, **NOTHING}, "400 of 400 answers of b had no body, and 0 of 400 of a to the same steps"),
        ({"share": 1.0, "names": ["fetch"], **NOTHING}, "200 of 200 answers of b had no body, and 0 of 200"),
        ({"share": 0.3, **ELSEWHERE}, "answers of b were redirects (3xx), and 0 of 400 of a to the same steps"),
        ({"share": 1.0, "response_bytes": 0}, "400 of 400 answers of b had no body"),
    ],
)
def test_who_answers_with_nothing_is_not_faster_for_it(odd, said):
    verdict = judge_compare(side("a", 30), side("b", 10, 2, **odd), "paired", Metric("p50"))

    assert verdict.verdict == "inconclusive"
    assert verdict.reasons[0].startswith("the figures say that b is faster, but ")
    assert said in verdict.reasons[0]
    assert verdict.reasons[0].endswith(": the two need not do the same work")


def test_nor_as_fast():
    verdict = judge_compare(side("a", 30), side("b", 30, 2, share=1.0, **NOTHING), "paired", Metric("p50"))

    assert verdict.verdict == "inconclusive"
    assert "there is no difference, but 400 of 400 answers of b had no body" in verdict.reasons[0]


def test_who_is_slower_all_the_same_stays_slower_and_the_reader_is_told():
    verdict = judge_compare(side("a", 10), side("b", 30, 2, share=1.0, **NOTHING), "paired", Metric("p50"))

    assert verdict.verdict == "a_faster"
    assert any("400 of 400 answers of b had no body" in note for note in verdict.notes)


def test_whoever_takes_it_as_it_is_gets_the_verdict():
    a, b = side("a", 30), side("b", 10, 2, share=1.0, **NOTHING)

    assert judge_compare(a, b, "paired", Metric("p50"), least_fidelity=0.0).verdict == "b_faster"


@pytest.mark.parametrize(
    ("of_a", "of_b"),
    [
        ({"share": 1.0, **NOTHING}, {"share": 1.0, **NOTHING}),
        ({"share": 1.0, **NOTHING}, {"share": 1.0, "response_bytes": 0}),
        ({"share": 0.3, **NOTHING}, {"share": 0.33, **NOTHING}),
        ({}, {"share": 0.01, **NOTHING}),
        ({}, {"share": 1.0, "status": 201}),
        ({}, {"share": 1.0, "status": 304, "response_bytes": 0}),
    ],
)
def test_those_who_answer_alike_or_nearly_are_not_doubted(of_a, of_b):
    assert answered_less(side("a", 30, **of_a), side("b", 30, 2, **of_b)) is None


def test_sessions_dealt_to_either_side_at_random_are_seldom_told_apart():
    told = [
        answered_less(
            side("a", 30, seed, share=0.4, **NOTHING), side("b", 30, 1000 + seed, share=0.4, **NOTHING)
        )
        for seed in range(60)
    ]

    assert told == [None] * 60
