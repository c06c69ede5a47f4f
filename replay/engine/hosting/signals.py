"""Signals while an event loop runs: Ctrl-C, SIGTERM and SIGHUP stop a run, and what another handler raises ends it.

A handler written in Python is called between any two instructions of the main thread: in the event loop, or in the
middle of an application that is tested in this process. What it raises there may get lost on its way out, for the loop
and the application may both catch it; the time limit of a test (pytest-timeout raises from SIGALRM) would then end
nothing. So it is noted here, the run is ended, and whoever called the run is given it.

Only who owns the process's signals has them taken (see ownership.py).
"""

import asyncio
import signal
from collections.abc import Callable
from time import monotonic
from types import FrameType
from typing import Any

from replay.engine.hosting.interrupts import Interrupts

# SIGHUP: the terminal has gone, which is how a session over ssh ends. Windows has none.
_HANG_UP = getattr(signal, "SIGHUP", None)
_STOPPING = (signal.SIGINT, signal.SIGTERM, _HANG_UP)
# Ctrl-Z cannot be heard without keeping it from stopping anything; that a process goes on can.
_CONTINUED = getattr(signal, "SIGCONT", None)
# An event loop that has not heard of the first Ctrl-C after this long is held up by code that does not return to it.
_HEARD_WITHIN_S = 1.0

Handler = Callable[[int, FrameType | None], Any]


class Signals:
    """The handlers of one event loop in the main thread, from `take` to `give_back`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, interrupts: Interrupts) -> None:
        self._loop, self._interrupts = loop, interrupts
        self._unheard_since_s: float | None = None
        # By signal: the handler of ours, and the one that it stands before.
        self._installed: dict[int, tuple[Handler, Any]] = {}

    def __repr__(self) -> str:
        return f"<Signals {len(self._installed)} taken>"

    def take(self) -> None:
        """Stand before every handler that there is; done again, before those that were installed meanwhile, as an
        application does when it is imported.
        """
        for number in signal.valid_signals():
            current = signal.getsignal(number)
            ours, before = self._installed.get(number, (None, current))
            # None: it was not installed from Python, and could not be put back from there.
            if current is None or current is ours:
                continue
            # Who starts a command with nohup means it to outlive the terminal.
            if number == _HANG_UP and current is signal.SIG_IGN:
                continue
            if number in _STOPPING:
                ours = self._interrupt
            elif number == _CONTINUED:
                ours = self._continued(current)
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

    def _passing_on(self, handler: Handler) -> Handler:
        def pass_on(number: int, frame: FrameType | None) -> None:
            try:
                handler(number, frame)
            except BaseException as error:
                self._interrupts.end_now(error)
                raise

        return pass_on

    def _continued(self, before: Any) -> Handler:
        def note(number: int, frame: FrameType | None) -> None:
            self._interrupts.were_continued = True
            if callable(before):
                before(number, frame)

        return note

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        now = monotonic()
        if self._unheard_since_s is None:
            self._unheard_since_s = now
        elif now - self._unheard_since_s > _HEARD_WITHIN_S:
            self._interrupts.end_now(KeyboardInterrupt())
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._heard)

    def _heard(self) -> None:
        self._unheard_since_s = None
        self._interrupts.interrupt()
