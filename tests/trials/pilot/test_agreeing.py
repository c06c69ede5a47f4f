"""A target is simulated as it is paid, or refused."""

from typing import Any

import msgspec
import pytest

from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.routes import Route
from replay.target.target import Target
from replay.trials.pilot.agreeing import check_agreement, left_out
from tests.trials.pilot.cases import machines, serverless


def with_model(target: Target, **model: Any) -> Target:
    simulate = target.simulate or {}
    return msgspec.structs.replace(
        target, simulate={**simulate, "instances": {**simulate["instances"], **model}}
    )


def test_processors_that_make_no_difference_need_not_be_stated_twice():
    check_agreement(serverless(cost={"vcpu": 4.0}))
    check_agreement(machines(cost={"machine": "e2-standard-4"}))
    check_agreement(with_model(serverless(cost={"memory_gib": 0.5}), memory_mib=512, sharing="processor"))
    check_agreement(with_model(serverless(cost={"memory_gib": 1.73}), memory_mib=1769))


def test_what_says_the_same_in_both_places_is_taken():
    check_agreement(machines(count=3))
    check_agreement(serverless(min_instances=1, cost={"min_instances": 1}))
    check_agreement(
        Target(url="http://x", name="live", plane="vm", cost=Cost(price="p", machine="m", machines=4))
    )


def test_machines_that_come_and_go_state_their_number_once():
    group = machines(count=1, cost={"machines": 1}, kind="group", max_instances=20)

    check_agreement(group)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (
            machines(count=5, cost={"machines": 1}),
            "vm: [cost] has machines = 1, and [simulate] has plane.max_instances = 5, so its bill would be of another "
            "plane than its latencies. Write the same in both.",
        ),
        (
            serverless(min_instances=1),
            "serverless: [cost] has min_instances = 0, and [simulate] has plane.min_instances = 1, so its bill would be "
            "of another plane than its latencies. Write the same in both.",
        ),
        (
            serverless(cost={"min_instances": 2}),
            "serverless: [cost] has min_instances = 2, and [simulate] has plane.min_instances = 0, so its bill would be "
            "of another plane than its latencies. Write the same in both.",
        ),
        (
            serverless(vcpu=1.5, cost={"vcpu": 4.0}),
            "serverless: [cost] has vcpu = 4, and [simulate] has plane.vcpu = 1.5, so its bill would be of another plane "
            "than its latencies. Write the same in both.",
        ),
        (
            with_model(serverless(cost={"vcpu": 4.0}), vcpu=2.0),
            "serverless: [cost] has vcpu = 4, and [simulate] has instances.vcpu = 2, so its bill would be of another "
            "plane than its latencies. Write the same in both.",
        ),
        (
            with_model(serverless(cost={"memory_gib": 2.0}), memory_mib=512),
            "serverless: [cost] has memory_gib = 2, and [simulate] has instances.memory_mib / 1024 = 0.5, so its bill "
            "would be of another plane than its latencies. Write the same in both.",
        ),
        (
            machines(cost={"machine": "e2-micro"}, vcpu=8.0),
            "vm: [cost] has machine = e2-micro, with vcpu = 0.25, and [simulate] has plane.vcpu = 8, so its bill would "
            "be of another plane than its latencies. Write the same in both.",
        ),
    ],
)
def test_what_is_paid_as_another_plane_than_it_is_simulated_as_is_refused(target: Target, says: str):
    with pytest.raises(TargetError) as refused:
        check_agreement(target)

    assert str(refused.value) == says


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (
            with_model(serverless(cost={"vcpu": 4.0}), sharing="processor"),
            "serverless is billed with vcpu = 4 and simulated with plane.vcpu = 1, since its file does not state "
            "plane.vcpu",
        ),
        (
            serverless(vcpu=2.0),
            "serverless is billed with vcpu = 1 and simulated with plane.vcpu = 2, since its file does not state vcpu",
        ),
        (
            with_model(serverless(cost={"memory_gib": 0.5}), memory_mib=2048),
            "serverless is billed with memory_gib = 0.5 and simulated with instances.memory_mib / 1024 = 2, since its "
            "file does not state memory_gib",
        ),
        (
            with_model(machines(cost={"machine": "e2-standard-4"}), sharing="processor"),
            "vm is billed with machine = e2-standard-4, with vcpu = 4 and simulated with plane.vcpu = 1, since its file "
            "does not state plane.vcpu",
        ),
    ],
)
def test_what_only_one_of_them_says_is_in_doubt(target: Target, says: str):
    check_agreement(target)

    assert left_out(target) == [says]


def test_what_an_instance_has_of_its_own_is_what_is_simulated():
    assert left_out(with_model(serverless(cost={"vcpu": 4.0}), vcpu=4.0, sharing="processor")) == []


@pytest.mark.parametrize(("count", "is_taken"), [(2, True), (3, False)])
def test_the_machines_of_a_hybrid_are_those_that_its_routes_send_steps_to(count: int, is_taken: bool):
    elsewhere: dict[str, Any] = {"as_recorded": True, "plane": {"kind": "vm", "max_instances": count}}
    hybrid = Target(
        url="http://x",
        name="hybrid",
        plane="hybrid",
        routes=(Route(kind="tool", send_to="http://y"),),
        simulate={"as_recorded": True, "elsewhere": elsewhere},
        cost=Cost(price="cloud-run-us-central1", machine="e2-medium", machines=2),
    )

    if is_taken:
        check_agreement(hybrid)
    else:
        with pytest.raises(TargetError, match=r"machines = 2, and \[simulate\] has plane.max_instances = 3"):
            check_agreement(hybrid)
