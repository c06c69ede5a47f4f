"""Signals while an event loop runs: Ctrl-C and SIGTERM stop a run, and what another handler raises ends it.

A handler written in Python is called between any two instructions of the main thread: in the event loop, or in the
middle of an application that is tested in this process. What it raises there may get lost on its way out, for the loop
and the application may both catch it; the time limit of a test (pytest-timeout raises from SIGALRM) would then end
nothing. So it is noted here, the run is ended, and whoever called the run is given it.

Handlers belong to the main thread. In any other one nothing is installed, and no signal arrives.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from types import FrameType
from typing import Any, Protocol

_STOPPING = (signal.SIGINT, signal.SIGTERM)
# An event loop that has not heard of the first Ctrl-C after this long is held up by code that does not return to it.
_HEARD_WITHIN_S = 1.0

Handler = Callable[[int, FrameType | None], Any]


class Stoppable(Protocol):
    """What goes on in the loop, and can be ended."""

    def stop(self) -> None:
        """Begin nothing more, and end when what is under way has ended."""

    def abort(self) -> None:
        """End now."""

    def halt(self) -> None:
        """End now, in the middle of anything."""


class Signals:
    """The handlers of one event loop, from `take` to `give_back`.

    raised: what is to be raised once the loop has ended, or None. were_seen: a run was stopped by Ctrl-C or SIGTERM.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: Sequence[Stoppable] = ()
        self._grace_s = 0.0
        self._grace: asyncio.TimerHandle | None = None
        self._unheard_since_s: float | None = None
        # By signal: the handler of ours, and the one that it stands before.
        self._installed: dict[int, tuple[Handler, Any]] = {}
        self.raised: BaseException | None = None
        self.were_seen = False

    def __repr__(self) -> str:
        return f"<Signals of {len(self._under_way)} runs, {self.raised!r} raised>"

    def take(self) -> None:
        """Stand before every handler that there is; done again, before those that were installed meanwhile, as an
        application does when it is imported.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in signal.valid_signals():
            current = signal.getsignal(number)
            ours, before = self._installed.get(number, (None, current))
            # None: it was not installed from Python, and could not be put back from there.
            if current is None or current is ours:
                continue
            if number in _STOPPING:
                ours = self._interrupt
            elif callable(current):
                ours, before = self._passing_on(current), current
            else:
                continue
            self._installed[number] = (ours, before)
            signal.signal(number, ours)

    def give_back(self) -> None:
        """Put back what was there before; a handler that was changed in the meantime is left alone."""
        for number, (ours, before) in self._installed.items():
            if signal.getsignal(number) is ours:
                signal.signal(number, before)
        self._installed.clear()

    @contextlib.contextmanager
    def stopping(self, runs: Sequence[Stoppable], grace_s: float) -> Iterator[None]:
        """Inside, the first Ctrl-C stops these runs and gives them a grace time; the second aborts them."""
        self._under_way, self._grace_s = runs, grace_s
        try:
            yield
        finally:
            self._under_way = ()
            if self._grace is not None:
                self._grace.cancel()

    def _passing_on(self, handler: Handler) -> Handler:
        def pass_on(number: int, frame: FrameType | None) -> None:
            try:
                handler(number, frame)
            except BaseException as error:
                self._end_now(error)
                raise

        return pass_on

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        now = monotonic()
        if self._unheard_since_s is None:
            self._unheard_since_s = now
        elif now - self._unheard_since_s > _HEARD_WITHIN_S:
            self._end_now(KeyboardInterrupt())
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._heard)

    def _heard(self) -> None:
        self._unheard_since_s = None
        if not self._under_way:
            self._end_now(KeyboardInterrupt())
        elif self.were_seen:
            self._abort()
        else:
            self.were_seen = True
            for run in self._under_way:
                run.stop()
            self._grace = self._loop.call_later(self._grace_s, self._abort)

    def _abort(self) -> None:
        for run in self._under_way:
            run.abort()

    def _end_now(self, error: BaseException) -> None:
        """End whatever is in the loop. It is not left to a callback, since those that are due before it, and tasks that
        have not begun, may be as slow as what was interrupted just now.
        """
        if self.raised is None:
            self.raised = error
        for run in self._under_way:
            run.halt()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_soon_threadsafe(lambda: None)
