"""Option values with units."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.cli.units import DURATION, DURATION_ABOVE_ZERO, FACTOR, FACTOR_OR_ZERO, MONEY
from replay.engine.types import Budget


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("5USD", Budget(5.0, "USD")),
        (" 0.5 eur ", Budget(0.5, "EUR")),
        ("$5", Budget(5.0, "USD")),
        ("USD 5", Budget(5.0, "USD")),
        ("5€", Budget(5.0, "EUR")),
        ("12.50", Budget(12.5)),
        (".25", Budget(0.25)),
    ],
)
def test_money_has_its_currency_on_either_side_or_none(text, budget):
    assert MONEY.convert(text, None, None) == budget


@pytest.mark.parametrize("text", ["", "five", "-5", "5 dollars", "$5USD", "1e9", "nan", "inf", "5,00"])
def test_what_is_no_amount_is_told(text):
    with pytest.raises(click.BadParameter, match="is not a valid amount of money"):
        MONEY.convert(text, None, None)


def test_nothing_is_no_budget():
    with pytest.raises(click.BadParameter, match="leaves nothing to spend"):
        MONEY.convert("0USD", None, None)


@given(st.text(max_size=20))
def test_any_text_is_an_amount_above_nothing_or_an_error(text):
    try:
        budget = MONEY.convert(text, None, None)
    except click.BadParameter:
        return
    assert 0 < budget.amount < 1e12


BIG = "9" * 400


@pytest.mark.parametrize("text", [f"{BIG}s", f"{BIG}ms", "1000000000.5s", "300000h"])
def test_a_time_that_overflows_a_clock_is_too_long(text):
    with pytest.raises(click.BadParameter, match="too long; at most 31 years are allowed") as refused:
        DURATION.convert(text, None, None)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("text", ["0s", "0ms", "0.0h"])
def test_no_time_at_all_is_refused_where_something_is_to_happen_in_it(text):
    with pytest.raises(click.BadParameter, match="is not a valid duration; it has to be more than 0"):
        DURATION_ABOVE_ZERO.convert(text, None, None)
    assert DURATION.convert(text, None, None) == 0.0


@pytest.mark.parametrize("text", [BIG, "1e308", "1e-308", "0", "-1", "nan", "inf"])
def test_a_factor_that_no_time_can_be_divided_by_is_refused(text):
    with pytest.raises(
        click.BadParameter, match=r"cannot be used as a factor\. Write a number from 0\.000001 to 1,000,000, "
    ):
        FACTOR.convert(text, None, None)


def test_a_factor_may_be_zero_where_that_means_something():
    assert FACTOR_OR_ZERO.convert("0", None, None) == 0.0
