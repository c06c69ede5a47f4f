"""One instance: its states, its CPU, and its account of what it did."""

import pytest

from replay.planes.core.instances import TRANSITIONS, Instance, boosted_vcpu
from replay.planes.core.types import PlaneSpec

SECOND_NS = 1_000_000_000


def ready(at_s: int = 5) -> Instance:
    instance = Instance(1, 0)
    instance.move_to("ready")
    instance.ready_ns = at_s * SECOND_NS
    return instance


@pytest.mark.parametrize(
    ("vcpu", "boosted"), [(0.5, 2.0), (1, 2.0), (2, 4.0), (4, 8.0), (6, 8.0), (8, 8.0), (16, 16)]
)
def test_the_startup_boost_follows_its_table(vcpu, boosted):
    assert boosted_vcpu(vcpu) == boosted


def test_the_boost_lasts_until_ten_seconds_after_readiness():
    spec, instance = PlaneSpec(vcpu=1.0), ready(at_s=5)

    assert Instance(2, 0).vcpu(spec, 0) == 2.0
    assert instance.vcpu(spec, 15 * SECOND_NS - 1) == 2.0
    assert instance.vcpu(spec, 15 * SECOND_NS) == 0.0


def test_cpu_is_there_while_a_request_is_in_flight_and_not_between():
    spec, instance = PlaneSpec(startup_boost=False, boost_after_ready_s=0), ready()

    assert instance.vcpu(spec, 6 * SECOND_NS) == 0.0
    instance.in_flight = 1
    assert instance.vcpu(spec, 6 * SECOND_NS) == 1.0


def test_an_idle_instance_that_is_not_throttled_keeps_its_cpu():
    assert ready().vcpu(PlaneSpec(cpu_when_idle="full"), 60 * SECOND_NS) == 1.0


def test_a_worker_of_a_vm_is_neither_boosted_nor_throttled():
    spec = PlaneSpec(kind="vm", vcpu=2.0)

    assert Instance(1, 0).vcpu(spec, 0) == ready().vcpu(spec, 60 * SECOND_NS) == 2.0


def test_an_instance_that_is_gone_has_no_cpu():
    instance = ready()
    instance.move_to("gone")

    assert instance.vcpu(PlaneSpec(), 6 * SECOND_NS) == 0.0


@pytest.mark.parametrize("state", sorted(TRANSITIONS))
def test_no_instance_returns_from_being_gone(state):
    instance = Instance(1, 0)
    instance.move_to("gone")

    with pytest.raises(ValueError, match=f"instance 1 cannot go from gone to {state}"):
        instance.move_to(state)


def test_each_busy_interval_is_billed_in_begun_tenths_of_a_second():
    instance = ready()
    for begin_ms, end_ms in ((0, 130), (1000, 1100)):
        instance.busy_since_ns = begin_ms * 1_000_000
        instance.end_busy(end_ms * 1_000_000)

    assert instance.busy_ns == 230_000_000
    assert instance.busy_tenths == 3


def test_its_use_is_the_share_of_slots_taken_since_the_last_look():
    instance = Instance(1, 0)
    instance.in_flight = 2

    assert instance.use_ratio(10 * SECOND_NS, concurrency=4) == 0.5
    instance.account(20 * SECOND_NS)
    instance.in_flight = 0
    assert instance.use_ratio(30 * SECOND_NS, concurrency=4) == 0.25
    assert instance.use_ratio(40 * SECOND_NS, concurrency=4) == 0.0


def test_its_repr_tells_the_state_in_one_line():
    instance = ready()
    instance.in_flight = instance.served = 2

    assert repr(instance) == "<Instance 1 busy, 2 in flight, 2 served>"
