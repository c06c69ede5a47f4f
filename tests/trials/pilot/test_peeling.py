"""Which steps are peeled off first, and what that is estimated to cost, by hand."""

from math import inf
from typing import Any

import pytest

from replay.engine.simulation import simulated_plane
from replay.judge.choice.types import StepClass
from replay.judge.figures import Evidence
from replay.results.columns import columns_of
from replay.trials.pilot.levels import Measured
from replay.trials.pilot.peeling import Ground, one_machine_month, peeled
from replay.trials.prices import price_table
from tests.judge.conftest import step, summary
from tests.trials.pilot.cases import machines
from tests.trials.pilot.test_pricing import E2_MEDIUM, MACHINE, SERVERLESS, a_shape

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
