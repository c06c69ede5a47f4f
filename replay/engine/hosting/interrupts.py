"""Breaking off what goes on in an event loop: a run is stopped, then aborted; where there is none, everything ends.

Who asks for it is elsewhere: signals.py, where a command owns the process's signals; threads.py, where a thread waits.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol


class Stoppable(Protocol):
    """What goes on in the loop, and can be ended."""

    def stop(self) -> None:
        """Begin nothing more, and end when what is under way has ended."""

    def abort(self) -> None:
        """End now."""

    def halt(self) -> None:
        """End now, in the middle of anything."""


class Interrupts:
    """The breaking off of what goes on in one event loop. To be called in its thread.

    raised: what is to be raised once the loop has ended, or None. were_seen: a run was stopped before its end.
    were_continued: this process was stopped as a whole, and goes on, as after Ctrl-Z and fg.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: Sequence[Stoppable] = ()
        self._grace_s = 0.0
        self._grace: asyncio.TimerHandle | None = None
        self._is_over = False
        self.raised: BaseException | None = None
        self.were_seen = False
        self.were_continued = False

    def __repr__(self) -> str:
        return f"<Interrupts of {len(self._under_way)} runs, {self.raised!r} raised>"

    @contextlib.contextmanager
    def stopping(self, runs: Sequence[Stoppable], grace_s: float) -> Iterator[None]:
        """Inside, the first interrupt stops these runs and gives them a grace time; the second aborts them.

        Raises asyncio.CancelledError where everything has been ended already, and what was cancelled for it went on.
        """
        if self.raised is not None:
            raise asyncio.CancelledError
        self._under_way, self._grace_s = runs, grace_s
        try:
            yield
        finally:
            self._under_way = ()
            self._is_over = True
            if self._grace is not None:
                self._grace.cancel()

    def interrupt(self) -> None:
        """Ctrl-C, once more or for the first time."""
        if not self._under_way:
            self.end_now(KeyboardInterrupt())
        elif self.were_seen:
            self._abort()
        else:
            self.were_seen = True
            for run in self._under_way:
                run.stop()
            self._grace = self._loop.call_later(self._grace_s, self._abort)

    def leave(self, *, at_once: bool) -> None:
        """Nobody waits for it any longer. at_once: not for responses either. A run that is over writes its end."""
        if self._is_over:
            return
        self.interrupt()
        if at_once:
            self._abort()

    def end_now(self, error: BaseException) -> None:
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

    def _abort(self) -> None:
        for run in self._under_way:
            run.abort()
