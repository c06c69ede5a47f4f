"""How many workers a saturated run should have had."""

import pytest

from replay.results.merging.advice import Used, workers_advised


@pytest.mark.parametrize(
    ("used", "enough"),
    [
        ([Used(99.0, 1.0)], 2),
        ([Used(99.0, 3.0)], 5),
        ([Used(99.0, 1.0), Used(98.0, 1.0)], 3),
        ([Used(99.0, 2.0), Used(98.0, 2.0)], 6),
        ([Used(95.0, 0.5)], 2),
    ],
)
def test_it_is_what_they_would_have_needed_with_room_to_spare(used, enough):
    assert (
        workers_advised(used) == f"{enough} workers would do (--workers {enough}), each with a core of its own"
    )


@pytest.mark.parametrize("used", [[], [Used(40.0, 9.0)], [Used(40.0, 9.0), Used(80.0, 1.0)]])
def test_more_are_not_advised_where_no_core_was_full(used):
    assert workers_advised(used) is None
