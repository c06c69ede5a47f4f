"""The processors of an instance: boosted at first, none while it is idle, on a virtual clock; and whole runs so."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.types import RunOptions
from replay.planes.core.instances import Instance
from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.cpu import InstanceCpu, cpu_rules
from replay.planes.modelled.script import Script
from replay.planes.modelled.time_types import Constant
from replay.planes.modelled.types import ModelSpec
from replay.simulation.simulation import simulate_trace
from replay.target.target import Target

MS = 1_000_000
SECOND_NS = 1000 * MS


def instance(ready_ns=0, sharing="processor", **rules):
    rules = {"startup_boost": False, **rules}
    return InstanceCpu(cpu_rules(PlaneSpec(**rules)), sharing, ready_ns)


def run_until(cpu, until_ns):
    """Let everything happen that is due by then, each at its own instant; the ends of requests in ms."""
    ends = {}
    while (end_ns := cpu.next_end_ns()) is not None and end_ns <= until_ns:
        for job in cpu.finished(end_ns):
            ends[job] = end_ns / MS
    return ends


# The startup boost.


def test_the_boost_shortens_what_a_boot_computes_and_not_what_it_waits_for():
    spec = ModelSpec(boot=Constant(300.0), boot_cpu=Constant(800.0))
    boosted, plain = cpu_rules(PlaneSpec()), cpu_rules(PlaneSpec(startup_boost=False))

    assert Script(spec).boot_ms(1, plain.vcpu * plain.boost) == 1100.0
    assert Script(spec).boot_ms(1, boosted.vcpu * boosted.boost) == 700.0


def test_a_boot_on_one_thread_gains_nothing_from_more_processors():
    spec = ModelSpec(boot=Constant(0.0), boot_cpu=Constant(800.0), boot_most_vcpu=1.0)

    assert Script(spec).boot_ms(1, 2.0) == 800.0
    assert Script(spec).boot_ms(1, 0.5) == 1600.0


@pytest.mark.parametrize(("vcpu", "boost"), [(0.5, 4.0), (1.0, 2.0), (2.0, 2.0), (6.0, 8 / 6), (8.0, 1.0)])
def test_the_boost_is_that_of_the_platforms_table(vcpu, boost):
    assert cpu_rules(PlaneSpec(vcpu=vcpu)).boost == boost
    assert cpu_rules(PlaneSpec(), vcpu).boost == boost


def test_a_vm_has_neither_boost_nor_throttling():
    rules = cpu_rules(PlaneSpec(kind="vm", cpu_when_idle="throttled", startup_boost=True))

    assert (rules.boost, rules.is_throttled) == (1.0, False)


def test_requests_have_the_boost_until_it_ends_and_then_share_what_is_left():
    # Two of 10 ms from 5 ms before the end of the boost: 5 ms at full speed, and the other 5 at half.
    cpu = instance(startup_boost=True, boost_after_ready_s=1.0)
    cpu.add("a", 10 * MS, SECOND_NS - 5 * MS)
    cpu.add("b", 10 * MS, SECOND_NS - 5 * MS)

    assert run_until(cpu, 2 * SECOND_NS) == {"a": 1010.0, "b": 1010.0}


def test_without_boost_they_share_from_the_start():
    cpu = instance()
    cpu.add("a", 10 * MS, 0)
    cpu.add("b", 10 * MS, 0)

    assert run_until(cpu, SECOND_NS) == {"a": 20.0, "b": 20.0}


def test_where_each_takes_its_own_time_the_boost_shortens_nothing():
    cpu = instance(sharing="slots", startup_boost=True)
    cpu.add("a", 10 * MS, 0)
    cpu.add("b", 10 * MS, 0)

    assert run_until(cpu, SECOND_NS) == {"a": 10.0, "b": 10.0}


# Background work.


@pytest.mark.parametrize(
    ("cpu_when_idle", "ends_ms", "left_before"), [("throttled", 5020.0, 1), ("full", 5010.0, 0)]
)
def test_what_a_request_leaves_behind_is_done_while_idle_or_else_slows_the_next(
    cpu_when_idle, ends_ms, left_before
):
    cpu = instance(cpu_when_idle=cpu_when_idle)
    cpu.leave_behind(10 * MS, 0)
    run_until(cpu, 5 * SECOND_NS)
    assert (cpu.left, cpu.done) == (left_before, 1 - left_before)

    cpu.add("next", 10 * MS, 5 * SECOND_NS)
    assert run_until(cpu, 6 * SECOND_NS) == {"next": ends_ms}
    assert (cpu.left, cpu.done) == (0, 1)


def test_throttled_work_goes_on_where_it_stood():
    cpu = instance()
    cpu.leave_behind(100 * MS, 0)
    for n in range(3):
        cpu.add(n, 10 * MS, n * SECOND_NS)
        run_until(cpu, n * SECOND_NS + 500 * MS)

    # Each request took 20 ms, half of them for the work: 30 of 100 ms are done.
    cpu.add("long", 70 * MS, 3 * SECOND_NS)
    assert run_until(cpu, 4 * SECOND_NS) == {"long": 3140.0}
    assert cpu.left == 0


def test_a_throttled_instance_that_idles_has_nothing_to_wake_for():
    cpu = instance()
    cpu.leave_behind(10 * MS, 0)

    assert cpu.next_end_ns() is None


def test_work_goes_on_while_idle_as_long_as_the_boost_lasts():
    cpu = instance(startup_boost=True, boost_after_ready_s=1.0)
    cpu.leave_behind(1500 * MS, 0)
    run_until(cpu, 10 * SECOND_NS)
    assert cpu.left == 1

    cpu.add("next", 2000 * MS, 10 * SECOND_NS)
    assert run_until(cpu, 20 * SECOND_NS) == {"next": 12_500.0}  # 1 s shared by two, 1.5 s alone


def test_with_slots_what_is_left_behind_takes_nothing_from_requests_and_stands_still_too():
    cpu = instance(sharing="slots")
    cpu.leave_behind(30 * MS, 0)
    cpu.add("a", 10 * MS, SECOND_NS)
    assert run_until(cpu, 2 * SECOND_NS) == {"a": 1010.0}
    assert cpu.left == 1


def test_a_request_that_leaves_lets_the_throttle_fall():
    cpu = instance()
    cpu.leave_behind(100 * MS, 0)
    cpu.add("a", 100 * MS, 0)
    cpu.leave("a", 50 * MS)
    cpu.leave("a", 60 * MS)

    assert (len(cpu), cpu.next_end_ns()) == (0, None)


@given(
    vcpu=st.sampled_from([0.5, 1.0, 2.0, 8.0]),
    boost=st.booleans(),
    cpu_when_idle=st.sampled_from(["throttled", "full"]),
    kind=st.sampled_from(["serverless", "vm"]),
    after_s=st.sampled_from([0.0, 1.0, 10.0]),
    at_s=st.floats(0, 20),
    is_busy=st.booleans(),
)
def test_the_rules_are_those_that_the_plane_tells(vcpu, boost, cpu_when_idle, kind, after_s, at_s, is_busy):
    spec = PlaneSpec(
        kind=kind, vcpu=vcpu, startup_boost=boost, cpu_when_idle=cpu_when_idle, boost_after_ready_s=after_s
    )
    at_ns = round(at_s * SECOND_NS)
    known = Instance(1, 0)
    known.move_to("ready")
    known.ready_ns, known.in_flight = 0, int(is_busy)

    cpu = InstanceCpu(cpu_rules(spec), "processor", 0)
    cpu.leave_behind(1e15, 0)
    cpu.finished(at_ns)
    if is_busy:
        cpu.add("a", 1e15, at_ns)
    assert cpu.vcpu == pytest.approx(known.vcpu(spec, at_ns))


# Whole runs.


def ends_ms(trace, out, **changes):
    plane = {"max_instances": 1, "startup_boost": False, **changes.pop("plane", {})}
    constant = {"boot": 100.0, "service": 50.0, **changes}
    instances = {name: {"of": "constant", "ms": ms} for name, ms in constant.items()}
    target = Target(
        url="http://x",
        name="imagined",
        simulate={"plane": plane, "instances": {**instances, "sharing": "processor"}},
    )
    outcome = simulate_trace(trace, target, RunOptions(), out)
    lines = [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]
    notes = json.loads((out / "run.json").read_text())["notes"]
    assert outcome.summary.counts.ok == len(lines)
    return [(line["end_ns"] - line["sent_ns"]) / MS for line in lines], notes


def test_a_simulated_boot_is_shortened_by_the_boost(write_trace, tmp_path):
    trace = write_trace((0.0, [write_trace.get("a", "/x")]))

    plain, _ = ends_ms(trace, tmp_path / "plain", boot_cpu=400.0)
    boosted, _ = ends_ms(trace, tmp_path / "boosted", boot_cpu=400.0, plane={"startup_boost": True})

    assert (plain, boosted) == ([550.0], [350.0])


def test_in_a_simulation_throttled_work_slows_the_next_request_and_what_is_left_at_the_end_is_lost(
    write_trace, tmp_path
):
    get = write_trace.get
    trace = write_trace((0.0, [get("a", "/x")]), (10_000.0, [get("a", "/x")]), (20_000.0, [get("a", "/x")]))
    rules = {"idle_lifetime_s": 10.1}

    throttled, _ = ends_ms(trace, tmp_path / "throttled", background=30.0, plane=rules)
    full, _ = ends_ms(trace, tmp_path / "full", background=30.0, plane={**rules, "cpu_when_idle": "full"})

    assert throttled == [150.0, 80.0, 80.0]
    assert full == [150.0, 50.0, 50.0]


def test_background_work_is_lost_with_its_instance(write_trace, tmp_path):
    get = write_trace.get
    trace = write_trace((0.0, [get("a", "/x")]), (60_000.0, [get("a", "/x")]))
    rules = {"idle_lifetime_s": 5.0, "scaling": {"policy": "request", "windows_s": [], "keep_instances": 0}}

    _, notes = ends_ms(trace, tmp_path / "throttled", background=30.0, plane=rules)
    _, none = ends_ms(trace, tmp_path / "full", background=30.0, plane={**rules, "cpu_when_idle": "full"})

    assert "1 request left background work that was lost with the instance" in notes
    assert not any("background" in note for note in none)


def test_a_simulation_looks_at_a_shared_processor_about_once_a_request(write_trace, tmp_path, monkeypatch):
    """Looks used to beget looks: 400 requests that overlap took 83,565, and 32,000 a minute of real time."""
    looks = []
    finished = InstanceCpu.finished
    monkeypatch.setattr(
        InstanceCpu, "finished", lambda cpu, now_ns: looks.append(now_ns) or finished(cpu, now_ns)
    )
    trace = write_trace(*((n * 5.0, [write_trace.get("a", "/x")]) for n in range(400)))

    ends_ms(trace, tmp_path / "run", plane={"concurrency": 80, "pending_limit": "unlimited"})

    assert len(looks) <= 800
