"""Groups of machines: what a load asks for, by hand; and what holds whatever the load."""

import json
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.engine.types import RunOptions
from replay.planes.core.averages import SECOND_NS
from replay.planes.core.group_scaling import GroupPolicy
from replay.planes.core.plane import Plane
from replay.planes.core.scaling_types import DayWindow, GroupDriven, RequestDriven
from replay.planes.core.types import Drain, PlaneSpec
from replay.planes.modelled.types import ModelSpec
from replay.planes.profiles import GCE_MIG, KUBERNETES_HPA
from replay.planes.serving.serving import plane_server
from replay.planes.serving.types import ProcessSpec
from replay.simulation.simulation import simulate_trace, simulated_plane
from replay.target.errors import TargetError
from replay.target.target import Target
from tests.support.plane_simulation import Simulation

HPA = KUBERNETES_HPA.scaling


def at(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def group(**rules) -> PlaneSpec:
    """Six requests at the target for each machine, whatever it could take: then a square load is a square load."""
    plane = {name: rules.pop(name) for name in list(rules) if name in PlaneSpec.__struct_fields__}
    scaling = GroupDriven(**{"target_ratio": 0.06, **rules})
    return PlaneSpec(**{"kind": "group", "concurrency": 0, "max_instances": 20, "scaling": scaling, **plane})


def test_a_square_load_is_followed_by_lag_and_count_as_by_hand(simulation):
    """60 requests in flight from 100 s to 1,300 s; a decision each minute by the mean of that minute; 6 to a machine.

    At 120 s the mean is 20: 4 machines. At 180 s it is 60: 10. At 1,320 s it is 40 and 7 are asked for, from 1,380 s on
    none; the 10 of 1,260 s hold until 1,860 s, the 7 until 1,920 s, and then one stays.
    """
    run = simulation(group(), arrivals_s=[100.0] * 60, service_s=lambda _: 1200.0, boot_s=lambda: 45.0)
    sizes = {}
    for second in (119, 120, 179, 180, 1260, 1860, 1919, 1920, 1979, 1980, 3000):
        sizes[second] = run.run(second).instances

    assert sizes == {
        119: 1, 120: 4, 179: 4, 180: 10, 1260: 10, 1860: 10, 1919: 10, 1920: 7, 1979: 7, 1980: 1, 3000: 1,
    }  # fmt: skip
    assert run.boots_s == [0.0] + [120.0] * 3 + [180.0] * 6
    lives = run.plane.ledger(run.now_ns)
    assert sorted(life.ready_ns for life in lives if life.requested_ns) == [at(165)] * 3 + [at(225)] * 6
    assert not run.lost + run.refused + run.timed_out


def test_the_horizontal_pod_autoscaler_grows_by_four_or_by_as_many_as_there_are():
    policy = GroupPolicy(HPA, concurrency=1, vcpu=1.0)
    sizes = [1]
    for n in range(5):
        sizes.append(policy.wanted(at(15 * n), load=64_000.0, machines=sizes[-1]))

    assert sizes == [1, 5, 10, 20, 40, 80]  # 64 vCPU at 80 % are 80


def test_growth_is_counted_over_its_period_however_often_it_is_asked_for():
    policy = GroupPolicy(msgspec.structs.replace(HPA, added_period_s=60.0), concurrency=1, vcpu=1.0)
    sizes = [10]
    for n in range(9):
        sizes.append(policy.wanted(at(15 * n), load=1e6, machines=sizes[-1]))

    assert sizes[1:] == [20, 20, 20, 20, 40, 40, 40, 40, 80]


@pytest.mark.parametrize(
    ("load", "wanted"),
    [(7_900.0, 10), (8_000.0, 10), (8_790.0, 10), (8_810.0, 12), (7_210.0, 10), (7_100.0, 9)],
)
def test_within_a_tenth_of_its_target_a_deployment_is_left_alone(load, wanted):
    policy = GroupPolicy(msgspec.structs.replace(HPA, hold_s=0.0), concurrency=1, vcpu=1.0)

    assert policy.wanted(0, load, machines=10) == wanted


def test_the_largest_size_of_the_hold_stays_and_the_initialisation_is_a_hold_too():
    def sizes(rules):
        policy = GroupPolicy(rules, concurrency=10, vcpu=1.0)
        loads = {0: 60.0, 60: 6.0, 120: 30.0}
        return [policy.wanted(at(s), loads.get(s, 6.0), machines=20) for s in range(0, 361, 60)]

    rules = GroupDriven(hold_s=180.0)
    assert sizes(rules) == [10, 10, 10, 10, 5, 5, 1]
    assert sizes(msgspec.structs.replace(rules, hold_s=0.0, initialise_s=180.0)) == sizes(rules)


def test_a_schedule_has_its_machines_every_day_at_its_hours(simulation):
    schedule = (DayWindow(8, 18, 5), DayWindow(22, 6, 2), DayWindow(9, 10, 7))
    run = simulation(group(schedule=schedule, starts_at_h=6.5, hold_s=0.0), boot_s=lambda: 45.0)
    by_hour = {}
    for hour in (7.0, 8.5, 9.5, 12.0, 17.9, 20.0, 23.0, 26.0, 31.0, 32.5, 33.5):
        by_hour[hour] = run.run((hour - 6.5) * 3600).instances

    assert by_hour == {
        7.0: 1,
        8.5: 5,
        9.5: 7,
        12.0: 5,
        17.9: 5,
        20.0: 1,
        23.0: 2,
        26.0: 2,
        31.0: 1,
        32.5: 5,
        33.5: 7,
    }


def test_a_group_that_starts_within_a_window_starts_with_its_machines():
    assert len(Plane(group(schedule=(DayWindow(0, 24, 4),))).start(0)) == 4


def test_by_cpu_a_group_follows_what_its_machines_use(write_trace, tmp_path):
    """20 requests a second of 200 ms of CPU: 4 vCPU, at 60 % seven machines; by slots, 48 in each, one would do."""
    get = write_trace.get
    trace = write_trace(*((n * 50.0, [get("a", "/x", took_ms=200.0)]) for n in range(20 * 400)))
    simulate = {
        "profile": "gce-mig",
        "as_recorded": True,
        "plane": {"max_instances": 30, "min_instances": 5},
        "instances": {"cpu_by_kind": {"tool": 1.0}, "boot": {"of": "constant", "ms": 45_000.0}},
    }

    target = Target(url="http://x", name="g", plane="vm", simulate=simulate)
    outcome = simulate_trace(trace, target, RunOptions(), tmp_path / "run")

    steps = [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]
    lives = [json.loads(line) for line in (tmp_path / "run" / "instances.jsonl").read_text().splitlines()]
    late = [line for line in steps if line["sent_ns"] > at(300)]
    assert outcome.summary.counts.failed == 0
    assert len(lives) == 7
    assert max(line["end_ns"] - line["sent_ns"] for line in late) < at(1.0)
    # What bills are made of: every machine's request, readiness and end; five were there from the beginning.
    assert sorted(life["ready_ns"] - life["requested_ns"] for life in lives) == [0] * 5 + [at(45)] * 2
    assert all("gone_ns" not in life or life["gone_ns"] > life["requested_ns"] for life in lives)
    machine_s = sum((life.get("gone_ns", at(400)) - life["requested_ns"]) / 1e9 for life in lives)
    assert outcome.summary.plane.instance_s == pytest.approx(machine_s, rel=0.02)


def test_whoever_runs_on_a_machine_that_leaves_runs_to_the_end(simulation):
    """Six of a second sixty outlast the rest by hours, on machines of which all but one leave meanwhile."""
    run = simulation(
        group(hold_s=0.0),
        arrivals_s=[0.0] * 60 + [400.0] * 60,
        service_s=lambda start: 20_000.0 if start.request > 114 else 500.0,
        boot_s=lambda: 10.0,
    ).run(40_000)

    assert len(run.drained) >= 5
    assert all(drain.until_ns is None for drain in run.drained)
    assert not run.lost
    assert run.instances == 1
    assert run.plane.census().running == 0


def test_a_machine_that_dies_is_replaced_at_once(simulation):
    run = simulation(group(min_instances=3), boot_s=lambda: 45.0).run(100)

    boots = run.plane.instance_died(2, at(100))

    assert [type(boot).__name__ for boot in boots] == ["Boot"]


loads = st.lists(st.tuples(st.floats(0.0, 500.0), st.integers(0, 80)), min_size=1, max_size=40)


@given(
    loads,
    st.builds(
        GroupDriven,
        target_ratio=st.sampled_from([0.3, 0.6, 1.0]),
        tolerance_ratio=st.sampled_from([0.0, 0.1]),
        hold_s=st.sampled_from([0.0, 120.0, 600.0]),
        most_added=st.sampled_from([None, 1, 4]),
        most_added_ratio=st.sampled_from([None, 1.0]),
        evaluate_s=st.sampled_from([15.0, 60.0]),
    ),
)
def test_a_hold_is_kept_and_growth_is_bounded(changes, rules):
    policy = GroupPolicy(rules, concurrency=10, vcpu=1.0)
    now_ns, machines, asked = 0, 1, []
    for gap_s, load in changes:
        now_ns += at(gap_s + 1)
        wanted = policy.wanted(now_ns, float(load), machines)

        target = 10 * rules.target_ratio
        left_alone = abs(load / (machines * target) - 1) <= rules.tolerance_ratio
        asked.append((now_ns, machines if left_alone else math.ceil(load / target - 1e-9)))
        held = max(size for when, size in asked if when >= now_ns - at(rules.hold_s))
        assert wanted <= held
        if wanted < held:  # growth is bounded, and by nothing else
            assert wanted >= machines
            assert rules.most_added is not None or rules.most_added_ratio is not None
        if rules.most_added is not None or rules.most_added_ratio is not None:
            room = max(rules.most_added or 0, math.ceil(machines * (rules.most_added_ratio or 0.0)))
            assert wanted <= max(machines + room, held if held <= machines else 0, machines)
        machines = max(1, wanted)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 400.0), st.floats(0.1, 900.0)), max_size=60),
    st.sampled_from(["gce", "hpa"]),
    st.integers(1, 3),
    st.integers(3, 12),
)
def test_never_fewer_than_the_least_nor_more_than_the_most_and_nobody_is_dropped(requests, rules, least, most):
    profile = GCE_MIG if rules == "gce" else KUBERNETES_HPA
    scaling = msgspec.structs.replace(profile.scaling, target="slots")
    spec = msgspec.structs.replace(
        profile,
        scaling=scaling,
        concurrency=2,
        min_instances=least,
        max_instances=most,
        pending_limit="unlimited",
    )
    now_s, arrivals, service_s = 0.0, [], []
    for gap_s, took_s in requests:
        now_s += gap_s
        arrivals.append(now_s)
        service_s.append(took_s)
    took = iter(service_s)
    run = Simulation(spec, arrivals_s=arrivals, service_s=lambda _: next(took), boot_s=lambda: 45.0)

    for second in range(0, round(now_s) + 4000, 50):
        assert least <= run.run(second).instances <= most

    run.run(now_s + 100_000)
    assert len(run.starts) == len(requests)
    assert not run.lost + run.refused + run.timed_out
    assert run.instances == least


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"kind":"vm","scaling":{"policy":"group"}}', None),
        ('{"scaling":{"policy":"group"}}', 'kind "group" and scaling with policy "group" go together'),
        (
            '{"kind":"group","scaling":{"policy":"window"}}',
            'kind "group" and scaling with policy "group" go together',
        ),
        ('{"kind":"group","scaling":{"policy":"group","target_ratio":0}}', "target_ratio must be above 0"),
        ('{"kind":"group","scaling":{"policy":"group","most_added":0}}', "a group must be allowed to grow"),
        (
            '{"kind":"group","max_instances":2,"scaling":{"policy":"group","schedule":'
            '[{"from_h":8,"until_h":18,"machines":5}]}}',
            "the schedule asks for 5 machines, more than max_instances",
        ),
        (
            '{"kind":"group","scaling":{"policy":"group","schedule":[{"from_h":8,"until_h":25,"machines":5}]}}',
            "from_h and until_h must be between 0 and 24",
        ),
        ('{"kind":"group","binding":"early"}', "binding early needs kind serverless"),
    ],
)
def test_rules_that_cannot_hold_are_refused(document, message):
    if message is None:
        msgspec.json.decode(document, type=PlaneSpec)
        return
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(document, type=PlaneSpec)
    assert message in str(caught.value)


def test_a_group_without_rules_scales_by_slots_and_reads_back_as_it_was():
    spec = PlaneSpec(kind="group")

    assert spec.scaling == GroupDriven()
    assert msgspec.json.decode(msgspec.json.encode(spec), type=PlaneSpec) == spec
    assert PlaneSpec(kind="serverless").scaling == RequestDriven()


def test_a_group_by_cpu_is_refused_where_nobody_knows_the_cpu():
    simulate = {"plane": {"kind": "group", "scaling": {"policy": "group", "target": "cpu"}}}

    with pytest.raises(TargetError, match="needs instances whose CPU is known"):
        simulated_plane(Target(url="http://x", name="t", simulate=simulate))


@pytest.mark.anyio
@pytest.mark.parametrize("instances", [ModelSpec(), ProcessSpec(command="true")])
async def test_nor_is_it_served(instances):
    with pytest.raises(ValueError, match="needs instances whose CPU is known"):
        async with plane_server(GCE_MIG, instances):
            pass


def test_a_drain_without_a_limit_has_none():
    plane = Plane(group(min_instances=2))
    plane.start(0)
    for instance in (1, 2):
        plane.instance_ready(instance, 0)
    (start,) = plane.request_arrived("a", 0)

    assert Drain(start.instance, None) in plane.drain(start.instance, at(1))
    plane.tick(at(10_000_000))
    assert plane.census().draining == 1
