"""Nothing of a simulated plane is hidden: each of its parameters is listed, with where it is from."""

import msgspec
import pytest

from replay.choice.types import StepClass, Workload
from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.types import ModelSpec
from replay.simulation.simulation import simulated_plane
from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trace.errors import TraceError
from replay.trials.pilot.assumptions import assumptions_of
from replay.trials.pilot.embedded import boots_share, embedded_targets
from replay.trials.pilot.workload.shape import shape_of


def workload(*series: StepClass, **more) -> Workload:
    figures = {
        "trace": "t",
        "sessions": 100,
        "steps": 400,
        "span_s": 3600.0,
        "pattern": "steady",
        "pattern_rule": "",
        "window_s": 60,
        "mean_rps": 1.0,
        "peak_rps": 2.0,
        "mean_in_flight": 1.0,
        "peak_in_flight": 4,
        "series": list(series),
    }
    fields = {field.name for field in msgspec.structs.fields(Workload)}
    return msgspec.convert({k: v for k, v in {**figures, **more}.items() if k in fields}, Workload)


def target(simulate, **more) -> Target:
    return Target(url="http://x", name="t", plane="serverless", simulate=simulate, **more)


def rows(one: Target) -> dict[str, tuple[str, str]]:
    return {name: (value, where) for name, value, where in assumptions_of(one)}


def test_a_value_is_given_or_a_profile_s_or_a_default_and_says_which():
    found = rows(target({"profile": "cloud-run", "plane": {"concurrency": 20}, "instances": {"seed": 7}}))

    assert found["plane.concurrency"] == ("20", "given")
    assert found["plane.idle_lifetime_s"] == ("900", "profile cloud-run")
    assert found["instances.boot"] == ("1.75 s in the median, 3 s at p99 (lognormal)", "profile cloud-run")
    assert found["instances.seed"] == ("7", "given")
    assert found["instances.sharing"] == ("slots", "default")


def test_a_reason_is_told():
    found = rows(target({"plane": {"concurrency": 20}, "why": {"plane.concurrency": "as measured in May"}}))

    assert found["plane.concurrency"] == ("20", "chosen: as measured in May")


def test_what_follows_from_the_kind_is_told_as_what_it_comes_to():
    platform, machines = rows(target({})), rows(target({"plane": {"kind": "vm"}}))

    assert (platform["plane.request_timeout_s"], machines["plane.request_timeout_s"]) == (
        ("300", "default"),
        ("none", "default"),
    )
    assert machines["plane.pending_limit"] == ("an accept queue of 2048", "default")
    assert machines["instances.boot"][0] == "45 s in the median, 2 min at p99 (lognormal)"
    assert "plane.idle_lifetime_s" not in machines


@pytest.mark.parametrize("kind", ["serverless", "vm"])
def test_every_parameter_of_plane_and_instances_is_there(kind):
    names = {name for name, _, _ in assumptions_of(target({"plane": {"kind": kind}}))}

    of_platforms = {
        "min_instances",
        "idle_lifetime_s",
        "scaling",
        "binding",
        "startup_boost",
        "boost_after_ready_s",
    }
    for field in msgspec.structs.fields(PlaneSpec):
        if kind == "serverless" or field.name not in of_platforms:
            assert any(name.startswith(f"plane.{field.name}") for name in names), field.name
    for field in msgspec.structs.fields(ModelSpec):
        if field.name not in ("as_recorded", "boot_most_vcpu"):
            assert f"instances.{field.name}" in names


@pytest.mark.parametrize("how", ["simulated", "live", "quick"])
def test_no_plane_of_a_pilot_has_a_value_without_its_reason(how):
    """What the pilot gives of its own accord is chosen for a reason, or what every such plane must say."""
    for one in embedded_targets(workload(), how):
        unexplained = {name for name, _, where in assumptions_of(one) if where == "given"}
        assert unexplained <= {"as_recorded", "instances.cpu_by_name", "instances.seed"}


def test_the_serverless_plane_of_a_pilot_is_cloud_run_by_its_own_defaults():
    serverless, vm = (rows(one) for one in embedded_targets(workload(), "simulated"))

    assert serverless["plane.concurrency"] == ("80", "profile cloud-run")
    assert serverless["plane.vcpu"] == ("1", "profile cloud-run")
    assert serverless["cost.memory_gib"] == ("0.5", "given in [cost]")
    assert vm["plane.concurrency"] == ("80", "profile vm")
    assert vm["cost.machine"][0] == "e2-medium"
    assert serverless["instances.cpu_by_kind"][0] == "llm 0, tool 0.1, mcp 0.1, http 0.1, ws 0.1, grpc 0.1"


@pytest.mark.parametrize(("how", "share"), [("quick", 0.125), ("live", None), ("simulated", None)])
def test_of_a_recovery_it_is_known_whether_boots_were_shortened(how, share):
    assert [boots_share(one) for one in embedded_targets(workload(), how)] == [None, share]


def test_a_quick_pilot_says_that_machines_boot_in_less_time_than_they_do():
    _, quick = (rows(one) for one in embedded_targets(workload(), "quick"))
    _, live = (rows(one) for one in embedded_targets(workload(), "live"))

    assert quick["instances.boot"] == (
        "5.62 s in the median, 15 s at p99 (lognormal)",
        "chosen: a machine's 45 s, shortened to 0.125 of it as a quick failure phase is",
    )
    assert live["instances.boot"] == ("45 s in the median, 2 min at p99 (lognormal)", "default")


def test_streams_of_nearly_an_hour_are_within_what_either_plane_allows():
    serverless, vm = (simulated_plane(one).plane for one in embedded_targets(workload(), "simulated"))

    assert (serverless.request_limit_s, vm.request_limit_s) == (3600.0, None)


def test_machines_are_sized_by_cpu_where_steps_compute():
    """8 builds under way at the peak, each on a vCPU of its own, and 30 % more: eleven machines; by slots one."""
    build = StepClass(kind="tool", name="build", steps=400, in_flight=4.0, cpu_share=1.0)
    waits = msgspec.structs.replace(build, cpu_share=0.0)

    def machines(step):
        _, vm = embedded_targets(workload(step, mean_in_flight=4.0, peak_in_flight=8), "simulated")
        return simulated_plane(vm).plane.max_instances

    assert (machines(build), machines(waits)) == (11, 1)


def test_machines_are_sized_for_what_was_under_way_and_not_for_what_began_in_a_second():
    """30 streams of half an hour, of which four began in one second: 3 vCPU and 30 % more, not the load of thousands."""
    stream = StepClass(kind="http", name="stream", steps=400, in_flight=30.0)
    shape = workload(stream, mean_in_flight=30.0, peak_in_flight=36, mean_rps=0.015, peak_rps=4.0)

    _, vm = embedded_targets(shape, "simulated")

    assert simulated_plane(vm).plane.max_instances == 5  # ceil(36 * 0.1 * 1.3)


@pytest.mark.parametrize("text", ["much", "1.5", "-0.1", "nan", ""])
def test_a_share_of_cpu_that_is_none_is_refused_with_its_place(write_trace, text):
    step = write_trace.get("a", "/x", took_ms=100.0, attributes={"cpu_share": text})

    with pytest.raises(TraceError) as caught:
        shape_of(write_trace((0.0, [step])))

    assert str(caught.value).endswith(f"step 'a': cpu_share must be a number from 0 to 1, not {text!r}.")


def test_a_share_of_cpu_in_the_trace_reaches_the_planes_of_a_pilot(write_trace):
    build = write_trace.get("a", "/x", name="build", took_ms=100.0, attributes={"cpu_share": "0.9"})

    for one in embedded_targets(shape_of(write_trace((0.0, [build]))).workload, "simulated"):
        assert simulated_plane(one).instances.cpu_by_name == {"build": 0.9}


def test_a_target_that_is_not_simulated_has_its_price_alone():
    live = Target(
        url="http://x", name="t", plane="vm", cost=Cost(price="gce-e2-us-central1", machine="e2-medium")
    )

    assert [name for name, _, _ in assumptions_of(live)] == [
        "cost.price",
        "cost.machine",
        "cost.headroom_percent",
    ]
    assert assumptions_of(Target(url="http://x", name="t")) == []


def test_a_profile_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(TargetError, match=r"profile: 'cloudrun' is not known. Use one of cloud-run, .*vm"):
        simulated_plane(target({"profile": "cloudrun"}))


def test_a_rule_of_scaling_goes_before_the_profile_s_and_leaves_its_others():
    spec = simulated_plane(target({"profile": "knative", "plane": {"scaling": {"stable_window_s": 30}}}))

    assert spec.plane.scaling.stable_window_s == 30
    assert spec.plane.scaling.utilization_ratio == 0.7
    assert spec.plane.max_instances == 1000
