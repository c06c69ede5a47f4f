"""Instances that are drained, and rolling deploys: on the core's own clock, in a whole simulated run, and for real."""

import asyncio
import contextlib
import json
import threading

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.planes.core.plane import Plane
from replay.planes.core.scaling_types import RequestDriven, WindowDriven
from replay.planes.core.types import Boot, Drain, PlaneSpec, Stop
from replay.planes.modelled.time_types import Constant
from replay.planes.modelled.types import Faults, ModelSpec
from replay.planes.serving.serving import plane_server
from replay.simulation.simulation import simulate_trace
from replay.target.target import Target
from tests.support.gateways import ONLY_WAITING

SECOND_NS = 1_000_000_000


def vm(workers, concurrency=1, **rules):
    """A plane whose workers are all ready."""
    plane = Plane(PlaneSpec(kind="vm", max_instances=workers, concurrency=concurrency, **rules))
    for decision in plane.start(0):
        plane.instance_ready(decision.instance, 0)
    return plane


# One instance.


def test_a_drained_instance_ends_with_its_last_request_and_another_boots_for_it():
    plane = vm(2, drain_s=30.0)
    (start,) = plane.request_arrived("long", 1)

    drain, boot = plane.drain(start.instance, 2)
    assert drain == Drain(start.instance, 2 + 30 * SECOND_NS)
    assert isinstance(boot, Boot)
    (other,) = plane.request_arrived("next", 3)
    assert other.instance != start.instance
    assert plane.request_ended("long", 4) == [Stop(start.instance)]


def test_a_drained_instance_without_a_request_is_stopped_at_once():
    plane = vm(1)

    assert [type(decision) for decision in plane.drain(1, 1)] == [Stop, Boot]


def test_what_still_runs_when_the_drain_is_over_is_lost():
    plane = vm(1, drain_s=10.0)
    plane.request_arrived("endless", 1)
    plane.drain(1, 2)

    lost, stopped = plane.tick(2 + 10 * SECOND_NS)
    assert (lost.request, lost.status, stopped) == ("endless", 503, Stop(1))


def test_what_waits_for_a_boot_of_its_own_gets_another_when_that_is_drained():
    plane = Plane(PlaneSpec(concurrency=1, binding="early", pending_limit="unlimited", scaling=ONLY_WAITING))
    (boot,) = plane.request_arrived("a", 1)

    stopped, again = plane.drain(boot.instance, 2)
    (start,) = plane.instance_ready(again.instance, 3)
    assert (stopped, start.request, start.waited_for_boot) == (Stop(boot.instance), "a", True)


def test_draining_what_is_gone_or_drains_already_changes_nothing():
    plane = vm(1)
    plane.request_arrived("a", 1)
    plane.drain(1, 2)

    assert plane.drain(1, 3) == []
    assert plane.drain(99, 3) == []


# A deploy.


def test_a_deploy_boots_one_successor_at_a_time_and_drains_whom_it_replaces():
    plane = vm(2, concurrency=1)
    held = {plane.request_arrived(name, 1)[0].instance: name for name in ("a", "b")}

    assert plane.deploy(2) == [Boot(3, 1.0)]
    assert plane.outgoing == 2
    assert [type(decision) for decision in plane.instance_ready(3, 3)] == [Drain, Boot]
    assert plane.request_ended(held[1], 4) == [Stop(1)]
    assert [type(decision) for decision in plane.instance_ready(4, 5)] == [Drain]
    assert plane.request_ended(held[2], 6) == [Stop(2)]
    assert plane.outgoing == 0
    assert plane.census().idle == 2


def test_a_plane_at_zero_has_nothing_to_replace():
    plane = Plane(PlaneSpec())

    assert plane.deploy(1) == []
    assert plane.next_wake_ns is None


def test_an_instance_that_boots_is_replaced_once_it_is_ready_so_nobody_who_waits_for_it_is_lost():
    plane = Plane(PlaneSpec(concurrency=1, scaling=ONLY_WAITING))
    plane.request_arrived("a", 1)

    assert plane.deploy(2) == []
    start, boot = plane.instance_ready(1, 3)
    assert (start.request, boot.instance) == ("a", 2)
    assert plane.instance_ready(2, 4) == [Drain(1, 4 + 300 * SECOND_NS)]


def test_a_successor_that_dies_is_booted_again():
    plane = vm(1)
    (boot,) = plane.deploy(1)

    (again,) = plane.instance_died(boot.instance, 2)
    assert plane.instance_ready(again.instance, 3) == [Stop(1)]


def test_a_worker_that_dies_before_its_turn_has_its_place_taken_by_the_successor_under_way():
    plane = vm(1)
    (boot,) = plane.deploy(1)

    assert plane.instance_died(1, 2) == []
    assert plane.instance_ready(boot.instance, 3) == []
    assert plane.census().idle == 1
    assert plane.outgoing == 0


def test_one_that_is_idle_for_too_long_goes_without_a_successor():
    plane = Plane(PlaneSpec(concurrency=1, scaling=ONLY_WAITING, idle_lifetime_s=5.0))
    plane.request_arrived("a", 0)
    plane.instance_ready(1, 1)
    plane.request_arrived("b", 1)
    plane.instance_ready(2, 2)
    plane.request_ended("a", 2)
    plane.deploy(3)

    stopped = plane.tick(2 + 5 * SECOND_NS)
    assert stopped[0] == Stop(1)
    assert plane.outgoing == 1


def test_a_scaler_that_wants_fewer_lets_go_of_the_old_and_not_of_their_successor(simulation):
    spec = PlaneSpec(concurrency=10, max_instances=8, scaling=WindowDriven(stable_window_s=10), min_instances=1)
    run = simulation(spec, clients=50, service_s=lambda start: 1.0, boot_s=lambda: 2.0)
    run.deploy(20.0)
    run.run(60.0)

    assert run.plane.outgoing == 0
    assert not run.lost
    assert not run.refused


def test_a_deploy_of_busy_workers_loses_no_request_and_has_one_instance_more_at_a_time(simulation):
    spec = PlaneSpec(kind="vm", max_instances=3, concurrency=2, pending_limit="unlimited")
    run = simulation(spec, clients=9, service_s=lambda start: 1.7, boot_s=lambda: 4.0)
    most = []
    run.deploy(30.0)
    for second in range(60):
        run.run(float(second))
        most.append(run.instances)

    assert max(most) == 4
    assert (run.lost, run.refused, run.timed_out) == ([], [], [])
    assert [round(at_s, 3) for at_s in run.boots_s] == [0.0] * 3 + [30.0, 34.0, 38.0]
    assert {start.instance for start in run.starts[-9:]} == {4, 5, 6}
    assert len(run.stops_s) == 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_deploy_loses_no_request_that_ends_within_the_drain(data, simulation):
    binding = data.draw(st.sampled_from(["late", "early"]))
    scaling = data.draw(st.sampled_from([ONLY_WAITING, RequestDriven(windows_s=(10,)), WindowDriven()]))
    spec = PlaneSpec(
        concurrency=1 if binding == "early" else data.draw(st.integers(1, 4)),
        max_instances=40 if binding == "early" else data.draw(st.integers(1, 4)),
        idle_lifetime_s=data.draw(st.sampled_from([1.0, 30.0])),
        scaling=ONLY_WAITING if binding == "early" else scaling,
        binding=binding,
        pending_limit="unlimited",
        request_timeout_s=1e6,
        drain_s=10.0,
    )
    seconds = st.floats(0, 60).map(lambda s: round(s, 3))
    run = simulation(
        spec,
        arrivals_s=sorted(data.draw(st.lists(seconds, min_size=1, max_size=40))),
        service_s=lambda start: 0.5 + (hash(start.request) % 90) / 10,
        boot_s=lambda: 1.3,
    )
    deploys_s = data.draw(st.lists(seconds, min_size=1, max_size=3))
    for at_s in deploys_s:
        run.deploy(at_s)
    run.run(5000.0)

    assert (run.lost, run.refused, run.timed_out) == ([], [], [])
    assert run.plane.outgoing == 0
    left = [life for life in run.plane.ledger(run.now_ns) if life.gone_ns is None]
    assert all(life.requested_ns >= max(deploys_s) * SECOND_NS for life in left)


# A whole run, in virtual time and for real.

MODEL = ModelSpec(boot=Constant(150.0), service=Constant(60.0), faults=Faults(deploys_s=(0.8,)))
SPEC = PlaneSpec(kind="vm", max_instances=2, concurrency=2)
SIMULATED = {
    "plane": {"kind": "vm", "max_instances": 2, "concurrency": 2},
    "instances": {
        "boot": {"of": "constant", "ms": 150.0},
        "service": {"of": "constant", "ms": 60.0},
        "faults": {"deploys_s": [0.8]},
    },
}


@contextlib.contextmanager
def served(spec, model):
    """A modelled plane, from a thread."""
    started, ready, stop = [], threading.Event(), threading.Event()

    async def serve():
        async with plane_server(spec, model) as where:
            started.append(where)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield started[0]
    finally:
        stop.set()
        thread.join()


def instances_of(directory):
    return {json.loads(line)["instance"] for line in (directory / "steps.jsonl").read_text().splitlines()}


def test_a_deploy_in_a_real_run_and_in_its_simulation_replaces_every_worker_and_fails_nothing(
    write_trace, tmp_path
):
    get = write_trace.get
    trace = write_trace(*((n * 40.0, [get("a", "/x")]) for n in range(50)))
    imagined = Target(url="http://x", name="virtual", simulate=SIMULATED)

    virtual = simulate_trace(trace, imagined, RunOptions(), tmp_path / "virtual").summary
    with served(SPEC, MODEL) as where:
        target = Target(url=where.url, name="real", instance_header="x-replay-instance")
        real = replay_trace(trace, target, RunOptions(), tmp_path / "real").summary

    assert (virtual.counts.ok, virtual.counts.failed) == (real.counts.ok, real.counts.failed) == (50, 0)
    assert instances_of(tmp_path / "virtual") == {"i-1", "i-2", "i-3", "i-4"}
    # Which of the first two answered before it went is a matter of when a busy machine let requests come.
    assert {"i-3", "i-4"} <= instances_of(tmp_path / "real") <= {"i-1", "i-2", "i-3", "i-4"}
    assert virtual.plane.instances == 4


def test_what_outlives_the_drain_fails_in_a_simulation_too(write_trace, tmp_path):
    get = write_trace.get
    trace = write_trace((0.0, [get("a", "/x")]))
    plane = {"kind": "vm", "max_instances": 1, "drain_s": 2.0}
    instances = {**SIMULATED["instances"], "service": {"of": "constant", "ms": 10_000.0}}
    imagined = Target(url="http://x", name="virtual", simulate={"plane": plane, "instances": instances})

    simulate_trace(trace, imagined, RunOptions(), tmp_path / "run")
    (line,) = [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]

    assert line["status"] == 503
    assert line["end_ns"] == (800 + 150 + 2000) * 1_000_000
