"""A run's times beside the recorded ones of the same steps, as cells of a table."""

from replay.results.summary_types import Quantiles
from replay.words.numbers import milliseconds, number

RECORDED_HEADS = ("p50", "recorded", "ratio", "p99", "recorded", "ratio")


# Fewer values than this have no 99th percentile but the largest.
_LEAST_FOR_P99 = 100


def recorded_cells(ours: Quantiles, recorded: Quantiles | None) -> tuple[str, ...]:
    """Under RECORDED_HEADS. The ratio is missing where the recording has not all of the steps."""
    recorded = recorded or Quantiles(n=0)
    is_same = ours.n == recorded.n
    cells: list[str] = []
    for name, least_n in (("p50", 0), ("p99", _LEAST_FOR_P99)):
        now, before = getattr(ours, name), getattr(recorded, name)
        cells += [
            milliseconds(now) + ("*" if 0 < ours.n < least_n else ""),
            milliseconds(before) + ("*" if 0 < recorded.n < least_n else ""),
            ratio(now, before) if is_same else "–",
        ]
    return tuple(cells)


def ratio(ours: float | None, recorded: float | None) -> str:
    """How many times the recorded time: `1.2×`."""
    if ours is None or not recorded:
        return "–"
    return f"{number(ours / recorded)}×"
