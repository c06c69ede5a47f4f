"""Prices in one currency: those in another are converted at a stated rate, or nothing is put side by side. Pure.

A rate is written CODE = what one of it is worth in the currency of the bills, and the one currency that has no rate is
that of the bills. No rate is known here: one that moves every day would make yesterday's verdict another one today.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from replay.money.cost import CostError
from replay.money.price_table import PRICES, PriceTable
from replay.words.numbers import exact


def common_currency(currencies: Sequence[tuple[str, str]], rates: Mapping[str, float]) -> str:
    """The currency of all bills. currencies: (what is priced, its currency), one at least. Raises CostError."""
    known = dict.fromkeys(currency for _, currency in currencies)
    if len(known) == 1:
        return next(iter(known))
    left = [currency for currency in known if currency not in rates]
    if len(left) == 1:
        return left[0]
    if not left:
        raise CostError(
            f"{' and '.join(known)} each have a rate, so nothing says which currency the bills should be in; leave out "
            "the rate of that one"
        )
    said = [
        next(f"{what} is priced in {one}" for what, one in currencies if one == currency) for currency in left
    ]
    raise CostError(
        f"{', '.join(said[:-1])} and {said[-1]}, and bills in different currencies cannot be compared; say what one "
        f"{left[0]} is worth in {left[-1]} (rates = {{ {left[0]} = ... }} in [cost]; for `replay cost` "
        f"--rate {left[0]}=...), or name tables of one currency"
    )


def in_currency(table: PriceTable, currency: str, rates: Mapping[str, float]) -> PriceTable:
    """The table with all prices converted, and its source saying so. The rate has to be there: see common_currency."""
    if table.currency == currency:
        return table
    rate = rates[table.currency]
    written = _times(msgspec.to_builtins(table), rate, is_price=False)
    written["currency"] = currency
    written["source"] = f"{table.source}; at {exact(rate)} {currency} for one {table.currency}"
    return msgspec.convert(written, PriceTable)


def _times(value: Any, factor: float, *, is_price: bool) -> Any:
    if isinstance(value, dict):
        # What is free is counted in seconds and requests, under the names of their prices.
        return {
            key: inner if key == "free" else _times(inner, factor, is_price=key in PRICES)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_times(inner, factor, is_price=False) for inner in value]
    return value * factor if is_price and isinstance(value, int | float) else value
