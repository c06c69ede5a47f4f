"""How the boot of a process is watched: probes that hang, ports, reasons, and output that nobody takes."""

import asyncio
import io
import os
import socket
import sys

import pytest

from replay.planes.serving import processes
from replay.planes.serving.output import Output
from replay.planes.serving.processes import ProcessInstances, _backoff_s
from replay.planes.serving.types import ProcessSpec

pytestmark = pytest.mark.anyio

LISTENING = "import os, socket, time; s = socket.create_server(('{host}', int(os.environ['PORT'])){more}); "


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Owner:
    """Notes what it is told of instances."""

    def __init__(self):
        self.told = []
        self.changed = asyncio.Event()

    def ready(self, instance):
        self._note("ready")

    def died(self, instance):
        self._note("died")

    def cannot_boot(self, why):
        self._note(why)

    def _note(self, word):
        self.told.append(word)
        self.changed.set()

    async def until(self, count):
        async with asyncio.timeout(20):
            while len(self.told) < count:
                self.changed.clear()
                await self.changed.wait()


async def booted(program, told, output=None, boots=1, **spec):
    """Boot instances that run this program until the owner was told so many things; what it was told, and who ran it."""
    owner = Owner()
    command = f'{sys.executable} -S -E -c "{program}"'
    instances = ProcessInstances(ProcessSpec(command=command, **spec), owner, output or Output(io.StringIO()))
    try:
        for number in range(1, boots + 1):
            instances.boot(number, 1.0)
        await owner.until(told)
    finally:
        await instances.close()
    return owner.told, instances


async def test_a_probe_that_hangs_is_followed_by_another(monkeypatch):
    monkeypatch.setattr(processes, "_FIRST_PROBE_S", 0.05)
    program = (
        LISTENING.format(host="127.0.0.1", more="")
        + "hangs = s.accept(); c, _ = s.accept(); c.recv(999); c.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n'); time.sleep(60)"
    )

    told, _ = await booted(program, 1, health_path="/health", grace_s=0.1)

    assert told == ["ready"]


async def test_a_slow_health_path_gets_more_time_with_every_probe(monkeypatch):
    monkeypatch.setattr(processes, "_FIRST_PROBE_S", 0.05)
    program = LISTENING.format(host="127.0.0.1", more="") + (
        "import threading\n"
        "def one(c): c.recv(999); time.sleep(0.3); c.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n')\n"
        "while True: threading.Thread(target=one, args=s.accept()[:1], daemon=True).start()"
    )

    told, _ = await booted(program, 1, health_path="/health", grace_s=0.1)

    assert told == ["ready"]


async def test_an_application_on_another_address_is_told_where_to_listen():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    program = LISTENING.format(host="::1", more=", family=socket.AF_INET6") + "time.sleep(60)"

    told, instances = await booted(program, 1, boot_timeout_s=1.0, grace_s=0.1)

    assert told == ["died"]
    assert "though something does on ::1. Have the application listen on 127.0.0.1" in instances.last_fault


async def test_a_health_path_that_never_agrees_is_named():
    program = (
        LISTENING.format(host="127.0.0.1", more="")
        + "[(c.recv(999), c.sendall(b'HTTP/1.1 404 No\\r\\n\\r\\n'), c.close()) for c, _ in iter(s.accept, None)]"
    )

    told, instances = await booted(program, 1, health_path="/up", boot_timeout_s=0.7, grace_s=0.1)

    assert told == ["died"]
    assert instances.last_fault.endswith("/up did not answer 200 or 204 within 700 ms")


async def test_a_port_that_is_bound_just_as_the_time_to_boot_is_over_is_said_to_be_late():
    spec = ProcessSpec(command="true", boot_timeout_s=0.3)
    instances = ProcessInstances(spec, Owner(), Output(io.StringIO()))
    with socket.create_server(("127.0.0.1", 0)) as late:
        port = late.getsockname()[1]

        assert await instances._not_ready(port) == (
            f"nothing accepted connections on 127.0.0.1 port {port} within 300 ms, though something does now"
        )
    await instances.close()


def test_boots_that_fail_wait_twice_as_long_each_time_up_to_a_bound():
    assert [_backoff_s(failed) for failed in (1, 2, 6, 7, 1024, 10**9)] == [0.1, 0.2, 3.2, 5.0, 5.0, 5.0]


async def test_boots_that_fail_one_after_another_are_told_with_their_reason():
    told, instances = await booted("raise SystemExit(3)", 6, boots=4)

    assert told.count("died") == 4
    assert told[-1] == (f"No instance can be started: the last 4 boots failed, and {instances.last_fault}.")
    assert instances.last_fault.endswith("did not become ready: ended with exit status 3")


async def test_a_death_is_noticed_also_where_nobody_takes_the_output():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        told, _ = await booted("print('hello', flush=True); raise SystemExit(3)", 1, Output(stream))

    assert told == ["died"]


async def test_no_port_is_given_twice_before_it_is_bound(monkeypatch):
    class Socket:
        """Sockets of a system that hands out few ports."""

        offered = iter([5001, 5001, 5002, 5001])

        def bind(self, address):
            self._port = next(self.offered)

        def getsockname(self):
            return ("127.0.0.1", self._port)

        def close(self): ...

    monkeypatch.setattr(processes.socket, "socket", Socket)
    monkeypatch.setattr(processes, "_ports_given", {})

    first, second = processes._free_port(), processes._free_port()
    del processes._ports_given[first]  # bound, or gone
    assert (first, second, processes._free_port()) == (5001, 5002, 5001)


async def test_ports_that_nobody_binds_are_not_remembered_for_ever(monkeypatch):
    monkeypatch.setattr(processes, "_ports_given", {})
    monkeypatch.setattr(processes, "_MOST_PORTS_GIVEN", 3)

    given = [processes._free_port() for _ in range(10)]

    assert list(processes._ports_given) == given[-3:]
