"""What is done to the target at set times of a run, so that the run shows how it recovers: commands and faults.

A command is run by a shell in a process group of its own, beside the steps and never before them; what it prints goes
to events.log. A fault is asked for at the control address of a plane of our own. When each began and ended, and how,
goes to events.jsonl. What still runs when the run ends is ended, also where the run was killed.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import msgspec

from replay.engine.beside.plane_client import ask, state_address
from replay.engine.types import At
from replay.http.control import TOKEN_HEADER, TOKEN_VARIABLE
from replay.results.types import EVENTS_FILE, EventRecord
from replay.system.files import as_private
from replay.system.reaper import Reaper

EVENTS_LOG = "events.log"
_GRACE_S = 3.0
_ANSWER_S = 5.0
_LONGEST_ANSWER = 4096
_NS = 1_000_000_000
# A shell begins with the command when it is told to, and not at all where this process ended before. On the command's
# own line, so that what it says of a line counts as it should.
_ONCE_WATCHED = "read -r REPLY && exec </dev/null || exit 1; "


def reaper_for(events: Sequence[At]) -> Reaper | None:
    """What ends commands even where this process is killed; to be begun before the run, from which it would take time.

    None where there are no commands, or this machine has no room for a process more.
    """
    if all(event.command is None for event in events):
        return None
    try:
        return Reaper()
    except OSError:
        return None


async def carry_out(
    events: Sequence[At],
    control: str | None,
    start_of: Callable[[], int],
    directory: Path,
    reaper: Reaper | None = None,
) -> None:
    """Do each at its time, and return when all have ended. Cancelled: end what runs, then return.

    control: any address of the plane's control server; faults are left out without one. start_of: the run's start on
    CLOCK_MONOTONIC in ns, 0 as long as it is not known. reaper: of reaper_for; it is closed at the end.
    """
    tasks: list[asyncio.Task[None]] = []
    try:
        while not (start_ns := start_of()):
            await asyncio.sleep(0.01)
        stage = _Stage(control, start_ns, directory, reaper)
        tasks += [asyncio.create_task(stage.do(event)) for event in events]
        await asyncio.gather(*tasks)
    finally:
        # Shielded, since a scope that was cancelled cancels whatever is awaited in it.
        with anyio.CancelScope(shield=True):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if reaper is not None:
                # In a thread: it is waited for, and steps may still be due.
                await asyncio.to_thread(reaper.close)


class _Stage:
    """Where events are done and written down."""

    def __init__(self, control: str | None, start_ns: int, directory: Path, reaper: Reaper | None) -> None:
        self._control = control
        self._start_ns = start_ns
        self._directory = directory
        self._reaper = reaper

    async def do(self, event: At) -> None:
        at_ns = self._start_ns + int(event.at_s * _NS)
        while (left_ns := at_ns - time.monotonic_ns()) > 0:
            # The loop's timers count whole milliseconds, and may wake early by a part of one.
            await asyncio.sleep(left_ns / _NS)
        record = EventRecord(at_ns=self._elapsed_ns(), what=event.what)
        try:
            if event.command is not None:
                await self._command(event.command, record)
            elif event.fault is not None:
                await self._fault(event.fault, record)
        finally:
            with (self._directory / EVENTS_FILE).open("ab") as file:
                file.write(msgspec.json.encode(record) + b"\n")

    def _elapsed_ns(self) -> int:
        return time.monotonic_ns() - self._start_ns

    async def _command(self, command: str, record: EventRecord) -> None:
        try:
            with open(self._directory / EVENTS_LOG, "ab", opener=as_private) as log:
                process = await asyncio.create_subprocess_shell(
                    _ONCE_WATCHED + command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except (OSError, ValueError) as cause:
            # Of this machine's: no process, no descriptor, or a NUL in the command. The steps go on.
            record.done = False
            record.answer = f"could not be run: {getattr(cause, 'strerror', None) or cause}"
            return
        if self._reaper is not None:
            self._reaper.watch(process.pid)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        try:
            record.exit_code = await process.wait()
            record.ended_ns = self._elapsed_ns()
        except asyncio.CancelledError:
            await asyncio.shield(_end(process))
            raise
        finally:
            if self._reaper is not None:
                self._reaper.forget(process.pid)

    async def _fault(self, fault: str, record: EventRecord) -> None:
        if self._control is None:
            record.done = False
            record.answer = "the target names no control address (observe), so nothing was done"
            return
        try:
            async with asyncio.timeout(_ANSWER_S):
                record.answer = await _posted(self._control, fault)
        except (OSError, TimeoutError, ValueError) as error:
            # A plane that does not answer in time may have done it.
            record.done = isinstance(error, TimeoutError)
            how = "may not have been done: no answer in time" if record.done else f"was not done: {_why(error)}"
            record.answer = how
        record.ended_ns = self._elapsed_ns()


def _why(error: Exception) -> str:
    """In the system's words; the event loop's own name the address a second time."""
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else str(error) or type(error).__name__


async def _posted(url: str, fault: str) -> str:
    """The answer to a fault asked for beside this address, with the token that it has or the environment."""
    token = os.environ.get(TOKEN_VARIABLE, "")
    is_usable = token and token.isascii() and token.isprintable()
    beside = urlsplit(state_address(url)).path.rpartition("/")[0]
    answer = await ask(url, "POST", f"{beside}/{fault}", {TOKEN_HEADER: token} if is_usable else {})
    if answer.status == "403":
        raise ValueError(
            "the plane wants the token that it printed when it started: take the whole address that it printed for "
            f"observe, or put the token into {TOKEN_VARIABLE}"
        )
    if answer.status != "200":
        raise ValueError(answer.status_line[:_LONGEST_ANSWER] or "no answer")
    return answer.body[:_LONGEST_ANSWER].decode("utf-8", "replace").strip()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a command and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            await asyncio.wait_for(process.wait(), _GRACE_S)
        except TimeoutError:
            continue
        return
