"""Words around numbers: one of a thing is not several."""

from replay.words.numbers import number


def counted(n: float, thing: str, several: str = "") -> str:
    """`1 request`, `3 requests`, `0.25 instances`. several: what more than one is called, where an s is not enough."""
    shown = f"{n:,}" if isinstance(n, int) else number(n)
    return f"{shown} {thing}" if shown == "1" else f"{shown} {several or f'{thing}s'}"


def were(n: int, thing: str) -> str:
    """`1 session was`, `3 sessions were`."""
    return f"{counted(n, thing)} {'was' if n == 1 else 'were'}"
