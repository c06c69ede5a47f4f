"""Whether the lateness of this machine can have made one side fail more than the other. Pure.

Lateness makes failures of some classes only (may_be_ours of replay/judge/measures/failures.py), and no answer endless.
So a difference that failures make, be it of their shares or of a percentile that falls among them, stands if it is
still there when the side that fails more is forgiven every failure that may be ours, and the other side none. A
difference of times never stands: on each side a time may be wrong by another lateness.
"""

from math import isinf

from replay.judge.comparison.pair import Side
from replay.judge.measures.failures import forgiven as run_forgiven
from replay.judge.types import Difference
from replay.results.evidence import Evidence


def known_late_ms(run: Evidence) -> float | None:
    """By how many ms this machine was late at most; None where it was not, or where more than lateness was wrong."""
    generator = run.summary.generator
    return generator.late_ms if generator.verdict == "suspect" else None


def is_of_failures(difference: Difference) -> bool:
    """Whether failures alone make the difference, whatever the answers took."""
    return difference.metric == "errors" or isinf(difference.delta_ms or 0.0)


def forgiven(side: Side) -> Side:
    """The side as if each failure that lateness may have made had been an answer."""
    return side._replace(runs=[run if known_late_ms(run) is None else run_forgiven(run) for run in side.runs])
