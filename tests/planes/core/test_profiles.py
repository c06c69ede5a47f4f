"""The rules of known platforms: complete, readable from a file, and alive."""

import msgspec
import pytest

from replay.planes.core.pending import Pending, Request
from replay.planes.core.types import PlaneSpec
from replay.planes.profiles import PROFILES

NAMES = sorted(PROFILES)


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_reads_back_as_it_was_written(name):
    spec = PROFILES[name]

    assert msgspec.json.decode(msgspec.json.encode(spec), type=PlaneSpec) == spec


def test_every_rule_can_be_given_in_toml():
    document = """
    concurrency = 1
    scaling = { policy = "request", windows_s = [], keep_instances = 100 }
    pending_limit = { wait_s = inf, length = 50 }
    """

    spec = msgspec.toml.decode(document, type=PlaneSpec)

    assert spec.scaling.windows_s == ()
    pending = Pending(spec.pending_limit)
    pending.add(Request("a", 0))
    assert pending.deadline_ns() is None
    assert msgspec.toml.decode('pending_limit = "30s"', type=PlaneSpec).pending_limit == "30s"


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_serves_an_hour_of_light_traffic_and_loses_nothing(name, simulation):
    arrivals_s = [30.0 * number for number in range(1, 121)]

    run = simulation(PROFILES[name], arrivals_s=arrivals_s, boot_s=lambda: 0.5).run(3_660)

    assert len(run.starts) == 120
    assert not run.refused + run.timed_out + run.lost
    assert sum(start.fresh for start in run.starts) == 1
    assert sum(start.waited_for_boot for start in run.starts) == (
        0 if PROFILES[name].kind != "serverless" else 1
    )


@pytest.mark.parametrize(
    ("name", "quiet_s", "instances"),
    [
        ("cloud-run", 890, 1),
        ("cloud-run", 910, 0),
        ("knative", 55, 1),
        ("knative", 95, 0),
        ("lambda", 590, 1),
        ("lambda", 610, 0),
        ("vm", 100_000, 1),
    ],
)
def test_a_profile_keeps_an_unused_instance_as_long_as_its_platform(name, quiet_s, instances, simulation):
    run = simulation(PROFILES[name], arrivals_s=map(float, range(1, 121)), service_s=lambda _: 0.1)

    assert run.run(120.1 + quiet_s).instances == instances


def test_lambda_throttles_at_once_where_cloud_run_lets_requests_wait(simulation):
    def burst(name: str) -> tuple[int, int]:
        spec = msgspec.structs.replace(PROFILES[name], concurrency=1, max_instances=2)
        run = simulation(spec, arrivals_s=[0.0] * 5, boot_s=lambda: 1.0).run(60)
        return len(run.starts), len(run.refused)

    assert burst("lambda") == (2, 3)
    assert burst("cloud-run") == (5, 0)
