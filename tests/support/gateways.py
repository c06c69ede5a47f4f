"""A gateway between real sockets: a client in front, instances that the test plays behind."""

import asyncio
import contextlib
from time import monotonic_ns
from typing import ClassVar

import h11

from replay.planes.core.plane import Plane
from replay.planes.core.scaling_types import RequestDriven
from replay.planes.core.types import PlaneSpec
from replay.planes.serving.gateway import Gateway

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd:  kept \r\n\r\nok"
# Another instance only where requests wait, whatever the window says.
ONLY_WAITING = RequestDriven(windows_s=(), keep_instances=None)


class Played:
    """Instances that the test plays: `serve(reader, writer, instance)` answers. A boot waits to be let through."""

    def __init__(self, serve):
        self._serve = serve
        self._ports = {}
        self._servers = {}
        self._writers = {}
        self._tasks = []
        self.gateway = None
        self.boots_at_once = True
        self.booting = []
        self.stopped = []
        self.connections = 0

    def boot(self, instance, vcpu):
        self.booting.append(instance)
        self._tasks.append(asyncio.ensure_future(self._boot(instance)))

    async def _boot(self, instance):
        async def connected(reader, writer):
            self.connections += 1
            self._tasks.append(asyncio.current_task())
            self._writers.setdefault(instance, []).append(writer)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer, instance)
            writer.close()

        server = self._servers[instance] = await asyncio.start_server(connected, "127.0.0.1", 0)
        self._ports[instance] = server.sockets[0].getsockname()[1]
        if self.boots_at_once:
            self.ready(instance)

    def ready(self, instance):
        self.booting.remove(instance)
        self.gateway.ready(instance)

    def die(self, instance):
        self._servers[instance].close()
        for writer in self._writers.get(instance, ()):
            writer.transport.abort()
        self.gateway.died(instance)

    def stop(self, instance):
        self.stopped.append(instance)

    death_notice_s = 0.03

    def address(self, instance):
        return "127.0.0.1", self._ports[instance]

    async def close(self):
        for server in self._servers.values():
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def plane_of(serve, **spec):
    """A gateway over played instances; yields its port, the instances and the gateway."""
    rules = {"concurrency": 1, "max_instances": 2, "scaling": ONLY_WAITING, "idle_lifetime_s": 60.0, **spec}
    gateway = Gateway(Plane(PlaneSpec(**rules), monotonic_ns()))
    played = Played(serve)
    played.gateway = gateway
    server = await asyncio.get_running_loop().create_server(gateway.doorway, "127.0.0.1", 0)
    gateway.open(played)
    try:
        yield server.sockets[0].getsockname()[1], played, gateway
    finally:
        server.close()
        await gateway.close()
        await played.close()
        await Client.close_all()


async def answer_ok(reader, writer, instance):
    while True:
        await read_request(reader)
        writer.write(OK)


async def read_request(reader):
    """The head and the body of one request, as bytes."""
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    if b"content-length: " in lower:
        return head, await reader.readexactly(int(lower.split(b"content-length: ")[1].split(b"\r\n")[0]))
    body = b""
    if b"chunked" in lower:
        while not body.endswith(b"0\r\n\r\n"):
            body += await reader.read(65536)
    return head, body


class Client:
    """A client that reads responses with another implementation of HTTP."""

    opened: ClassVar[list["Client"]] = []

    @classmethod
    async def to(cls, port):
        self = cls()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.asking = None
        cls.opened.append(self)
        return self

    @classmethod
    async def close_all(cls):
        for client in cls.opened:
            client.writer.close()
            if client.asking is not None:
                client.asking.cancel()
        waited = [client.asking for client in cls.opened if client.asking is not None]
        waited += [client.writer.wait_closed() for client in cls.opened]
        await asyncio.gather(*waited, return_exceptions=True)
        cls.opened.clear()

    def begin_to_ask(self, *arguments):
        """Ask, and go on without the answer; it can be awaited."""
        self.asking = asyncio.ensure_future(self.ask(*arguments))
        return self.asking

    async def ask(self, data=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", method=b"GET"):
        self.writer.write(data)
        return await self.response(method)

    async def response(self, method=b"GET"):
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        connection.send(h11.EndOfMessage())
        status, headers, body = None, {}, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await self.reader.read(65536))
            elif isinstance(event, h11.Response):
                status, headers = event.status_code, {k.decode(): v.decode() for k, v in event.headers}
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return status, headers, body
