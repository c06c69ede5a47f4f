"""The event loop of a run, which an application under test may share, and which that application cannot end.

asyncio lets SystemExit and KeyboardInterrupt out of any task or callback, straight through the loop, to whoever runs
it; a stop of the loop ends it as well. A loop that is left so has lost nothing, and can be turned on. That is what is
done here, until the coroutine that it was made for has ended. What the application leaves behind then is ended within
bounds, even if it ignores that it is cancelled.
"""

import asyncio
import contextlib
import ctypes
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from replay.engine.hosting.interrupts import Interrupts
from replay.engine.hosting.ownership import owns_signals
from replay.engine.hosting.signals import Signals
from replay.engine.hosting.threads import Breaker, breaker_here, call_in_thread
from replay.system.shortage import check_room_for_loop

# An application was given longer when its transport closed; this is for what it left beside it.
_CLOSING_S = 1.0
_PACKAGE = __name__.partition(".")[0]
# Where we and an application call one another: a frame of these in a traceback says nothing of whose fault it is.
_BETWEEN = (__name__, f"{_PACKAGE}.wire.httpx.asgi")
_STRAYS_KEPT = 3
_T = TypeVar("_T")


class Host:
    """What a coroutine knows of the loop that it runs in.

    interrupts: how it is broken off. has_guest: an application shares the loop, so that a fault in it may be the
    application's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, has_signals: bool = False) -> None:
        self._loop = loop
        self.interrupts = Interrupts(loop)
        self._signals = Signals(loop, self.interrupts) if has_signals else None
        self.has_guest = False
        # What was raised where no step waited for it, in words; each but once.
        self._strays: list[str] = []

    def __repr__(self) -> str:
        return f"<Host {'with' if self.has_guest else 'without'} a guest, {len(self._strays)} strays>"

    def take_signals(self) -> None:
        """Stand before the handlers that there are now, where the caller owns the process's signals."""
        if self._signals is not None:
            self._signals.take()

    def give_signals_back(self) -> None:
        if self._signals is not None:
            self._signals.give_back()

    def excuses(self, context: dict[str, Any]) -> bool:
        """Whether a fault that the loop reports is none of ours: it is then noted, and may be forgotten."""
        fault = context.get("exception")
        if fault is not None and fault is self.interrupts.raised:
            return True
        if not self.has_guest or (fault is not None and _is_ours(fault)):
            return False
        self.note_stray(str(context.get("message")) if fault is None else described(fault))
        return True

    def note_stray(self, words: str) -> None:
        if words not in self._strays and len(self._strays) < _STRAYS_KEPT:
            self._strays.append(words)

    def on_fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self.excuses(context):
            loop.default_exception_handler(context)

    def notes(self) -> list[str]:
        """What a reader of the figures should know of the application."""
        if not self._strays:
            return []
        return [f"the application raised outside of its responses: {'; '.join(self._strays)}"]


def described(error: BaseException) -> str:
    """An exception in a line: what it is, and the first line of what it says."""
    said = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def alone(error: BaseException) -> BaseException:
    """The exception that ended a group of tasks, rather than the group: the others were cancelled for it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def run_to_end(main: Callable[[Host], Coroutine[Any, Any, _T]]) -> _T:
    """Run a coroutine in an event loop of its own, and return what it returns.

    The loop turns in this thread where its caller owns the process's signals, and else in a thread of its own, so that
    this may be called anywhere, in a coroutine too (see threads.py). Raises what the coroutine raises, or rather what a
    signal handler raised meanwhile, and KeyboardInterrupt for a Ctrl-C while there was no run to stop.
    asyncio.CancelledError: an application cancelled the coroutine. OSError: this machine has not enough of something
    for an event loop.
    """
    breaker = breaker_here()
    if breaker is not None:
        return _run_here(main, breaker)
    if owns_signals() and not _is_loop_running():
        return _run_here(main, None)
    return call_in_thread(lambda: run_to_end(main))


def _run_here(main: Callable[[Host], Coroutine[Any, Any, _T]], breaker: Breaker | None) -> _T:
    check_room_for_loop()
    loop = _new_loop()
    host = Host(loop, has_signals=breaker is None)
    loop.set_exception_handler(host.on_fault)
    task = loop.create_task(main(host))
    try:
        host.take_signals()
        if breaker is not None:
            breaker.attach(loop, host.interrupts)
        _turn(loop, task, host)
        _end_tasks(loop, host)
        _turn(loop, loop.create_task(loop.shutdown_asyncgens()), host)
    finally:
        if breaker is not None:
            breaker.detach()
        host.give_signals_back()
        # uvloop takes a loop that could not begin to turn for one that runs.
        with contextlib.suppress(RuntimeError):
            # Without waiting for threads that the application has at work; they may never end.
            loop.close()
    if host.interrupts.raised is not None:
        if not task.cancelled():
            task.exception()
        raise host.interrupts.raised
    return task.result()


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _turn(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[Any]", host: Host) -> None:
    """Turn the loop until the task is done, whatever breaks out of the loop meanwhile."""
    while not task.done():
        try:
            loop.run_until_complete(task)
        except BaseException as error:
            if task.done():
                return
            # What callbacks and tasks raise stays in the loop, but for ends of the whole program; an OSError is the
            # loop's own, and it would not turn the next time either.
            if loop.is_closed() or isinstance(error, OSError):
                raise
            if error is not host.interrupts.raised:
                host.note_stray(described(error))


def _end_tasks(loop: asyncio.AbstractEventLoop, host: Host) -> None:
    """Cancel what is left in the loop, and forget what takes no notice of that.

    Python closes a coroutine that it deallocates, when it exits at the latest, and one that catches everything and goes
    on would be closed for ever. So what is forgotten is never deallocated.
    """
    left = asyncio.all_tasks(loop)
    if left:
        _turn(loop, loop.create_task(_cancel(left)), host)
    for task in asyncio.all_tasks(loop):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))


async def _cancel(tasks: "set[asyncio.Task[Any]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_CLOSING_S)


def _is_ours(fault: BaseException) -> bool:
    """Whether code of this package was at work when it was raised."""
    trace = fault.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] == _PACKAGE and module not in _BETWEEN:
            return True
        trace = trace.tb_next
    return False
