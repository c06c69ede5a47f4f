"""Numbers in sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.words.numbers import number
from replay.words.phrases import counted


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0, "0"),
        (425_600.4, "425,600"),
        (130.2, "130"),
        (45.13, "45.1"),
        (1.5, "1.5"),
        (0.4355, "0.435"),
        (0.00123, "0.00123"),
    ],
)
def test_numbers_have_three_digits_and_no_exponent(value, says):
    assert number(value) in (says, says.replace("0.435", "0.436"))


@given(st.floats(1e-9, 1e12))
def test_a_number_is_within_half_a_percent_of_what_it_says(value):
    said = float(number(value).replace(",", ""))

    assert "e" not in number(value)
    assert said == pytest.approx(value, rel=0.0051)


def test_one_is_not_several():
    assert (counted(1, "request"), counted(2, "request"), counted(0, "session")) == (
        "1 request",
        "2 requests",
        "0 sessions",
    )


def test_figures_are_counted_as_they_are_shown():
    assert [counted(value, "instance") for value in (1.0, 0.25, 1.0004, 4306.2)] == [
        "1 instance",
        "0.25 instances",
        "1 instance",
        "4,306 instances",
    ]
    assert counted(2, "batch", "batches") == "2 batches"
