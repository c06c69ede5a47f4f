"""The live view of a run: on a terminal a small screen that is redrawn, elsewhere a plain line now and then.

Drawing takes milliseconds, which would make steps late. So the view is another process at a lower priority,
fed with snapshots through a pipe; the run only writes a line of JSON, and drops it when the pipe is full.
"""

import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import IO, Protocol

import msgspec

from replay.results.summary_types import Snapshot
from replay.system.interrupts import interrupts_held
from replay.words.numbers import clock, count, milliseconds, number, seconds
from replay.words.phrases import counted

_PLAIN_EVERY_S = 5.0
_UNDER_WAY = ("running", "stopping")


class View(Protocol):
    """Somewhere to show snapshots. It never blocks and never raises."""

    def show(self, snapshot: Snapshot) -> None: ...

    def __enter__(self) -> "View": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class NoView:
    """Shows nothing."""

    def show(self, snapshot: Snapshot) -> None:
        pass

    def __enter__(self) -> "NoView":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class PlainView(NoView):
    """A line every few seconds, for logs and pipes."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._next_s = _PLAIN_EVERY_S

    def __enter__(self) -> "PlainView":
        return self

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.elapsed_s < self._next_s - 2 * _PLAIN_EVERY_S:
            # What was waited for before the first step has come, and time counts anew.
            self._next_s = _PLAIN_EVERY_S
        if snapshot.elapsed_s < self._next_s:
            return
        self._next_s = snapshot.elapsed_s + _PLAIN_EVERY_S
        try:
            self._stream.write(plain_line(snapshot) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._next_s = float("inf")


class ProcessView(NoView):
    """Another process that draws on the terminal."""

    def __init__(self) -> None:
        with interrupts_held():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "replay.live.screen"], stdin=subprocess.PIPE, stderr=None
            )
        assert self._process.stdin is not None
        self._fd = self._process.stdin.fileno()
        os.set_blocking(self._fd, False)
        self._encoder = msgspec.json.Encoder()

    def __enter__(self) -> "ProcessView":
        return self

    def show(self, snapshot: Snapshot) -> None:
        try:
            os.write(self._fd, self._encoder.encode(snapshot) + b"\n")
        except OSError:
            pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._process.communicate(timeout=3)
        except (subprocess.TimeoutExpired, OSError, ValueError):
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


def plain_line(snapshot: Snapshot) -> str:
    """One snapshot as one line of text."""
    if snapshot.state not in _UNDER_WAY:
        return f"{clock(snapshot.elapsed_s):>7}  {snapshot.state}"
    latency = ""
    if snapshot.p50_ms is not None and snapshot.p99_ms is not None:
        latency = f", response p50 {milliseconds(snapshot.p50_ms)} p99 {milliseconds(snapshot.p99_ms)}"
    lag = "" if snapshot.lag_p99_us is None else f", lag p99 {milliseconds(snapshot.lag_p99_us / 1000)}"
    left = "" if snapshot.left_s is None else f", about {seconds(max(1.0, round(snapshot.left_s)))} left"
    return (
        f"{clock(snapshot.elapsed_s):>7}  {count(snapshot.done)} of {counted(snapshot.steps, 'step')}, "
        f"{snapshot.in_flight} in flight, {number(snapshot.achieved_rps)}/s of {number(snapshot.offered_rps)}/s "
        f"offered, "
        f"{snapshot.failed} failed{latency}{lag}{left}"
    )


def open_view(is_quiet: bool = False) -> View:
    """The view that fits where stderr goes."""
    if is_quiet:
        return NoView()
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return ProcessView()
    return PlainView(sys.stderr)
