"""Whether a rate is low because nothing was asked for."""

import pytest

from replay.judge.gate.demand import Demand

_NS = 1_000_000_000


def seen(looks):
    demand = Demand(30.0)
    for at_s, sent, in_flight in looks:
        demand.look(int(at_s * _NS), sent, in_flight)
    return demand


@pytest.mark.parametrize(
    ("what", "looks", "explains"),
    [
        ("nothing was sent", [(s, 50, 0) for s in range(11)], True),
        ("a few were sent, and answered at once", [(s, 50 + s // 2, 0) for s in range(11)], True),
        ("the target hangs, and more is sent", [(s, 50 + 5 * s, 5 * s) for s in range(11)], False),
        ("it hangs, and all sessions wait for it", [(s, 50, 3) for s in range(11)], False),
        ("as much was sent as is asked of it", [(s, 50 + s, 0) for s in range(11)], False),
        ("more waited when the window began", [(s, 50, 12 if s < 3 else 0) for s in range(11)], False),
        ("nobody looked", [], False),
    ],
)
def test_a_low_rate_is_the_traces_where_the_target_had_little_to_do(what, looks, explains):
    assert seen(looks).explains(1.0, 10.0, 10 * _NS) is explains, what


def test_what_was_before_the_window_is_forgotten():
    busy, calm = [(s, 5 * s, 5) for s in range(20)], [(s, 100, 0) for s in range(20, 41)]

    assert seen([*busy, *calm]).explains(1.0, 10.0, 40 * _NS)
    assert not seen([*busy, *calm]).explains(1.0, 30.0, 40 * _NS)


def test_what_came_after_the_window_counts_no_more_than_what_was_before_it():
    calm, busy = [(s, 100, 0) for s in range(11)], [(s, 100 + 5 * s, 5) for s in range(11, 15)]

    assert seen([*calm, *busy]).explains(1.0, 10.0, 10 * _NS)


def test_it_keeps_no_more_than_it_is_asked_for():
    demand = seen([(s / 10, s, 0) for s in range(10_000)])

    assert repr(demand) == "<Demand of 301 looks>"


def test_what_workers_tell_late_may_be_of_before_the_window():
    """The pause begins at 10 s; until 11 s there is news of requests before it."""
    told = [(s / 2, 10 * min(s, 22), 0) for s in range(45)]
    at_once, late = (Demand(30.0, late_s) for late_s in (0.0, 1.0))
    for at_s, sent, in_flight in told:
        at_once.look(int(at_s * _NS), sent, in_flight)
        late.look(int(at_s * _NS), sent, in_flight)

    assert late.explains(1.0, 10.0, 20 * _NS)
    assert not at_once.explains(1.0, 10.0, 20 * _NS)
    assert not late.explains(1.0, 10.0, 15 * _NS)
