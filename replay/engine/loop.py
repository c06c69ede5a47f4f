"""The run: ties pacer, dispatcher, recorder and chores together, on one event loop, with a callback for each event.

The pacer says when, the walks what follows what, the dispatcher sends; what is not done per step is a chore. The run
ends when the trace has ended and every response is in, or when it is interrupted: then nothing more is sent, responses
are awaited for a grace time, and what was never sent is counted as unsent.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic_ns, process_time_ns
from typing import Any

from replay.engine.attempt import Attempt, Sender
from replay.engine.budget import Till
from replay.engine.dispatch.ahead import Ahead
from replay.engine.dispatch.chores import Chores
from replay.engine.dispatch.dispatcher import Dispatcher
from replay.engine.outcome import Outcomes
from replay.engine.pacing.alarm import make_alarm
from replay.engine.pacing.pacer import MakeAlarm, Pacer, Turns
from replay.engine.records.recorder import Recorder
from replay.engine.retries import Retries
from replay.engine.types import RunOptions
from replay.engine.users.casting import Casting
from replay.engine.walker import Pace
from replay.system.shared import Shared
from replay.trace.types import Session

_NS = 1_000_000_000
# Lead time before the first step, so that it is not late.
_LEAD_NS = 50_000_000


@contextmanager
def _without_collection() -> Iterator[None]:
    is_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        if is_enabled:
            gc.enable()
        gc.unfreeze()


# No garbage is collected inside, but what chores collect in idle moments.
_garbage_kept = Shared(_without_collection)


async def run_together(
    loops: "Sequence[RunLoop]",
    excuses: Callable[[dict[str, Any]], bool] = lambda _: False,
    line_up: Callable[[], Awaitable[int]] | None = None,
) -> None:
    """Replay everything that these runs hold, from one instant on, in one event loop; returns when all are over.

    excuses: whether a fault that the event loop reports is none of ours, so that the runs go on. line_up: awaited once
    all is read ahead; names the instant of start. None: it is as soon as can be.
    """
    running = asyncio.get_running_loop()

    def on_fault(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not excuses(context):
            for loop in loops:
                loop.on_fault(context)

    cpu_ns, began_ns, asleep_ns = process_time_ns(), monotonic_ns(), _asleep_ns()
    before = running.get_exception_handler()
    running.set_exception_handler(on_fault)
    try:
        with _garbage_kept:
            for loop in loops:
                loop.read_ahead()
            # What was read ahead is not looked at either.
            gc.freeze()
            start_ns = monotonic_ns() + _LEAD_NS if line_up is None else await line_up()
            cpu_ns, began_ns, asleep_ns = process_time_ns(), monotonic_ns(), _asleep_ns()
            for loop in loops:
                loop.start(start_ns, running)
            await asyncio.gather(*(loop.until_over() for loop in loops))
    finally:
        running.set_exception_handler(before)
    ended_ns = max(loop.finished_ns for loop in loops)
    for loop in loops:
        loop.cpu_percent = 100 * (process_time_ns() - cpu_ns) / max(1, ended_ns - began_ns)
        loop.slept_ns = _asleep_ns() - asleep_ns


def _asleep_ns() -> int:
    """How long this machine was suspended since its boot: a clock that goes on meanwhile, less ours, which does not.

    0 where there is no such clock.
    """
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - monotonic_ns()


class RunLoop:
    """One run of scheduled sessions against a sender. `run` returns when it is over.

    sessions: (start in ns from the run's start, session), in order of start. outcomes: what answers are held to. now,
    make_pacer: the clock, and what waits on it; a simulation gives its own, and calls `begin` and `finish` itself.
    retries: None where no attempt is repeated. casting: what makes users of sessions; None where nothing is sent that
    values could stand in, and responses have none. till: what model calls are paid with; None where there is no budget.
    witness: is shown every attempt that has ended, with the headers of its answer.
    """

    def __init__(
        self,
        sessions: Iterator[tuple[int, Session]],
        sender: Sender,
        recorder: Recorder,
        options: RunOptions,
        pace: Pace,
        outcomes: Outcomes,
        now: Callable[[], int] = monotonic_ns,
        make_pacer: Callable[[Callable[[], int]], Pacer] = Pacer,
        retries: Retries | None = None,
        casting: Casting | None = None,
        till: Till | None = None,
        witness: Callable[[Attempt], None] | None = None,
    ) -> None:
        self._now = now
        self._recorder = recorder
        self._pacer = make_pacer(now)
        self._dispatcher = Dispatcher(
            sender,
            recorder,
            options,
            pace,
            outcomes,
            self._pacer,
            now,
            retries=retries,
            casting=casting,
            till=till,
            witness=witness,
            stop=self.stop,
            check_over=self._check_over,
        )
        self._ahead = Ahead(sessions, self._pacer, pace, options, casting, self._dispatcher.admit)
        self._chores = Chores(
            self._pacer,
            self._ahead,
            self._dispatcher,
            recorder,
            sender,
            stop=self.stop,
            check_over=self._check_over,
        )
        self._duration_ns = None if options.duration_s is None else int(options.duration_s * _NS)
        self._over: asyncio.Event | None = None
        self.is_over = False
        self.progress = self._dispatcher.progress
        self.start_ns = 0
        self.finished_ns = 0
        self.cpu_percent = 0.0
        self.slept_ns = 0
        self.fault: BaseException | None = None

    def __repr__(self) -> str:
        return f"<RunLoop {self._dispatcher!r}, {self._pacer!r}>"

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is sent."""
        return self._dispatcher.is_stopping

    @property
    def max_stall_ns(self) -> int:
        return self._pacer.max_stall_ns

    @property
    def held_steps(self) -> int:
        """How often a step was held back, since too many were in flight."""
        return self._dispatcher.held_steps

    @property
    def read_error(self) -> Exception | None:
        """Why the trace could not be read to its end."""
        return self._ahead.error

    async def run(self) -> None:
        """Replay everything; returns when the last response is in, or the grace time after `stop` is over."""
        await run_together([self])

    async def until_over(self) -> None:
        """Wait for the end, then stop turning."""
        self._over = asyncio.Event()
        if self.is_over:
            self._over.set()
        try:
            await self._over.wait()
        finally:
            self.finish()

    def begin(self, turns: Turns, make_alarm: MakeAlarm = make_alarm) -> None:
        """Read ahead, and start to turn. What follows happens in callbacks, until is_over."""
        self.read_ahead()
        self.start(self._now() + _LEAD_NS, turns, make_alarm)

    def read_ahead(self) -> None:
        """Read as many sessions as the run starts with."""
        self.start_ns = self._now() + _LEAD_NS
        self._ahead.begin(self.start_ns)

    def start(self, start_ns: int, turns: Turns, make_alarm: MakeAlarm = make_alarm) -> None:
        """Start to turn. start_ns: the run's zero, since reading ahead took its time."""
        self._ahead.shift(start_ns - self.start_ns)
        self.start_ns = self.progress.start_ns = start_ns
        if self._duration_ns is not None:
            self._dispatcher.end_ns = start_ns + self._duration_ns
        self._recorder.start(start_ns)
        self._chores.begin(start_ns)
        self._pacer.start(turns, self._chores.work, make_alarm)
        self._check_over()

    def finish(self) -> None:
        """Stop turning."""
        self.finished_ns = self._now()
        self._pacer.stop()

    def on_fault(self, context: dict[str, Any]) -> None:
        """A callback of ours has failed: rather than wait for ever for what it did not do, end the run."""
        fault = context.get("exception")
        if isinstance(fault, OSError):
            # Of a socket that died while it was being closed; its attempt has ended in its own way.
            return
        if self.fault is None:
            self.fault = fault or RuntimeError(str(context.get("message")))
        self.abort()

    def stop(self) -> None:
        """Send nothing more; the run ends when the responses in flight are in."""
        self._dispatcher.stop()
        self._ahead.stop()
        self._check_over()

    def abort(self) -> None:
        """End the run now, whatever is in flight."""
        self.stop()
        self._end()

    def halt(self) -> None:
        """As abort, in the middle of anything, and without sending what was late already."""
        self._dispatcher.late.drop()
        self.abort()

    def _end(self) -> None:
        self.is_over = True
        if self._over is not None:
            self._over.set()

    def _check_over(self) -> None:
        if self._ahead.is_over and self._dispatcher.is_idle:
            self._end()
