"""The queue before a plane: order of arrival, and the limits that vendors document."""

import msgspec
import pytest

from replay.planes.core.pending import Pending, Request
from replay.planes.core.types import PENDING_LIMITS, PendingLimit

SECOND_NS = 1_000_000_000


def limit_ns(pending: Pending) -> int | None:
    """How long a request may wait."""
    request = Request("probe", 0)
    pending.add(request)
    deadline_ns = pending.deadline_ns()
    pending.remove(request)
    return deadline_ns


def test_who_came_first_is_served_first():
    pending = Pending(PENDING_LIMITS["startup"])
    for number in (3, 1, 2):
        pending.add(Request(number, number))

    assert [pending.pop().id for _ in range(3)] == [3, 1, 2]


def test_the_wait_is_ten_seconds_or_three_and_a_half_mean_startups():
    pending = Pending(PENDING_LIMITS["startup"])
    assert limit_ns(pending) == 10 * SECOND_NS

    pending.started_up(2 * SECOND_NS)
    assert limit_ns(pending) == 10 * SECOND_NS

    pending.started_up(6 * SECOND_NS)
    assert limit_ns(pending) == 14 * SECOND_NS  # 3.5 times the mean of 2 s and 6 s


def test_a_longer_mean_startup_also_moves_the_deadline_of_those_who_wait():
    pending = Pending(PENDING_LIMITS["startup"])
    pending.add(Request("a", 5 * SECOND_NS))
    pending.started_up(4 * SECOND_NS)

    assert pending.deadline_ns() == 19 * SECOND_NS


def test_a_plain_limit_does_not_follow_startups():
    pending = Pending(PENDING_LIMITS["30s"])
    pending.started_up(60 * SECOND_NS)

    assert limit_ns(pending) == 30 * SECOND_NS


def test_nothing_waits_for_ever_in_an_empty_queue():
    assert Pending(PENDING_LIMITS["startup"]).deadline_ns() is None


def test_knative_limits_the_number_and_not_the_time():
    pending = Pending(PENDING_LIMITS["knative"])
    for number in range(10_000):
        assert not pending.is_full
        pending.add(Request(number, 0))

    assert pending.is_full
    assert pending.deadline_ns() is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b'{"length":-1}', "length must be 0 or more, not -1"),
        (b'{"wait_s":-1}', "wait_s and startup_factor must not be negative"),
    ],
)
def test_a_limit_below_zero_is_an_error(document, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(document, type=PendingLimit)
