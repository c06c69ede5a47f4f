"""Ctrl-C, which a terminal sends to every process under it, and those of them that it is not meant for."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess


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
