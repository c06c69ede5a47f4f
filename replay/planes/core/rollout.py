"""A rolling deploy: every instance of now is replaced, one after another.

A successor boots for the first outgoing instance that takes requests; when it is ready, the other is let go, and the
next one's turn comes. An outgoing instance that is let go for another reason needs no successor, and the one that boots
for it counts from then on as any other. A successor that is gone before it is ready is asked for again.
"""

from collections.abc import Callable, Container, Iterable

from replay.planes.core.types import InstanceId


class Rollout:
    """Who is yet to be replaced, and who boots to take whose place."""

    def __init__(self) -> None:
        self._outgoing: dict[InstanceId, None] = {}  # in the order in which they are replaced
        self._successor: InstanceId | None = None  # the one that boots
        self._predecessor: InstanceId | None = None  # whom it will replace
        # How many boot to take another's place. They add no slots, so nobody counts on them.
        self.successors = 0

    def __repr__(self) -> str:
        return f"<Rollout {len(self._outgoing)} outgoing, {self.successors} booting for one>"

    def __len__(self) -> int:
        return len(self._outgoing)

    def begin(self, instances: Iterable[InstanceId]) -> None:
        """Replace these in their order, instead of those that were outgoing."""
        self._outgoing = dict.fromkeys(instances)

    def is_successor(self, instance: InstanceId) -> bool:
        return instance == self._successor

    def replaced_by(self, instance: InstanceId) -> InstanceId | None:
        """Return whose place this one takes, now that it is ready; None: nobody's."""
        return self._predecessor if instance == self._successor else None

    def boot_next(self, ready: Container[InstanceId], boot: Callable[[], InstanceId]) -> None:
        """Boot a successor for the next outgoing instance that takes requests, unless one boots already."""
        if not self._outgoing or self._successor is not None:
            return
        predecessor = next((instance for instance in self._outgoing if instance in ready), None)
        if predecessor is not None:
            self._successor, self._predecessor = boot(), predecessor
            self.successors = 1

    def leave(self, instance: InstanceId) -> None:
        """It is let go: it needs no successor, and it can be none."""
        self._outgoing.pop(instance, None)
        if instance in (self._successor, self._predecessor):
            self._successor = self._predecessor = None
            self.successors = 0
