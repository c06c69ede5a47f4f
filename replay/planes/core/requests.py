"""The requests that a plane has not let go of, by what has become of them.

Open: the client waits for an answer. Such a request waits in the queue, or for a boot of its own, or runs.
Overdue: the client has its answer or has left, and the handler still runs; it keeps its slot until it ends.
"""

from collections import OrderedDict

from replay.planes.core.pending import Pending, Request
from replay.planes.core.types import InstanceId, PlaneSpec, RequestId

_SECOND_NS = 1_000_000_000


class Requests:
    """Those of one plane."""

    def __init__(self, spec: PlaneSpec) -> None:
        limit_s = spec.request_limit_s
        self.timeout_ns = None if limit_s is None else round(limit_s * _SECOND_NS)
        self.pending = Pending(spec.queue)
        self.running = 0  # with overdue ones
        self.bound: dict[InstanceId, Request] = {}  # by the boot that is theirs alone
        self._open: OrderedDict[RequestId, Request] = OrderedDict()  # in order of arrival, so of timeout
        self._overdue: dict[RequestId, Request] = {}

    def __repr__(self) -> str:
        return f"<Requests {self.waiting} waiting, {self.running} running>"

    def __bool__(self) -> bool:
        """Whether a client waits for an answer."""
        return bool(self._open)

    def __contains__(self, request: RequestId) -> bool:
        return request in self._open or request in self._overdue

    @property
    def waiting(self) -> int:
        return len(self.pending) + len(self.bound)

    def timeout_due_ns(self) -> int | None:
        """Return when the next client is to be answered that its time is up; None: no client has a limit."""
        if self.timeout_ns is None or not self._open:
            return None
        return next(iter(self._open.values())).arrived_ns + self.timeout_ns

    def add(self, request: Request) -> None:
        self._open[request.id] = request

    def bind(self, request: Request, instance: InstanceId) -> None:
        """Let it wait for this boot alone."""
        request.boots_before = -1
        request.bound_to = instance
        self.bound[instance] = request

    def refuse_next(self) -> Request:
        """Let go of the one that waited longest in the queue. Raises KeyError when none waits."""
        request = self.pending.pop()
        del self._open[request.id]
        return request

    def refuse_all(self) -> list[Request]:
        """Let go of all that wait: those with a boot of their own first."""
        refused = list(self.bound.values())
        self.bound.clear()
        for request in refused:
            del self._open[request.id]
        while len(self.pending):
            refused.append(self.refuse_next())
        return refused

    def time_out(self) -> Request:
        """Let go of the open one that came first, or of its client where its handler runs."""
        request = self._open.popitem(last=False)[1]
        self._without_client(request)
        return request

    def leave(self, request: RequestId) -> bool:
        """Let go of a request whose client has left, or of the client alone; returns whether there was one."""
        found = self._open.pop(request, None)
        if found is None:
            return False
        self._without_client(found)
        return True

    def end(self, request: RequestId) -> InstanceId | None:
        """Let go of a request whose handler has ended; returns where it ran, None if it was let go before.

        Raises ValueError if it has not started.
        """
        found = self._open.get(request)
        if found is None:
            found = self._overdue.pop(request, None)
            return None if found is None else found.instance
        if found.instance is None:
            raise ValueError(f"request {request!r} cannot have ended: it has not started")
        del self._open[request]
        return found.instance

    def lose(self, instance: InstanceId) -> list[Request]:
        """Let go of all that run in an instance; returns those whose clients still wait."""
        lost = [request for request in self._open.values() if request.instance == instance]
        for request in lost:
            del self._open[request.id]
        for request in [request for request in self._overdue.values() if request.instance == instance]:
            del self._overdue[request.id]
        return lost

    def _without_client(self, request: Request) -> None:
        if request.instance is not None:
            self._overdue[request.id] = request
        elif request.bound_to is not None:
            del self.bound[request.bound_to]
        else:
            self.pending.remove(request)
