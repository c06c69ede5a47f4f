"""A rolling deploy: whose turn it is, and what becomes of it when someone leaves."""

from itertools import count

from replay.planes.core.rollout import Rollout


def rollout(*instances: int) -> Rollout:
    found = Rollout()
    found.begin(instances)
    return found


def test_one_successor_boots_at_a_time_for_the_first_that_takes_requests():
    deploy, numbers = rollout(1, 2, 3), count(10)

    deploy.boot_next({2, 3}, lambda: next(numbers))
    deploy.boot_next({2, 3}, lambda: next(numbers))

    assert deploy.successors == 1
    assert deploy.is_successor(10)
    assert deploy.replaced_by(10) == 2
    assert deploy.replaced_by(2) is None
    assert repr(deploy) == "<Rollout 3 outgoing, 1 booting for one>"


def test_a_successor_that_is_gone_is_asked_for_again():
    deploy, numbers = rollout(1), count(10)
    deploy.boot_next({1}, lambda: next(numbers))

    deploy.leave(10)
    assert deploy.successors == 0
    deploy.boot_next({1}, lambda: next(numbers))

    assert deploy.replaced_by(11) == 1


def test_who_leaves_for_another_reason_needs_no_successor():
    deploy = rollout(1, 2)
    deploy.boot_next({1, 2}, lambda: 10)

    deploy.leave(1)

    assert not deploy.is_successor(10)
    assert len(deploy) == 1


def test_nothing_boots_while_no_outgoing_instance_takes_requests():
    deploy = rollout(1, 2)

    deploy.boot_next((), lambda: 10)

    assert deploy.successors == 0
