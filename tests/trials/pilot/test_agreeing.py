"""A target is simulated as it is paid, or refused."""

from typing import Any

import pytest

from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.routes import Route
from replay.target.target import Target
from replay.trials.pilot.agreeing import check_agreement
from tests.trials.pilot.cases import machines, serverless


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
    ],
)
def test_what_is_paid_as_another_plane_than_it_is_simulated_as_is_refused(target: Target, says: str):
    with pytest.raises(TargetError) as refused:
        check_agreement(target)

    assert str(refused.value) == says


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
