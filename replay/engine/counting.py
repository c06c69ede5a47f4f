"""What is counted of a run while it goes on."""

from collections.abc import Sequence

from replay.results.selector import Selector


class PartProgress:
    """How many requests of some steps were sent, and how many of those have ended."""

    __slots__ = ("ended", "sent")

    def __init__(self) -> None:
        self.sent = self.ended = 0

    @property
    def in_flight(self) -> int:
        return self.sent - self.ended


class Progress:
    """What a live view shows of a run; read by whoever wants to, written by the run.

    start_ns: the run's zero; 0 until it has one. parts: of the steps that each selector means, where some are followed.
    """

    __slots__ = (
        "_parts_of",
        "_selectors",
        "ended",
        "failed",
        "parts",
        "retried",
        "sent",
        "sessions_done",
        "start_ns",
        "unsent",
        "waits",
    )

    def __init__(self) -> None:
        self.sent = self.ended = self.failed = self.unsent = self.waits = self.sessions_done = 0
        self.retried = 0
        self.start_ns = 0
        self.follow(())

    @property
    def in_flight(self) -> int:
        return self.sent - self.ended

    def follow(self, selectors: Sequence[Selector]) -> None:
        """Count the steps that each of these means by themselves, too, from now on."""
        self._selectors = selectors
        self.parts = [PartProgress() for _ in selectors]
        self._parts_of: dict[tuple[str, str], list[PartProgress]] = {}

    def began(self, kind: str, name: str) -> None:
        """A request of such a step was sent."""
        self.sent += 1
        self.part_began(kind, name)

    def part_began(self, kind: str, name: str) -> None:
        """A request of such a step, which `sent` counts, was sent."""
        for part in self._parts_with(kind, name):
            part.sent += 1

    def part_over(self, kind: str, name: str) -> None:
        """A request of such a step, which `ended` counts, has ended."""
        for part in self._parts_with(kind, name):
            part.ended += 1

    def _parts_with(self, kind: str, name: str) -> list[PartProgress]:
        found = self._parts_of.get((kind, name))
        if found is None:
            pairs = zip(self._selectors, self.parts, strict=True)
            found = [part for selector, part in pairs if selector.matches(kind, name)]
            self._parts_of[kind, name] = found
        return found
