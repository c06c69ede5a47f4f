"""Whose the signals of this process are while runs go on.

A command, and a test of pytest, own them: a run then turns in their thread, and takes Ctrl-C, SIGTERM and what other
handlers raise (see signals.py). A Python program keeps its own: a run then turns in a thread of its own, and no handler
is touched (see threads.py). This module imports nothing of either, for commands that run nothing ask it too.
"""

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar

_owned: ContextVar[bool] = ContextVar("replay_owns_signals", default=False)


@contextlib.contextmanager
def owning_signals() -> Iterator[None]:
    """Inside, runs that are made in the main thread take the process's signals while they last."""
    token = _owned.set(True)
    try:
        yield
    finally:
        _owned.reset(token)


def owns_signals() -> bool:
    """Whether a run that begins here may take them. Handlers belong to the main thread."""
    return _owned.get() and threading.current_thread() is threading.main_thread()
