"""What the instances of a plane did: the account of those that are gone."""

from collections.abc import Iterable

from replay.planes.core.types import InstanceLife, Spent


class Ledger:
    """The lives of instances that are gone, in the order of their end, and what they spent their time on."""

    def __init__(self) -> None:
        self._lives: list[InstanceLife] = []
        self._spent = Spent()

    def __repr__(self) -> str:
        return f"<Ledger of {len(self._lives)} gone>"

    def close(self, life: InstanceLife, at_ns: int) -> None:
        """Take the account of an instance that goes at at_ns."""
        self._lives.append(life)
        self._spent = _sum(self._spent, _spent(life, at_ns))

    def lives(self, alive: Iterable[InstanceLife]) -> list[InstanceLife]:
        """Return what every instance did, those that are gone first."""
        return [*self._lives, *alive]

    def spent(self, alive: Iterable[InstanceLife], at_ns: int) -> Spent:
        """Return what all instances spent their time on; costs no more for those that are gone."""
        return _sum(self._spent, *(_spent(life, at_ns) for life in alive))


def _spent(life: InstanceLife, at_ns: int) -> Spent:
    ready_ns = at_ns if life.ready_ns is None else life.ready_ns
    booting = ready_ns - life.requested_ns
    return Spent(booting, life.busy_ns, at_ns - ready_ns - life.busy_ns)


def _sum(*parts: Spent) -> Spent:
    return Spent(*(sum(of_one) for of_one in zip(*parts, strict=True)))
