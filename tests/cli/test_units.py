"""Option values with units."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.cli.units import MONEY
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
