"""The generator's verdict on itself."""

import pytest

from replay.engine.selfcheck import Vitals, judge_generator


def judge(**vitals):
    calm = {
        "sent": 1000,
        "lag_p50_us": 20.0,
        "lag_p99_us": 200.0,
        "cpu_percent": 20.0,
        "max_loop_stall_ms": 2.0,
    }
    return judge_generator(Vitals(**{**calm, **vitals}))


def test_a_generator_that_keeps_up_is_ok_and_gives_no_reason():
    assert (judge().verdict, judge().reasons) == ("ok", [])


@pytest.mark.parametrize(
    ("vitals", "verdict", "reason"),
    [
        ({"lag_p50_us": 2e6, "lag_p99_us": 3e6, "cpu_percent": 99.0}, "saturated", "half of the steps"),
        ({"lag_p99_us": 2e5, "cpu_percent": 99.0}, "saturated", "processor full"),
        ({"lag_p99_us": 15_000.0}, "suspect", "1% of the steps were sent more than 15 ms late"),
        ({"lag_p50_us": 1500.0, "lag_p99_us": 3000.0}, "suspect", "half of the steps"),
        ({"max_loop_stall_ms": 400.0}, "suspect", "the event loop stalled for 400 ms"),
        (
            {"max_loop_stall_ms": 3000.0, "was_stopped": True},
            "suspect",
            "the event loop stalled for 3 s: this process was stopped and continued",
        ),
        ({"slept_ms": 60_000.0}, "suspect", "this machine was suspended for 60 s"),
        ({"in_flight_waits": 3}, "suspect", "3 steps waited because of --max-in-flight"),
        ({"connection_waits": 2}, "suspect", "2 steps waited because connections.max was reached"),
        (
            {"shortage": "out of file descriptors (limit 64): raise it with ulimit -n", "machine_waits": 7},
            "saturated",
            "out of file descriptors (limit 64): raise it with ulimit -n; 7 steps had to wait for that",
        ),
    ],
)
def test_a_generator_that_does_not_says_why(vitals, verdict, reason):
    generator = judge(**vitals)

    assert generator.verdict == verdict
    assert any(reason in text for text in generator.reasons)


def test_a_stop_that_held_nothing_up_is_no_reason():
    assert judge(was_stopped=True, slept_ms=1.0).verdict == "ok"


def test_a_generator_that_was_only_late_says_by_how_much_at_most():
    late = {"lag_p99_us": 15_000.0, "lag_max_us": 40_000.0, "max_loop_stall_ms": 20.0}

    assert judge(lag_max_us=900.0).late_ms is None
    assert judge(**late).late_ms == 60.0
    assert judge(**late, in_flight_waits=1).late_ms is None
    assert judge(**late, connection_waits=1).late_ms is None
    assert judge(**late, slept_ms=60_000.0).late_ms is None
    assert judge(**late, shortage="out of x", machine_waits=1).late_ms is None
    assert judge(**{**late, "lag_p50_us": 2e6}).late_ms is None
