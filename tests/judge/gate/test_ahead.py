"""What the plan of a run says of the part that is still to come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.gate.ahead import Load, Plan, Planning, Tally, size_class
from replay.judge.gate.drifting import drifted
from replay.judge.measures.slo import parse_slo
from replay.judge.statistics.sample import Sample

NO_LOAD = Load({})
_NS = 1_000_000_000


def test_a_sort_that_was_never_seen_may_be_all_hits():
    plan = Plan(1, {"quick": 700, "late": 300}, NO_LOAD)

    assert plan.more_hits({"quick": Tally(500, 0)}, 0) == pytest.approx(0.3)


def test_of_a_sort_that_comes_more_often_later_as_many_are_hits_as_were():
    plan = Plan(1, {"quick": 500, "slow": 500}, NO_LOAD)

    # 450 of the 800 that are left are slow, where 200 would be if it went on as it was.
    more = plan.more_hits({"quick": Tally(150, 0), "slow": Tally(50, 49)}, 0)

    assert more == pytest.approx(250 * 50 / 51 / 1000)


def test_hits_of_a_sort_that_comes_no_more_go_with_it():
    plan = Plan(1, {"quick": 900, "slow": 100}, NO_LOAD)

    assert plan.fewer_hits({"slow": Tally(100, 100)}, 0) == pytest.approx(0.9)


def test_what_goes_on_as_it_was_changes_nothing():
    plan = Plan(1, {"a": 600, "b": 400}, Load(dict.fromkeys(range(100), 10)))
    seen = {"a": Tally(150, 3), "b": Tally(100, 9)}

    assert plan.more_hits(seen, 25 * _NS) == plan.fewer_hits(seen, 25 * _NS) == 0.0


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 500), min_size=1),
    st.data(),
)
def test_however_the_sorts_come_the_shares_stay_shares(sorts, data):
    seen = {}
    for sort, n in sorts.items():
        steps = data.draw(st.integers(0, n))
        if steps:
            seen[sort] = Tally(steps, data.draw(st.integers(0, steps)))
    plan = Plan(1, sorts, NO_LOAD)

    assert 0.0 <= plan.more_hits(seen, 0) <= 1.0
    assert 0.0 <= plan.fewer_hits(seen, 0) <= 1.0


def test_steps_in_a_burst_that_is_still_to_come_are_of_another_load():
    load = Load({**dict.fromkeys(range(90), 10), **dict.fromkeys(range(90, 100), 100)})

    assert load.heavier(50 * _NS) == pytest.approx(1000 / 1900)
    assert load.heavier(99 * _NS) == 0.0
    assert load.lighter(50 * _NS) == 0.0


def test_steps_in_the_calm_after_a_burst_are_of_another_load():
    load = Load({**dict.fromkeys(range(10), 100), **dict.fromkeys(range(10, 100), 10)})

    assert load.lighter(10 * _NS) == pytest.approx(900 / 1900)


def test_seconds_that_differ_by_chance_are_of_one_load(rng):
    load = Load(dict(enumerate(rng.poisson(5, 1000).tolist())))

    assert load.heavier(100 * _NS) < 0.01
    assert load.lighter(100 * _NS) < 0.01


def test_before_a_second_was_seen_any_load_is_another():
    load = Load(dict.fromkeys(range(10), 5))

    assert load.heavier(0) == load.lighter(0) == 1.0


def test_a_plan_counts_what_its_slo_is_of():
    tools, spans = parse_slo("p99(response, tool) < 1s"), parse_slo("p90(makespan) < 1s")
    planning = Planning([tools, spans])

    planning.add([("tool", "a"), ("tool", "a"), ("llm", "b")], [0, _NS, 5 * _NS])
    planning.add([("tool", "c")], [_NS])
    planning.add([("llm", "b")], [_NS])

    (_, of_tools), (_, of_spans) = planning.plans()
    assert (of_tools.most, of_tools.sorts, of_tools.steps) == (2, {("tool", "a"): 2, ("tool", "c"): 1}, 3)
    assert (of_spans.most, of_spans.sorts) == (1, {size_class(3): 1, size_class(1): 2})
    assert of_tools.load.heavier(0) == 1.0
    assert planning.sessions == 3


def sample(values, series=None):
    n = len(values)
    return Sample(np.asarray(values, float), np.arange(n, dtype=np.int32), np.arange(n), series)


def test_times_that_grow_are_taken_to_grow_on(rng):
    n, part = 1_000, 0.25
    least, most = drifted(sample(np.exp(rng.normal(0, 0.2, n) + np.linspace(0, 0.3, n))), part)

    # From the middle of the first quarter to that of the other three lie two quarters.
    assert 1.0 == least < np.exp(2 * 0.3) < most < np.exp(2 * 0.5)


def test_a_drift_lies_within_its_bounds_as_often_as_is_said(rng):
    found = [drifted(sample(np.exp(rng.normal(0, 0.5, 400))), 0.25) for _ in range(200)]

    assert sum(least == 1.0 for least, _ in found) <= 200 * 0.05 + 4 * (200 * 0.05) ** 0.5
    assert sum(most == 1.0 for _, most in found) <= 200 * 0.05 + 4 * (200 * 0.05) ** 0.5


def test_that_slow_kinds_of_steps_come_later_is_no_drift(rng):
    series = np.repeat([0, 1], 300).astype(np.int32)
    values = np.where(series, 100.0, 1.0) * np.exp(rng.normal(0, 0.1, 600))

    least, most = drifted(sample(values, series), 0.5)

    assert 0.9 < least <= 1.0 <= most < 1.1


@given(st.lists(st.one_of(st.floats(0, 1e9), st.just(float("inf"))), max_size=40), st.floats(0, 1))
def test_bounds_of_a_drift_are_finite_whatever_was_seen(values, part):
    least, most = drifted(sample(values), part)

    assert 0.0 < least <= 1.0 <= most < float("inf")
