"""Machines have no platform before them: nothing times their requests out, and what dies is away for a machine's boot."""

import asyncio
import json

import pytest

from replay.engine.types import RunOptions
from replay.planes.core.plane import Plane
from replay.planes.core.types import ACCEPT_QUEUE, PENDING_LIMITS, PlaneSpec
from replay.planes.modelled.script import Script
from replay.planes.modelled.time_types import MACHINE_BOOT, Constant
from replay.planes.modelled.types import ModelSpec
from replay.planes.serving.serving import plane_server
from replay.simulation.simulation import simulate_trace
from replay.target.target import Target

AN_HOUR_NS = 3600 * 1_000_000_000


def replayed(trace, out, simulate):
    """The steps and the instances of a simulated run."""
    target = Target(url="http://x", name="machines", simulate=simulate)
    simulate_trace(trace, target, RunOptions(), out)
    return (
        [json.loads(line) for line in (out / name).read_text().splitlines()]
        for name in ("steps.jsonl", "instances.jsonl")
    )


@pytest.mark.parametrize(
    ("plane", "limit_s"),
    [
        (PlaneSpec(), 300.0),
        (PlaneSpec(request_timeout_s=900), 900.0),
        (PlaneSpec(request_timeout_s=float("inf")), None),
        (PlaneSpec(kind="vm"), None),
        (PlaneSpec(kind="vm", request_timeout_s=60), 60.0),
    ],
)
def test_only_a_platform_limits_requests_unless_the_plane_says_so(plane, limit_s):
    assert plane.request_limit_s == limit_s


def test_requests_of_any_length_end_well_on_machines_and_with_504_on_a_platform(write_trace, tmp_path):
    took_ms = [60_000.0, 301_000.0, 1_200_000.0, 3_000_000.0, 14_400_000.0]
    trace = write_trace(*((0.0, [write_trace.get("a", "/stream", took_ms=ms)]) for ms in took_ms))

    machines, _ = replayed(trace, tmp_path / "vm", {"plane": {"kind": "vm"}, "as_recorded": True})
    platform, _ = replayed(trace, tmp_path / "run", {"plane": {}, "as_recorded": True})

    assert [line["status"] for line in machines] == [200] * 5
    assert [(line["end_ns"] - line["sent_ns"]) / 1e6 for line in machines] == took_ms
    assert [line["status"] for line in platform] == [200] + [504] * 4


def test_the_core_of_a_vm_plane_never_wakes_for_a_request():
    plane = Plane(PlaneSpec(kind="vm", max_instances=1, concurrency=1))
    plane.start(0)
    plane.instance_ready(1, 0)
    plane.request_arrived("runs", 0)
    plane.request_arrived("waits", 0)

    assert plane.next_wake_ns is None
    assert plane.tick(100 * AN_HOUR_NS) == []


def test_requests_wait_for_machines_as_in_an_accept_queue_and_for_a_platform_as_it_lets_them():
    assert PlaneSpec(kind="vm").queue == ACCEPT_QUEUE
    assert PlaneSpec().queue == PENDING_LIMITS["startup"]
    assert PlaneSpec(kind="vm", pending_limit="10s").queue == PENDING_LIMITS["10s"]


def test_a_machine_that_dies_is_back_after_a_machine_s_boot(write_trace, tmp_path):
    trace = write_trace(*((n * 10_000.0, [write_trace.get("a", "/x", took_ms=10.0)]) for n in range(60)))
    faults = {"kills_s": [55.0]}

    _, lives = replayed(
        trace,
        tmp_path / "run",
        {"plane": {"kind": "vm", "max_instances": 1}, "as_recorded": True, "instances": {"faults": faults}},
    )

    first, second = lives
    assert first["gone_ns"] == second["requested_ns"] == 55_000_000_000
    assert first["ready_ns"] <= 0
    assert second["ready_ns"] - second["requested_ns"] >= 15_000_000_000


def test_the_usual_boot_is_the_kind_s_and_a_given_one_goes_before_it():
    def boots_s(model: ModelSpec, kind: str) -> list[float]:
        script = Script(model, kind)
        return sorted(script.boot_ms(n) / 1000 for n in range(2001))

    machines, containers = boots_s(ModelSpec(), "vm"), boots_s(ModelSpec(), "serverless")

    assert machines[1000] == pytest.approx(MACHINE_BOOT.p50_ms / 1000, rel=0.05)
    assert containers[1000] == pytest.approx(1.0, rel=0.05)
    assert boots_s(ModelSpec(boot=Constant(700.0)), "vm")[0] == 0.7


@pytest.mark.anyio
async def test_what_is_always_on_was_on_before_a_modelled_plane_began():
    async with plane_server(PlaneSpec(kind="vm", max_instances=3), ModelSpec(), control_port=0) as where:
        for _ in range(200):
            if not where.is_booting():
                break
            await asyncio.sleep(0.01)
        assert not where.is_booting()  # within 2 s, where a machine boots for 45


def test_ready_at_the_very_beginning_is_ready(write_trace, tmp_path):
    """A regression: an instance that was ready at 0 ns counted as booting for the whole run."""
    trace = write_trace((0.0, [write_trace.get("a", "/", took_ms=1000.0)]))
    target = Target(
        url="http://x",
        name="t",
        simulate={"plane": {"kind": "vm", "max_instances": 1}, "as_recorded": True},
    )

    summary = simulate_trace(trace, target, RunOptions(), tmp_path / "run").summary

    assert summary.plane.booting_s == 0.0
    assert summary.plane.instance_s == pytest.approx(1.0, abs=0.1)
