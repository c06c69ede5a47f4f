"""Windowed means as they were first defined, a bucket a second: what the averages of today are held to."""

from collections.abc import Sequence

SECOND_NS = 1_000_000_000


class EagerAverages:
    """Windowed means of one level. Instants are ns from any origin and must not go backwards."""

    __slots__ = ("_area", "_bucket", "_end_ns", "_first", "_last_ns", "_level", "_ring", "_sums", "_windows_s")

    def __init__(self, windows_s: Sequence[int], start_ns: int = 0) -> None:
        self._windows_s = tuple(windows_s)
        self._ring = [0] * (max(self._windows_s, default=1) + 1)
        self._sums = [0] * len(self._windows_s)
        self._level: int = 0
        self._area: int = 0  # of the bucket under way
        self._last_ns = start_ns
        self._bucket = start_ns // SECOND_NS
        self._end_ns = (self._bucket + 1) * SECOND_NS
        self._first = self._bucket

    def __repr__(self) -> str:
        return f"<EagerAverages level {self._level}, second {self._bucket}>"

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
        return [
            total / (min(window, whole) * SECOND_NS)
            for total, window in zip(self._sums, self._windows_s, strict=True)
        ]

    def restart(self, at_ns: int) -> None:
        """Count the seconds since the first activity from at_ns, if every window is empty by then."""
        self.set_level(self._level, at_ns)
        if not any(self._sums) and not self._area:
            self._first = self._bucket

    def _roll(self, at_ns: int) -> None:
        """Close the bucket under way and every whole one after it up to at_ns."""
        area = self._area + self._level * (self._end_ns - self._last_ns)
        whole = self._level * SECOND_NS
        last = at_ns // SECOND_NS
        self._close(area)
        if last - self._bucket > len(self._ring):  # a long silence: every window holds this level alone
            self._ring = [whole] * len(self._ring)
            self._sums = [whole * window for window in self._windows_s]
            self._bucket = last
        while self._bucket < last:
            self._close(whole)
        self._area = 0
        self._last_ns = self._bucket * SECOND_NS
        self._end_ns = self._last_ns + SECOND_NS

    def _close(self, area: int) -> None:
        ring, bucket = self._ring, self._bucket
        size = len(ring)
        ring[bucket % size] = area
        for n, window in enumerate(self._windows_s):
            self._sums[n] += area - ring[(bucket - window) % size]
        self._bucket = bucket + 1
