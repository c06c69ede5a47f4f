"""Times in text become integers, and tell how fine they are."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.reading.timestamps import Grain, epoch_ns, ms_between, other_unit, unix_ns

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01 00:00:01.5", 1_500_000_000),
        ("2023-11-16 18:17:03.9799600", 1_700_158_623_979_960_000),
        ("2023-11-16T18:17:03.123456789123Z", 1_700_158_623_123_456_789),
        ("2023-11-16T20:17:03+02:00", 1_700_158_623_000_000_000),
        ("2023-11-16T13:17:03-0500", 1_700_158_623_000_000_000),
        ("2023-11-16T20:17:03+02", 1_700_158_623_000_000_000),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text, expected_ns):
    assert unix_ns(text) == expected_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2023-02-30T00:00:00Z",
        "2023-01-01",
        "2023-01-01T24:00:00Z",
        "2023-01-01T00:61:00Z",
        "1969-12-31T23:59:59Z",
        "2262-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "２023-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_is_none(text):
    assert unix_ns(text) is None


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2261, 12, 30)),
    st.integers(-23 * 60, 23 * 60),
)
def test_every_time_that_python_writes_is_read_back(at, offset_minutes):
    at = at.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert unix_ns(at.isoformat()) == (at - EPOCH) // timedelta(microseconds=1) * 1_000


@given(st.text())
def test_no_text_is_refused_with_an_exception(text):
    assert isinstance(unix_ns(text), int | None)


def test_the_time_between_instants_is_exact_to_the_microsecond():
    assert ms_between(1_700_158_623_979_960_000, 1_700_158_624_031_961_234) == 52.001


@pytest.mark.parametrize(
    ("ticks", "tick_ns", "expected_ms"),
    [
        ([], 1, 1000.0),
        ([5_000_000_000], 1, 1000.0),
        ([52_000_000], 1, 1.0),
        ([52_000_000, 1_001], 1, 1e-6),
        ([10], 100, 0.001),
        ([-20, 100], 100, 0.001),
    ],
)
def test_the_grain_is_the_coarsest_power_of_ten_that_divides_all_times(ticks, tick_ns, expected_ms):
    grain = Grain(tick_ns)
    for each in ticks:
        grain.add(each)

    assert grain.ms == pytest.approx(expected_ms)


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("1767225600", 1_767_225_600_000_000_000),
        ("1767225600.25", 1_767_225_600_250_000_000),
        ("1767225600000", 1_767_225_600_000_000_000),
        ("1767225600000000", 1_767_225_600_000_000_000),
        ("1767225600000000001", 1_767_225_600_000_000_001),
        ("99999999999999999999", None),
        ("1e9", None),
    ],
)
def test_the_unit_of_a_number_follows_from_its_size(text, expected_ns):
    assert epoch_ns(text) == expected_ns


@pytest.mark.parametrize(
    ("at_ns", "unit"),
    [
        (1_767_225_600, "s"),
        (1_767_225_600_000, "ms"),
        (1_767_225_600_000_000, "us"),
        (1_767_225_600_000_000_000, None),
        (5_000_000_000, None),
    ],
)
def test_another_unit_than_ns_is_told_by_where_it_puts_the_time(at_ns, unit):
    assert other_unit(at_ns) == unit
