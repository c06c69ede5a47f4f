"""Steps that are late already, and are sent one right after the other, at the end of a burst.

A target that is faster than we are falls asleep between two requests that are made and sent in turn, and each write
must then wake it, which takes as long as all else that a step costs. See docs/performance.md.
"""

from collections.abc import Callable, Sequence

from replay.engine.attempt import Attempt, Gathers, Sends


class Late:
    """gathering: wires that write at once what they are given meanwhile. put: adds a wire with what it is to send."""

    def __init__(self, gathering: Sequence[Gathers], now: Callable[[], int]) -> None:
        self._gathering, self._now = gathering, now
        self._waiting: list[tuple[Sends, Attempt]] = []
        # The hot path's part.
        self.put = self._waiting.append

    def __repr__(self) -> str:
        return f"<Late {len(self._waiting)}>"

    def send(self) -> None:
        if not self._waiting:
            return
        now = self._now()
        for gathering in self._gathering:
            gathering.cork()
        for wire, attempt in self._waiting:
            attempt.started_ns = now
            wire.send(attempt)
        self._waiting.clear()
        for gathering in self._gathering:
            gathering.uncork()

    def drop(self) -> None:
        """Leave unsent what waits."""
        self._waiting.clear()
