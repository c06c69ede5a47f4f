"""What a dry run says of SLOs: how many steps they need, how many there are, and which --scale gives the rest."""

from pathlib import Path

import pytest

from replay.engine.types import Knobs, RunOptions
from replay.judge.measures.slo import parse_slo
from replay.target.target import Target
from replay.trials.forecasting import foresee_with_slos

TRACE = Path(__file__).parents[2] / "traces" / "support-agent.jsonl"


def needs_of(*slos, scale=1):
    found = foresee_with_slos(
        TRACE,
        Target(url="http://127.0.0.1:1"),
        RunOptions(knobs=Knobs(scale=scale)),
        [parse_slo(slo) for slo in slos],
    ).needs
    return [(need.slo, need.of, need.needed, need.planned, need.scale) for need in found]


@pytest.mark.parametrize(
    ("slo", "needed", "planned", "scale"),
    [
        ("p99 < 1s", 368, 320, 2),
        ("p50 < 1s", 6, 320, None),
        ("p99(tool) < 1s", 368, 168, 3),
        ("errors < 1%", 368, 320, 2),
        ("errors < 0.1%", 3_688, 320, 12),
        ("share(response < 1s) > 99%", 368, 320, 2),
    ],
)
def test_an_slo_says_what_it_needs_and_which_scale_gives_it(slo, needed, planned, scale):
    assert needs_of(slo) == [(slo, "steps", needed, planned, scale)]


def test_makespans_are_of_sessions():
    assert needs_of("p90(makespan) < 9s") == [("p90(makespan) < 9s", "sessions", 36, 40, None)]


def test_the_scale_that_is_named_takes_the_place_of_the_one_that_was_given():
    ((_, _, needed, planned, scale),) = needs_of("p99.9 < 1s", scale=3)

    assert (needed, planned) == (3_688, 960)
    assert scale == 12
    assert planned / 3 * scale >= needed


def test_a_mean_has_no_number_that_would_do():
    assert needs_of("mean < 1s", "rate > 3/s") == []
