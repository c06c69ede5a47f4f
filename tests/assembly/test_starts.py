"""The starts of calls are put in order, and tell where the recording began and how fine it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.assembly.starts import Starts, refuse_arrivals
from replay.assembly.types import ImportOptions
from replay.trace.errors import TraceError


def starts_of(*ticks, tick_ns=1_000):
    starts = Starts(tick_ns)
    for each in ticks:
        starts.add(each)
    return starts


def test_rows_are_put_in_order_and_equal_ones_stay_in_the_order_of_the_file():
    starts = starts_of(5_000, 1_000, 5_000, 3_000)
    assert starts.order == [1, 3, 0, 2]
    assert [starts.ms(row) for row in starts.order] == [0.0, 2.0, 4.0, 4.0]
    assert not starts.is_sorted
    assert (len(starts), starts.span_s, starts.first_ns, starts.resolution_ms) == (4, 0.004, 1_000_000, 1.0)


def test_starts_before_the_recordings_zero_count_too():
    starts = starts_of(-2_500, 0)
    assert [starts.ms(row) for row in starts.order] == [0.0, 2.5]
    assert starts.is_sorted


@given(st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=30))
def test_times_never_go_back(ticks):
    starts = starts_of(*ticks)
    times = [starts.ms(row) for row in starts.order]
    assert times == sorted(times)
    assert (times[0], starts.is_sorted) == (0.0, ticks == sorted(ticks))


def test_arrivals_are_refused_where_they_are_recorded():
    refuse_arrivals("x", ImportOptions())
    with pytest.raises(TraceError) as caught:
        refuse_arrivals("x", ImportOptions(arrivals="at-once"))
    assert (
        str(caught.value)
        == "the x format records when requests arrive, so --arrivals does not apply. Leave it out."
    )
