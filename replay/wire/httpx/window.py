"""How many calls httpx is given that it may not have sent yet.

Each that it has makes it slower, and answers then come faster than they are read. So the number is halved by each call
that took long to go out, and grows by one with each that did not.
"""

_UNSENT_MOST = 8
_SLOW_NS = 10_000_000


class SendingWindow:
    """Calls that httpx has, on connections that are open, and has not sent yet; no more than it can send soon."""

    def __init__(self) -> None:
        self._unsent = 0
        self._most = _UNSENT_MOST

    def __repr__(self) -> str:
        return f"<SendingWindow {self._unsent} of {self._most} unsent>"

    @property
    def is_full(self) -> bool:
        return self._unsent >= self._most

    def add(self) -> None:
        self._unsent += 1

    def remove(self) -> None:
        """Forget one, whatever became of it."""
        self._unsent -= 1

    def went_out(self, took_ns: int) -> None:
        """Learn from one that went out so long after httpx had it."""
        is_slow = took_ns > _SLOW_NS
        self._most = max(1, self._most // 2) if is_slow else min(_UNSENT_MOST, self._most + 1)
