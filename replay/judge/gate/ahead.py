"""What of a run is still to come, by its plan, and how far that may change what the part that was seen shows. Pure.

Whoever ends a run early says of all of it what one part showed. The plan tells beforehand where that part is not like
the rest: which sorts of steps come later, and at what load. So a share of hits that was seen is held to the whole:

- *sorts*: what comes more often in the rest than in what was seen has the hits of its sort (Laplace's rule of
  succession, so that of a sort that was never seen all are), and what comes less often takes its hits along;
- *load*: steps that are due when more is due than at any time that was seen may all be hits, and those due when less
  is may all be none.

Nobody knows beforehand what a target will do: that it slows down in the second half is in no plan.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from replay.judge.measures.slo import Slo
from replay.results.histogram import Int64s

_NS = 1_000_000_000
# More, or less, than this is another load, beyond three standard deviations of chance.
_OTHER_LOAD_RATIO = 1.5
_DEVIATIONS = 3.0

Sort = Hashable


class Load:
    """How many steps are due in each second of the run, by the recording."""

    def __init__(self, by_second: Mapping[int, int]) -> None:
        self._seconds: Int64s = np.array(sorted(by_second), np.int64)
        self._counts: Int64s = np.array([by_second[second] for second in sorted(by_second)], np.int64)

    def heavier(self, until_ns: int) -> float:
        """Which share of the run's steps is due later, in seconds with more steps than any before that instant."""
        before, after = self._parted(until_ns)
        if not len(after):
            return 0.0
        most = float(before.max(initial=0))
        return self._share(after[after > _OTHER_LOAD_RATIO * most + _DEVIATIONS * most**0.5])

    def lighter(self, until_ns: int) -> float:
        """Which share of the run's steps is due later, in seconds with fewer steps than any before that instant."""
        before, after = self._parted(until_ns)
        if not len(before):
            return self._share(after)
        least = float(before.min())
        return self._share(after[after < least / _OTHER_LOAD_RATIO - _DEVIATIONS * least**0.5])

    def _parted(self, until_ns: int) -> tuple[Int64s, Int64s]:
        """The counts of the seconds that are over by then, and of the others."""
        place = int(np.searchsorted(self._seconds, until_ns // _NS))
        return self._counts[:place], self._counts[place:]

    def _share(self, counts: Int64s) -> float:
        return float(counts.sum()) / max(1, int(self._counts.sum()))


class Tally(NamedTuple):
    """Steps of one sort that were seen, and how many hits came of them."""

    steps: int
    hits: int


class Plan(NamedTuple):
    """What one SLO will be told of by a whole run.

    most: the most values that a session can bring. sorts: how many steps of each sort there are; of makespans, sessions
    by their size. load: of all steps, whichever the SLO is of.
    """

    most: int
    sorts: Mapping[Sort, int]
    load: Load

    @property
    def steps(self) -> int:
        return sum(self.sorts.values())

    def more_hits(self, seen: Mapping[Sort, Tally], until_ns: int) -> float:
        """By how much the share of hits in all steps may be above that in those seen. until_ns: how far was seen."""
        added = sum(
            max(0.0, rest - like) * _hits_a_step(tally) for rest, like, tally in self._rest(seen)
        ) / max(1, self.steps)
        return added + self.load.heavier(until_ns)

    def fewer_hits(self, seen: Mapping[Sort, Tally], until_ns: int) -> float:
        """By how much it may be below."""
        taken = sum(
            max(0.0, like - rest) * _hits_a_step(tally) for rest, like, tally in self._rest(seen)
        ) / max(1, self.steps)
        all_hits = sum(tally.hits for tally in seen.values()) / max(1, _steps(seen))
        return taken + self.load.lighter(until_ns) * all_hits

    def _rest(self, seen: Mapping[Sort, Tally]) -> Iterable[tuple[int, float, Tally]]:
        """Of each sort: how many are still to come, how many there would be if the rest were like what was seen, and
        what was seen of it.
        """
        n = _steps(seen)
        left = max(0, self.steps - n)
        for sort in {**self.sorts, **seen}:
            tally = seen.get(sort, _NONE)
            yield max(0, self.sorts.get(sort, 0) - tally.steps), left * tally.steps / max(1, n), tally


class Planning:
    """Makes the plans of several SLOs out of a run's sessions."""

    def __init__(self, slos: Sequence[Slo]) -> None:
        self._slos = slos
        self._most = [1] * len(slos)
        self._sorts: list[Counter[Sort]] = [Counter() for _ in slos]
        self._by_second: Counter[int] = Counter()
        self.sessions = 0

    def add(self, steps: Sequence[tuple[str, str]], due_ns: Iterable[int]) -> None:
        """One session: the kind and name of each step that sends something, and when each is due."""
        self.sessions += 1
        self._by_second.update(instant_ns // _NS for instant_ns in due_ns)
        for n, slo in enumerate(self._slos):
            matching = [step for step in steps if slo.selector.matches(*step)]
            if not is_of_sessions(slo):
                self._most[n] = max(self._most[n], len(matching))
                self._sorts[n].update(matching)
            elif matching:
                self._sorts[n][size_class(len(matching))] += 1

    def plans(self) -> Iterator[tuple[Slo, Plan]]:
        load = Load(self._by_second)
        for slo, most, sorts in zip(self._slos, self._most, self._sorts, strict=True):
            yield slo, Plan(most, sorts, load)


def is_of_sessions(slo: Slo) -> bool:
    """Whether its values are sessions, and not steps."""
    return slo.measure == "makespan" and slo.statistic not in ("errors", "cold")


def size_class(steps: int) -> int:
    """Sessions of about as many steps are of one sort: each class has twice as many as the one before."""
    return max(1, steps).bit_length()


_NONE = Tally(0, 0)


def _steps(seen: Mapping[Sort, Tally]) -> int:
    return sum(tally.steps for tally in seen.values())


def _hits_a_step(tally: Tally) -> float:
    return (tally.hits + 1) / (tally.steps + 1)
