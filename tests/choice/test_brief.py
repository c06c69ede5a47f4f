"""What a decision hangs on, put together from the verdict."""

import msgspec
import pytest

from replay.choice.brief import brief_of
from replay.choice.types import Assumption, CalendarBill, PilotPlane, PilotVerdict, UndecidedSlo, Workload
from replay.money.types import BreakEvenFound


def verdict(**more):
    planes = [
        PilotPlane(target="run", plane="serverless", cost_month=10.0, cost_basis="measured"),
        PilotPlane(target="vm", plane="vm", cost_month=30.0, cost_basis="measured"),
    ]
    workload = Workload(
        trace="t",
        sessions=100,
        steps=400,
        span_s=100_000.0,
        pattern="steady state",
        pattern_rule="",
        window_s=60,
        mean_rps=1.0,
        peak_rps=2.0,
    )
    given = {
        "schema": "replay.verdict/1",
        "command": "pilot",
        "verdict": "serverless",
        "answer": "Run it serverless.",
        "reasons": [],
        "doubts": [],
        "planes": planes,
        "break_even": [],
        "rules": [],
        "buckets": [],
        "workload": workload,
        "represents": {"serverless": "run", "vm": "vm"},
        "calendars": [CalendarBill(name="flat", requests_month=1.0, peak_rps=1.0, cheaper="run")],
    }
    return PilotVerdict(**{**given, **more})


def crossing(now, at):
    return [BreakEvenFound(between=("run", "vm"), by="requests", now=now, at=at)]


def month(name, cheaper):
    return CalendarBill(name=name, requests_month=1.0, peak_rps=1.0, cheaper=cheaper)


@pytest.mark.parametrize(
    ("more", "confidence", "why"),
    [
        ({}, "high", "every phase ran"),
        ({"verdict": "inconclusive"}, "none", "does not decide"),
        ({"how": "simulated"}, "fair", "simulated"),
        ({"doubts": ["x, and no calendar was given, so"]}, "fair", "what a month looks like"),
        ({"break_even": crossing(100.0, 140.0)}, "low", "1.4 times"),
        ({"break_even": crossing(140.0, 100.0)}, "low", "1.4 times"),
        ({"break_even": crossing(100.0, 900.0)}, "high", "every phase ran"),
        ({"calendars": [month("flat", "run"), month("launch-week", "vm")]}, "low", "launch-week vm"),
        ({"calendars": [month("flat", "run"), month("launch-week", None)]}, "high", "every phase ran"),
        (
            {"doubts": ["with 80 requests an instance ...; the cheaper plane flips (vm)"]},
            "low",
            "an assumption",
        ),
    ],
)
def test_how_sure_an_answer_is_follows_from_what_would_flip_it(more, confidence, why):
    brief = brief_of(verdict(**more))

    assert brief.confidence == confidence
    assert why in brief.why


def test_what_would_flip_it_says_where_the_load_would_have_to_be():
    assert brief_of(verdict(break_even=crossing(100.0, 900.0))).flips == [
        "more load: 900 requests a day, where it is 100 now"
    ]


def test_only_planes_that_stand_are_told_of_with_what_decides():
    found = verdict(
        represents={"serverless": "run"},
        assumptions=[
            Assumption(name="plane.concurrency", target="run", value="80"),
            Assumption(name="plane.router", target="run", value="least_loaded"),
            Assumption(name="machines priced", target="vm", value="2"),
            Assumption(name="seed", value="1"),
        ],
    )

    assert brief_of(found).assumed == ["run: 80 requests at once in an instance"]


def test_what_was_done_is_not_asked_for_again():
    told = verdict(check_again="Ask again by May.")
    planes = [msgspec.structs.replace(told.planes[0], budget="pass"), told.planes[1]]
    done = msgspec.structs.replace(told, slos=["p99 < 1s"], planes=planes)

    assert "--slo" in " ".join(brief_of(told).steps)
    assert "--slo" not in " ".join(brief_of(done).steps)
    assert brief_of(done).steps[-1] == "Ask again by May."


def test_an_answer_that_an_slo_leaves_open_says_first_what_would_decide_it():
    unsure = UndecidedSlo(slo="p99 < 3s", why="320 steps, at least 426 are needed", is_open=True)
    planes = [
        PilotPlane(target=name, plane=kind, undecided=[unsure])
        for name, kind in (("run", "serverless"), ("vm", "vm"))
    ]

    steps = brief_of(verdict(verdict="inconclusive", planes=planes)).steps

    assert steps[0] == (
        "have p99 < 3s decided by a longer trace, or bound a lower quantile: 320 steps, at least 426 are needed"
    )
    assert sum("p99 < 3s" in step for step in steps) == 1
    assert not any("p99 < 3s" in step for step in brief_of(verdict(planes=planes)).steps)


@pytest.mark.parametrize(
    ("kept", "says"), [("0", "no instance kept warm"), ("1", "1 instance kept warm"), ("3", "3 instances")]
)
def test_instances_that_are_kept_are_counted_as_people_do(kept, says):
    assumed = [Assumption(name="plane.min_instances", target="run", value=kept)]

    assert brief_of(verdict(assumptions=assumed)).assumed[0].startswith(f"run: {says}")
