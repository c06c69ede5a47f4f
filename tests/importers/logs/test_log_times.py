"""Instants and durations as servers log them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.importers.logs.log_times import duration_us, instant_ns

NOON_NS = 1_714_557_600_000_000_000  # 2024-05-01T10:00:00Z


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2001/09/09 01:46:40.250", 1_000_000_000_250_000_000),
        ("01/May/2024:10:00:00 +0000", NOON_NS),
        ("01/May/2024:12:30:00 +0230", NOON_NS),
        ("01/May/2024:10:00:00.25 +0000", NOON_NS + 250_000_000),
        ("01/May/2024:10:00:00", NOON_NS),
        ("01/May/2024 10:00:00", NOON_NS),  # Python's http.server and werkzeug
        ("Wed, 01 May 2024 10:00:00 GMT", NOON_NS),
        ("1 May 2024 12:30:00 +0230", NOON_NS),
        ("Wed May  1 10:00:00 2024", NOON_NS),
        ("2024-05-01T10:00:00+00:00", NOON_NS),
        ("2024-05-01T10:00:00.123456789Z", NOON_NS + 123_456_789),
        ("1714557600.123", NOON_NS + 123_000_000),
        ("1714557600", NOON_NS),
        ("1714557600123", NOON_NS + 123_000_000),
        ("1714557600123456", NOON_NS + 123_456_000),
        ("1714557600123456789", NOON_NS + 123_456_789),
    ],
)
def test_instants_come_in_many_forms(text, ns):
    assert instant_ns(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "32/May/2024:10:00:00 +0000",
        "01/Mai/2024:10:00:00 +0000",
        "01/May/2024:25:00:00 +0000",
        "-1",
        "nan",
    ],
)
def test_what_is_no_instant_is_none(text):
    assert instant_ns(text) is None


@pytest.mark.parametrize(
    ("text", "unit", "us"),
    [
        ("0.123", "s", 123_000),
        ("0.123", "ms", 123),
        ("12", "ms", 12_000),
        ("1234567", "us", 1_234_567),
        ("1499", "ns", 1),
        ("0.058927s", "ms", 58_927),
        ("12ms", "s", 12_000),
        ("3.5µs", "s", 4),
        ("3.5μs", "s", 4),
        ("1m2.5s", "ms", 62_500_000),
        ("1h0m0.25s", "ms", 3_600_250_000),
        ("2h", "ms", 7_200_000_000),
        ("00:01:02.5000000", "ms", 62_500_000),
        ("00:60:02", "ms", None),
        ("1.00:00:01", "ms", 86_401_000_000),
        ("1 day, 0:00:01.5", "ms", 86_401_500_000),
        ("PT1.25S", "ms", 1_250_000),
        ("P1DT1M2S", "ms", 86_462_000_000),
    ],
)
def test_durations_have_the_unit_they_say_or_else_that_of_their_field(text, unit, us):
    assert duration_us(text, unit) == us


@pytest.mark.parametrize(
    "text", ["", "-", "-1", "nan", "inf", "1e5", "1.2.3", "0.1, 0.2", "9" * 19, "1d", "m", "PT", "1:2:3"]
)
def test_what_is_no_duration_is_none(text):
    assert duration_us(text, "s") is None


@given(st.text(max_size=60), st.sampled_from(["ns", "us", "ms", "s"]))
def test_no_text_is_refused_with_a_traceback(text, unit):
    at_ns, took_us = instant_ns(text), duration_us(text, unit)
    assert at_ns is None or 0 <= at_ns < 2**63
    assert took_us is None or took_us >= 0
