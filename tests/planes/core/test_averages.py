"""Windowed means of a level: exact over whole seconds, quick while history is young, right after long silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.planes.core.averages import SECOND_NS, Averages
from tests.planes.core.eager_averages import EagerAverages


def at(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def test_two_requests_of_half_a_second_in_one_second_are_one_on_average():
    load = Averages([1])
    load.set_level(2, at(0.25))
    load.set_level(0, at(0.75))

    assert load.means(at(1)) == [1.0]


def test_each_window_has_its_own_mean():
    load = Averages([60, 6])
    load.set_level(10, at(0))
    load.set_level(0, at(60))

    assert load.means(at(63)) == [pytest.approx(9.5), pytest.approx(5.0)]


def test_young_history_is_divided_by_its_own_seconds():
    load = Averages([60, 6])
    load.set_level(50, at(0))

    assert load.means(at(2)) == [50.0, 50.0]


def test_within_the_first_second_the_mean_is_over_what_there_is():
    load = Averages([60])
    load.set_level(4, at(0))
    load.set_level(0, at(0.25))

    assert load.means(at(0.5)) == [2.0]
    late = Averages([60], at(100))
    late.set_level(4, at(100))
    late.set_level(0, at(100.25))
    assert late.means(at(100.5)) == [2.0]
    assert Averages([60]).means(0) == [0.0]


def test_a_restart_after_silence_makes_history_young_again():
    load = Averages([60])
    load.set_level(8, at(0))
    load.set_level(0, at(10))
    load.restart(at(3600))
    load.set_level(8, at(3600))

    assert load.means(at(3601)) == [8.0]


def test_a_restart_does_not_forget_load_that_is_still_in_a_window():
    load = Averages([60])
    load.set_level(6, at(0))
    load.set_level(0, at(30))
    load.restart(at(60))

    assert load.means(at(60)) == [3.0]


def test_no_window_has_no_mean():
    load = Averages([])
    load.set_level(3, at(5))

    assert load.means(at(10)) == []


@given(
    st.lists(st.tuples(st.integers(0, 30_000_000_000), st.integers(0, 1000)), min_size=1, max_size=20),
    st.integers(0, 90),
)
def test_a_mean_is_the_integral_over_the_window_whatever_the_changes(changes, later_s):
    load = Averages([20, 3])
    now_ns, levels = 0, [(0, 0)]
    for gap_ns, level in changes:
        now_ns += gap_ns
        load.set_level(level, now_ns)
        levels.append((now_ns, level))
    end_ns = (now_ns // SECOND_NS + 1 + later_s) * SECOND_NS

    means = load.means(end_ns)

    for window_s, mean in zip((20, 3), means, strict=True):
        begin_ns = max(0, end_ns - window_s * SECOND_NS)
        area = 0
        for (from_ns, level), (to_ns, _) in zip(levels, [*levels[1:], (end_ns, 0)], strict=True):
            area += level * max(0, min(to_ns, end_ns) - max(from_ns, begin_ns))
        assert mean == pytest.approx(area / (end_ns - begin_ns))


@given(
    st.integers(0, 5_000_000_000),
    st.lists(
        st.tuples(
            st.sampled_from(["level", "means", "restart"]),
            st.one_of(st.integers(0, 3_000_000_000), st.integers(0, 400).map(lambda s: s * SECOND_NS)),
            st.integers(0, 5),
        ),
        max_size=60,
    ),
    st.sampled_from([(60, 600), (20, 3), (1,), (6, 60, 6), ()]),
)
def test_means_are_those_of_a_bucket_a_second(start_ns, events, windows_s):
    """The old definition: every second is closed on its own, and each window is the sum of its seconds."""
    lazy, eager = Averages(windows_s, start_ns), EagerAverages(windows_s, start_ns)
    now_ns = start_ns
    for what, gap_ns, level in events:
        now_ns += gap_ns
        if what == "level":
            lazy.set_level(level, now_ns)
            eager.set_level(level, now_ns)
        elif what == "restart":
            lazy.restart(now_ns)
            eager.restart(now_ns)
        else:
            assert lazy.means(now_ns) == eager.means(now_ns)
    assert lazy.means(now_ns) == eager.means(now_ns)


@given(
    start_ns=st.integers(0, at(3)),
    events=st.lists(st.tuples(st.integers(0, at(4)), st.integers(0, 5)), min_size=1, max_size=12),
    windows_s=st.sampled_from([(), (3,), (2, 9)]),
    last_ns=st.integers(0, at(12)),
)
def test_a_level_that_stays_keeps_its_means_between_their_bounds(start_ns, events, windows_s, last_ns):
    load, now_ns = Averages(windows_s, start_ns), start_ns
    for later_ns, level in events:
        now_ns += later_ns
        load.set_level(level, now_ns)
    now_ns += last_ns
    bounds = load.bounds(now_ns)

    for _ in range(16):
        assert bounds is None or all(bounds[0] <= mean <= bounds[1] for mean in load.means(now_ns))
        now_ns += at(0.8)


def test_a_level_that_has_filled_every_window_is_both_bounds():
    load = Averages([60, 6])
    load.set_level(9, at(0))
    load.set_level(4, at(100))

    assert load.bounds(at(130)) == (4.0, 9.0)
    assert load.bounds(at(160)) == (4.0, 4.0)


def test_bounds_of_a_level_that_changed_often_are_not_looked_for():
    load = Averages([600])
    for second in range(300):
        load.set_level(second % 7, at(second))

    assert load.bounds(at(300)) is None
    assert load.bounds(at(900)) == (5.0, 5.0)


def test_a_long_run_forgets_what_no_window_needs():
    load = Averages([60])
    for n in range(100_000):
        load.set_level(n % 7, n * SECOND_NS // 2)
        load.means(n * SECOND_NS // 2)

    assert len(load._marks) < 1000


@given(
    changes=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=12),
    later_s=st.integers(1, 30),
)
def test_until_the_level_changes_no_mean_goes_further_in_a_second_than_is_told(changes, later_s):
    load, now_s = Averages([3, 20]), 0
    for passed_s, level in changes:
        now_s += passed_s
        load.set_level(level, at(now_s))
    now_s += 1
    bounds = load.bounds(at(now_s))
    assert bounds is not None
    drifts, means = load.drifts(bounds, at(now_s)), load.means(at(now_s))
    assert drifts is not None

    later = load.means(at(now_s + later_s))

    for mean, drift, then in zip(means, drifts, later, strict=True):
        assert mean - later_s * drift.fall - 1e-9 <= then <= mean + later_s * drift.rise + 1e-9
