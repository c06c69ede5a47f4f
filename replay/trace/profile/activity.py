"""Load over the time of a recording, second by second: starts of steps, and steps under way, by recorded durations."""

from array import array

import numpy as np
import numpy.typing as npt

MOST_SECONDS = 32 * 86_400
"""As many seconds are kept apart, a month's; a recording that is longer has no figures by time."""


class Activity:
    """Counts in flat memory: 8 bytes a second of the recording, whatever its steps are."""

    def __init__(self) -> None:
        self._starts: array[int] = array("i")
        self._changes: array[int] = array("i")
        self.is_too_long = False

    def __repr__(self) -> str:
        return f"<Activity over {len(self._starts)} s>"

    def step(self, start_ms: float, took_ms: float) -> None:
        """A step that starts so long after the trace's start."""
        first, last = int(start_ms / 1000), int((start_ms + took_ms) / 1000)
        if last >= MOST_SECONDS:
            self.is_too_long = True
            return
        if last + 2 > len(self._starts):
            more = bytes(4 * (last + 2 - len(self._starts)))
            self._starts.frombytes(more)
            self._changes.frombytes(more)
        self._starts[first] += 1
        self._changes[first] += 1
        self._changes[last + 1] -= 1

    def starts(self) -> npt.NDArray[np.int64]:
        """Steps that start, by second; empty where the recording is too long."""
        if self.is_too_long or not len(self._starts):
            return np.empty(0, np.int64)
        return np.frombuffer(self._starts, np.int32)[:-1].astype(np.int64)

    def under_way(self) -> npt.NDArray[np.int64]:
        """Steps that are under way at some time of each second."""
        if self.is_too_long or not len(self._changes):
            return np.empty(0, np.int64)
        return np.cumsum(np.frombuffer(self._changes, np.int32), dtype=np.int64)[:-1]
