"""Idle, normal and peak: three load levels, found in a series of rates rather than set by thresholds."""

from collections.abc import Sequence

import msgspec
import numpy as np

NAMES = ("idle", "normal", "peak")
# The search is quadratic in distinct values; beyond this many, neighbours in order are joined.
_MOST_VALUES = 400


class Bucket(msgspec.Struct, frozen=True):
    """One load level: its shares of time and of events, and its mean events in a slot."""

    name: str
    time_ratio: float
    events_ratio: float
    mean_per_slot: float


def load_buckets(counts: Sequence[int]) -> list[Bucket]:
    """Partition slots of equal length, by how many events each has, into at most three levels.

    The partition of the ordered counts has the least squared error within levels (Fisher 1958, "On grouping for
    maximum homogeneity"). Levels that no count falls into have shares of zero and the mean of the level below.
    Returns idle, normal and peak, means ascending; nothing where there are no events.
    """
    ordered = np.sort(np.asarray(counts, dtype=np.float64))
    total = float(ordered.sum())
    if not total:
        return []
    first, second = _cuts(ordered)
    buckets: list[Bucket] = []
    mean = 0.0
    for name, part in zip(NAMES, np.split(ordered, [first, second]), strict=True):
        mean = float(part.mean()) if len(part) else mean
        buckets.append(Bucket(name, len(part) / len(ordered), float(part.sum()) / total, mean))
    return buckets


def _cuts(ordered: np.ndarray) -> tuple[int, int]:
    """Where the second and third level begin. Equal counts are never parted."""
    starts = np.flatnonzero(np.diff(ordered)) + 1
    if not len(starts):
        return 0, len(ordered)
    if len(starts) == 1:
        return int(starts[0]), int(starts[0])
    if len(starts) > _MOST_VALUES:
        starts = starts[np.linspace(0, len(starts) - 1, _MOST_VALUES).astype(int)]
    sums = np.concatenate(([0.0], np.cumsum(ordered)))
    size, total = len(ordered), sums[-1]
    best, found = -1.0, (0, 0)
    for at, first in enumerate(starts[:-1]):
        later = starts[at + 1 :]
        # Least squared error is the same as most of sum squared over length, added over the levels.
        gains = (
            sums[first] ** 2 / first
            + (sums[later] - sums[first]) ** 2 / (later - first)
            + (total - sums[later]) ** 2 / (size - later)
        )
        top = int(gains.argmax())
        if gains[top] > best:
            best, found = float(gains[top]), (int(first), int(later[top]))
    return found
