"""Numbers in sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.words.numbers import number
from replay.words.phrases import agreed, counted, tallied


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


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1 session(s) from 3 file(s): 12 model calls, ", "1 session from 3 files: 12 model calls, "),
        ("1 record(s) that occur twice", "1 record that occurs twice"),
        ("1 span(s) that hold no call", "1 span that holds no call"),
        ("1 sample(s) that only hold others", "1 sample that only holds others"),
        ("2 record(s) that occur twice", "2 records that occur twice"),
        ("1,024 session id(s) occurred before", "1,024 session ids occurred before"),
        ("1 tool result(s) without a tool call", "1 tool result without a tool call"),
        ("read      1  step(s) in 1 session(s)", "read      1  step in 1 session"),
        ("1 sub-agent(s) belong to the call, and 1 line(s) have no time", "1 sub-agent belongs to the call, and 1 line has no time"),
        ("0 line(s) were lost", "0 lines were lost"),
        ("http(s)://host, f(s) of 3", "http(s)://host, f(s) of 3"),
    ],
)  # fmt: skip
def test_nouns_and_verbs_agree_with_the_number_before_them(written, read):
    assert agreed(written) == read


@pytest.mark.parametrize(
    ("n", "what", "says"),
    [
        (1, "steps with personal data taken out", "1 step with personal data taken out"),
        (3, "steps removed", "3 steps removed"),
        (1, "session ids replaced", "1 session id replaced"),
        (1, "bodies turned into sizes", "1 body turned into sizes"),
        (1, "queries dropped", "1 query dropped"),
        (1_000, "unknown fields dropped", "1,000 unknown fields dropped"),
    ],
)
def test_what_was_done_to_one_is_not_told_of_several(n, what, says):
    assert tallied(n, what) == says
