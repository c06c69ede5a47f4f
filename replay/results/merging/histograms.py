"""latency.hlog of several workers as one: histograms added by tag and by the second in which they began.

Seconds count from the start that all workers share. Histograms are added, so that what is read off the sum is what one
process would have written; no percentile is ever averaged.
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from replay.results.histogram import Histogram
from replay.results.hlog import HlogWriter, Interval, read_base_s, read_hlog


class _Sum(NamedTuple):
    start_s: float
    end_s: float
    histogram: Histogram


def merge_histograms(files: Sequence[Path], write: Callable[[bytes], object]) -> None:
    """Write one log of all of these, as far as they are there."""
    there = [file for file in files if file.exists()]
    bases = [base_s for file in there if (base_s := read_base_s(file)) is not None]
    if not bases:
        return
    log = HlogWriter(write)
    log.begin(min(bases))
    for _, intervals in groupby(_in_order(there), key=_second):
        sums: dict[str, _Sum] = {}
        for tag, start_s, length_s, histogram in intervals:
            known = sums.get(tag)
            if known is None:
                sums[tag] = _Sum(start_s, start_s + length_s, histogram)
            else:
                known.histogram.add(histogram)
                sums[tag] = _Sum(
                    min(known.start_s, start_s), max(known.end_s, start_s + length_s), known.histogram
                )
        for tag, whole in sums.items():
            log.interval(tag, whole.start_s, whole.end_s - whole.start_s, whole.histogram)


def _in_order(files: Sequence[Path]) -> Iterator[Interval]:
    return merge(*map(read_hlog, files), key=_second)


def _second(interval: Interval) -> int:
    # A second is closed a moment after it is over, and the next one begins there.
    return round(interval.start_s)
