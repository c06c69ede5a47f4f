"""Whether answers are one answer to all that is asked, by their sizes and the recorded ones: a fold over steps.jsonl.

Of what a plain HTTP call was answered a run knows the status and the size. A page to sign in at, a stand-in and an
error under status 200 are one answer whatever is asked: steps of several names are nearly all answered with one size,
where the recorded ones were of many. It is told by size alone, so an answer as large as the recorded one may still be
another.

One name tells nothing: a test account, fixtures and data that do not change have one answer to what had many. Nor does
a small part of the recorded size: a staging server has less data, and compresses it. Honest answers of these kinds are
simulated in tests/results/test_sizes.py.
"""

from collections import Counter
from collections.abc import Iterable
from math import log

import numpy as np

from replay.results.histogram import Int64s
from replay.results.tables.table import Flags, Names, Table, looked_up, paired

# Steps of e ** (1 / 60); three of them are a window of 5%, so that a time or an id in an answer leaves it alike.
_BINS_PER_E = 60
_WINDOW = 3
# Those that were recorded are of many sizes if no window of 35% has most of them.
_WIDE, _MOST_RECORDED = 18, 0.6
_LEAST_STEPS, _NEARLY_ALL, _LEAST_SERIES, _LEAST_SHARE = 10, 0.9, 2, 0.5
# In bins, 200 bytes. Two short answers may be alike by chance, as empty lists are, unless they are most of all.
_LEAST_PAGE = int(log(200) * _BINS_PER_E)
_MOST_SERIES = 4096
_BINS = 1 << 12
"""More than there are: 2 ** 63 is in the 2,621st."""


class SizesFold:
    """Told of steps that were answered, a block at a time."""

    def __init__(self) -> None:
        self._series = Names()
        # Of a kind and name, and a bin of size: how many answers, and how many recorded ones.
        self._here: Counter[int] = Counter()
        self._recorded: Counter[int] = Counter()

    def __repr__(self) -> str:
        return f"<SizesFold {self._here.total()} answers>"

    def add(self, table: Table, answered: Flags) -> None:
        recorded = table.numbers("recorded_bytes")
        if recorded.strides == (0,) and (not len(recorded) or recorded[0] <= 0):
            return
        here = table.numbers("response_bytes")
        rows = np.flatnonzero(answered & (recorded > 0) & (here > 0))
        if not len(rows):
            return
        recorded, here = recorded[rows], here[rows]
        codes, pairs = paired(
            table.codes("kind")[rows], table.codes("name")[rows], table.texts("kind"), table.texts("name")
        )
        ours = looked_up(np.array([self._code(pair) for pair in pairs], np.int64), codes)
        is_told_apart = ours >= 0
        ours, recorded, here = ours[is_told_apart], recorded[is_told_apart], here[is_told_apart]
        for kept, sizes in ((self._here, here), (self._recorded, recorded)):
            found, times = np.unique(ours * _BINS + _bins(sizes), return_counts=True)
            kept.update(dict(zip(found.tolist(), times.tolist(), strict=True)))

    def _code(self, pair: tuple[str, str]) -> int:
        """Of a kind and name; -1 for those that come when many have come already."""
        known = self._series
        return known.code(pair) if len(known) < _MOST_SERIES or pair in known else -1

    def ratio(self) -> float | None:
        """Of the answers whose recorded size is known, those that are not one answer to all that is asked.

        None where no size is known.
        """
        of = self._here.total()
        if not of:
            return None
        here, recorded = _by_series(self._here), _by_series(self._recorded)
        at = _fullest(_summed(here.values()))
        alike = [code for code, sizes in here.items() if _is_within(sizes, at)]
        n = sum(int(here[code].sum()) for code in alike)
        if len(alike) < _LEAST_SERIES or (n < _LEAST_SHARE * of and at < _LEAST_PAGE):
            return 1.0
        was = _summed([recorded[code] for code in alike])
        return 1.0 if _are_nearly_one(was, _WIDE, _MOST_RECORDED) else 1 - n / of


def _are_nearly_one(counts: Int64s, window: int, share: float) -> bool:
    """Whether a window of so many bins has more than this share of them."""
    at = _fullest(counts, window)
    return int(counts[at : at + window].sum()) > share * int(counts.sum())


def _is_within(counts: Int64s, at: int) -> bool:
    """Whether a name has enough answers to tell, and nearly all of them are in the window that begins there."""
    n = int(counts.sum())
    return n >= _LEAST_STEPS and int(counts[at : at + _WINDOW].sum()) >= _NEARLY_ALL * n


def _fullest(counts: Int64s, window: int = _WINDOW) -> int:
    """Where the window of so many bins begins that has most."""
    in_each = np.convolve(counts, np.ones(window, np.int64))
    return max(0, int(np.argmax(in_each)) - window + 1)


def _summed(counts: Iterable[Int64s]) -> Int64s:
    each = list(counts)
    found = np.zeros(max(map(len, each), default=1), np.int64)
    for one in each:
        found[: len(one)] += one
    return found


def _bins(sizes: Int64s) -> Int64s:
    return (np.log(sizes) * _BINS_PER_E).astype(np.int64)


def _by_series(counts: Counter[int]) -> dict[int, Int64s]:
    """Of each series how many are in each bin, up to the last that has any."""
    of: dict[int, dict[int, int]] = {}
    for key, times in counts.items():
        of.setdefault(key // _BINS, {})[key % _BINS] = times
    return {
        code: np.bincount(list(bins), weights=list(bins.values())).astype(np.int64) for code, bins in of.items()
    }
