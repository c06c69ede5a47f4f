"""What a run may spend, as people write it: 5USD, 5 EUR, $5, 5."""

import re

from replay.engine.types import Budget

_AMOUNT = re.compile(
    r"(?P<before>[$€£]|[A-Za-z]{3})?\s*(?P<amount>\d{1,12}(?:\.\d{1,9})?|\.\d{1,9})\s*(?P<after>[$€£]|[A-Za-z]{3})?",
    re.ASCII,
).fullmatch
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP"}


def parse_budget(text: str) -> Budget:
    """An amount above 0, with or without its currency. Raises ValueError, with what to write instead."""
    found = _AMOUNT(text.strip())
    if found is None or (found["before"] and found["after"]):
        raise ValueError(f"{text!r} is not a valid amount of money. Write for example 5USD, or 0.5.")
    amount = float(found["amount"])
    if not amount > 0:
        raise ValueError(f"{text!r} leaves nothing to spend. Write an amount above 0, for example 5USD.")
    written = (found["before"] or found["after"] or "").upper()
    return Budget(amount, _SIGNS.get(written, written))
