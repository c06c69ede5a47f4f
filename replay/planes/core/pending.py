"""The requests that wait for an instance: in order of arrival, with a limit of time and one of length."""

import math
from collections import OrderedDict

from replay.planes.core.types import InstanceId, PendingLimit, RequestId

_SECOND_NS = 1_000_000_000
_DID_NOT_WAIT = 1 << 62

# What Cloud Run's log says of a request that found no instance in time.
NO_INSTANCE = "The request was aborted because there was no available instance."
# What a proxy answers whose machines refuse connections.
NO_MACHINE = "no machine accepts connections"
# What Knative's activator answers; pkg/activator/net/throttler.go.
QUEUE_FULL = "pending request queue full"


class Request:
    """One request that the plane has not let go of."""

    __slots__ = ("arrived_ns", "boots_before", "bound_to", "id", "instance")

    def __init__(self, request: RequestId, arrived_ns: int) -> None:
        self.id = request
        self.arrived_ns = arrived_ns
        self.instance: InstanceId | None = None  # None: not started
        self.bound_to: InstanceId | None = None  # the boot that it waits for; None: for any slot
        # Boots that the plane had asked for, and that had ended, when this request began to wait; -1: one was
        # under way. It waited for a boot if there are more when it starts.
        self.boots_before = _DID_NOT_WAIT

    def __repr__(self) -> str:
        where = "waiting" if self.instance is None else f"in instance {self.instance}"
        return f"<Request {self.id} {where}>"


class Pending:
    """The queue. Its time limit follows the mean startup so far, for those already waiting too."""

    def __init__(self, limit: PendingLimit) -> None:
        self.limit = limit
        self._requests: OrderedDict[RequestId, Request] = OrderedDict()
        self._startups = 0
        self._startup_sum_ns = 0
        self._set_wait()

    def __repr__(self) -> str:
        return f"<Pending {len(self._requests)} waiting>"

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def is_full(self) -> bool:
        return self.limit.length is not None and len(self._requests) >= self.limit.length

    def started_up(self, startup_ns: int) -> None:
        """Take one more startup time into the mean; 0 is an instance that was declared warm, and none."""
        if not startup_ns:
            return
        self._startups += 1
        self._startup_sum_ns += startup_ns
        self._set_wait()

    def add(self, request: Request) -> None:
        self._requests[request.id] = request

    def pop(self) -> Request:
        """Remove and return the one that waited longest. Raises KeyError when none waits."""
        return self._requests.popitem(last=False)[1]

    def remove(self, request: Request) -> None:
        del self._requests[request.id]

    def deadline_ns(self) -> int | None:
        """Return when the one that waited longest is to be refused; None: never, or none waits."""
        if self._wait_ns is None or not self._requests:
            return None
        return next(iter(self._requests.values())).arrived_ns + self._wait_ns

    def _set_wait(self) -> None:
        limit = self.limit
        if limit.wait_s is None or math.isinf(limit.wait_s):
            self._wait_ns: int | None = None
            return
        mean_ns = self._startup_sum_ns / self._startups if self._startups else 0.0
        self._wait_ns = round(max(limit.wait_s * _SECOND_NS, limit.startup_factor * mean_ns))
