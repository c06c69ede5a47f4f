"""The process that sends: a worker's engine. It is told by lines on its standard input, and tells by lines on a pipe.

Nothing but the run happens in it, so that no conversation makes a step late. A thread waits for orders; it holds the
interpreter only when one comes. After a run it waits for the next. When the input ends, whoever gave the orders is no
more: the run is ended, written down as far as it went, and the process ends, if need be in the middle of that.
"""

import asyncio
import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from time import monotonic_ns
from typing import BinaryIO

import msgspec

from replay.engine.answers.digests import Digests
from replay.engine.counting import Progress
from replay.engine.hosting.event_loop import described
from replay.engine.hosting.ownership import owning_signals
from replay.engine.run import Job, replay_together
from replay.engine.shares import Share
from replay.errors import ReplayError
from replay.exit_codes import EXIT_CODES
from replay.results.manifest_types import Manifest
from replay.results.selector import Selector
from replay.results.summary_types import Snapshot
from replay.scale.messages import Assignment, Failed, FromEngine, Going, Over, Ready, Start, Stop, ToEngine
from replay.system.cores import keep_to

_LEFT_ALONE_S = 4.0
_LOOK_EVERY_S = 0.002
_GONE = "whoever conducted the run has gone"


class Orders:
    """What this engine has been told of one run. say: tells its worker something."""

    def __init__(self, assignment: Assignment, say: "Mouth") -> None:
        self.assignment = assignment
        self.share = Share(assignment.place, assignment.of)
        self._say = say
        self._start_ns: int | None = None
        self.enough: str | None = None
        self.harm: str | None = None

    def __repr__(self) -> str:
        return f"<Orders of {self.share}, enough: {self.enough}, harm: {self.harm}>"

    def take(self, order: Start | Stop) -> None:
        """In the thread that waits for them."""
        if isinstance(order, Start):
            self._start_ns = order.at_ns
        elif order.how == "interrupt":
            # As it would be pressed: once for a grace time, twice for none.
            os.kill(os.getpid(), signal.SIGINT)
        elif order.how == "harm":
            self.harm = order.why
        else:
            self.enough = order.why

    def leave(self) -> None:
        """Nobody will tell it anything more."""
        self.enough = self.enough or _GONE

    async def line_up(self, manifests: Sequence[Manifest]) -> int:
        """For replay/engine/run.py: all is read ahead."""
        traces = [manifest.trace for manifest in manifests]
        sessions, steps = [trace.sessions for trace in traces], [trace.steps for trace in traces]
        self._say(Ready(traces[0].sha256, sessions, steps))
        while self._start_ns is None:
            if self.enough is not None or self.harm is not None:
                return monotonic_ns()
            await asyncio.sleep(_LOOK_EVERY_S)
        return self._start_ns


class Desk:
    """Where orders come in, in the thread that waits for them, and the main thread finds the next run to do."""

    def __init__(self, say: "Mouth") -> None:
        self._say = say
        self._runs: queue.SimpleQueue[Orders | None] = queue.SimpleQueue()
        self._latest: Orders | None = None

    def __repr__(self) -> str:
        return f"<Desk, of late {self._latest}>"

    def take(self, order: ToEngine) -> None:
        """An order for the run that was named last, or the next run."""
        if isinstance(order, Assignment):
            self._latest = Orders(order, self._say)
            self._runs.put(self._latest)
        elif self._latest is not None:
            self._latest.take(order)

    def leave(self) -> None:
        """Nobody will tell it anything more."""
        if self._latest is not None:
            self._latest.leave()
        self._runs.put(None)

    def next(self) -> Orders | None:
        """In the main thread: the next run, once there is one; None when there will be none."""
        return self._runs.get()


class _Told:
    """One of the reasons to end, as replay/engine/run.py asks for it."""

    def __init__(self, orders: Orders, name: str) -> None:
        self._orders, self._name = orders, name

    def begin(self, directory: Path, progress: Progress) -> None:
        if self._name == "harm":
            progress.follow(self._orders.assignment.followed)

    @property
    def selectors(self) -> Sequence[Selector]:
        return self._orders.assignment.followed

    def is_met(self) -> str | None:
        why: str | None = getattr(self._orders, self._name)
        return why


class Mouth:
    """Writes to the worker, which may have gone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._encode = msgspec.json.Encoder().encode

    def __call__(self, message: FromEngine) -> None:
        data = memoryview(self._encode(message) + b"\n")
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]

    def show(self, snapshot: Snapshot) -> None:
        self(Going(snapshot))


def carry_out(orders: Orders, say: Mouth) -> None:
    """Do this share of the run, and say how it ended."""
    assignment = orders.assignment
    jobs = [
        Job(
            job.target,
            Path(job.out),
            job.arm,
            None if job.digests is None else Digests(job.digests),
            run_id=job.run_id,
        )
        for job in assignment.jobs
    ]
    try:
        made = replay_together(
            Path(assignment.trace),
            jobs,
            assignment.options,
            say.show,
            _Told(orders, "enough"),
            _Told(orders, "harm"),
            orders,
        )
    except BaseException as error:
        say(_failed(error))
    else:
        say(Over(made[0].summary.ended))


def _failed(error: BaseException) -> Failed:
    if isinstance(error, ReplayError):
        return Failed(error.exit_code, str(error))
    if isinstance(error, KeyboardInterrupt):
        return Failed(EXIT_CODES["interrupted"], "the run was interrupted")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Failed(EXIT_CODES["not_carried_out"], f"{where}{error.strerror or error}")
    return Failed(EXIT_CODES["not_carried_out"], described(error))


def whole_messages(lines: Iterable[bytes]) -> Iterator[ToEngine]:
    """What was told, up to where who told it was killed in the middle of a message."""
    decoder = msgspec.json.Decoder(ToEngine)
    for line in lines:
        if not line.endswith(b"\n"):
            return
        yield decoder.decode(line)


def _listen(lines: BinaryIO, desk: Desk) -> None:
    for message in whole_messages(lines):
        desk.take(message)
    desk.leave()
    threading.Event().wait(_LEFT_ALONE_S)
    os._exit(EXIT_CODES["not_carried_out"])


def main() -> None:
    """The one argument is the number of the descriptor to tell by."""
    say = Mouth(int(sys.argv[1]))
    desk = Desk(say)
    threading.Thread(target=_listen, args=(sys.stdin.buffer, desk), name="replay-orders", daemon=True).start()
    with owning_signals():
        while True:
            # A Ctrl-C for a run that has just ended by itself comes to nobody.
            with contextlib.suppress(KeyboardInterrupt):
                orders = desk.next()
                if orders is None:
                    return
                if orders.assignment.core is not None:
                    with contextlib.suppress(OSError):
                        keep_to(orders.assignment.core)
                carry_out(orders, say)


if __name__ == "__main__":
    main()
