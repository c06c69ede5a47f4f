"""When the calls of a recording began, for formats of one row a call: kept small, and put in order.

Pure.
"""

from array import array

import numpy as np

from replay.assembly.types import ImportOptions
from replay.reading.timestamps import Grain
from replay.trace.errors import TraceError


class Starts:
    """The starts of calls, as integers of tick_ns each, in order of the rows; 8 bytes a call."""

    def __init__(self, tick_ns: int) -> None:
        self._tick_ns = tick_ns
        self._ticks = array("q")
        self._grain = Grain(tick_ns)
        self._first = self._last = 0
        self._is_sorted = True

    def __len__(self) -> int:
        return len(self._ticks)

    def add(self, ticks: int) -> None:
        """The next row's start; it may be negative."""
        if not self._ticks:
            self._first = self._last = ticks
        elif ticks < self._ticks[-1]:
            self._is_sorted = False
        self._first = min(self._first, ticks)
        self._last = max(self._last, ticks)
        self._ticks.append(ticks)
        self._grain.add(ticks)

    @property
    def order(self) -> list[int]:
        """The rows by start; rows with the same start stay in the order of the file."""
        return np.argsort(np.frombuffer(self._ticks, dtype=np.int64), kind="stable").tolist()  # type: ignore[no-any-return]

    def ms(self, row: int) -> float:
        """When a row began, from the first start on."""
        return (self._ticks[row] - self._first) * self._tick_ns / 1e6

    @property
    def first_ns(self) -> int:
        """The first start, in ns of the recording's own clock."""
        return self._first * self._tick_ns

    @property
    def span_s(self) -> float:
        return (self._last - self._first) * self._tick_ns / 1e9

    @property
    def is_sorted(self) -> bool:
        """Whether the rows were in order."""
        return self._is_sorted

    @property
    def resolution_ms(self) -> float:
        """The coarsest power of ten that divides all starts."""
        return self._grain.ms


def refuse_arrivals(format_name: str, options: ImportOptions) -> None:
    """Raises TraceError where arrivals were chosen for a format that records them."""
    if options.arrivals is not None:
        raise TraceError(
            f"the {format_name} format records when requests arrive, so --arrivals does not apply. Leave it out."
        )
