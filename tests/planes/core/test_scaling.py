"""How many instances both policies want: Knative's vectors worked by hand, Cloud Run's targets."""

import pytest

from replay.planes.core.averages import SECOND_NS
from replay.planes.core.scaling import (
    RequestDrivenPolicy,
    WindowDrivenPolicy,
    boots_for_queue,
    ceiling,
    instances_for_load,
)
from replay.planes.core.scaling_types import RequestDriven, WindowDriven


def at(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def knative(concurrency: int = 10, **rules: float) -> WindowDrivenPolicy:
    return WindowDrivenPolicy(WindowDriven(**rules), concurrency)


# Request-driven.


@pytest.mark.parametrize(
    ("waiting", "concurrency", "booting", "boots"),
    [
        (0, 10, 0, 0),
        (1, 10, 0, 1),
        (10, 10, 0, 1),
        (11, 10, 0, 2),
        (11, 10, 2, 0),
        (5, 1, 2, 3),
        (500, 0, 0, 1),
    ],
)
def test_waiting_requests_ask_for_the_instances_that_hold_them_less_those_booting(
    waiting, concurrency, booting, boots
):
    assert boots_for_queue(waiting, concurrency, booting) == boots


def test_fifty_in_flight_at_concurrency_ten_are_nine_instances_at_sixty_percent():
    assert RequestDrivenPolicy(RequestDriven(), 10, 1.0).wanted([50.0, 50.0], [0.0, 0.0]) == 9


def test_the_larger_window_holds():
    policy = RequestDrivenPolicy(RequestDriven(), 10, 1.0)

    assert policy.wanted([0.0, 31.0], [0.0, 0.0]) == policy.wanted([31.0, 0.0], [0.0, 0.0]) == 6


def test_cpu_asks_for_instances_of_its_own():
    # Four and a half vCPUs of work on instances of one vCPU, each to be used at 60 %.
    assert RequestDrivenPolicy(RequestDriven(), 80, 1.0).wanted([1.0], [4500.0]) == 8


def test_a_load_that_fits_exactly_is_not_rounded_up_by_a_float():
    assert 1.8 / (0.6 * 3) > 1
    assert ceiling(1.8 / (0.6 * 3)) == 1
    assert instances_for_load([1.8], 3, 0.6) == 1


def test_no_window_wants_nothing():
    assert RequestDrivenPolicy(RequestDriven(windows_s=()), 10, 1.0).wanted([], []) == 0


# Window-driven: Knative's rules at concurrency 10, so a target of 7.


def test_from_zero_fifty_in_flight_panic_at_once():
    policy = knative()

    assert policy.target == pytest.approx(7.0)
    assert policy.wanted(at(2), 50.0, 50.0, ready=1) == 8
    assert policy.is_panicking


@pytest.mark.parametrize(("in_flight", "panics"), [(49.0, False), (50.0, True)])
def test_a_panic_begins_at_twice_what_is_ready(in_flight, panics):
    policy = knative()
    policy.wanted(at(2), in_flight, in_flight, ready=4)  # 7 or 8 wanted

    assert policy.is_panicking == panics


def test_a_panic_holds_its_number_until_a_stable_window_after_the_last_tick_over_the_threshold():
    policy = knative()
    policy.wanted(at(0), 50.0, 50.0, ready=1)

    held = [policy.wanted(at(t), 0.0, 0.0, ready=8) for t in range(2, 62, 2)]
    ready, steps = 8, []
    for t in range(62, 68, 2):
        ready = policy.wanted(at(t), 0.0, 0.0, ready)
        steps.append(ready)

    assert held == [8] * 30  # through 60 s: "more than" one stable window ends it
    assert steps == [4, 2, 1]


def test_the_memory_of_a_panic_holds_what_was_wanted_not_what_was_allowed():
    policy = knative()

    assert min(policy.wanted(at(0), 50.0, 50.0, ready=1), 5) == 5
    assert policy.wanted(at(2), 20.0, 20.0, ready=5) == 8


def test_unlimited_concurrency_aims_at_seventy():
    policy = knative(concurrency=0)

    assert policy.target == pytest.approx(70.0)
    assert policy.wanted(at(0), 300.0, 300.0, ready=5) == 5


def test_one_tick_asks_for_at_most_a_thousand_times_what_is_ready():
    assert knative(concurrency=1).wanted(at(0), 5000.0, 5000.0, ready=1) == 1000


@pytest.mark.parametrize(("ready", "left"), [(8, -181), (26, -1), (27, 9)])
def test_excess_burst_capacity_at_fifty_in_flight(ready, left):
    assert knative().excess_burst_capacity(ready, 50.0) == left


def test_excess_burst_capacity_has_two_fixed_settings():
    assert knative(target_burst_capacity=-1).excess_burst_capacity(8, 50.0) == -1  # always in the path
    assert knative(target_burst_capacity=0).excess_burst_capacity(8, 50.0) == 0  # never


def test_zero_needs_a_stable_window_of_activity_before_it():
    policy = knative()
    assert policy.woken(at(0)) == 1

    wanted = [policy.wanted(at(t), 0.0, 0.0, ready=1) for t in range(2, 62, 2)]

    assert wanted == [1] * 29 + [0]


def test_without_the_activator_in_the_path_zero_waits_for_the_grace():
    policy = knative(target_burst_capacity=0)
    policy.woken(at(0))

    wanted = {t: policy.wanted(at(t), 0.0, 0.0, ready=1) for t in range(2, 94, 2)}

    assert wanted[88] == 1
    assert wanted[90] == 0  # inactive since 60 s, and 30 s of grace


def test_zero_waits_no_longer_than_until_the_activator_was_in_the_path_for_the_grace():
    policy = knative(target_burst_capacity=11)
    policy.woken(at(0))

    # Two instances have burst capacity to spare; one has not, so the activator is in the path from 40 s on.
    wanted = {t: policy.wanted(at(t), 0.0, 0.0, ready=2 if t < 40 else 1) for t in range(2, 94, 2)}

    assert wanted[68] == 1
    assert wanted[70] == 0


def test_the_last_instance_is_retained_as_long_as_asked():
    policy = knative(last_instance_retention_s=120)
    policy.woken(at(0))

    wanted = {t: policy.wanted(at(t), 0.0, 0.0, ready=1) for t in range(2, 184, 2)}

    assert wanted[178] == 1
    assert wanted[180] == 0


def test_a_scale_down_delay_keeps_the_largest_number_of_its_window():
    policy = knative(scale_down_delay_s=10)
    policy.wanted(at(0), 49.0, 49.0, ready=7)

    wanted = [policy.wanted(at(t), 28.0, 28.0, ready=7) for t in (2, 6, 10, 12)]

    assert wanted == [7, 7, 7, 4]


def test_activation_scale_is_the_least_of_anything_above_zero():
    policy = knative(activation_scale=3)

    assert policy.woken(at(0)) == 3
    assert policy.wanted(at(2), 1.0, 1.0, ready=3) == 3
    assert policy.wanted(at(4), 1.0, 50.0, ready=3) == 8  # a panic that wants more gets more


def test_an_own_target_is_capped_by_the_concurrency():
    assert knative(target_concurrency=50).target == pytest.approx(7.0)
    assert knative(target_concurrency=5).target == pytest.approx(3.5)
