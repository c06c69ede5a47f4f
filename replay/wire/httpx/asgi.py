"""An ASGI application in this process, behind httpx's transport interface; its responses stream.

httpx has an ASGITransport, but that one gives a response only when it is whole, so it has no first byte and no
token times. Source of the protocol: https://asgi.readthedocs.io/en/latest/specs/ (www and lifespan, version 3).

Each request runs the application in a task of its own, as a server would. What a connection would see is told
to the request's `trace` extension under httpcore's names, so that whoever stamps those need not know the
difference. An application may go on after its response (background work); it is cancelled only when the
response was given up, or when the transport closes.

Whatever the application raises is caught in the coroutine of that task, SystemExit and KeyboardInterrupt too: asyncio
lets those two out of a task through the event loop, where it would be too late. Before the response is complete it is
the failure of that request, and after that the event loop's exception handler is told.
"""

import asyncio
import contextlib
import importlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from functools import reduce
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx

from replay.target.urls import ASGI_PREFIX
from replay.wire.errors import TargetUnreachable
from replay.wire.types import STATUSES
from replay.words.numbers import seconds

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
_VERSION = {"version": "3.0", "spec_version": "2.3"}
# A server stops taking an application's chunks when the socket is full; here, when so many wait to be read.
_CHUNKS_WAITING = 64
_LIFESPAN_S = 30.0
# How long an application that is cancelled may take to end.
_CLOSING_S = 5.0


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
    except BaseException as cause:
        raise TargetUnreachable(
            f"{url}: the module {module_name!r} cannot be imported ({_told(cause)}). "
            "Run from the folder that holds it, or set PYTHONPATH."
        ) from cause
    try:
        app: Application = reduce(getattr, path.split("."), module)  # type: ignore[assignment]
    except AttributeError as cause:
        raise TargetUnreachable(
            f"{url}: the module {module_name!r} has no {path!r}. Name its ASGI application."
        ) from cause
    except BaseException as cause:
        raise TargetUnreachable(f"{url}: {path!r} cannot be read from its module ({_told(cause)}).") from cause
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
                f"{self._url}: the application did not finish its start-up within {seconds(_LIFESPAN_S)}."
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
        try:
            return httpx.Response(
                int(start["status"]), headers=list(start.get("headers", ())), stream=_Body(cycle, task)
            )
        except (TypeError, ValueError) as cause:
            cycle.give_up(task)
            raise AppError(f"its headers cannot be read ({_told(cause)})") from cause

    async def aclose(self) -> None:
        await _cancelled(list(self._running))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LIFESPAN_S):
                await self._lifespan.shutdown()
        await self._lifespan.cancel()


class _Cycle:
    """One request and its response, between the application's task and the reader of the response."""

    def __init__(self, method: str, body: bytes) -> None:
        self._is_head = method == "HEAD"
        self._body: bytes | None = body
        # Without a bound, so that a failure always finds room.
        self._messages: asyncio.Queue[Message | AppError] = asyncio.Queue()
        self._room = asyncio.Semaphore(_CHUNKS_WAITING)
        self._is_over = asyncio.Event()
        self._has_started = self.is_complete = False

    async def run(self, app: Application, scope: Message) -> None:
        """Run the application to its end. Raises nothing."""
        try:
            await app(scope, self.receive, self.send)
        except BaseException as cause:
            if self.is_complete:
                _tell_loop(cause)
                return
            failure = AppError(_told(cause))
            failure.__cause__ = cause
        else:
            failure = AppError("it returned before its response was complete")
        if not self.is_complete:
            self._messages.put_nowait(failure)

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._is_over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message of the application. Raises RuntimeError for one that may not come now, as servers do, and
        TypeError for one that no server could send.
        """
        kind = message["type"]
        if self.is_complete or kind != ("http.response.body" if self._has_started else "http.response.start"):
            raise RuntimeError(f"unexpected ASGI message {kind!r}")
        if not self._has_started and not _is_status(message["status"]):
            raise TypeError(
                f"the status of a response is a whole number from 100 to 999, not {message['status']!r}"
            )
        if self._has_started and not isinstance(message.get("body", b""), bytes | bytearray | memoryview):
            raise TypeError(f"the body of a response is bytes, not {type(message['body']).__name__}")
        self._has_started = True
        await self._room.acquire()
        if kind == "http.response.body" and not message.get("more_body", False):
            self.is_complete = True
            self._is_over.set()
        self._messages.put_nowait(message)

    async def next_message(self) -> Message:
        message = await self._messages.get()
        if isinstance(message, AppError):
            raise message
        self._room.release()
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
        self._is_starting = True
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
        self._is_starting = False
        return self._problem

    async def shutdown(self) -> None:
        if self._is_supported and self._task is not None and not self._task.done():
            await self._ask("lifespan.shutdown")

    async def cancel(self) -> None:
        if self._task is not None:
            await _cancelled([self._task])

    async def _ask(self, kind: str) -> None:
        self._answered.clear()
        self._to_app.put_nowait({"type": kind})
        await self._answered.wait()

    async def _run(self, scope: Message) -> None:
        """Run the application to its end. Raises nothing."""
        try:
            await self._app(scope, self._to_app.get, self._send)
        except Exception as cause:
            # One that raises at its start, or returns, has no lifespan; the specification says to go on.
            if self._is_supported:
                _tell_loop(cause)
        except BaseException as cause:
            # That is no way to say that there is no lifespan.
            if self._is_starting and self._problem is None:
                self._problem = _told(cause)
            else:
                _tell_loop(cause)
        self._answered.set()

    async def _send(self, message: Message) -> None:
        kind: str = message["type"]
        if kind == "lifespan.startup.complete":
            self._is_supported = True
        elif kind == "lifespan.startup.failed":
            self._problem = _last_line(str(message.get("message") or "")) or "it gave no reason"
        self._answered.set()


def _is_status(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in STATUSES


def _told(cause: BaseException) -> str:
    """An exception in words, without its traceback."""
    said = str(cause).strip()
    return f"{type(cause).__name__}: {said}" if said else type(cause).__name__


def _last_line(text: str) -> str:
    """What frameworks say when they could not start is a traceback, whose last line is the exception."""
    is_traceback = text.lstrip().startswith("Traceback ")
    return text.strip().splitlines()[-1].strip() if is_traceback else text.strip()


def _tell_loop(cause: BaseException) -> None:
    """The application raised where nobody waits for it; to be cancelled then is nothing wrong."""
    if not isinstance(cause, asyncio.CancelledError):
        asyncio.get_running_loop().call_exception_handler(
            {"message": "the application raised after its response", "exception": cause}
        )


async def _cancelled(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel what the application runs, and see it end, or not: it may take no notice."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CLOSING_S)


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
