"""Ctrl-C, which a terminal sends to every process under it, and those of them that it is not meant for."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


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
