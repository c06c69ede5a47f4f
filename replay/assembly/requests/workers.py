"""Processes that share the work on a long recording: each takes a piece, and what is made comes in the pieces' order.

What is made is the same however many there are. Functions and pieces go to them pickled, so both are small; what is
large lies in what they share.
"""

import gc
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from replay.assembly.requests.spilled import Spilled
from replay.system.freed_memory import keep_freed_memory
from replay.system.interrupts import interrupts_held
from replay.trace.errors import TraceError

LEAST_BYTES = 64 << 20
"""A shorter recording is read by one process, as others take as long to start."""

_BYTES_FOR_EACH = 16 << 20
_AHEAD = 2

_Piece = TypeVar("_Piece")
_Made = TypeVar("_Made")

_shared: list[Spilled] = []


def workers_for(recording_bytes: int, workers: int) -> int:
    """How many of these processes a recording of this length is worth."""
    return min(workers, recording_bytes // _BYTES_FOR_EACH) if recording_bytes >= LEAST_BYTES else 1


class Workers:
    """Processes, or this one alone where that is enough, which put what is large into `spilled`.

    place: what is imported, to begin an error. Closing ends the processes; they are started again where there is more.
    """

    def __init__(self, workers: int, spilled: Spilled, place: str) -> None:
        self._workers = workers
        self._spilled = spilled
        self._place = place
        self._pool: ProcessPoolExecutor | None = None

    def made_of(self, pieces: Iterable[_Piece], make: Callable[[Spilled, _Piece], _Made]) -> Iterator[_Made]:
        """What is made of each piece, in their order. make: a function of a module, or a partial of one.

        Raises TraceError where a process ends early, and whatever make raises.
        """
        if self._workers == 1:
            with _no_garbage_sought():
                yield from (make(self._spilled, piece) for piece in pieces)
            return
        if self._pool is None:
            self._spilled.share()
            self._pool = ProcessPoolExecutor(self._workers, get_context("spawn"), _begin, (self._spilled,))
        left = iter(pieces)
        waiting: deque[Future[_Made]] = deque()
        try:
            while True:
                with interrupts_held():
                    waiting.extend(
                        self._pool.submit(_made, make, piece)
                        for piece in islice(left, _AHEAD * self._workers - len(waiting))
                    )
                if not waiting:
                    return
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            text = "a process that shared the work ended early; is memory short? Try --workers 1."
            raise TraceError(f"{self._place}: {text}") from error
        finally:
            if waiting:
                self.close()

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _begin(spilled: Spilled) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    keep_freed_memory()
    _shared.append(spilled)


def _made(make: Callable[[Spilled, _Piece], _Made], piece: _Piece) -> _Made:
    return make(_shared[0], piece)


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
