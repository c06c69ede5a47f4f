"""A worker: speaks with the conductor, and looks after its engine, the process that sends.

It is another process than the one that sends, so that what it says of the time, and that it is there, does not depend
on how busy that is. When its engine dies, it says so; when the conductor goes, or is silent, it ends its engine.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from typing import Protocol

import msgspec

from replay import __version__
from replay.exit_codes import EXIT_CODES
from replay.scale.away import Away
from replay.scale.lines import Line
from replay.scale.messages import (
    Assignment,
    Beat,
    Bye,
    Chunk,
    Failed,
    FromEngine,
    Hello,
    Lost,
    Over,
    Ping,
    Pong,
    Start,
    Stop,
    ToWorker,
)
from replay.scale.sending import NotWhole

_NS = 1_000_000_000
_BEAT_NS = _NS
# The conductor asks for the time once a second, but reads the trace before it says anything, and judges between runs.
SILENT_NS = 5 * _NS
SILENT_AT_FIRST_NS = SILENT_BETWEEN_NS = 600 * _NS
# What an engine that was left alone has to write its end (engine.py), and a moment more.
_ENDING_S = 4.5
_READ_BYTES = 1 << 16


class Clock(Protocol):
    """The clock that a worker reports. It need not be that of the engine, so instants are told by to_engine_ns."""

    def now_ns(self) -> int: ...

    def to_engine_ns(self, at_ns: int) -> int:
        """The same instant on CLOCK_MONOTONIC, which the engine goes by."""


class MonotonicClock:
    """CLOCK_MONOTONIC itself, which all processes of a machine share."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def to_engine_ns(self, at_ns: int) -> int:
        return at_ns


class Engine:
    """The process that sends. Its group is that of whoever starts it."""

    def __init__(self) -> None:
        out, into = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "replay.scale.engine", str(into)],
                stdin=subprocess.PIPE,
                # What an authentication command or a library prints is no answer of the run's.
                stdout=sys.stderr,
                pass_fds=(into,),
            )
        finally:
            os.close(into)
        os.set_blocking(out, False)
        self.heard_at = out
        self._rest = b""
        self._decoder = msgspec.json.Decoder(FromEngine)
        self.is_open = True

    def __repr__(self) -> str:
        return f"<Engine {self._process.pid}>"

    def tell(self, order: Assignment | Start | Stop) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(msgspec.json.encode(order) + b"\n")
            self._process.stdin.flush()

    def heard(self) -> list[FromEngine]:
        """What it has said since. is_open is False once it can say no more."""
        found = self._rest
        try:
            while data := os.read(self.heard_at, _READ_BYTES):
                found += data
            self.is_open = False
        except BlockingIOError:
            pass
        *lines, self._rest = found.split(b"\n")
        return [self._decoder.decode(line) for line in lines]

    def end(self, within_s: float = _ENDING_S) -> int:
        """Leave it alone, which ends it, and kill it if that takes too long. Returns its exit status."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return self._process.returncode

    def close(self) -> None:
        os.close(self.heard_at)


class Worker:
    """One worker. sock: to the conductor. clock: what it reports; None: CLOCK_MONOTONIC. engine: None: a fresh one."""

    def __init__(
        self, sock: socket.socket, index: int, clock: Clock | None = None, engine: Engine | None = None
    ) -> None:
        self._line: Line[ToWorker] = Line(sock, ToWorker)
        self._index = index
        self._clock: Clock = clock or MonotonicClock()
        self._engine = engine or Engine()
        self._left_alone_ns = time.monotonic_ns() + SILENT_AT_FIRST_NS
        # Of the run that was named last.
        self._is_over = self._is_dismissed = False
        self._away: Away | None = None

    def __repr__(self) -> str:
        return f"<Worker {self._index}, {self._line!r}>"

    def run(self) -> None:
        """Until the conductor says good-bye, or has gone."""
        line, engine = self._line, self._engine
        line.send(Hello(self._index, __version__, socket.gethostname(), os.getpid()))
        next_beat_ns = time.monotonic_ns() + _BEAT_NS
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(line.sock, selectors.EVENT_READ)
                selector.register(engine.heard_at, selectors.EVENT_READ)
                while line.is_open and not self._is_dismissed:
                    left_ns = max(0, next_beat_ns - time.monotonic_ns())
                    selector.select(left_ns / _NS)
                    for message in line.received():
                        self._obey(message)
                    if engine.is_open:
                        self._pass_on()
                        if not engine.is_open:
                            selector.unregister(engine.heard_at)
                    now_ns = time.monotonic_ns()
                    if now_ns >= next_beat_ns:
                        next_beat_ns = now_ns + _BEAT_NS
                        line.send(Beat())
                        self._report()
                    line.flush()
                    if now_ns > self._left_alone_ns:
                        return
        finally:
            engine.end()
            engine.close()
            line.close()
            if self._away is not None:
                self._away.close()

    def _obey(self, message: ToWorker) -> None:
        heard_ns = self._clock.now_ns()
        self._left_alone_ns = time.monotonic_ns() + (SILENT_BETWEEN_NS if self._is_over else SILENT_NS)
        if isinstance(message, Ping):
            self._line.send(Pong(message.asked_ns, heard_ns, self._clock.now_ns()))
        elif isinstance(message, Bye):
            self._is_dismissed = True
        elif isinstance(message, Start):
            self._engine.tell(Start(self._clock.to_engine_ns(message.at_ns)))
        elif isinstance(message, Stop):
            self._engine.tell(message)
        elif isinstance(message, Chunk):
            if self._away is not None:
                self._go_on(self._away, message)
        else:
            self._is_over = False
            self._begin(message)

    def _begin(self, assignment: Assignment) -> None:
        """The first run, or the next."""
        if not self._engine.is_open:
            self._line.send(Lost(ending(self._engine.end())))
        elif assignment.files is None:
            self._engine.tell(assignment)
        else:
            self._away = self._away or Away()
            self._go_on(self._away, assignment)

    def _go_on(self, away: Away, message: Assignment | Chunk) -> None:
        """On another machine: ask for the rest of the files, or let the engine begin."""
        try:
            if isinstance(message, Chunk):
                away.take(message)
            else:
                away.begin(message)
            want = away.want()
        except (OSError, NotWhole) as error:
            self._is_over = True
            self._line.send(Failed(EXIT_CODES["not_carried_out"], str(error)))
            return
        if want is None:
            self._engine.tell(away.assignment())
        else:
            self._line.send(want)

    def _report(self) -> None:
        """On another machine: what was recorded since, unless what was before is still on its way."""
        if self._away is not None and not self._line.has_more_to_send:
            for piece in self._away.news():
                self._line.send(piece)

    def _pass_on(self) -> None:
        for message in self._engine.heard():
            if self._away is not None and isinstance(message, Over | Failed):
                # Its directories are whole now.
                for piece in self._away.news():
                    self._line.send(piece)
            self._is_over = self._is_over or isinstance(message, Over | Failed)
            self._line.send(message)
        if not self._engine.is_open and not self._is_over:
            self._line.send(Lost(ending(self._engine.end())))


def ending(status: int) -> str:
    """How a process ended that was not to, in words. status: as Popen has it."""
    if status >= 0:
        return f"its process ended by itself, with exit code {status}"
    with contextlib.suppress(ValueError):
        return f"its process was killed by {signal.Signals(-status).name}"
    return f"its process was killed by signal {-status}"


def main() -> None:
    """The arguments are the number of the descriptor of a socket to the conductor, and this worker's number."""
    # Whoever is interrupted is the conductor, which then tells its workers. Ignored, it would be so by the engine too.
    signal.signal(signal.SIGINT, lambda *_: None)
    Worker(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])).run()


if __name__ == "__main__":
    main()
