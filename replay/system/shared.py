"""State of the whole process that several threads change alike for a while: by the first, and back by the last."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class Shared:
    """A context manager that any number of threads may be in. make: what the first enters, and the last leaves."""

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._inside = 0
        self._entered: AbstractContextManager[Any] | None = None

    def __repr__(self) -> str:
        return f"<Shared by {self._inside} threads>"

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._entered = self._make()
                self._entered.__enter__()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                assert self._entered is not None
                self._entered.__exit__(None, None, None)
                self._entered = None
