"""Numbers, amounts and lengths of time as people read them.

One style for all: three significant digits where nothing asks for more, without trailing zeros and never with an
exponent; thousands apart by commas; a space before a unit, none before a percent sign.
"""

from decimal import Decimal
from math import floor, inf, isfinite, isinf, isnan, log10

NOTHING = "–"
"""What stands where there is no figure."""


def count(n: int) -> str:
    return f"{n:,}"


def number(value: float | None, digits: int = 3) -> str:
    """A figure to so many significant digits, and whole where it has more before the point."""
    if value is None or isnan(value):
        return NOTHING
    if isinf(value):
        return "∞" if value > 0 else "-∞"
    if not value:
        return "0"
    behind = digits - 1 - floor(log10(abs(value)))
    if behind <= 0:
        return f"{value:,.0f}"
    return f"{value:,.{min(behind, 12)}f}".rstrip("0").rstrip(".")


def exact(value: float) -> str:
    """A figure that somebody chose, with all of its digits; but nobody reads hundreds of them."""
    if not isfinite(value):
        return str(float(value))
    if abs(value) >= _READABLE:
        return "more than 10^18" if value > 0 else "less than -10^18"
    return format(Decimal(f"{float(value):.12g}"), ",f")


_READABLE = 1e18


def signed(value: float | None, digits: int = 3) -> str:
    """A change, with its sign."""
    if value is None or isnan(value):
        return NOTHING
    return sign(value) + number(abs(value), digits)


def sign(value: float) -> str:
    return "+" if value > 0 else "-" if value < 0 else "±"


def size(n: int) -> str:
    """A number of bytes, in the unit that reads best: 1,000 of each make one of the next."""
    value, unit = float(n), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{n:,} bytes" if unit == "bytes" else f"{number(value)} {unit}"


def money(amount: float | None, currency: str | None = None) -> str:
    """An amount to the hundredth, or to two digits where that would be next to nothing."""
    if amount is None or isnan(amount) or isinf(amount):
        shown = number(amount)
    else:
        shown = f"{amount:,.2f}" if abs(amount) >= 0.1 or not amount else number(amount, 2)
    return f"{shown} {currency}" if currency and amount is not None else shown


def milliseconds(value: float | None) -> str:
    """A length of time given in ms, in the unit that reads best. Infinite: a failure's."""
    if value is None or isnan(value) or isinf(value):
        return number(value)
    if not value:
        return "0 ms"
    for unit, in_ms, below in _UNITS:
        if abs(value) < below:
            return f"{number(value / in_ms)} {unit}"
    raise AssertionError("the last unit has no end")


# A unit, how many ms it has, and the first length of time that reads better in the next.
_UNITS = (
    ("µs", 0.001, 0.9995),
    ("ms", 1.0, 999.5),
    ("s", 1000.0, 120_000.0),
    ("min", 60_000.0, 7_200_000.0),
    ("h", 3_600_000.0, 172_800_000.0),
    ("days", 86_400_000.0, inf),
)


def seconds(value: float | None) -> str:
    """A length of time given in s, in the unit that reads best."""
    return milliseconds(None if value is None else 1000 * value)


def or_failing(value_ms: float | None, failed: int) -> float | None:
    """A percentile as it was before it was written: one that falls among failures is infinite, and null in a file.

    failed: how many failures there were among the values.
    """
    return inf if value_ms is None and failed else value_ms


def percent(share: float | None) -> str:
    """A share of 0..1 as a percentage, never rounded to none or to all where it is neither."""
    if share is None or not 0 < share < 1:
        return number(share) if share is None else f"{number(100 * share)}%"
    return "<0.01%" if share < 0.0001 else f"{number(min(99.9, 100 * share))}%"


def clock(seconds: float) -> str:
    """How far a run has come, which should not change its width: 8.2 s, 1:05 or 2:03:10."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
