"""Lanes: httpx transports with one connection each, of which the last used is used first."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from replay.wire.httpx.asgi import AsgiTransport

_CLOSING_S = 5.0


class Lane:
    """One httpx transport, whose pool holds one connection; more only while HTTP/2 moves on to the next.

    calls: in flight in it; at most `most`. key: the session that it is kept for, or None.
    is_idle: it has an HTTP/1.1 connection that was left open. is_connected: it has had a working connection.
    ready_ns: since when its HTTP/2 connection takes more than one call. streams: how many at once the target allows it.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, most: int, key: Any) -> None:
        self.transport = transport
        self.most = most
        self.key = key
        self.calls = 0
        self.is_idle = self.is_connected = self.is_retired = False
        self.ready_ns = 0
        self.streams = most

    def __repr__(self) -> str:
        return f"<Lane {self.calls} calls{', idle' if self.is_idle else ''}>"

    async def aclose(self) -> None:
        if not isinstance(self.transport, AsgiTransport):
            # What cannot be closed in good order is closed already.
            with contextlib.suppress(Exception):
                await self.transport.aclose()


class Lanes:
    """The lanes of one wire, by the session that they are kept for (or None).

    make: a new transport. most: calls that a lane carries at once. is_kept: a lane outlives its call. count: of lanes
    that are not closed.
    """

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport], most: int, *, is_kept: bool) -> None:
        self._make = make
        self._most = most
        self._is_kept = is_kept
        self._of: dict[Any, set[Lane]] = {}
        # Those with room, the last used at the end.
        self._free: dict[Any, list[Lane]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.count = 0

    def __repr__(self) -> str:
        return f"<Lanes {self.count}>"

    def free(self, key: Any) -> Lane | None:
        """The lane with room that was used last, of those that are kept for this session."""
        free = self._free.get(key)
        return free[-1] if free else None

    def open(self, key: Any) -> Lane:
        """One more lane, which has room."""
        lane = Lane(self._make(), self._most, key)
        self._of.setdefault(key, set()).add(lane)
        self._free.setdefault(key, []).append(lane)
        self.count += 1
        return lane

    def take(self, lane: Lane) -> None:
        """Count one more call on a lane that `free` or `open` gave."""
        lane.calls += 1
        if lane.calls == lane.most:
            self._free[lane.key].pop()

    def give_back(self, lane: Lane) -> None:
        """Count one call less."""
        lane.calls -= 1
        if lane.is_retired or not self._is_kept:
            if not lane.calls:
                self._close(lane)
        elif lane.calls + 1 == lane.most:
            self._free.setdefault(lane.key, []).append(lane)

    def retire(self, lane: Lane) -> None:
        """Start nothing more on this lane; it is closed when it carries nothing any more."""
        lane.is_retired = True
        if lane in (free := self._free.get(lane.key, [])):
            free.remove(lane)

    def has_connected(self, key: Any) -> bool:
        """Whether one that is kept for this session has had a working connection."""
        return any(lane.is_connected for lane in self._of.get(key, ()))

    def any_has_connected(self) -> bool:
        return any(map(self.has_connected, self._of))

    def end_session(self, key: Any) -> None:
        self._free.pop(key, None)
        for lane in self._of.pop(key, ()):
            lane.is_retired = True
            if not lane.calls:
                self._close(lane)

    def spawn(self, closing: Coroutine[Any, Any, None]) -> None:
        """Close something in the background."""
        task = asyncio.get_running_loop().create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        for lane in [lane for lanes in self._of.values() for lane in lanes]:
            self._close(lane)
        self._free.clear()
        if self._closing:
            await asyncio.wait(list(self._closing), timeout=_CLOSING_S)

    def _close(self, lane: Lane) -> None:
        self.count -= 1
        self._of.get(lane.key, set()).discard(lane)
        self.spawn(lane.aclose())
