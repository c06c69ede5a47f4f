"""Names and texts from outside, made safe to print."""


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
