"""The steps that both sides tried are found by what they are, in whatever order they ended."""

import msgspec
import numpy as np
import pytest

from replay.judge.comparison.both_tried import in_common
from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Side
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.support.runs import step, summary

STEPS = [(session, n) for session in ("s", "t", "u") for n in range(4)]


def run_of(steps, failed=(), planned=12, sha256="t"):
    records = [
        step(session, 10.0, n, **({"outcome": "failed", "status": 503} if (session, n) in failed else {}))
        for session, n in steps
    ]
    facts = summary(sha256=sha256)
    counts = msgspec.structs.replace(facts.counts, steps=planned)
    return Evidence(msgspec.structs.replace(facts, counts=counts), columns_of([records]), "run")


def both_of(a, b, metric="p50", mode="paired"):
    return in_common(Side("a", [a]), Side("b", [b]), mode).of(Metric(metric))


def tried(side):
    columns = side.runs[0].columns
    return [(columns.sessions[code], int(n)) for code, n in zip(columns.session, columns.step, strict=True)]


@pytest.mark.parametrize("metric", ["p50", "mean"])
@pytest.mark.parametrize("planned", [len(STEPS), 100])
def test_the_same_steps_in_another_order_are_the_same(rng, metric, planned):
    run = run_of(STEPS, planned=planned)
    other = run_of([STEPS[at] for at in rng.permutation(len(STEPS))], planned=planned)

    assert both_of(run, other, metric) is None


@pytest.mark.parametrize("planned", [len(STEPS) - 2, 100])
def test_as_many_steps_that_are_others_are_not_the_same(planned):
    """Also where each side tried as many as were planned, of other sessions or of another trace."""
    a = run_of(STEPS[:-2], planned=planned)
    b = run_of(STEPS[2:][::-1], planned=planned, sha256="other")

    both = both_of(a, b)

    assert (both.only_a, both.only_b) == (2, 2)
    assert tried(both.a) == STEPS[2:-2]
    assert tried(both.b) == STEPS[2:-2][::-1]


def test_all_that_was_planned_of_other_sessions_is_not_the_same():
    a, b = (run_of([*STEPS, (last, 0)], planned=len(STEPS) + 1) for last in ("x", "y"))

    both = both_of(a, b)

    assert (both.only_a, both.only_b) == (1, 1)
    assert tried(both.a) == tried(both.b) == STEPS


def test_a_mean_is_of_the_steps_that_both_answered():
    a, b = run_of(STEPS, failed=STEPS[:1]), run_of(STEPS[:-1], failed=STEPS[1:2])

    assert tried(both_of(a, b, "mean").a) == tried(both_of(a, b, "mean").b) == STEPS[2:-1]
    assert tried(both_of(a, b).a) == tried(both_of(a, b).b) == STEPS[:-1]


def test_the_same_failures_on_both_sides_leave_a_mean_of_the_same_answers():
    a, b = run_of(STEPS, failed=STEPS[:3]), run_of(STEPS[::-1], failed=STEPS[:3])

    assert both_of(a, b, "mean") is None


def test_runs_with_little_in_common_are_of_other_sessions_unless_they_replayed_one_trace_together():
    """Of a target that was asked for a third of the steps, the quick ones, it was said that it is faster."""
    a, b = run_of(STEPS[:8]), run_of(STEPS[5:])

    assert both_of(a, b, mode="unpaired") is None
    for mode in ("paired", "sequential"):
        assert tried(both_of(a, b, mode=mode).a) == STEPS[5:8]
    assert both_of(run_of(STEPS[:5]), run_of(STEPS[5:])) is None


def test_a_step_that_both_name_alike_in_other_sessions_is_another():
    a, b = run_of([("s-1", n) for n in range(9)] + [("s-2", 0)]), run_of([("s-1", n) for n in range(10)])

    both = both_of(a, b)

    assert (both.only_a, both.only_b) == (1, 1)
    assert np.array_equal(both.a.runs[0].columns.step, [str(n) for n in range(9)])


def test_sides_that_were_dealt_sessions_of_their_own_have_no_step_in_common():
    assert both_of(run_of(STEPS), run_of(STEPS[1:]), mode="interleaved") is None
    assert both_of(run_of(STEPS), run_of(STEPS[1:])).only_a == 1
