"""Which of the instances with a free slot takes the next request.

No vendor publishes its policy, and it decides how many instances stay warm, so it is a declared assumption.
Each router holds only instances that have a free slot, in an order in which the next one is at an end: taking
one and giving one back cost the same however many there are.
"""

from collections import OrderedDict
from typing import Protocol

from replay.planes.core.instances import Instance
from replay.planes.core.types import InstanceId, RouterName

UNLIMITED = 1 << 40


class Router(Protocol):
    """Holds ready instances; counts their requests in flight."""

    def add(self, instance: Instance) -> None:
        """Hold one more instance, which may have requests in flight."""

    def take(self) -> Instance | None:
        """Return the instance for the next request, and count that request; None: no slot is free."""

    def give_back(self, instance: Instance) -> None:
        """Count one request less in this instance."""

    def remove(self, instance: Instance) -> None:
        """Hold this instance no longer; its requests in flight stay counted."""


class MostRecentlyUsed:
    """The instance that last took or ended a request: packs them, so that the others grow old and leave."""

    def __init__(self, concurrency: int) -> None:
        self._slots = concurrency or UNLIMITED
        self._free: OrderedDict[InstanceId, Instance] = OrderedDict()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._free)} with a free slot>"

    def add(self, instance: Instance) -> None:
        if instance.in_flight < self._slots:
            self._free[instance.id] = instance

    def take(self) -> Instance | None:
        if not self._free:
            return None
        instance = self._next()
        instance.in_flight += 1
        if instance.in_flight >= self._slots:
            del self._free[instance.id]
        return instance

    def give_back(self, instance: Instance) -> None:
        instance.in_flight -= 1
        self._free[instance.id] = instance
        self._free.move_to_end(instance.id)

    def remove(self, instance: Instance) -> None:
        self._free.pop(instance.id, None)

    def _next(self) -> Instance:
        return self._free[next(reversed(self._free))]


class RoundRobin(MostRecentlyUsed):
    """The instance that was longest without being given a request: spreads them, and keeps all warm."""

    def give_back(self, instance: Instance) -> None:
        instance.in_flight -= 1
        if instance.id not in self._free:  # it was full; with a place kept, a fast one would be served first
            self._free[instance.id] = instance

    def _next(self) -> Instance:
        instance_id = next(iter(self._free))
        self._free.move_to_end(instance_id)
        return self._free[instance_id]


class LeastLoaded:
    """The instance with the fewest requests in flight; of several, the one that came to that number last.

    So idle instances are packed as by MostRecentlyUsed, and busy ones evened out.
    """

    def __init__(self, concurrency: int) -> None:
        self._slots = concurrency or UNLIMITED
        self._by_load: list[OrderedDict[InstanceId, Instance]] = [OrderedDict()]
        self._lowest = 0  # no level below has an instance
        self._held = 0  # instances over all levels

    def __repr__(self) -> str:
        return f"<LeastLoaded {self._held} with a free slot, the lowest at {self._lowest}>"

    def add(self, instance: Instance) -> None:
        if instance.in_flight < self._slots:
            self._put(instance)

    def take(self) -> Instance | None:
        if not self._held:
            return None
        levels = self._by_load
        # Steps upwards only over levels that emptied; every step down was one request's end.
        while not levels[self._lowest]:
            self._lowest += 1
        instance = levels[self._lowest].popitem()[1]
        self._held -= 1
        instance.in_flight += 1
        if instance.in_flight < self._slots:
            self._put(instance)
        return instance

    def give_back(self, instance: Instance) -> None:
        if instance.in_flight < self._slots:
            del self._by_load[instance.in_flight][instance.id]
            self._held -= 1
        instance.in_flight -= 1
        self._put(instance)

    def remove(self, instance: Instance) -> None:
        if instance.in_flight < self._slots:
            del self._by_load[instance.in_flight][instance.id]
            self._held -= 1

    def _put(self, instance: Instance) -> None:
        load = instance.in_flight
        while len(self._by_load) <= load:
            self._by_load.append(OrderedDict())
        self._by_load[load][instance.id] = instance
        self._held += 1
        self._lowest = min(self._lowest, load)


ROUTERS: dict[RouterName, type[MostRecentlyUsed] | type[LeastLoaded]] = {
    "most_recently_used": MostRecentlyUsed,
    "least_loaded": LeastLoaded,
    "round_robin": RoundRobin,
}


def router(name: RouterName, concurrency: int) -> Router:
    """Return an empty router; concurrency 0 is unlimited."""
    return ROUTERS[name](concurrency)
