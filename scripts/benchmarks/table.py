"""Rows of figures beside their goals, and the Markdown table of them."""

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """what was measured; the figure; the processor time of the whole command; a ratio or a goal; met or not."""

    what: str
    measured: str
    cpu: str = ""
    goal: str = ""
    verdict: str = ""


HEADER = Row("what", "measured", "CPU of the whole command", "ratio or goal", "verdict")


def verdict(is_met: bool) -> str:
    return "met" if is_met else "NOT MET"


def spread(values: Sequence[float], say: Callable[[float], str]) -> str:
    """The median of the rounds, and their range where there are several."""
    middle = say(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} [{say(min(values))}..{say(max(values))}]"


def markdown(rows: Sequence[Row]) -> str:
    widths = [max(len(row[i]) for row in (HEADER, *rows)) for i in range(len(HEADER))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (HEADER, *rows)
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
