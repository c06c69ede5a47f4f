"""Whether answers have the sizes that they may have, by those in the recording: a fold over steps.jsonl.

Of what a plain HTTP call was answered a run knows the status and the size. A page to sign in at, a stand-in, an error
under status 200 and an answer kept for everybody are one answer to all that is asked: nearly all are of one size, where
the recorded ones were of many. And an answer with a small part of what was recorded need not have done its work. Both
are told by size alone, so an answer as large as the recorded one may still be another.

Other data, compression and prose of a model change sizes, too, but do not make nearly all of them one. Honest answers
of these kinds are simulated in tests/results/test_sizes.py.
"""

from collections import Counter

import numpy as np

from replay.results.histogram import Int64s
from replay.results.tables.table import Flags, Names, Table, looked_up, paired

# Steps of e ** (1 / 60); three of them are a window of 5%, so that a time or an id in an answer leaves it alike, and
# compression, after which sizes of prose differ by less, does not make it so.
_BINS_PER_E = 60
_WINDOW = 3
# Those that were recorded are of many sizes if no window of 35% has most of them.
_WIDE, _MOST_RECORDED = 18, 0.6
_LEAST_STEPS = 20
# So many more of the answers are in the fullest window than of the recorded ones; the few of a short run more so.
_LEAST_EXCESS, _BY_CHANCE = 0.35, 1.5
# JSON that repeats itself is compressed to a twentieth at most, and hardly ever all of it to a twelfth. What is short
# may be all head.
_SHRUNKEN, _LEAST_BYTES = 20, 400
_ALL_SHRUNKEN, _NEARLY_ALL = 12, 0.9
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
        # Less those that grew as much, since sizes of other data differ both ways.
        self._shrunken: Counter[int] = Counter()
        self._small: Counter[int] = Counter()

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
        self._small.update(ours[(here * _ALL_SHRUNKEN < recorded) & (recorded >= _LEAST_BYTES)].tolist())
        for less, more, one in ((here, recorded, 1), (recorded, here, -1)):
            for code in ours[(less * _SHRUNKEN < more) & (more >= _LEAST_BYTES)].tolist():
                self._shrunken[code] += one

    def _code(self, pair: tuple[str, str]) -> int:
        """Of a kind and name; -1 for those that come when many have come already."""
        known = self._series
        return known.code(pair) if len(known) < _MOST_SERIES or pair in known else -1

    def ratio(self) -> float | None:
        """Of the answers whose recorded size is known, those that size tells nothing against; None without."""
        of = self._here.total()
        if not of:
            return None
        here, recorded = _by_series(self._here), _by_series(self._recorded)
        return 1 - sum(self._unlike(code, here[code], recorded[code]) for code in here) / of

    def _unlike(self, code: int, here: Int64s, recorded: Int64s) -> int:
        """Of one kind and name: how many answers are not like those in the recording. here, recorded: sizes by bins."""
        n = int(here.sum())
        by_chance = _BY_CHANCE * n**0.5
        apart = _most_alike(here) - _most_alike(recorded)
        are_many = _most_alike(recorded, _WIDE) <= _MOST_RECORDED * n
        alike = apart if are_many and n >= _LEAST_STEPS and apart >= _LEAST_EXCESS * n + by_chance else 0
        small = self._small[code]
        shrunken = small if small >= _NEARLY_ALL * n else self._shrunken[code]
        return max(alike, shrunken if shrunken >= by_chance else 0)


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


def _most_alike(counts: Int64s, window: int = _WINDOW) -> int:
    """How many are in the window of so many bins that has most."""
    return int(np.convolve(counts, np.ones(window, np.int64)).max())
