"""Requests that are also sent to a second target, whose answers nobody waits for: only their times and statuses count.

A request goes there once the first's answer is over, so that it can neither slow nor change what the client sees. What
does not fit the queue, was not kept whole, or may change something is not sent, and counted.
"""

import asyncio
import ssl
from array import array
from collections import Counter
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import monotonic_ns

import httpx

from replay.http.fields import NOT_OF_A_TRACE
from replay.http.methods import SAFE_METHODS
from replay.recording.types import Exchange, Upstream

_MOST_WAITING = 1_000
_AT_ONCE = 16
_TIMEOUT_S = 60.0
_MOST_TIMES = 1_000_000
_NS_IN_MS = 1e6
_UNFINISHED = "waited when the recording ended"


class Mirrored:
    """What became of the requests that were to be mirrored. first_ms, second_ms: of those that both answered, in pairs.

    left_out: why others were not sent, and how many. unlike: pairs of statuses that differ, first and second.
    """

    def __init__(self) -> None:
        self.same_status = self.failed = 0
        self.unlike: Counter[tuple[int, int]] = Counter()
        self.left_out: Counter[str] = Counter()
        self.first_ms, self.second_ms = array("d"), array("d")

    def __repr__(self) -> str:
        return f"<Mirrored {self.answered}, {self.failed} failed>"

    @property
    def answered(self) -> int:
        return self.same_status + sum(self.unlike.values())


class Mirror:
    """Sends exchanges again. is_unsafe: those too that may change something. now: the clock, in ns."""

    def __init__(
        self,
        target: Upstream,
        *,
        is_unsafe: bool = False,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], int] = monotonic_ns,
    ) -> None:
        scheme = "https" if target.is_tls else "http"
        self._base, self._base_path = f"{scheme}://{target.authority}", target.base_path
        self._is_unsafe = is_unsafe
        self._now = now
        self._queue: asyncio.Queue[Exchange] = asyncio.Queue(_MOST_WAITING)
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT_S,
            trust_env=False,
            verify=True if tls is None else tls,
            limits=httpx.Limits(max_connections=_AT_ONCE),
            # Each request is somebody's own: what one was answered goes with no other.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        # The recording's alone: the second is asked what the first was.
        self._client.headers.clear()
        self._tasks: list[asyncio.Task[None]] = []
        self.mirrored = Mirrored()

    def __repr__(self) -> str:
        return f"<Mirror to {self._base}, {self._queue.qsize()} waiting>"

    def start(self) -> None:
        """Begin, on the running loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._work()) for _ in range(_AT_ONCE)]

    def take(self, exchange: Exchange) -> None:
        """An exchange with the first is over."""
        left_out = self.mirrored.left_out
        if exchange.method not in SAFE_METHODS and not self._is_unsafe:
            left_out["may change something"] += 1
        elif exchange.status is None or exchange.end_ns is None or exchange.fault is not None:
            left_out["had no whole answer from the first"] += 1
        elif exchange.body is None or exchange.is_cut_short:
            left_out["had a body that is not kept whole"] += 1
        elif self._queue.full():
            left_out["came faster than the second answers"] += 1
        else:
            self._queue.put_nowait(exchange)

    async def close(self) -> None:
        """End at once; what still waits is counted as left out."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if waiting := self._queue.qsize():
            self.mirrored.left_out[_UNFINISHED] += waiting
        await self._client.aclose()

    async def _work(self) -> None:
        while True:
            await self._send(await self._queue.get())

    async def _send(self, exchange: Exchange) -> None:
        mirrored = self.mirrored
        headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in exchange.headers
            if name.lower() not in NOT_OF_A_TRACE
        ]
        begin_ns = self._now()
        try:
            # As it was asked, dot segments and all.
            target = f"{self._base_path}{exchange.path}".encode("latin-1", "replace")
            async with self._client.stream(
                exchange.method,
                self._base,
                headers=headers,
                content=exchange.body or None,
                extensions={"target": target},
            ) as answer:
                async for _ in answer.aiter_raw():
                    pass
        except asyncio.CancelledError:
            mirrored.left_out[_UNFINISHED] += 1
            raise
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            mirrored.failed += 1
            return
        took_ns = self._now() - begin_ns
        first, second = exchange.status, answer.status_code
        assert first is not None
        assert exchange.end_ns is not None
        if first == second:
            mirrored.same_status += 1
        else:
            mirrored.unlike[first, second] += 1
        if len(mirrored.first_ms) < _MOST_TIMES:
            mirrored.first_ms.append((exchange.end_ns - exchange.begin_ns) / _NS_IN_MS)
            mirrored.second_ms.append(took_ns / _NS_IN_MS)
