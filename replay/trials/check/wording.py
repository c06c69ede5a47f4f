"""Counts and names as findings write them.

Texts from traces and answers are escaped and shortened, since they end on a terminal.
"""

from collections import Counter
from collections.abc import Sequence

from replay.results.types import StepRecord
from replay.trace.errors import shortened
from replay.words.phrases import counted

MOST_SHOWN = 3
"""Of examples in one finding."""


def all_of(n: int, thing: str) -> str:
    """`1 step`, `all 3 steps`."""
    return counted(n, thing) if n == 1 else f"all {counted(n, thing)}"


def names_of(records: Sequence[StepRecord]) -> str:
    """Which steps, by kind and name, those that most are of first."""
    counts = Counter(f"{r.kind}:{r.name}" for r in records).most_common()
    said = ", ".join(shortened(name, 40) for name, _ in counts[:MOST_SHOWN])
    return said if len(counts) <= MOST_SHOWN else f"{said} and {len(counts) - MOST_SHOWN} more"
