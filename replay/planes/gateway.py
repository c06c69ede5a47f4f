"""A gateway in front of a plane's instances: takes requests, asks the plane where they go, passes bytes both ways.

Parts and who sees which event: a Doorway is one client's connection; it finds where requests begin and end. A
Visit is one request on its way through. An Upstream is one connection to an instance. The Gateway carries every
event to the plane's core, with the time, and carries out what the core decides; the core alone decides.

Bytes are forwarded as they came, requests and responses, streams included; only the plane's own headers are put
in after the status line, and they can be switched off. Either side that reads slowly slows the other.

What it cannot pass on it does not pretend to: a WebSocket is refused with 501, other wishes to upgrade a connection are
left out of the request, which is then answered over HTTP/1.1, and an instance that switches protocols all the same has
given no answer.

A request that the plane timed out is answered; its handler goes on, holds its slot, and what it still says is
dropped. A client that leaves ends its request's connection to the instance, so that the application can notice.
"""

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Protocol, cast

from replay.http.framing import (
    MOST_HEAD_BYTES,
    Body,
    FramingError,
    Head,
    method_of,
    read_head,
    request_body,
    response_body,
    status_of,
    without_upgrade,
)
from replay.planes.plane import Plane
from replay.planes.types import (
    Boot,
    Decision,
    InstanceId,
    Lose,
    Refuse,
    Start,
    Stop,
    TimeOut,
)

# A request waits for an instance with at most so much of its body in memory; then the client is not read on.
_WAITING_MOST_BYTES = 1 << 20
_SAFE = (b"GET", b"HEAD", b"OPTIONS")
_REASONS = {
    400: "Bad Request",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_NO_WEBSOCKET = "This plane passes on HTTP requests and their answers, and no WebSocket."
_NS = 1_000_000_000
# Long enough for a process whose sockets have closed to be seen to have ended; short beside any boot.
_DEATH_NOTICE_S = 0.03

Address = tuple[str, int]


class Instances(Protocol):
    """Whatever runs the instances; it calls the gateway's `ready` and `died`."""

    def boot(self, instance: InstanceId, vcpu: float) -> None: ...

    def stop(self, instance: InstanceId) -> None: ...

    def address(self, instance: InstanceId) -> Address: ...


class Visit:
    """One request on its way through the gateway. doorway: None once its client needs no more."""

    __slots__ = ("answered", "body", "chunks", "doorway", "id", "method", "start", "upstream", "waiting_bytes")

    def __init__(self, number: int, doorway: "Doorway", method: bytes, body: Body) -> None:
        self.id = number
        self.doorway: Doorway | None = doorway
        self.method = method
        self.body = body
        self.chunks: list[bytes] = []
        self.waiting_bytes = 0
        self.start: Start | None = None
        self.upstream: Upstream | None = None
        self.answered = False

    def __repr__(self) -> str:
        return f"<Visit {self.id} {'started' if self.start else 'waiting'}>"


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
        self._idle: dict[InstanceId, list[Upstream]] = {}
        self._doorways: set[Doorway] = set()
        self._loop: asyncio.AbstractEventLoop = None  # type: ignore[assignment]
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
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
        return f"<Gateway {len(self._doorways)} clients, {len(self._visits)} requests, {self.plane!r}>"

    def open(self, instances: Instances) -> None:
        """Begin, on the running loop: boots what is always on."""
        self._loop = asyncio.get_running_loop()
        self._instances = instances
        self._carry_out(self.plane.start(self._now()))

    def doorway(self) -> "Doorway":
        """For loop.create_server."""
        return Doorway(self)

    async def close(self) -> None:
        """Cut every connection. The instances are their owner's to stop."""
        self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        for doorway in list(self._doorways):
            doorway.cut()
        for upstreams in self._idle.values():
            for upstream in upstreams:
                upstream.close()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def ready(self, instance: InstanceId) -> None:
        """The instance takes requests from now on."""
        if not self._is_closing:
            self._carry_out(self.plane.instance_ready(instance, self._now()))

    def died(self, instance: InstanceId) -> None:
        """The instance has ended by itself."""
        self._forget(instance)
        if not self._is_closing:
            self._carry_out(self.plane.instance_died(instance, self._now()))

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

    def came(self, doorway: "Doorway") -> None:
        self._doorways.add(doorway)

    def left(self, doorway: "Doorway", visit: Visit | None) -> None:
        """A client's connection is gone, perhaps in the middle of a request."""
        self._doorways.discard(doorway)
        if visit is None or visit.doorway is None:
            return
        visit.doorway = None
        if visit.upstream is not None:
            visit.upstream.close()
            self._ended(visit)
        elif visit.start is None:
            self._visits.pop(visit.id, None)
            if not self._is_closing:
                self._carry_out(self.plane.client_left(visit.id, self._now()))

    def arrived(self, doorway: "Doorway", method: bytes, body: Body) -> Visit:
        """A request's head has come. Call `decide` once its first bytes are in the visit."""
        self._next += 1
        self.counts["requests"] += 1
        visit = self._visits[self._next] = Visit(self._next, doorway, method, body)
        return visit

    def decide(self, visit: Visit) -> None:
        self._carry_out(self.plane.request_arrived(visit.id, self._now()))

    def plane_headers(self, start: Start) -> bytes:
        """What a response says of the instance that served it."""
        if not self._tells:
            return b""
        return (
            b"x-replay-instance: i-%d\r\nx-replay-fresh: %d\r\nx-replay-cold: %d\r\nx-replay-waited-ms: %.3f\r\n"
            % (start.instance, start.fresh, start.waited_for_boot, start.waited_ns / 1e6)
        )

    def finished(self, upstream: "Upstream", visit: Visit, is_reusable: bool) -> None:
        """An instance's response is complete."""
        if is_reusable and upstream.instance in self._idle:
            self._idle[upstream.instance].append(upstream)
        else:
            upstream.close()
        doorway = visit.doorway
        self._ended(visit)
        if doorway is not None:
            doorway.visit_over(not upstream.ends_with_connection)

    def upstream_lost(self, upstream: "Upstream", visit: Visit | None) -> None:
        """A connection to an instance is gone, perhaps in the middle of a response."""
        idle = self._idle.get(upstream.instance)
        if idle is not None and upstream in idle:
            idle.remove(upstream)
        if visit is None:
            return
        visit.upstream = None
        if upstream.served and not visit.answered and visit.method in _SAFE and visit.chunks:
            # The application closed a kept connection just as we took it.
            self._connect(visit)
            return
        self._fail_soon(visit, "The instance closed the connection without an answer.")

    def _fail_soon(self, visit: Visit, why: str) -> None:
        """A connection often ends because its process does: hear of that first, so that no request follows it."""
        self._loop.call_later(_DEATH_NOTICE_S, self._fail, visit, 502, why)

    def _fail(self, visit: Visit, status: int, why: str) -> None:
        if visit.id not in self._visits:
            return
        doorway = visit.doorway
        visit.doorway = None
        self._ended(visit)
        if doorway is not None:
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
            upstream = idle.pop()
            if not upstream.is_closed:
                upstream.start(visit)
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
            _, upstream = await self._loop.create_connection(lambda: Upstream(self, instance), host, port)
        except (OSError, KeyError):
            self._fail_soon(visit, "The instance does not accept connections.")
            return
        if visit.id not in self._visits or visit.doorway is None:
            upstream.close()
            self._ended(visit)
            return
        upstream.start(visit)

    def _dismiss(self, request: Any, status: int, why: str) -> None:
        """Answer a request that the plane has let go."""
        visit = self._visits.pop(request, None)
        if visit is None:
            return
        doorway, visit.doorway = visit.doorway, None
        if visit.upstream is not None:
            visit.upstream.close()
        if doorway is not None:
            self._answer(doorway, visit, status, why)

    def _time_out(self, decision: TimeOut) -> None:
        visit = self._visits.get(cast(int, decision.request))
        if visit is None:
            return
        if decision.instance is None:
            del self._visits[visit.id]
        doorway, visit.doorway = visit.doorway, None
        if doorway is not None:
            self._answer(doorway, visit, decision.status, "The request took longer than its timeout.")

    def _answer(self, doorway: "Doorway", visit: Visit, status: int, why: str) -> None:
        """Answer in the plane's own name, or cut a response that has begun."""
        if visit.answered:
            doorway.cut()
        else:
            doorway.answer(status, why, self._tells)

    def _forget(self, instance: InstanceId) -> None:
        for upstream in self._idle.pop(instance, ()):
            upstream.close()

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


class Doorway(asyncio.Protocol):
    """One client's connection: one request at a time, the next ones wait in the buffer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._buffer = b""
        self._visit: Visit | None = None
        self._keeps_alive = True
        self._is_held = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._gateway.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        visit, self._visit = self._visit, None
        self._gateway.left(self, visit)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._advance()

    def eof_received(self) -> bool:
        # A client that ends its sending side has left, as for other gateways: of the few that still listen, none
        # can be told from the many that are gone.
        return False

    def pause_writing(self) -> None:
        if self._visit is not None and self._visit.upstream is not None:
            self._visit.upstream.hold(True)

    def resume_writing(self) -> None:
        if self._visit is not None and self._visit.upstream is not None:
            self._visit.upstream.hold(False)

    def hold(self, is_held: bool) -> None:
        """Read no more of the client, or go on."""
        if is_held != self._is_held and not self._transport.is_closing():
            self._is_held = is_held
            if is_held:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def cut(self) -> None:
        """End the connection at once: a response that cannot be completed must not look complete."""
        self._transport.abort()

    def answer(self, status: int, why: str, tells: bool) -> None:
        """Answer in the plane's own name."""
        body = (why + "\n").encode()
        own = b"x-replay-plane: 1\r\n" if tells else b""
        visit = self._visit
        # What is left of the request's body has nowhere to go, so the connection cannot be kept.
        keeps = self._keeps_alive and (visit is None or visit.body.is_over)
        self.write(
            b"HTTP/1.1 %d %s\r\n%scontent-type: text/plain\r\ncontent-length: %d\r\n%s\r\n%s"
            % (
                status,
                _REASONS.get(status, "Error").encode(),
                own,
                len(body),
                b"" if keeps else b"connection: close\r\n",
                b"" if visit is not None and visit.method == b"HEAD" else body,
            )
        )
        self.visit_over(keeps)

    def visit_over(self, keeps: bool) -> None:
        """The response is complete. keeps: whether its end was told apart from the connection's."""
        is_whole = self._visit is None or self._visit.body.is_over
        self._visit = None
        if not (keeps and self._keeps_alive and is_whole):
            self._transport.close()
            return
        self.hold(False)
        if self._buffer:
            self._advance()

    def _advance(self) -> None:
        visit = self._visit
        if visit is None:
            self._begin()
            return
        if not visit.body.is_over and self._buffer:
            self._forward(visit)
        elif len(self._buffer) > MOST_HEAD_BYTES:
            self.hold(True)

    def _begin(self) -> None:
        """Take the next request from the buffer, if its head is there."""
        self._buffer = self._buffer.lstrip(b"\r\n")
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MOST_HEAD_BYTES:
                self._refuse(431, "The request's head is too long.")
            return
        try:
            head = read_head(self._buffer[:end])
            method = method_of(head)
        except FramingError as fault:
            self._refuse(400, f"This is not an HTTP/1.1 request: {fault}.")
            return
        if b"websocket" in head.upgrade:
            self._refuse(501, _NO_WEBSOCKET)
            return
        self._keeps_alive = self._keeps_alive and head.keeps_alive
        visit = self._visit = self._gateway.arrived(self, method, request_body(head))
        whole = self._buffer[: end + 4]
        visit.chunks.append(without_upgrade(whole) if head.upgrade else whole)
        self._buffer = self._buffer[end + 4 :]
        if not visit.body.is_over and self._buffer:
            self._forward(visit)
        if self._visit is visit:
            self._gateway.decide(visit)

    def _forward(self, visit: Visit) -> None:
        """Pass on what the buffer has of the request's body."""
        try:
            taken = visit.body.take(self._buffer)
        except FramingError:
            self.cut()
            return
        data, self._buffer = self._buffer[:taken], self._buffer[taken:]
        if visit.upstream is not None:
            visit.upstream.send(data)
            return
        visit.chunks.append(data)
        visit.waiting_bytes += len(data)
        if visit.waiting_bytes > _WAITING_MOST_BYTES:
            self.hold(True)

    def _refuse(self, status: int, why: str) -> None:
        self._keeps_alive = False
        self.answer(status, why, False)


class Upstream(asyncio.Protocol):
    """One connection to an instance: one visit at a time. served: how many it has served."""

    def __init__(self, gateway: Gateway, instance: InstanceId) -> None:
        self._gateway = gateway
        self.instance = instance
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._visit: Visit | None = None
        self._buffer = b""
        self._head: Head | None = None
        self._body: Body | None = None
        self.served = 0
        self.is_closed = False
        self.ends_with_connection = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def start(self, visit: Visit) -> None:
        """Send what is there of the visit's request."""
        self._visit = visit
        visit.upstream = self
        self._transport.write(b"".join(visit.chunks) if len(visit.chunks) > 1 else visit.chunks[0])
        # A whole request is kept until its answer begins, in case this kept connection turns out closed.
        if not (self.served and visit.body.is_over):
            visit.chunks = []
        if visit.doorway is not None:
            visit.doorway.hold(False)

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    def hold(self, is_held: bool) -> None:
        if self._transport.is_closing():
            return
        if is_held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        if self._visit is not None and self._visit.doorway is not None:
            self._visit.doorway.hold(True)

    def resume_writing(self) -> None:
        if self._visit is not None and self._visit.doorway is not None:
            self._visit.doorway.hold(False)

    def close(self) -> None:
        self.is_closed = True
        self._visit = None
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        visit = self._visit
        if visit is None:
            self.close()
            self._gateway.upstream_lost(self, None)
            return
        try:
            if self._body is None:
                self._buffer += data
                self._read_head(visit)
            else:
                self._pass_on(visit, data)
        except FramingError:
            self._visit = None
            self.close()
            self._gateway.upstream_lost(self, visit)

    def _read_head(self, visit: Visit) -> None:
        while self._body is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MOST_HEAD_BYTES:
                    raise FramingError("the head is too long")
                return
            head = read_head(self._buffer[:end])
            status = status_of(head)
            whole, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
            if status == 101:
                raise FramingError("it switches to a protocol that it was not asked for")
            if status < 200:
                if visit.doorway is not None:
                    visit.doorway.write(whole)
                continue
            self._head = head
            self._body = response_body(head, status, visit.method)
            self.ends_with_connection = self._body.ends_with_connection
            visit.answered = True
            visit.chunks = []
            assert visit.start is not None
            line_end = whole.find(b"\r\n") + 2
            told = whole[:line_end] + self._gateway.plane_headers(visit.start) + whole[line_end:]
            data, self._buffer = self._buffer, b""
            self._pass_on(visit, data, told)

    def _pass_on(self, visit: Visit, data: bytes, before: bytes = b"") -> None:
        body = self._body
        assert body is not None
        taken = body.take(data)
        if visit.doorway is not None:
            visit.doorway.write(before + (data if taken == len(data) else data[:taken]))
        if body.is_over:
            self._over(visit, is_clean=taken == len(data))

    def _over(self, visit: Visit, is_clean: bool) -> None:
        head = self._head
        assert head is not None
        self._visit = self._head = self._body = None
        self.served += 1
        self._gateway.finished(self, visit, is_clean and head.keeps_alive and visit.body.is_over)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        visit, self._visit = self._visit, None
        if visit is not None and self._body is not None and self._body.ends_with_connection and exc is None:
            self.served += 1
            self._gateway.finished(self, visit, False)
            return
        self._gateway.upstream_lost(self, visit)
