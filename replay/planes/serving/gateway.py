"""A gateway in front of a plane's instances: takes requests, asks the plane where they go, passes bytes both ways.

Who sees which event: a relay's Doorway and Backend are the connections to a client and to an instance, and a Visit is
one request on its way between them. The Gateway carries every event to the plane's core, with the time, and carries
out what the core decides; the core alone decides.

Bodies are forwarded as they came, streams included; heads lose what belongs to one connection, and get the plane's own
headers after the status line, which can be switched off.

A request that the plane timed out is answered; its handler goes on, holds its slot, and what it still says is
dropped. A client that leaves ends its request's connection to the instance, so that the application can notice.

A WebSocket is one request, from its opening until either side ends its connection: so long it takes a slot of its
instance, keeps one that is to stop, and has the limit of any request. What goes over it is passed on as it is. When
its instance dies it is lost, and its client's connection ends.
"""

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Protocol, cast

from replay.http.heads import RequestHead, request_bytes
from replay.planes.core.plane import Plane
from replay.planes.core.types import Address, Boot, Decision, InstanceId, Lose, Refuse, Start, Stop, TimeOut
from replay.relay.backend import Backend
from replay.relay.clients import Clients
from replay.relay.doorway import Doorway
from replay.relay.front import ClientConnection, Passage, ServerConnection
from replay.system.shortage import shortage_of

_NS = 1_000_000_000


class Instances(Protocol):
    """Whatever runs the instances; it calls the gateway's `ready` and `died`.

    death_notice_s: how long after the end of its connections an instance may be heard to have died.
    """

    @property
    def death_notice_s(self) -> float: ...

    def boot(self, instance: InstanceId, vcpu: float) -> None: ...

    def stop(self, instance: InstanceId) -> None: ...

    def address(self, instance: InstanceId) -> Address: ...


class Visit(Passage):
    """One request on its way through the gateway. start: how it got its instance, once it has."""

    __slots__ = ("id", "start", "told")

    def __init__(self, number: int, doorway: ClientConnection, request: RequestHead, tells: bool) -> None:
        super().__init__(doorway, request)
        self.id = number
        self.start: Start | None = None
        self.told = tells

    def own_lines(self) -> bytes:
        """What a response says of the instance that served it."""
        start = self.start
        if start is None or not self.told:
            return b""
        return (
            b"x-replay-instance: i-%d\r\nx-replay-fresh: %d\r\nx-replay-cold: %d\r\nx-replay-waited-ms: %.3f\r\n"
            % (start.instance, start.fresh, start.waited_for_boot, start.waited_ns / 1e6)
        )


class Gateway:
    """Ties a plane, its instances, and the connections of clients together. tells: whether responses carry the
    plane's headers. now: the clock, in ns.
    """

    def __init__(self, plane: Plane, tells: bool = True, now: Callable[[], int] = monotonic_ns) -> None:
        self.plane = plane
        self._tells = tells
        self._now = now
        self._instances: Instances = None  # type: ignore[assignment]
        self._visits: dict[int, Visit] = {}
        self._idle: dict[InstanceId, list[ServerConnection]] = {}
        self._clients = Clients()
        self._loop: asyncio.AbstractEventLoop = None  # type: ignore[assignment]
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._boot_fault: str | None = None
        self._next = 0
        self.counts = {
            "requests": 0,
            "refused": 0,
            "timed_out": 0,
            "lost": 0,
            "cold": 0,
            "fresh": 0,
            "booted": 0,
        }

    def __repr__(self) -> str:
        return f"<Gateway {len(self._clients)} clients, {len(self._visits)} requests, {self.plane!r}>"

    def open(self, instances: Instances) -> None:
        """Begin, on the running loop: boots what is always on."""
        self._loop = asyncio.get_running_loop()
        self._instances = instances
        self._carry_out(self.plane.start(self._now()))

    @property
    def takes_sockets(self) -> bool:
        return True

    @property
    def own_line(self) -> bytes:
        return b"x-replay-plane: 1\r\n" if self._tells else b""

    def doorway(self) -> Doorway:
        """For loop.create_server."""
        return Doorway(self, self._clients)

    async def close(self) -> None:
        """Cut every connection. The instances are their owner's to stop."""
        self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        self._clients.close()
        for backends in self._idle.values():
            for backend in backends:
                backend.close()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def ready(self, instance: InstanceId) -> None:
        """The instance takes requests from now on."""
        self._boot_fault = None
        if not self._is_closing:
            self._carry_out(self.plane.instance_ready(instance, self._now()))

    def died(self, instance: InstanceId) -> None:
        """The instance has ended by itself."""
        self._forget(instance)
        if not self._is_closing:
            self._carry_out(self.plane.instance_died(instance, self._now()))

    def cannot_boot(self, why: str) -> None:
        """Boots fail one after another: until one is ready, say so at once to those who would wait for it."""
        self._boot_fault = why
        if not self._is_closing:
            self._carry_out(self.plane.cannot_boot(why, self._now()))

    def drain(self, instance: InstanceId) -> None:
        """Give the instance no further request, and stop it after its last one."""
        if not self._is_closing:
            self._carry_out(self.plane.drain(instance, self._now()))

    def busiest(self) -> InstanceId | None:
        """The instance with the most requests."""
        return self.plane.busiest()

    def deploy(self) -> None:
        """Begin to replace every instance that is there, each once its successor is ready."""
        if not self._is_closing:
            self._carry_out(self.plane.deploy(self._now()))

    def cpu_used(self, instance: InstanceId, milli_vcpu: int) -> None:
        """The instance uses so much CPU from now on."""
        if not self._is_closing and self.plane.counts_cpu:
            self._carry_out(self.plane.cpu_used(instance, milli_vcpu, self._now()))

    def left(self, passage: Passage, why: str) -> None:
        """The client needs no answer any more; its handler is told by the end of its connection, and may go on."""
        visit = cast(Visit, passage)
        visit.doorway = None
        if visit.backend is not None:
            visit.backend.close()
            self._ended(visit)
        elif visit.start is None:
            self._visits.pop(visit.id, None)
            if not self._is_closing:
                self._carry_out(self.plane.client_left(visit.id, self._now()))

    def arrived(self, doorway: ClientConnection, request: RequestHead) -> Visit:
        """A request's head has come."""
        self._next += 1
        self.counts["requests"] += 1
        visit = self._visits[self._next] = Visit(self._next, doorway, request, self._tells)
        lines = request.lines
        if request.is_old and not any(key == b"host" for key, _ in lines):
            # A client of HTTP/1.0 may name no host; whoever is asked in HTTP/1.1 insists on one.
            lines = [(b"host", b"Host: " + doorway.own_address), *lines]
        visit.chunks.append(request_bytes(request, request.target, lines))
        return visit

    def send(self, passage: Passage) -> None:
        visit = cast(Visit, passage)
        self._carry_out(self.plane.request_arrived(visit.id, self._now()))
        if self._boot_fault is not None and visit.start is None:
            # It has asked for a boot like any other, but does not wait for that.
            self._carry_out(self.plane.cannot_boot(self._boot_fault, self._now()))

    def finished(self, backend: ServerConnection, passage: Passage, is_reusable: bool) -> None:
        """An instance's response is complete."""
        idle = self._idle.get(cast(InstanceId, backend.place))
        if is_reusable and idle is not None:
            backend.keep(None)
            idle.append(backend)
        else:
            backend.close()
        doorway, visit = passage.doorway, cast(Visit, passage)
        if visit.is_tunnel:
            # It may have ended because its instance did, of which to hear first, so that it counts as lost.
            visit.doorway, visit.backend = None, None
            self._after_notice(self._ended, visit)
        else:
            self._ended(visit)
        if doorway is not None:
            doorway.passage_over()

    def lost(self, backend: ServerConnection, passage: Passage | None, why: str) -> None:
        """A connection to an instance is gone, perhaps in the middle of a response."""
        idle = self._idle.get(cast(InstanceId, backend.place))
        if idle is not None and backend in idle:
            idle.remove(backend)
        if passage is None:
            return
        visit = cast(Visit, passage)
        visit.backend = None
        if backend.may_send_again(visit):
            self._connect(visit)
            return
        self._fail_soon(visit, f"The instance {why}.")

    def _fail_soon(self, visit: Visit, why: str) -> None:
        """A connection often ends because its process does: hear of that first, so that no request follows it."""
        self._after_notice(self._fail, visit, 502, why)

    def _after_notice(self, call: Callable[..., None], *arguments: Any) -> None:
        """Call it once a death that ended a connection would have been heard of."""
        if not self._instances.death_notice_s:
            call(*arguments)
        else:
            self._loop.call_later(self._instances.death_notice_s, call, *arguments)

    def _fail(self, visit: Visit, status: int, why: str) -> None:
        if visit.id not in self._visits:
            return
        doorway = visit.doorway
        visit.doorway = None
        self._ended(visit)
        self._answer(doorway, visit, status, why)

    def _ended(self, visit: Visit) -> None:
        if self._visits.pop(visit.id, None) is not None and not self._is_closing:
            self._carry_out(self.plane.request_ended(visit.id, self._now()))

    def _carry_out(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, Start):
                self._start(decision)
            elif isinstance(decision, Boot):
                self._idle[decision.instance] = []
                self.counts["booted"] += 1
                self._instances.boot(decision.instance, decision.vcpu)
            elif isinstance(decision, Stop):
                self._forget(decision.instance)
                self._instances.stop(decision.instance)
            elif isinstance(decision, Refuse):
                self.counts["refused"] += 1
                self._dismiss(decision.request, decision.status, decision.reason)
            elif isinstance(decision, TimeOut):
                self.counts["timed_out"] += 1
                self._time_out(decision)
            elif isinstance(decision, Lose):
                self.counts["lost"] += 1
                self._dismiss(decision.request, decision.status, decision.reason)
        self._set_timer()

    def _start(self, start: Start) -> None:
        visit = self._visits[cast(int, start.request)]
        visit.start = start
        self.counts["cold"] += start.waited_for_boot
        self.counts["fresh"] += start.fresh
        idle = self._idle[start.instance]
        while idle:
            backend = idle.pop()
            if backend.is_usable:
                backend.start(visit)
                return
        self._connect(visit)

    def _connect(self, visit: Visit) -> None:
        task = self._loop.create_task(self._connected(visit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connected(self, visit: Visit) -> None:
        assert visit.start is not None
        instance = visit.start.instance
        try:
            host, port = self._instances.address(instance)
            _, backend = await self._loop.create_connection(lambda: Backend(self, instance), host, port)
        except (OSError, KeyError) as fault:
            shortage = shortage_of(fault) if isinstance(fault, OSError) else None
            if shortage is not None:
                self._fail(visit, 503, f"The gateway cannot reach its instances: {shortage}.")
            else:
                self._fail_soon(visit, "The instance does not accept connections.")
            return
        if visit.id not in self._visits or visit.doorway is None:
            backend.close()
            self._ended(visit)
            return
        backend.start(visit)

    def _dismiss(self, request: Any, status: int, why: str) -> None:
        """Answer a request that the plane has let go."""
        visit = self._visits.pop(request, None)
        if visit is None:
            return
        doorway, visit.doorway = visit.doorway, None
        if visit.backend is not None:
            visit.backend.close()
        self._answer(doorway, visit, status, why)

    def _time_out(self, decision: TimeOut) -> None:
        visit = self._visits.get(cast(int, decision.request))
        if visit is None:
            return
        if decision.instance is None:
            del self._visits[visit.id]
        elif visit.backend is not None and (visit.is_tunnel or not visit.body.is_over):
            # Its handler would wait for ever for what the client can no longer send.
            visit.backend.close()
            self._ended(visit)
        doorway, visit.doorway = visit.doorway, None
        self._answer(doorway, visit, decision.status, "The request took longer than its timeout.")
        if visit.backend is not None:
            # A client that read slowly has held it, and tells it nothing any more: read on, and drop what comes.
            visit.backend.hold(False)

    def _answer(self, doorway: ClientConnection | None, visit: Visit, status: int, why: str) -> None:
        """Answer in the plane's own name, or cut a response that has begun. doorway: None where nobody waits."""
        if doorway is None:
            return
        if visit.answered:
            doorway.cut()
        else:
            doorway.answer(status, why)

    def _forget(self, instance: InstanceId) -> None:
        for backend in self._idle.pop(instance, ()):
            backend.close()

    def _set_timer(self) -> None:
        wake_ns = self.plane.next_wake_ns
        if self._is_closing or wake_ns is None:
            return
        if self._timer is not None:
            if self._timer_ns <= wake_ns and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer_ns = wake_ns
        self._timer = self._loop.call_later(max(0, wake_ns - self._now()) / _NS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._carry_out(self.plane.tick(self._now()))
