"""Means of a level, such as requests in flight, over the last so many seconds.

The level is integrated exactly (level times ns). Its integral is kept at whole seconds, and only at those around which
the level changed: between two of them it grows by the same each second. So a change costs a multiplication, a level
that stays costs nothing however long it stays, and a window's mean is the difference of two integrals. A window's
mean is over whole seconds: the second under way counts only while there is no other.

Levels are integers, so that integrals stay exact however long a run is.

Young history is not diluted: the mean is over the seconds since the first activity where these are fewer than
the window has, so that the first seconds react fast. Source: knative/serving at 98e5ef90,
pkg/autoscaler/aggregation/bucketing.go, whose windows are of this kind.
"""

from collections.abc import Sequence
from typing import NamedTuple

SECOND_NS = 1_000_000_000
# So many marks that no window needs any more are let go at once.
_MOST_DEAD = 256
# A level that changed more often than this will change again before it pays to know where its means are.
_MOST_BOUNDING = 24


class Drift(NamedTuple):
    """By how much at most a mean rises, and falls, in a second."""

    rise: float
    fall: float


class Averages:
    """Windowed means of one level. Instants are ns from any origin and must not go backwards."""

    __slots__ = (
        "_area",
        "_begins",
        "_bucket",
        "_end_ns",
        "_first",
        "_integrals",
        "_last_ns",
        "_level",
        "_longest_s",
        "_marks",
        "_slopes",
        "_windows_s",
    )

    def __init__(self, windows_s: Sequence[int], start_ns: int = 0) -> None:
        self._windows_s = tuple(windows_s)
        self._longest_s = max(self._windows_s, default=0)
        self._level: int = 0
        self._area: int = 0  # of the second under way
        self._last_ns = start_ns
        self._bucket = start_ns // SECOND_NS
        self._end_ns = (self._bucket + 1) * SECOND_NS
        self._first = self._bucket
        # The integral up to the second marks[i] is integrals[i], and it grows by slopes[i] a second until the next
        # mark. begins[n] is the mark on which the n-th window began when it was last asked for.
        self._marks = [self._bucket]
        self._integrals = [0]
        self._slopes = [0]
        self._begins = [0] * len(self._windows_s)

    def __repr__(self) -> str:
        return f"<Averages level {self._level}, second {self._bucket}>"

    def set_level(self, level: int, at_ns: int) -> None:
        if at_ns >= self._end_ns:
            self._roll(at_ns)
        self._area += self._level * (at_ns - self._last_ns)
        self._last_ns = at_ns
        self._level = level

    def means(self, at_ns: int) -> list[float]:
        """Return each window's mean, in the order of windows_s."""
        self.set_level(self._level, at_ns)
        whole = self._bucket - self._first
        if whole <= 0:
            elapsed_ns = at_ns - self._bucket * SECOND_NS
            mean = self._area / elapsed_ns if elapsed_ns else float(self._level)
            return [mean] * len(self._windows_s)
        if not self._slopes[-1] and self._marks[-1] <= self._bucket - self._longest_s:
            return [0.0] * len(self._windows_s)
        return [
            total / (min(window, whole) * SECOND_NS)
            for total, window in zip(self._sums(), self._windows_s, strict=True)
        ]

    def restart(self, at_ns: int) -> None:
        """Count the seconds since the first activity from at_ns, if every window is empty by then."""
        self.set_level(self._level, at_ns)
        if not any(self._sums()) and not self._area:
            self._first = self._bucket

    def bounds(self, at_ns: int) -> tuple[float, float] | None:
        """Between which two every mean stays until the level changes; None where that would take long to tell."""
        if not self._windows_s:
            return 0.0, 0.0
        self.set_level(self._level, at_ns)
        if self._area != self._level * (at_ns - self._bucket * SECOND_NS):
            return None
        begin, slopes = self._bucket - self._longest_s, [self._level * SECOND_NS]
        for mark, slope in zip(reversed(self._marks), reversed(self._slopes), strict=True):
            slopes.append(slope)
            if mark <= begin:
                break
            if len(slopes) > _MOST_BOUNDING:
                return None
        return min(slopes) / SECOND_NS, max(slopes) / SECOND_NS

    def drifts(self, bounds: tuple[float, float], at_ns: int) -> list[Drift] | None:
        """How far each window's mean may go from one whole second to the next, until the level changes.

        bounds: as of at_ns. None: in the first second means are of less than a second.
        """
        self.set_level(self._level, at_ns)
        whole = self._bucket - self._first
        if whole <= 0:
            return None
        # A second of the level comes in, and one that was not below the least nor above the most goes out; or, in a
        # history that is shorter than the window, none goes out.
        rise, fall = self._level - bounds[0], bounds[1] - self._level
        lengths_s = (min(window, whole) for window in self._windows_s)
        return [Drift(rise / length_s, fall / length_s) for length_s in lengths_s]

    def _sums(self) -> list[int]:
        """The integral over each window's whole seconds; before the first second there was nothing."""
        now = self._at(len(self._marks) - 1, self._bucket)
        sums = []
        for n, window in enumerate(self._windows_s):
            begin, last = self._bucket - window, len(self._marks) - 1
            mark = self._begins[n]
            while mark < last and self._marks[mark + 1] <= begin:
                mark += 1
            self._begins[n] = mark
            sums.append(now - self._at(mark, begin))
        if self._begins and (dead := min(self._begins)) > _MOST_DEAD:
            for kept in (self._marks, self._integrals, self._slopes):
                del kept[:dead]
            self._begins = [mark - dead for mark in self._begins]
        return sums

    def _at(self, mark: int, second: int) -> int:
        """The integral up to the beginning of a second, from the mark at or before it."""
        return self._integrals[mark] + self._slopes[mark] * max(0, second - self._marks[mark])

    def _roll(self, at_ns: int) -> None:
        """Close the second under way; the whole ones after it, up to at_ns, have the level as it is."""
        area = self._area + self._level * (self._end_ns - self._last_ns)
        whole = self._level * SECOND_NS
        if self._begins:
            self._mark(self._bucket, area)
            self._mark(self._bucket + 1, whole)
        self._bucket = at_ns // SECOND_NS
        self._area = 0
        self._last_ns = self._bucket * SECOND_NS
        self._end_ns = self._last_ns + SECOND_NS

    def _mark(self, second: int, slope: int) -> None:
        """From this second on, the integral grows by so much a second."""
        if self._slopes[-1] == slope:
            return
        integral = self._at(len(self._marks) - 1, second)
        if self._marks[-1] == second:
            self._slopes[-1] = slope
            return
        self._marks.append(second)
        self._integrals.append(integral)
        self._slopes.append(slope)
