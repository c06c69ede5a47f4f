"""Numbers and names as people read them."""

import math


def clean(text: str, most: int = 60) -> str:
    """A name from a trace or a target, safe to print: no control characters, not too long."""
    shown = printable(text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def printable(text: str, keep: str = "") -> str:
    """Text from anywhere, without escape codes, other control characters and those that turn its direction.

    keep: those that may stay, as line ends where several lines are meant.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else "\N{REPLACEMENT CHARACTER}" for c in text)


def count(n: int) -> str:
    return f"{n:,}"


def size(n: int) -> str:
    """A number of bytes, in the unit that reads best: 1,000 of each make one of the next."""
    value, unit = float(n), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{n:,} bytes" if unit == "bytes" else f"{_three_digits(value)} {unit}"


def money(amount: float, currency: str | None) -> str:
    """An amount, with two digits behind the point, or more where it would be nothing."""
    digits = f"{amount:,.2f}" if amount >= 0.1 or not amount else f"{amount:.2g}"
    return f"{digits} {clean(currency, 8)}" if currency else digits


def unit_price(value: float) -> str:
    """A price of one, however small, without an exponent."""
    return f"{value:.12f}".rstrip("0").rstrip(".")


def milliseconds(value: float | None) -> str:
    """A duration given in ms, in the unit that reads best, with three significant digits. Infinite: a failure's."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    if value < 0.9995:
        return f"{value * 1000:.3g} µs"
    if value < 999.5:
        return f"{_three_digits(value)} ms"
    if value < 120_000:
        return f"{_three_digits(value / 1000)} s"
    return clock(value / 1000)


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def or_failing(value_ms: float | None, failed: int) -> float | None:
    """A percentile as it was before it was written: one that falls among failures is infinite, and null in a file.

    failed: how many failures there were among the values.
    """
    return math.inf if value_ms is None and failed else value_ms


def share_percent(share: float) -> str:
    """A share of 0..1 as a percentage, never rounded to none or to all where it is neither."""
    if 0 < share < 1:
        return "<0.01%" if share < 0.0001 else f"{min(99.9, 100 * share):.3g}%"
    return f"{100 * share:.3g}%"


def clock(seconds: float) -> str:
    """A length of time as 8.2 s, 1:05 or 2:03:10."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
