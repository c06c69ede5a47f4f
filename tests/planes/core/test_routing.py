"""Which instance takes the next request: three policies, one contract."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.planes.core.instances import Instance
from replay.planes.core.routing import ROUTERS, router

NAMES = sorted(ROUTERS)


def filled(name, concurrency: int, n: int):
    made = router(name, concurrency)
    instances = [Instance(number, 0) for number in range(1, n + 1)]
    for instance in instances:
        made.add(instance)
    return made, instances


def taken(made, n: int) -> list[int]:
    return [made.take().id for _ in range(n)]


def test_most_recently_used_packs_one_instance_before_it_takes_another():
    made, _ = filled("most_recently_used", 2, 3)

    assert taken(made, 6) == [3, 3, 2, 2, 1, 1]


def test_most_recently_used_returns_to_the_one_that_just_ended_a_request():
    made, (first, *_) = filled("most_recently_used", 1, 3)
    taken(made, 3)
    made.give_back(first)

    assert taken(made, 1) == [1]


def test_least_loaded_evens_out():
    made, _ = filled("least_loaded", 2, 3)

    first, second = taken(made, 3), taken(made, 3)

    assert sorted(first) == sorted(second) == [1, 2, 3]


def test_least_loaded_packs_idle_instances():
    made, instances = filled("least_loaded", 10, 3)

    for _ in range(5):
        instance = made.take()
        assert instance is instances[2]
        made.give_back(instance)


def test_least_loaded_prefers_the_one_with_fewer():
    made, (first, second) = filled("least_loaded", 10, 2)
    taken(made, 6)
    made.give_back(first)
    made.give_back(first)

    assert taken(made, 2) == [1, 1]
    assert second.in_flight == 3


def test_round_robin_goes_around():
    made, _ = filled("round_robin", 10, 3)

    assert taken(made, 7) == [1, 2, 3, 1, 2, 3, 1]


def test_round_robin_passes_over_full_instances():
    made, (first, *_) = filled("round_robin", 1, 2)

    assert taken(made, 2) == [1, 2]
    assert made.take() is None
    made.give_back(first)
    assert taken(made, 1) == [1]


@pytest.mark.parametrize("name", NAMES)
def test_unlimited_concurrency_always_has_a_slot(name):
    made, _ = filled(name, 0, 1)

    assert taken(made, 500) == [1] * 500


@pytest.mark.parametrize("name", NAMES)
def test_an_instance_that_comes_full_is_held_but_not_taken_until_it_has_a_slot(name):
    made, instance = router(name, 1), Instance(1, 0)
    instance.in_flight = 1
    made.add(instance)

    assert made.take() is None
    made.give_back(instance)
    assert made.take() is instance


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_taken_from_an_empty_router(name):
    assert router(name, 1).take() is None


@pytest.mark.parametrize("name", NAMES)
@given(st.lists(st.tuples(st.sampled_from("atgr"), st.integers(0, 7)), max_size=80), st.integers(1, 3))
def test_a_router_finds_a_free_slot_exactly_when_there_is_one(name, moves, concurrency):
    made, held, n = router(name, concurrency), [], 0
    for move, pick in moves:
        if move == "a":
            n += 1
            instance = Instance(n, 0)
            made.add(instance)
            held.append(instance)
        elif move == "t":
            before = {instance.id: instance.in_flight for instance in held}
            instance = made.take()
            if instance is None:
                assert all(load == concurrency for load in before.values())
            else:
                assert before[instance.id] < concurrency
                assert instance.in_flight == before[instance.id] + 1
                if name == "least_loaded":
                    assert before[instance.id] == min(before.values())
        elif move == "g":
            busy = [instance for instance in held if instance.in_flight]
            if busy:
                made.give_back(busy[pick % len(busy)])
        elif held:
            made.remove(held.pop(pick % len(held)))
