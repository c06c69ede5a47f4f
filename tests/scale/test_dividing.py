"""What holds for a whole run, divided among its workers."""

import pytest

from replay.engine.shares import Share
from replay.engine.types import At, Budget, RunOptions
from replay.errors import InputError
from replay.scale.dividing import notes_on, options_of_share, target_of_share
from replay.target.sending import Connections
from replay.target.target import Target

SHARES = [Share(place, 3) for place in range(3)]
TARGET = Target("http://x", name="x", observe="http://x/state", connections=Connections(max=100))


def test_limits_are_divided_and_add_up():
    options = RunOptions(max_in_flight=10, budget=Budget(6.0, "USD"), workers=3)

    given = [options_of_share(options, share) for share in SHARES]

    assert [each.max_in_flight for each in given] == [4, 3, 3]
    assert [each.budget.amount for each in given] == [2.0, 2.0, 2.0]
    assert [each.workers for each in given] == [1, 1, 1]
    assert [target_of_share(TARGET, share).connections.max for share in SHARES] == [34, 33, 33]


def test_what_is_done_to_the_target_and_asked_of_it_is_done_once():
    options = RunOptions(at=(At(1.0, "true"),), workers=3)

    assert [len(options_of_share(options, share).at) for share in SHARES] == [1, 0, 0]
    assert [target_of_share(TARGET, share).observe for share in SHARES] == ["http://x/state", None, None]


def test_a_limit_below_the_number_of_workers_is_refused():
    with pytest.raises(
        InputError, match=r"^--max-in-flight is 2, which 3 workers cannot share\. Take at most 2 "
    ):
        options_of_share(RunOptions(max_in_flight=2), SHARES[0])
    few = Target("http://x", name="x", connections=Connections(max=1))
    with pytest.raises(
        InputError, match=r"^x: connections\.max is 1, which 3 workers cannot share\. Take at most 1 worker,"
    ):
        target_of_share(few, SHARES[0])


def test_the_dividing_is_stated():
    options = RunOptions(max_in_flight=10, budget=Budget(6.0, "USD"), workers=3)

    assert notes_on(options, [TARGET], 3) == [
        "dealt by session to 3 workers, among which these are divided: --max-in-flight 10, connections.max 100, "
        "--budget 6.00 USD"
    ]
