"""Wakes the event loop at an instant of CLOCK_MONOTONIC, finer than the loop's own millisecond timers.

On Linux a timerfd with an absolute time is watched by the loop; elsewhere the loop's timer is used, and the
pacer spins for longer.
"""

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from time import monotonic_ns
from typing import Protocol

_NS = 1_000_000_000
_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK = os.O_NONBLOCK
_TFD_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_TFD_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class Alarm(Protocol):
    """Calls back once after `set`; setting it again replaces the earlier time. early_ns: how long before the
    due time it should be set, because of its own coarseness."""

    early_ns: int

    def set(self, at_ns: int) -> None: ...

    def close(self) -> None: ...


class TimerFdAlarm:
    """A Linux timerfd with absolute CLOCK_MONOTONIC times (timerfd_create(2))."""

    # A timerfd wakes the loop 0.06 to 0.1 ms late on a busy core; the rest is spun away.
    early_ns = 120_000

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._fd = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._spec = _Itimerspec()
        self._ref = ctypes.byref(self._spec)
        self._loop = loop
        self._wake = wake
        loop.add_reader(self._fd, self._fired)

    def set(self, at_ns: int) -> None:
        value = self._spec.it_value
        # A zero time would disarm it.
        value.tv_sec, value.tv_nsec = divmod(max(at_ns, 1), _NS)
        self._settime(self._fd, _TFD_TIMER_ABSTIME, self._ref, None)

    def _fired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._wake()

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


class LoopAlarm:
    """The loop's own timer, for systems without timerfd: whole milliseconds, and up to one early."""

    early_ns = 1_500_000

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop = loop
        self._wake = wake
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at_ns: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_later(max(0.0, (at_ns - monotonic_ns()) / _NS), self._wake)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


def make_alarm(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> Alarm:
    """The finest alarm that this system has."""
    if sys.platform == "linux":
        try:
            return TimerFdAlarm(loop, wake)
        except (OSError, AttributeError):
            pass
    return LoopAlarm(loop, wake)
