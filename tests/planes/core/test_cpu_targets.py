"""CPU that requests share: it slows them, and it asks for instances where the platform says so."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.types import RunOptions
from replay.planes.core.scaling_types import RequestDriven
from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.asking import NOTHING_ASKED
from replay.planes.modelled.cpu import InstanceCpu, cpu_rules
from replay.planes.modelled.script import Recorded, Script
from replay.planes.modelled.time_types import Constant
from replay.planes.modelled.types import ModelSpec
from replay.simulation.simulation import simulate_trace
from replay.target.target import Target
from tests.support.modelled_planes import behind_a_gateway

S = 1_000_000_000
NO_BOOST = {"startup_boost": False}


def replayed(trace, out, simulate):
    target = Target(url="http://x", name="cpu", simulate=simulate)
    summary = simulate_trace(trace, target, RunOptions(), out).summary
    steps, lives = (
        [json.loads(line) for line in (out / name).read_text().splitlines()]
        for name in ("steps.jsonl", "instances.jsonl")
    )
    return summary, steps, lives


def steady(get, rate_rps, for_s, **step):
    draw, now_s = random.Random(7), 0.0
    sessions = []
    while (now_s := now_s + draw.expovariate(rate_rps)) < for_s:
        sessions.append((now_s * 1000, [get("a", "/work", **step)]))
    return sessions


def test_twenty_requests_a_second_of_a_fifth_of_a_second_of_cpu_have_seven_instances(write_trace, tmp_path):
    """4 vCPU of work at 60 % of one vCPU each are 6.67 instances; by concurrency alone, 48 in each, one would do."""
    trace = write_trace(*steady(write_trace.get, 20, 700))
    instances = {
        "service": {"of": "constant", "ms": 200.0},
        "sharing": "processor",
        "boot": {"of": "constant", "ms": 1500.0},
    }

    summary, steps, lives = replayed(trace, tmp_path / "run", {"plane": {}, "instances": instances})

    there = [life for life in lives if life["requested_ns"] < 500 * S and life.get("gone_ns", 10**18) > 650 * S]
    late = sorted(line["end_ns"] - line["sent_ns"] for line in steps if line["sent_ns"] > 500 * S)
    assert 7 <= len(there) <= 9
    assert late[len(late) // 2] / 1e6 < 300.0
    assert summary.counts.failed == 0


def test_cpu_and_concurrency_are_each_enough_to_ask_for_instances(write_trace, tmp_path):
    """Requests that wait ask by concurrency, requests that work by CPU, and the larger holds."""

    def most(name, **model):
        trace = write_trace(*steady(write_trace.get, 20, 300))
        plane = {**NO_BOOST, "concurrency": 20}
        instances = {
            "service": {"of": "constant", "ms": 1000.0},
            "sharing": "processor",
            "boot": {"of": "constant", "ms": 100.0},
            **model,
        }
        summary, _, _ = replayed(trace, tmp_path / name, {"plane": plane, "instances": instances})
        return summary.plane.most_instances

    # 20 in flight of 20 slots at 60 %: 2 by concurrency; by CPU 20 * share / 0.6.
    assert most("waits", cpu_by_kind={"http": 0.0}) <= 4
    assert most("works", cpu_by_kind={"http": 0.3}) >= 10


def test_eight_builds_on_one_vcpu_take_eight_times_as_long_where_the_model_says_that_they_compute(
    write_trace, tmp_path
):
    get = write_trace.get
    trace = write_trace(
        *((0.0, [get("a", "/x", name="build", kind="tool", took_ms=60_000.0)]) for _ in range(8))
    )
    plane = {"kind": "vm", "max_instances": 1, "concurrency": 8}

    def longest_s(name, **model):
        _, steps, _ = replayed(
            trace,
            tmp_path / name,
            {"plane": plane, "as_recorded": True, "instances": {"sharing": "processor", **model}},
        )
        return max(line["end_ns"] - line["sent_ns"] for line in steps) / S

    assert longest_s("all", cpu_by_name={"build": 1.0}) == pytest.approx(480.0)
    assert longest_s("half", cpu_by_name={"build": 0.5}) == pytest.approx(240.0)
    assert longest_s("kind", cpu_by_kind={"tool": 0.25}, cpu_by_name={"other": 1.0}) == pytest.approx(120.0)
    assert longest_s("usual") == pytest.approx(60.0)  # a tenth each: 0.8 of the vCPU
    assert longest_s("slots", sharing="slots", cpu_by_name={"build": 1.0}) == pytest.approx(60.0)


def test_usual_shares_hold_for_recorded_times_and_drawn_times_are_all_work():
    script = Script(ModelSpec(sharing="processor", cpu_by_name={"wait": 0.0}))

    shares = [script.cpu_share(kind, "x", is_recorded=True) for kind in ("llm", "tool", "mcp", "http")]

    assert shares == [0.0, 0.1, 0.1, 0.1]
    assert script.cpu_share("llm", "x", is_recorded=False) == 1.0
    assert script.cpu_share("tool", "wait", is_recorded=True) == 0.0


@pytest.mark.parametrize("table", ["cpu_by_kind", "cpu_by_name"])
def test_a_share_is_between_nothing_and_all(table):
    with pytest.raises(ValueError, match="the CPU share of tool must be between 0 and 1"):
        ModelSpec(**{table: {"tool": 1.5}})


def test_one_that_mostly_waits_is_hardly_slowed_by_one_that_computes():
    """On one vCPU: 0.2 and 1 are more than there is, so the small one has all of its own, and the large the rest."""
    cpu = InstanceCpu(cpu_rules(PlaneSpec(**NO_BOOST)), "processor", 0)
    cpu.add("waits", 10 * S, 0, 0.2)
    cpu.add("computes", 10 * S, 0)

    ends = []
    while (at_ns := cpu.next_end_ns()) is not None:
        ends += [(job, at_ns / S) for job in cpu.finished(at_ns)]

    assert ends == [("waits", 10.0), ("computes", pytest.approx(12.0))]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5 * S), st.integers(0, 8 * S), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5, 1.0, 1.0])
        ),
        min_size=1,
        max_size=10,
    ),
    st.sampled_from([0.3, 1.0, 2.0, 64.0]),
)
def test_jobs_end_when_the_definition_of_max_min_fair_shares_says(requests, vcpu):
    """Against every job advanced by hand from one event to the next, with the level found by bisection."""
    arrivals, now_ns = [], 0
    for n, (gap_ns, time_ns, share) in enumerate(requests):
        now_ns += gap_ns
        arrivals.append((now_ns, n, time_ns, share))
    cpu = InstanceCpu(cpu_rules(PlaneSpec(vcpu=vcpu, **NO_BOOST)), "processor", 0)
    ends = {}
    for at_ns, n, time_ns, share in [*arrivals, (1 << 60, None, 0, 0)]:
        while (end_ns := cpu.next_end_ns()) is not None and end_ns <= at_ns:
            ends.update(dict.fromkeys(cpu.finished(end_ns), end_ns))
        if n is not None:
            cpu.add(n, time_ns, at_ns, share)

    expected = ends_by_hand(arrivals, vcpu)

    assert len(cpu) == 0
    assert ends == {n: pytest.approx(end_ns, abs=50) for n, end_ns in expected.items()}


def ends_by_hand(arrivals, vcpu):
    coming, under_way, ends, now = list(arrivals), {}, {}, 0.0
    while coming or under_way:
        low, high = 0.0, 1.0
        for _ in range(80):
            level = (low + high) / 2
            if sum(min(share, level) for _, share in under_way.values()) > vcpu:
                high = level
            else:
                low = level
        rates = {n: min(1.0, high / share) if share else 1.0 for n, (_, share) in under_way.items()}
        steps = [left / rates[n] for n, (left, _) in under_way.items()]
        step = min([*steps, coming[0][0] - now if coming else float("inf")])
        now += step
        under_way = {n: (left - step * rates[n], share) for n, (left, share) in under_way.items()}
        for n in [n for n, (left, _) in under_way.items() if left <= 1e-3]:
            ends[n] = now
            del under_way[n]
        while coming and coming[0][0] <= now + 1e-3:
            _, n, time_ns, share = coming.pop(0)
            under_way[n] = (float(time_ns), share)
    return ends


def test_one_that_is_given_up_while_it_waits_is_gone():
    cpu = InstanceCpu(cpu_rules(PlaneSpec(**NO_BOOST)), "processor", 0)
    cpu.add("a", 3 * S, 0, 0.0)

    assert len(cpu) == 1
    cpu.leave("a", S)

    assert len(cpu) == 0
    assert cpu.next_end_ns() is None


def test_what_is_used_is_what_requests_can_use():
    cpu = InstanceCpu(cpu_rules(PlaneSpec(vcpu=2, **NO_BOOST)), "processor", 0)
    used = [cpu.used_milli_vcpu]
    for n in range(3):
        cpu.add(n, S, 0)
        used.append(cpu.used_milli_vcpu)
    cpu.add("waits", S, 0, 0.0)
    used.append(cpu.used_milli_vcpu)

    assert used == [0, 1000, 2000, 2000, 2000]
    slots = InstanceCpu(cpu_rules(PlaneSpec(**NO_BOOST)), "slots", 0)
    slots.add("a", S, 0)
    assert slots.used_milli_vcpu == 0


def test_faults_and_background_befall_recorded_steps_too(write_trace, tmp_path):
    trace = write_trace(*((n * 100.0, [write_trace.get("a", "/x", took_ms=20.0)]) for n in range(1000)))
    simulate = {"plane": {"kind": "vm"}, "as_recorded": True, "instances": {"faults": {"error_ratio": 0.04}}}

    summary, steps, _ = replayed(trace, tmp_path / "run", simulate)

    assert summary.counts.errors["status_5xx"] == pytest.approx(40, abs=20)
    assert {line["end_ns"] - line["sent_ns"] for line in steps} == {20_000_000}


def test_the_step_that_was_recorded_tells_its_share_and_else_its_path():
    script = Script(ModelSpec(sharing="processor", as_recorded=True))

    def share(path, *recorded):
        return script.plan(b"GET", path, NOTHING_ASKED, b"k", 0.0, Recorded(200.0, None, *recorded)).cpu_share

    assert (share(b"/x", "tool", "t"), share(b"/tools/t", "llm", "t")) == (0.1, 0.0)
    assert (share(b"/tools/t"), share(b"/v1/chat/completions")) == (0.1, 0.0)


@pytest.mark.anyio
async def test_behind_the_gateway_cpu_asks_for_instances_as_in_a_simulation():
    """One request that works for longer than the CPU window of a second: 1 / 0.6 instances are wanted."""
    model = ModelSpec(boot=Constant(10.0), service=Constant(1800.0), sharing="processor")
    rules = RequestDriven(windows_s=(1,), cpu_window_s=1, evaluate_s=0.2, keep_instances=None)

    async with behind_a_gateway(model, scaling=rules, concurrency=80, max_instances=5) as (client, instances):
        answer = await client.get("/tools/search")

    assert answer.status_code == 200
    assert instances.owner.counts["booted"] == 2
