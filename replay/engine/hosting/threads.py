"""Runs in a thread of their own, while another thread or another event loop waits for them.

So a run can be made wherever a Python program is: in a notebook, whose event loop turns already, and in any thread. It
has an event loop of its own, which nothing else in the program makes late. And it cannot be torn: what a signal handler
raises, KeyboardInterrupt first of all, comes to the thread that waits, never into the middle of what is being recorded.
That thread then has the run ended, waits until its directory is whole, and lets it go on.

A run whose loop is held up, by an application in this process that does not return, does not hear that, or hears it and
is held up by a request that was on its way. Nobody waits for it any longer, and it ends by itself once its loop turns
again.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Generic, TypeVar

from replay.engine.hosting.interrupts import Interrupts

_HEARD_WITHIN_S = 5.0
# What is written at the end of a long run takes its loop's time as well.
_TURNS_WITHIN_S = 30.0
_NAME = "replay-run"
_T = TypeVar("_T")


class Breaker:
    """Breaks off, from another thread, what goes on in an event loop, or will.

    was_heard: set once the loop knows, or is there no longer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._interrupts: Interrupts | None = None
        self._asked: bool | None = None
        self.was_heard = threading.Event()

    def __repr__(self) -> str:
        return f"<Breaker {'unused' if self._asked is None else 'used'}>"

    def attach(self, loop: asyncio.AbstractEventLoop, interrupts: Interrupts) -> None:
        """Here is a loop; what was asked before is asked of it."""
        with self._lock:
            self._loop, self._interrupts = loop, interrupts
            if self._asked is not None:
                loop.call_soon(self._break_off, self._asked)

    def detach(self) -> None:
        """Before the loop is closed."""
        with self._lock:
            self._loop = None
        self.was_heard.set()

    def break_off(self, *, at_once: bool) -> None:
        """Have it ended. at_once: without the time for responses that an interrupted run has."""
        with self._lock:
            self._asked = at_once
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._break_off, at_once)

    def ask_whether_it_turns(self) -> threading.Event:
        """Set once the loop has come round, or where there is none that could be held up."""
        turned = threading.Event()
        with self._lock:
            if self._loop is None:
                turned.set()
            else:
                self._loop.call_soon_threadsafe(turned.set)
        return turned

    def heard(self) -> bool | None:
        """For whoever has no event loop to attach, and asks in between: whether it is to end at once, or None."""
        if self._asked is not None:
            self.was_heard.set()
        return self._asked

    def _break_off(self, at_once: bool) -> None:
        self.was_heard.set()
        assert self._interrupts is not None
        self._interrupts.leave(at_once=at_once)


_breaker: ContextVar[Breaker | None] = ContextVar("replay_breaker", default=None)


def breaker_here() -> Breaker | None:
    """What ends runs in this thread, where it is one that was made for them."""
    return _breaker.get()


class _Worker(Generic[_T]):
    """A thread that makes one call. What is raised in it is raised by `result`, and told nowhere else.

    The program may end before it does, if it was given up.
    """

    def __init__(self, call: Callable[[], _T], breaker: Breaker, on_end: Callable[[], None]) -> None:
        self._call, self._breaker, self._on_end = call, breaker, on_end
        self._value: _T
        self._raised: BaseException | None = None
        run_in_context = copy_context().run
        self._thread = threading.Thread(target=run_in_context, args=(self._run,), name=_NAME, daemon=True)
        self._thread.start()

    def result(self) -> _T:
        """Once it has ended."""
        self._thread.join()
        if self._raised is not None:
            raise self._raised
        return self._value

    def _run(self) -> None:
        _breaker.set(self._breaker)
        try:
            self._value = self._call()
        except BaseException as error:
            self._raised = error
        finally:
            self._on_end()


def call_in_thread(call: Callable[[], _T]) -> _T:
    """Make a call in a thread of its own, wait for it, and return what it returns, or raise what it raises.

    What is raised in the thread that waits ends the runs in the other: KeyboardInterrupt leaves them their grace time,
    which a second one ends; anything else ends them at once. It is then raised here.
    """
    ended, breaker = threading.Event(), Breaker()
    worker = _Worker(call, breaker, ended.set)
    try:
        ended.wait()
    except BaseException as raised:
        breaker.break_off(at_once=not isinstance(raised, KeyboardInterrupt))
        try:
            _wait_for_end(ended, breaker)
        except KeyboardInterrupt:
            breaker.break_off(at_once=True)
            _wait_for_end(ended, breaker)
        raise
    return worker.result()


def _wait_for_end(ended: threading.Event, breaker: Breaker) -> None:
    """As long as its loop turns: what it began before it heard may hold it up as well."""
    if not breaker.was_heard.wait(_HEARD_WITHIN_S):
        return
    while not ended.wait(_TURNS_WITHIN_S):
        if not breaker.ask_whether_it_turns().wait(_TURNS_WITHIN_S):
            return


async def await_in_thread(call: Callable[[], _T]) -> _T:
    """As call_in_thread, from an event loop of asyncio, which goes on meanwhile.

    Cancelled, it has the runs ended at once, waits until they have, and raises CancelledError; cancelled again, it
    leaves them to end by themselves.
    """
    here = asyncio.get_running_loop()
    ended: asyncio.Future[None] = here.create_future()
    breaker = Breaker()

    def tell() -> None:
        # The loop may be closed by now, if the call was left alone.
        with contextlib.suppress(RuntimeError):
            here.call_soon_threadsafe(partial(_settle, ended))

    worker = _Worker(call, breaker, tell)
    try:
        await asyncio.shield(ended)
    except asyncio.CancelledError:
        breaker.break_off(at_once=True)
        turned, within_s = breaker.was_heard, _HEARD_WITHIN_S
        while not (await asyncio.wait([ended], timeout=within_s))[0] and turned.is_set():
            turned, within_s = breaker.ask_whether_it_turns(), _TURNS_WITHIN_S
        raise
    return worker.result()


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
