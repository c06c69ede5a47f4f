"""An ASGI application in this process, behind httpx's transport interface; its responses stream.

httpx has an ASGITransport, but that one gives a response only when it is whole, so it has no first byte and no
token times. Source of the protocol: https://asgi.readthedocs.io/en/latest/specs/ (www and lifespan, version 3).

Each request runs the application in a task of its own, as a server would. What a connection would see is told
to the request's `trace` extension under httpcore's names, so that whoever stamps those need not know the
difference. An application may go on after its response (background work); it is cancelled only when the
response was given up, or when the transport closes.
"""

import asyncio
import contextlib
import importlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from functools import reduce
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx

from replay.target import ASGI_PREFIX
from replay.wire.errors import TargetUnreachable

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
_VERSION = {"version": "3.0", "spec_version": "2.3"}
# A server stops taking an application's chunks when the socket is full; here, when so many wait to be read.
_CHUNKS_WAITING = 64
_LIFESPAN_S = 30.0


class AppError(Exception):
    """The application raised, or broke the protocol, before its response was complete."""


def load_app(url: str) -> Application:
    """The application that asgi:module:app names, looked for in the working directory too.

    Raises TargetUnreachable if it cannot be imported, or cannot be called.
    """
    module_name, _, path = url.removeprefix(ASGI_PREFIX).partition(":")
    if os.getcwd() not in sys.path and "" not in sys.path:
        # A console script's sys.path has its own folder where `python -m` has the working directory.
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as cause:
        raise TargetUnreachable(
            f"{url}: the module {module_name!r} cannot be imported ({type(cause).__name__}: {cause}). "
            "Run from the folder that holds it, or set PYTHONPATH."
        ) from cause
    try:
        app: Application = reduce(getattr, path.split("."), module)  # type: ignore[assignment]
    except AttributeError as cause:
        raise TargetUnreachable(
            f"{url}: the module {module_name!r} has no {path!r}. Name its ASGI application."
        ) from cause
    if not callable(app):
        raise TargetUnreachable(f"{url}: {path!r} cannot be called. Name an ASGI application.")
    return app


class AsgiTransport(httpx.AsyncBaseTransport):
    """Requests to one application. startup and aclose run its lifespan, if it has one."""

    def __init__(self, app: Application, url: str) -> None:
        self._app = app
        self._url = url
        self._lifespan = _Lifespan(app)
        self._running: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<AsgiTransport {self._url}, {len(self._running)} running>"

    async def startup(self) -> None:
        """Start the application; raises TargetUnreachable if it says that it cannot start."""
        try:
            async with asyncio.timeout(_LIFESPAN_S):
                problem = await self._lifespan.startup()
        except TimeoutError as cause:
            await self._lifespan.cancel()
            raise TargetUnreachable(
                f"{self._url}: the application did not finish its start-up within {_LIFESPAN_S:g} s."
            ) from cause
        if problem is not None:
            await self._lifespan.cancel()
            raise TargetUnreachable(f"{self._url}: the application could not start: {problem}.")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Run the application until its response starts. Raises AppError if it fails before that."""
        trace = request.extensions["trace"]
        await trace("asgi.send_request_headers.started", {"request": request})
        cycle = _Cycle(request.method, await request.aread())
        task = asyncio.create_task(cycle.run(self._app, _scope(request, self._lifespan.state)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await trace("asgi.send_request_body.complete", {})
        try:
            start = await cycle.next_message()
        except BaseException:
            cycle.give_up(task)
            raise
        await trace("asgi.receive_response_headers.complete", {})
        return httpx.Response(
            start["status"], headers=list(start.get("headers", ())), stream=_Body(cycle, task)
        )

    async def aclose(self) -> None:
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LIFESPAN_S):
                await self._lifespan.shutdown()
        await self._lifespan.cancel()


class _Cycle:
    """One request and its response, between the application's task and the reader of the response."""

    def __init__(self, method: str, body: bytes) -> None:
        self._is_head = method == "HEAD"
        self._body: bytes | None = body
        self._messages: asyncio.Queue[Message | AppError] = asyncio.Queue(_CHUNKS_WAITING)
        self._is_over = asyncio.Event()
        self._has_started = self.is_complete = False

    async def run(self, app: Application, scope: Message) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception as cause:
            failure = AppError(f"{type(cause).__name__}: {cause}")
            failure.__cause__ = cause
            await self._fail(failure)
        else:
            await self._fail(AppError("it returned before its response was complete"))

    async def _fail(self, failure: AppError) -> None:
        if not self.is_complete:
            await self._messages.put(failure)

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._is_over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message of the application. Raises RuntimeError for one that may not come now, as servers do."""
        kind = message["type"]
        if self.is_complete or kind != ("http.response.body" if self._has_started else "http.response.start"):
            raise RuntimeError(f"unexpected ASGI message {kind!r}")
        self._has_started = True
        if kind == "http.response.body" and not message.get("more_body", False):
            self.is_complete = True
        await self._messages.put(message)
        if self.is_complete:
            self._is_over.set()

    async def next_message(self) -> Message:
        message = await self._messages.get()
        if isinstance(message, AppError):
            raise message
        return message

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            message = await self.next_message()
            body: bytes = message.get("body", b"")
            if body and not self._is_head:
                yield body
            if not message.get("more_body", False):
                return

    def give_up(self, task: asyncio.Task[None]) -> None:
        """The reader is gone: tell the application so, and stop it."""
        self._is_over.set()
        if not self.is_complete:
            task.cancel()


class _Body(httpx.AsyncByteStream):
    def __init__(self, cycle: _Cycle, task: asyncio.Task[None]) -> None:
        self._cycle = cycle
        self._task = task

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._cycle.chunks():
            yield chunk

    async def aclose(self) -> None:
        self._cycle.give_up(self._task)


class _Lifespan:
    """The application's start and end. state: what it leaves for its requests, or None without a lifespan."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._answered = asyncio.Event()
        self._problem: str | None = None
        self._is_supported = False
        self.state: dict[str, Any] = {}

    async def startup(self) -> str | None:
        """Returns None, or the application's own words for why it cannot start."""
        scope = {"type": "lifespan", "asgi": _VERSION, "state": self.state}
        self._task = asyncio.create_task(self._run(scope))
        await self._ask("lifespan.startup")
        return self._problem

    async def shutdown(self) -> None:
        if self._is_supported and self._task is not None and not self._task.done():
            await self._ask("lifespan.shutdown")

    async def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ask(self, kind: str) -> None:
        self._answered.clear()
        self._to_app.put_nowait({"type": kind})
        await self._answered.wait()

    async def _run(self, scope: Message) -> None:
        # An application that raises here, or returns, has no lifespan; the specification says to go on.
        with contextlib.suppress(Exception):
            await self._app(scope, self._to_app.get, self._send)
        self._answered.set()

    async def _send(self, message: Message) -> None:
        kind: str = message["type"]
        if kind == "lifespan.startup.complete":
            self._is_supported = True
        elif kind == "lifespan.startup.failed":
            self._problem = message.get("message") or "it gave no reason"
        self._answered.set()


def _scope(request: httpx.Request, state: dict[str, Any]) -> Message:
    raw_path, _, query = request.url.raw_path.partition(b"?")
    host = request.headers.get("host", "asgi")
    return {
        "type": "http",
        "asgi": _VERSION,
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 0),
        "server": (host, None),
        "state": state.copy(),
    }
