"""Processes that share the work on a long recording: each takes a piece, and what is made comes in the pieces' order.

What is made is the same however many there are. Functions and pieces go to them pickled, so both are pure and small.
"""

import gc
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from replay.system.interrupts import interrupts_held
from replay.trace.errors import TraceError

LEAST_BYTES = 64 << 20
"""A shorter recording is read by one process, as others take as long to start."""

_BYTES_FOR_EACH = 16 << 20
_SPAWN = multiprocessing.get_context("spawn")
_AHEAD = 2

_Piece = TypeVar("_Piece")
_Made = TypeVar("_Made")


def workers_for(recording_bytes: int, workers: int) -> int:
    """How many of these processes a recording of this length is worth."""
    return min(workers, recording_bytes // _BYTES_FOR_EACH) if recording_bytes >= LEAST_BYTES else 1


def made_of(
    pieces: Iterable[_Piece], make: Callable[[_Piece], _Made], workers: int, place: str
) -> Iterator[_Made]:
    """What is made of each piece, in their order. make: a function of a module, or a partial of one; pure.

    place: what is imported, to begin an error. Raises TraceError where a process ends early, and whatever make raises.
    """
    if workers == 1:
        with _no_garbage_sought():
            yield from map(make, pieces)
        return
    with ProcessPoolExecutor(workers, _SPAWN, _begin) as pool:
        left = iter(pieces)
        waiting: deque[Future[_Made]] = deque()
        try:
            while True:
                with interrupts_held():
                    waiting.extend(
                        pool.submit(make, piece) for piece in islice(left, _AHEAD * workers - len(waiting))
                    )
                if not waiting:
                    return
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            text = "a process that shared the work ended early; is memory short? Try --workers 1."
            raise TraceError(f"{place}: {text}") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()


@contextmanager
def _no_garbage_sought() -> Iterator[None]:
    """Nothing made meanwhile is in a circle, and to look for some among so many texts takes a seventh of the time."""
    was_sought = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_sought:
            gc.enable()
