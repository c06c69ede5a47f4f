"""How often Ctrl-C was pressed while workers are conducted. It breaks into nothing: the conductor asks in between."""

import contextlib
import signal
from collections.abc import Callable, Iterator

from replay.engine.hosting.threads import Breaker

Presses = Callable[[], int]
"""How often by now: once ends a run with a grace time, twice without one."""

_STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def counted_presses(breaker: Breaker | None) -> Iterator[Presses]:
    """Inside, Ctrl-C and SIGTERM are counted, where this process's signals are ours; breaker: or what another thread
    asks for.
    """
    if breaker is not None:
        yield lambda: {None: 0, False: 1, True: 2}[breaker.heard()]
        return
    seen: list[int] = []
    before = {number: signal.signal(number, lambda number, _: seen.append(number)) for number in _STOPPING}
    try:
        yield lambda: len(seen)
    finally:
        for number, handler in before.items():
            # None: it was not installed from Python, and cannot be put back from there.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
