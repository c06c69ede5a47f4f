"""The two relays that we ship, each in front of one server."""

import asyncio
import contextlib
from time import monotonic_ns

from replay.planes.core.plane import Plane
from replay.planes.core.types import PlaneSpec
from replay.planes.serving.gateway import Gateway
from replay.recording.proxy import Proxy
from replay.recording.sessions import Sessions
from replay.recording.types import SessionRules
from replay.recording.upstreams import parse_routes
from tests.support.gateways import ONLY_WAITING


class OneInstance:
    """Instances of a plane that all are the one server of the test."""

    def __init__(self, port):
        self._port = port
        self.gateway = None

    def boot(self, instance, vcpu):
        asyncio.get_running_loop().call_soon(self.gateway.ready, instance)

    def stop(self, instance): ...

    death_notice_s = 0.03

    def address(self, instance):
        return "127.0.0.1", self._port


class Relay:
    """A relay that listens on `port`. front: the gateway or the proxy. over: what the recorder recorded."""

    def __init__(self, front, port, over):
        self.front = front
        self.port = port
        self.over = over

    @property
    def clients(self):
        return self.front._clients

    async def client(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request=b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
        """One request on a connection of its own; all that comes back."""
        reader, writer = await self.client()
        writer.write(request)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return answer


@contextlib.asynccontextmanager
async def relay_before(kind, server_port, **spec):
    """The gateway or the recorder in front of a server on this port."""
    over = []
    if kind == "gateway":
        rules = {"concurrency": 1, "max_instances": 1, "scaling": ONLY_WAITING, "idle_lifetime_s": 60.0, **spec}
        front = Gateway(Plane(PlaneSpec(**rules), monotonic_ns()), tells=False)
        instances = OneInstance(server_port)
        instances.gateway = front
        front.open(instances)
    else:
        routes = parse_routes([f"http://127.0.0.1:{server_port}"], ())
        front = Proxy(routes, Sessions(SessionRules(), b"key"), over.append)
    listening = await asyncio.get_running_loop().create_server(front.doorway, "127.0.0.1", 0)
    try:
        yield Relay(front, listening.sockets[0].getsockname()[1], over)
    finally:
        listening.close()
        await front.close()


@contextlib.asynccontextmanager
async def relay_of(kind, serve, **spec):
    """The same, where `serve(reader, writer)` plays the server."""
    tasks = set()

    async def connected(reader, writer):
        tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        async with relay_before(kind, server.sockets[0].getsockname()[1], **spec) as relay:
            yield relay
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
