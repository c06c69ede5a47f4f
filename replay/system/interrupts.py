"""Ctrl-C, which a terminal sends to every process under it, and those of them that it is not meant for."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess


_EXIT_INTERRUPTED = 130


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Inside, Ctrl-C ends this process there and then: for imports, of which nothing has to be kept or cleaned up.

    Python imports by callbacks and destructors too, and what these raise it prints and forgets, KeyboardInterrupt as
    anything else: a command that was interrupted then went on as if nothing had been said.
    See https://github.com/python/cpython/blob/v3.11.7/Lib/importlib/_bootstrap.py#L191
    """
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not is_ours or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(_EXIT_INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """A process that is started meanwhile never hears Ctrl-C, from its first instruction on; this one does later.

    One that ignores it by itself cannot before its imports are there, and would end in a traceback until then.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_uninterrupted(process: SpawnProcess) -> None:
    """Start a process of `multiprocessing` that never hears Ctrl-C.

    The first that is spawned brings a tracker of resources along, and starting that one unblocks Ctrl-C: it has to be
    there before. See https://github.com/python/cpython/blob/v3.11.7/Lib/multiprocessing/resource_tracker.py
    """
    from multiprocessing.resource_tracker import ensure_running

    ensure_running()
    with interrupts_held():
        process.start()
