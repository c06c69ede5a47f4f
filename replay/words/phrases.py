"""Numbers within the sentences of verdicts: never with an exponent, and one of a thing is not several."""

from math import floor, log10


def number(value: float) -> str:
    """Three significant digits, whole from a hundred on, with thousands apart."""
    if not value:
        return "0"
    size = floor(log10(abs(value)))
    return f"{value:,.0f}" if size >= 2 else f"{value:.{min(2 - size, 12)}f}".rstrip("0").rstrip(".")


def counted(n: float, thing: str, several: str = "") -> str:
    """`1 request`, `3 requests`, `0.25 instances`. several: what more than one is called, where an s is not enough."""
    shown = f"{n:,}" if isinstance(n, int) else number(n)
    return f"{shown} {thing}" if shown == "1" else f"{shown} {several or f'{thing}s'}"


def were(n: int, thing: str) -> str:
    """`1 session was`, `3 sessions were`."""
    return f"{counted(n, thing)} {'was' if n == 1 else 'were'}"
