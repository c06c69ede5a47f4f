"""Which steps are peeled off first, and what that is estimated to cost, by hand."""

from math import inf
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.choice.types import StepClass
from replay.money.calendar_file import named_calendar
from replay.planes.core.scaling_types import GroupDriven
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from replay.simulation.simulation import simulated_plane
from replay.trials.pilot.pricing.levels import Measured
from replay.trials.pilot.pricing.month import in_month
from replay.trials.pilot.pricing.peeling import Ground, one_machine_month, peeled
from replay.trials.pilot.pricing.schedule import Schedule
from replay.trials.prices import price_table
from tests.support.priced import (
    DAYTIME,
    E2_MEDIUM,
    MACHINE,
    SERVERLESS,
    a_shape,
    in_calendar,
)
from tests.support.runs import step, summary
from tests.trials.pilot.cases import machines

STREAM, CHECK, RARE = (
    StepClass(kind="tool", name=name, steps=1, busy_share=busy)
    for name, busy in (("stream", 0.6), ("check", 0.3), ("rare", 0.1))
)


def a_ground(streams: int = 1, **changed: Any) -> Ground:
    """A hundred seconds of streams that are always open, each on an instance of its own; a check of half a second in each
    second on another; and one rare call on a third.
    """
    steps = [step(f"s-{n}", 100_000, name="stream", at_ms=0, instance=f"i-s{n}") for n in range(streams)]
    steps += [step(f"c-{n}", 500, name="check", at_ms=1000 * n, instance="i-c") for n in range(100)]
    steps += [step("r", 500, name="rare", at_ms=10_000, instance="i-r")]
    run = Evidence(summary(elapsed_s=100.0), columns_of([steps]), "run")
    vm = simulated_plane(machines(concurrency=8))
    fields = {
        "serverless": SERVERLESS,
        "serverless_table": price_table("cloud-run-us-central1"),
        "machines": MACHINE,
        "machine_table": price_table("gce-e2-us-central1"),
        "plane": vm,
        "scales": False,
        "schedule": Schedule(1),
        "most": None,
        "offered": inf,
        "measured": Measured(run, 0.0, is_simulated=True),
        "shape": a_shape(),
    }
    return Ground(**(fields | changed))


def test_steps_are_peeled_off_in_the_order_of_money_saved():
    first, second = peeled(a_ground(), [], [RARE, CHECK, STREAM])

    # The stream keeps an instance active all month; 50.5 s of a hundred are left. Then the rare call, which is free.
    active_s, requests = 0.505 * 2_628_000, 1.01 * 2_628_000
    left = (
        (active_s - 180_000) * 0.000024
        + (2 * active_s - 360_000) * 0.0000025
        + (requests - 2_000_000) * 0.0000004
    )
    assert ([one.name for one in first.steps], first.machines) == (["stream"], 1)
    assert first.month == pytest.approx(E2_MEDIUM + left, abs=1e-3)
    assert ([one.name for one in second.steps], second.machines) == (["stream", "check"], 1)
    assert second.month == pytest.approx(E2_MEDIUM, abs=1e-3)


def test_what_machines_alone_can_run_is_in_every_split():
    found = peeled(a_ground(), [RARE], [CHECK, STREAM])

    assert [[one.name for one in split.steps] for split in found] == [["rare"], ["rare", "stream"]]


def test_machines_are_as_many_as_the_steps_fill_with_headroom():
    # Seven streams and thirty percent are 9.1 places, by eights.
    assert [split.machines for split in peeled(a_ground(7), [STREAM], [])] == [2]
    # Where one is known to carry everything, it carries a part.
    assert [split.machines for split in peeled(a_ground(7, most=1), [STREAM], [])] == [1]


def test_no_split_takes_more_machines_than_are_offered():
    assert peeled(a_ground(7, offered=1), [STREAM], [CHECK]) == []
    assert [
        [one.name for one in split.steps] for split in peeled(a_ground(7, offered=1), [], [STREAM, CHECK])
    ] == [["check"]]


def test_one_machine_is_the_least():
    assert one_machine_month(a_ground()) == pytest.approx(E2_MEDIUM, abs=1e-3)


@pytest.mark.parametrize(
    ("calendar", "schedule", "mean", "most"),
    [
        # Twenty streams and thirty percent take 3.25 machines: four in the hours of the office, and one in the others,
        # which have a twentieth of the load.
        ("office-hours", Schedule(1), (4 * 40 + 128) / 168, 4),
        ("office-hours", Schedule(2), (4 * 40 + 2 * 128) / 168, 4),
        ("flat", Schedule(1), 4.0, 4),
        # Three at least from 8 to 18, of which 9 to 17 of workdays have the office's load.
        (
            "office-hours",
            Schedule(1, msgspec.convert(DAYTIME, GroupDriven)),
            (4 * 40 + 3 * (2 * 5 + 10 * 2) + 14 * 7) / 168,
            4,
        ),
    ],
)
def test_a_split_on_machines_that_come_and_go_is_estimated_hour_by_hour_of_the_month(
    calendar: str, schedule: Schedule, mean: float, most: int
):
    (split,) = peeled(a_ground(20, shape=in_calendar(calendar), scales=True, schedule=schedule), [STREAM], [])
    (fleet,) = peeled(a_ground(20, shape=in_calendar(calendar)), [STREAM], [])

    assert split.machines == fleet.machines == most
    assert fleet.month - split.month == pytest.approx((most - mean) * E2_MEDIUM, abs=1e-3)


@pytest.mark.parametrize("scales", [False, True])
def test_a_split_takes_more_machines_in_a_month_with_more_load(scales: bool):
    """Those that come and go were as many as in the trace, at eight times its load."""
    shape, times_eight = a_shape(), in_month(a_shape(), named_calendar("flat"), 8 * 86_400.0)

    (now,) = peeled(a_ground(20, shape=shape, scales=scales), [STREAM], [])
    (grown,) = peeled(a_ground(20, shape=times_eight, scales=scales), [STREAM], [])
    (known,) = peeled(a_ground(20, shape=times_eight, scales=scales, most=10), [STREAM], [])

    # 8 x 3.25 machines where they come and go, and eight times four where they are on all month.
    assert now.machines == grown.machines == 4
    assert grown.month - known.month == pytest.approx(((26 if scales else 32) - 10) * E2_MEDIUM, abs=1e-3)
    assert known.machines == 2


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.floats(0.05, 20.0), st.sampled_from(["flat", "office-hours"]))
def test_machines_that_come_and_go_are_never_estimated_above_those_that_are_on_all_month(
    streams: int, times: float, calendar: str
):
    shape = in_month(a_shape(), named_calendar(calendar), 86_400 * times)

    (group,) = peeled(a_ground(streams, shape=shape, scales=True), [STREAM], [])
    (fleet,) = peeled(a_ground(streams, shape=shape), [STREAM], [])

    assert group.month <= fleet.month + 1e-6
