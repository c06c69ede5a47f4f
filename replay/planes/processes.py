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
import sys
from typing import IO, Protocol

from replay.planes.gateway import Address
from replay.planes.reaper import Reaper
from replay.planes.types import InstanceId, ProcessSpec

_HOST = "127.0.0.1"
_POLL_S = 0.005
_OUTPUT_LINE_MOST = 8192
_BACKOFF_S = 0.05
_MOST_BACKOFF_S = 5.0


class Owner(Protocol):
    """Who is told of the instances."""

    def ready(self, instance: InstanceId) -> None: ...

    def died(self, instance: InstanceId) -> None: ...


class CommandError(Exception):
    """The command of the instances cannot be used; str() is the whole message."""


class _Running:
    """One instance's process."""

    __slots__ = ("is_ready", "is_stopping", "port", "process", "task")

    def __init__(self, port: int) -> None:
        self.port = port
        self.process: asyncio.subprocess.Process | None = None
        self.task: asyncio.Task[None] | None = None
        self.is_stopping = self.is_ready = False


class ProcessInstances:
    """Boots and stops the processes of one plane. output: where their lines go, each with its instance's name."""

    def __init__(self, spec: ProcessSpec, owner: Owner, output: IO[str] | None = None) -> None:
        self._spec = spec
        self._owner = owner
        self._output = sys.stderr if output is None else output
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
            await asyncio.sleep(min(_MOST_BACKOFF_S, _BACKOFF_S * 2**self._failed_boots))
            if running.is_stopping:
                self._running.pop(instance, None)
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
                env={**os.environ, "PORT": str(running.port), "K_REVISION": "replay", "K_SERVICE": "replay"},
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
        self._gone(instance, f"ended with exit status {code}")

    def _gone(self, instance: InstanceId, why: str) -> None:
        running = self._running.pop(instance, None)
        if running is None or running.is_stopping:
            return
        self.crashes += 1
        self._failed_boots = 0 if running.is_ready else self._failed_boots + 1
        self.last_fault = f"instance i-{instance} {'' if running.is_ready else 'did not become ready: '}{why}"
        print(f"[plane] {self.last_fault}", file=self._output, flush=True)
        self._owner.died(instance)

    async def _until_ready(self, instance: InstanceId, running: _Running) -> None:
        try:
            async with asyncio.timeout(self._spec.boot_timeout_s):
                while not await self._answers(running.port):
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            print(
                f"[plane] instance i-{instance} was not ready within {self._spec.boot_timeout_s:g} s",
                file=self._output,
                flush=True,
            )
            if running.process is not None:
                _signal(running.process, signal.SIGKILL)
            return
        if not running.is_stopping:
            running.is_ready = True
            self._failed_boots = 0
            self._owner.ready(instance)

    async def _answers(self, port: int) -> bool:
        try:
            reader, writer = await asyncio.open_connection(_HOST, port)
        except OSError:
            return False
        try:
            if self._spec.health_path is None:
                return True
            writer.write(
                f"GET {self._spec.health_path} HTTP/1.1\r\nhost: {_HOST}\r\nconnection: close\r\n\r\n".encode()
            )
            return (await reader.readline()).split(b" ")[1:2] in ([b"200"], [b"204"])
        except (OSError, ValueError):
            return False
        finally:
            writer.close()

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
            print(f"[i-{instance}] {text}", file=self._output, flush=True)


def check_command(command: str) -> None:
    """Raises CommandError if the command cannot be read."""
    try:
        words = shlex.split(command)
    except ValueError as cause:
        raise CommandError(f"the command cannot be read: {cause}. Check its quotes.") from cause
    if not words:
        raise CommandError("the command is empty. Say how an instance is started.")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((_HOST, 0))
        port: int = sock.getsockname()[1]
        return port


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    """To the whole group while its leader lives."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
