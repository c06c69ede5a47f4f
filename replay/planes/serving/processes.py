"""Instances that are real processes, booted by the container contract of Cloud Run.

PORT is given in the environment (and for `$PORT` in the command); the instance is ready when the port accepts a
connection, or when the health path answers with a success; it is told to stop with SIGTERM, and killed with its
whole process group after the grace time. Source: Cloud Run, Container runtime contract.
"""

import asyncio
import contextlib
import os
import shlex
import signal
import socket

from replay.http.control import TOKEN_VARIABLE
from replay.planes.core.types import Address, InstanceId, Owner
from replay.planes.serving.output import Output
from replay.planes.serving.types import ProcessSpec
from replay.system.reaper import Reaper
from replay.words.numbers import seconds

_HOST = "127.0.0.1"
_POLL_S = 0.005
# Long enough for a process whose sockets have closed to be seen to have ended; short beside any boot.
_DEATH_NOTICE_S = 0.03
_OUTPUT_LINE_MOST = 8192
_BACKOFF_S = 0.05
_MOST_BACKOFF_S = 5.0
_MOST_DOUBLINGS = 10
# A probe of the health path may hang where the next one is answered. The first gets as long as Kubernetes and Cloud Run
# give by default, each that hung doubles it, for an application whose health takes longer.
_FIRST_PROBE_S = 1.0
_MOST_PROBE_S = 16.0
# Boots in a row that failed before requests are told so at once.
_HOPELESS_BOOTS = 3
# Ports given by this process and not bound yet, the latest last. More boots than that are not under way at once.
_ports_given: dict[int, None] = {}
_MOST_PORTS_GIVEN = 4096


class CommandError(Exception):
    """The command of the instances cannot be used; str() is the whole message."""


class _Running:
    """One instance's process."""

    __slots__ = ("fault", "is_ready", "is_stopping", "port", "process", "task")

    def __init__(self, port: int) -> None:
        self.port = port
        self.fault = ""  # why it was ended by us
        self.process: asyncio.subprocess.Process | None = None
        self.task: asyncio.Task[None] | None = None
        self.is_stopping = self.is_ready = False


class ProcessInstances:
    """Boots and stops the processes of one plane. output: where their lines go, each with its instance's name."""

    def __init__(self, spec: ProcessSpec, owner: Owner, output: Output) -> None:
        self._spec = spec
        self._owner = owner
        self._output = output
        self._running: dict[InstanceId, _Running] = {}
        self._reaper = Reaper()
        self.crashes = self._failed_boots = 0
        self.last_fault = ""
        check_command(spec.command)

    def __repr__(self) -> str:
        return f"<ProcessInstances {len(self._running)} running>"

    @property
    def pids(self) -> dict[InstanceId, int]:
        """The process of each instance that has one."""
        return {number: r.process.pid for number, r in self._running.items() if r.process is not None}

    def boot(self, instance: InstanceId, vcpu: float) -> None:
        running = self._running[instance] = _Running(_free_port())
        running.task = asyncio.get_running_loop().create_task(self._run(instance, running))

    def stop(self, instance: InstanceId) -> None:
        running = self._running.get(instance)
        if running is None or running.is_stopping:
            return
        running.is_stopping = True
        if running.process is not None:
            _signal(running.process, signal.SIGTERM)
            loop = asyncio.get_running_loop()
            loop.call_later(self._spec.grace_s, _signal, running.process, signal.SIGKILL)

    def die(self, instance: InstanceId) -> None:
        """Kill an instance as a crash would; nothing happens if it is gone."""
        running = self._running.get(instance)
        if running is not None and running.process is not None:
            _kill_group(running.process.pid)

    @property
    def death_notice_s(self) -> float:
        return _DEATH_NOTICE_S

    def address(self, instance: InstanceId) -> Address:
        """Raises KeyError if there is no such instance any more."""
        return _HOST, self._running[instance].port

    async def close(self) -> None:
        """Stop them all; returns when nothing of them is left."""
        tasks = [running.task for running in self._running.values() if running.task is not None]
        for instance in list(self._running):
            self.stop(instance)
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=self._spec.grace_s + 5)
            for task in left:
                task.cancel()
        self._reaper.close()

    async def _run(self, instance: InstanceId, running: _Running) -> None:
        """From its boot to its end."""
        if self._failed_boots:
            # A command that cannot start is not started in a tight loop while requests wait for it.
            await asyncio.sleep(_backoff_s(self._failed_boots))
            if running.is_stopping:
                self._forget(instance)
                return
        words = [
            word.replace("${PORT}", str(running.port)).replace("$PORT", str(running.port))
            for word in shlex.split(self._spec.command)
        ]
        try:
            process = running.process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=_environment(running.port),
                start_new_session=True,
                limit=_OUTPUT_LINE_MOST,
            )
        except OSError as cause:
            self._gone(instance, f"{words[0]}: {cause.strerror}")
            return
        self._reaper.watch(process.pid)
        copying = asyncio.create_task(self._copy_output(instance, process))
        if running.is_stopping:
            _signal(process, signal.SIGTERM)
        waiting = asyncio.create_task(self._until_ready(instance, running))
        try:
            code = await process.wait()
        finally:
            waiting.cancel()
            # Children of its own may still be there, and hold its output open.
            _kill_group(process.pid)
            self._reaper.forget(process.pid)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(copying, 1)
        self._gone(instance, running.fault or f"ended with exit status {code}")

    def _gone(self, instance: InstanceId, why: str) -> None:
        running = self._forget(instance)
        if running is None or running.is_stopping:
            return
        self.crashes += 1
        self._failed_boots = 0 if running.is_ready else self._failed_boots + 1
        self.last_fault = f"instance i-{instance} {'' if running.is_ready else 'did not become ready: '}{why}"
        self._output.say(f"[plane] {self.last_fault}")
        self._owner.died(instance)
        if self._failed_boots >= _HOPELESS_BOOTS:
            self._owner.cannot_boot(
                f"No instance can be started: the last {self._failed_boots} boots failed, and {self.last_fault}."
            )

    def _forget(self, instance: InstanceId) -> _Running | None:
        running = self._running.pop(instance, None)
        if running is not None:
            _ports_given.pop(running.port, None)
        return running

    async def _until_ready(self, instance: InstanceId, running: _Running) -> None:
        probe_s = _FIRST_PROBE_S
        try:
            async with asyncio.timeout(self._spec.boot_timeout_s):
                while not (answered := await self._answers(running.port, probe_s)):
                    if answered is None:
                        probe_s = min(2 * probe_s, _MOST_PROBE_S)
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            running.fault = await self._not_ready(running.port)
            if running.process is not None:
                _signal(running.process, signal.SIGKILL)
            return
        _ports_given.pop(running.port, None)
        if not running.is_stopping:
            running.is_ready = True
            self._failed_boots = 0
            self._owner.ready(instance)

    async def _answers(self, port: int, probe_s: float) -> bool | None:
        """Whether an instance is ready; None where it took longer than probe_s to say so."""
        try:
            async with asyncio.timeout(probe_s):
                reader, writer = await asyncio.open_connection(_HOST, port)
                try:
                    if self._spec.health_path is None:
                        return True
                    writer.write(
                        f"GET {self._spec.health_path} HTTP/1.1\r\nhost: {_HOST}\r\nconnection: close\r\n\r\n".encode()
                    )
                    return (await reader.readline()).split(b" ")[1:2] in ([b"200"], [b"204"])
                finally:
                    writer.close()
        except TimeoutError:
            return None
        except (OSError, ValueError):
            return False

    async def _not_ready(self, port: int) -> str:
        """Why an instance's time to boot is over."""
        within = f"within {seconds(self._spec.boot_timeout_s)}"
        if await _accepts(_HOST, port):
            if self._spec.health_path is None:
                return (
                    f"nothing accepted connections on {_HOST} port {port} {within}, though something does now"
                )
            return f"{self._spec.health_path} did not answer 200 or 204 {within}"
        if await _accepts("::1", port):
            return (
                f"nothing accepted connections on {_HOST} port {port} {within}, though something does on ::1. Have the "
                f"application listen on {_HOST} or 0.0.0.0"
            )
        return f"nothing accepted connections on {_HOST} port {port} {within}"

    async def _copy_output(self, instance: InstanceId, process: asyncio.subprocess.Process) -> None:
        """Its lines, with its name before each; what no terminal should see is left out."""
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                continue
            if not line:
                return
            text = "".join(
                c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}"
                for c in line.decode(errors="replace").rstrip()
            )
            self._output.say(f"[i-{instance}] {text}")


def check_command(command: str) -> None:
    """Raises CommandError if the command cannot be read."""
    try:
        words = shlex.split(command)
    except ValueError as cause:
        raise CommandError(f"the command cannot be read: {cause}. Check its quotes.") from cause
    if not words:
        raise CommandError("the command is empty. Say how an instance is started.")


def _backoff_s(failed_boots: int) -> float:
    """How long the next boot waits after so many in a row that failed."""
    return min(_MOST_BACKOFF_S, _BACKOFF_S * 2.0 ** min(failed_boots, _MOST_DOUBLINGS))


def _environment(port: int) -> dict[str, str]:
    """Ours, less what is no business of an instance's, and what the container contract gives it."""
    own = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    return {**own, "PORT": str(port), "K_REVISION": "replay", "K_SERVICE": "replay"}


def _free_port() -> int:
    """A port that is free, and given to no other instance that has yet to bind its own."""
    held: list[socket.socket] = []
    try:
        while True:
            sock = socket.socket()
            held.append(sock)
            sock.bind((_HOST, 0))
            port: int = sock.getsockname()[1]
            if port not in _ports_given:
                _ports_given[port] = None
                if len(_ports_given) > _MOST_PORTS_GIVEN:
                    del _ports_given[next(iter(_ports_given))]
                return port
    finally:
        for sock in held:
            sock.close()


async def _accepts(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_FIRST_PROBE_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    """To the whole group while its leader lives."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
