"""Whole runs in virtual time, against what theory and hand calculation say."""

import json
import math
import random

import pytest

from replay.engine.types import Knobs, RunOptions
from replay.planes.core.types import InstanceLife
from replay.simulation.lives import most_at_once
from replay.simulation.simulation import simulate_trace, simulated_plane
from replay.simulation.virtual import VirtualTime
from replay.target.errors import TargetError
from replay.target.sending import Retry
from replay.target.target import Target

MS = 1_000_000
FIXED_BOOT = {"as_recorded": True, "instances": {"boot": {"of": "constant", "ms": 1000.0}}}
ONE_AT_A_TIME = {"concurrency": 1, "scaling": {"policy": "request", "windows_s": [], "keep_instances": None}}


@pytest.fixture
def simulate(tmp_path):
    runs = []

    def simulated(trace, simulate, **options):
        knobs = Knobs(**{k: options.pop(k) for k in list(options) if k in Knobs.__struct_fields__})
        target = Target(url="http://x", name="imagined", simulate=simulate, retry=options.pop("retry", Retry()))
        out = tmp_path / f"run-{len(runs)}"
        runs.append(out)
        outcome = simulate_trace(trace, target, RunOptions(knobs=knobs, **options), out)
        return outcome.summary, [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]

    return simulated


def calls(get, starts_ms, took_ms=100.0):
    return [(start_ms, [get("a", "/", name="call", took_ms=took_ms)]) for start_ms in starts_ms]


def test_a_cold_request_takes_its_boot_and_its_service_and_a_warm_one_its_service(simulate, write_trace):
    trace = write_trace(*calls(write_trace.get, [0.0, 5000.0]))

    summary, lines = simulate(trace, {"plane": ONE_AT_A_TIME, **FIXED_BOOT})

    assert [(line["end_ns"] - line["intended_ns"]) / MS for line in lines] == [1100.0, 100.0]
    assert [line["cold"] for line in lines] == [True, False]
    assert [line["instance"] for line in lines] == ["i-1", "i-1"]
    assert (summary.plane.instances, summary.plane.cold) == (1, 1)
    assert (summary.plane.busy_s, summary.plane.booting_s) == (0.2, 1.0)


def test_an_instance_is_gone_after_its_idle_lifetime(simulate, write_trace):
    trace = write_trace(*calls(write_trace.get, [0.0, 20_000.0, 60_000.0]))
    rules = {**ONE_AT_A_TIME, "idle_lifetime_s": 30.0}

    summary, lines = simulate(trace, {"plane": rules, **FIXED_BOOT})

    assert [line["cold"] for line in lines] == [True, False, True]
    assert summary.plane.instances == 2
    assert summary.plane.instance_s == pytest.approx((1.0 + 0.1) + 18.9 + 0.1 + 30.0 + 1.1)


def test_an_instance_that_is_ready_as_the_run_begins_did_not_boot_all_along(simulate, write_trace):
    trace = write_trace(*calls(write_trace.get, [0.0, 5000.0, 60_000.0]))

    summary, lines = simulate(trace, {"plane": {**ONE_AT_A_TIME, "min_instances": 1}, **FIXED_BOOT})

    assert [line["cold"] for line in lines] == [False, False, False]
    assert summary.plane.booting_s == 0.0
    assert summary.plane.instance_s == pytest.approx(60.1, abs=0.1)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"plane": "s"}, "plane: must be a table, and is text."),
        ({"instances": [1]}, "instances: must be a table, and is a list."),
        ({"plane": {"scaling": 3}}, "plane.scaling: must be a table, and is a number."),
        ({"profile": [1]}, "profile: must be text, and is a list."),
        ({"elsewhere": {"profile": 3}}, "elsewhere.profile: must be text, and is a number."),
    ],
)
def test_a_table_that_a_profile_cannot_fill_in_is_refused_as_others_are(table, said):
    with pytest.raises(TargetError) as refused:
        simulated_plane(Target(url="http://x", simulate={"profile": "gce-mig", **table}))

    assert said in str(refused.value)


def test_steps_follow_the_simulated_responses_of_their_parents(simulate, write_trace):
    get = write_trace.get
    steps = [
        get("a", "/", took_ms=100.0),
        get("b", "/", [{"step": "a", "delay_ms": 50}], took_ms=10.0),
        get("c", "/", [{"step": "a", "anchor": "start", "delay_ms": 5}], took_ms=10.0),
    ]

    _, lines = simulate(
        write_trace((0.0, steps)), {"plane": {"kind": "vm", "max_instances": 1}, "as_recorded": True}
    )

    at = {line["step"]: line["intended_ns"] / MS for line in lines}
    assert at == {"a": 0.0, "b": 150.0, "c": 5.0}


def test_a_first_byte_releases_what_waits_for_it(simulate, write_trace):
    get = write_trace.get
    steps = [
        get("a", "/", took_ms=100.0, recorded={"ttft_ms": 30.0}),
        get("b", "/", [{"step": "a", "anchor": "first_byte", "delay_ms": 4}], took_ms=1.0),
    ]

    _, lines = simulate(
        write_trace((0.0, steps)), {"plane": {"kind": "vm", "max_instances": 1}, "as_recorded": True}
    )

    assert {line["step"]: line["intended_ns"] / MS for line in lines} == {"a": 0.0, "b": 34.0}


def test_a_plane_that_is_full_refuses_and_one_that_is_slow_times_out(simulate, write_trace):
    trace = write_trace(*calls(write_trace.get, [0.0, 1.0, 2.0], took_ms=5000.0))
    one = {"kind": "vm", "max_instances": 1, "concurrency": 1}

    refused, _ = simulate(
        trace, {"plane": {**one, "pending_limit": {"wait_s": 1.0, "length": 1}}, "as_recorded": True}
    )
    slow, _ = simulate(
        trace, {"plane": {**one, "pending_limit": "unlimited", "request_timeout_s": 2.0}, "as_recorded": True}
    )

    assert refused.counts.errors == {"status_4xx": 2}
    assert refused.plane.refused == 2
    assert slow.counts.errors == {"status_5xx": 3}
    assert slow.latency_ms["failed"].max == 2000.0
    assert slow.plane.timed_out == 3


def test_the_same_seed_gives_the_same_run_to_the_last_byte(simulate, write_trace, tmp_path):
    trace = write_trace(*calls(write_trace.get, [n * 37.0 for n in range(200)]))
    imagined = {
        "plane": {"concurrency": 2, "max_instances": 5},
        "instances": {"boot": {"of": "lognormal", "p50_ms": 300.0, "p99_ms": 900.0}},
    }

    simulate(trace, imagined)
    simulate(trace, imagined)
    simulate(trace, {**imagined, "instances": {**imagined["instances"], "seed": 2}})

    first, again, other = ((tmp_path / f"run-{n}" / "steps.jsonl").read_bytes() for n in range(3))
    assert first == again != other


def test_a_single_worker_queues_as_the_theory_of_m_d_1_says(simulate, write_trace):
    """Pollaczek-Khinchine: the mean wait at a load of rho is rho / (2 * (1 - rho)) services."""
    draw, now, starts = random.Random(3).random, 0.0, []
    for _ in range(20_000):
        now -= math.log(1 - draw()) * 10.0
        starts.append(now)
    trace = write_trace(*calls(write_trace.get, starts, took_ms=7.0))
    rules = {"kind": "vm", "max_instances": 1, "concurrency": 1, "pending_limit": "unlimited"}

    summary, _ = simulate(trace, {"plane": rules, "as_recorded": True})

    rho = 0.7
    assert summary.latency_ms["response"].mean == pytest.approx(7.0 + 7.0 * rho / (2 * (1 - rho)), rel=0.05)


def test_cold_starts_are_as_frequent_as_gaps_longer_than_the_lifetime(simulate, write_trace):
    """One instance at most, Poisson arrivals: a request is cold if the gap before it outlasted the lifetime."""
    draw, now, starts = random.Random(5).random, 0.0, []
    for _ in range(5_000):
        now -= math.log(1 - draw()) * 30_000.0
        starts.append(now)
    trace = write_trace(*calls(write_trace.get, starts, took_ms=1.0))
    rules = {**ONE_AT_A_TIME, "max_instances": 1, "idle_lifetime_s": 60.0}

    _, lines = simulate(
        trace, {"plane": rules, "as_recorded": True, "instances": {"boot": {"of": "constant", "ms": 1.0}}}
    )

    cold = sum(line["cold"] for line in lines) / len(lines)
    assert cold == pytest.approx(math.exp(-60.0 / 30.0), abs=0.015)


def test_knobs_mean_the_same_as_in_a_real_run(simulate, write_trace):
    trace = write_trace(*calls(write_trace.get, [0.0, 8000.0, 16_000.0]))
    summary, lines = simulate(trace, {"plane": {"kind": "vm"}}, speed=8.0, sessions=2, scale=2)

    assert summary.counts.sessions == 4
    assert min(line["intended_ns"] for line in lines) == 0
    assert sorted(line["intended_ns"] for line in lines if "~" not in line["session"]) == [0, 1000 * MS]


def test_requests_share_the_processor_of_their_instance(simulate, write_trace):
    """Two at once on one vCPU take twice as long; alone, each its own time."""
    get = write_trace.get
    trace = write_trace((0.0, [get("a", "/x")]), (0.0, [get("a", "/x")]), (10_000.0, [get("a", "/x")]))
    instances = {"service": {"of": "constant", "ms": 100.0}, "sharing": "processor", "vcpu": 1.0}

    _, lines = simulate(trace, {"plane": {"kind": "vm", "max_instances": 1}, "instances": instances})

    assert [round((line["end_ns"] - line["sent_ns"]) / MS) for line in lines] == [200, 200, 100]


def test_an_instance_that_dies_loses_its_requests_and_is_replaced(simulate, write_trace):
    trace = write_trace(*calls(write_trace.get, [0.0, 5000.0]))
    instances = {"service": {"of": "constant", "ms": 100.0}, "faults": {"dies_ratio": 1.0}}

    summary, lines = simulate(trace, {"plane": {"concurrency": 5}, "instances": instances})

    assert summary.counts.errors == {"status_5xx": 2}
    assert [line["instance"] for line in lines] == ["i-1", "i-2"]


def test_faults_befall_the_share_of_requests_that_was_asked_for(simulate, write_trace):
    trace = write_trace(*calls(write_trace.get, [n * 10.0 for n in range(4000)]))
    faults = {"error_ratio": 0.1, "reset_ratio": 0.05, "away": [{"from_s": 20.0, "for_s": 5.0}]}
    instances = {"service": {"of": "constant", "ms": 1.0}, "faults": faults}

    summary, lines = simulate(trace, {"plane": {"kind": "vm"}, "instances": instances})

    errors = summary.counts.errors
    assert errors["status_5xx"] == pytest.approx(500 + 0.95 * 0.1 * 3500, rel=0.15)
    assert errors["reset"] == pytest.approx(0.05 * 3500, rel=0.25)
    away = [line for line in lines if 20.0 <= line["intended_ns"] / 1e9 < 25.0]
    assert len(away) == 500
    assert all(line["status"] == 503 for line in away)


def test_a_streamed_model_call_has_its_first_byte_and_its_tokens(simulate, write_trace):
    call = {
        "id": "a",
        "kind": "llm",
        "name": "plan",
        "llm": {"input_tokens": 5, "output_tokens": 11, "stream": True},
    }
    instances = {"service": {"of": "constant", "ms": 200.0}, "between_tokens": {"of": "constant", "ms": 10.0}}

    _, (line,) = simulate(write_trace((0.0, [call])), {"plane": {"kind": "vm"}, "instances": instances})

    assert (line["first_byte_ns"] - line["sent_ns"], line["end_ns"] - line["sent_ns"]) == (200 * MS, 300 * MS)


@pytest.mark.parametrize(
    ("simulate_table", "message"),
    [
        (None, "t: has no [simulate] table, so there is no plane to simulate. Add one."),
        ({"plan": {}}, 't: unknown key "plan" in [simulate]. Did you mean "plane"?'),
        (
            {"plane": {"concurency": 1}},
            't: unknown key "concurency" in [simulate.plane]. Did you mean "concurrency"?',
        ),
        ({"plane": {"max_instances": 0}}, "t: [simulate] plane: max_instances must be 1 or more, not 0."),
    ],
)
def test_a_plane_that_is_not_described_rightly_is_told(simulate_table, message):
    with pytest.raises(TargetError) as caught:
        simulated_plane(Target(url="http://x", name="t", simulate=simulate_table))
    assert str(caught.value) == message


def test_virtual_time_keeps_the_order_and_says_when_nothing_is_left():
    time, seen = VirtualTime(), []
    for at, what in ((20, "b"), (10, "a"), (20, "c")):
        time.at(at, seen.append, what)

    time.run_until(lambda: len(seen) == 3)

    assert (seen, time.now_ns) == (["a", "b", "c"], 20)
    with pytest.raises(RuntimeError, match="nothing left"):
        time.run_until(lambda: False)


def test_instances_that_take_turns_are_not_there_at_once():
    def life(start, gone):
        return InstanceLife(1, start, start, None, gone, 0, 0, 0, 0)

    assert most_at_once([life(0, 10), life(10, 20), life(12, 30)], 100) == 2
    assert most_at_once([life(0, 0), life(5, None)], 100) == 1


@pytest.mark.parametrize(
    ("method", "retry", "failed_share"),
    [
        ("GET", Retry(), 0.5),
        ("GET", Retry(attempts=3, budget_percent=1000.0, backoff_s=0.01), 0.125),
        ("POST", Retry(attempts=3, budget_percent=1000.0, backoff_s=0.01), 0.5),
        ("POST", Retry(attempts=3, budget_percent=1000.0, backoff_s=0.01, unsafe=True), 0.125),
    ],
)
def test_steps_are_tried_again_as_the_target_s_agents_would(simulate, write_trace, method, retry, failed_share):
    """Half of all requests fail by themselves, so that one in eight fails three times in a row."""
    request = {"method": method, "path": "/"}
    trace = write_trace(
        *((n * 50.0, [write_trace.get("a", "/", took_ms=1.0, request=request)]) for n in range(2000))
    )
    plane = {"kind": "vm", "max_instances": 1}

    summary, _ = simulate(
        trace, {"plane": plane, "as_recorded": True, "instances": {"faults": {"error_ratio": 0.5}}}, retry=retry
    )

    # Four standard deviations of 2,000 steps.
    assert summary.counts.failed / 2000 == pytest.approx(failed_share, abs=4 * (0.25 / 2000) ** 0.5)
    assert (summary.counts.retries > 0) == (failed_share < 0.5)
