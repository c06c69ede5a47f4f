"""Requests and answers over plain ASGI: a table of routes, JSON in and out, and errors as JSON."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[["Request"], Awaitable["Answer"]]

# Cloud Run takes 32 MiB in an HTTP/1 request; prompts of the replay engine have 8 MiB at most.
# What was taken is answered by no body, as a notification of JSON-RPC is.
_ACCEPTED = 202
MOST_BODY_BYTES = 32 << 20


class Refused(Exception):
    """The request is answered with this status, and with str() as the reason."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass
class Request:
    """captured: what the route's pattern has captured of the path, decoded."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes = b""
    captured: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; raises Refused (400) if it is none. No body is an empty object."""
        if not self.body:
            return {}
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError) as cause:
            raise Refused(400, f"the body is not JSON: {cause}") from cause
        if not isinstance(found, dict):
            raise Refused(400, "the body is not a JSON object")
        return found


@dataclass
class Answer:
    """events: a stream of server-sent events, sent in place of the body as they come."""

    body: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    events: AsyncIterator[bytes] | None = None


@dataclass(frozen=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    handler: Handler


def route(method: str, pattern: str, handler: Handler) -> Route:
    """A route for paths that match the whole pattern."""
    return Route(method, re.compile(pattern), handler)


@dataclass(frozen=True)
class Talk:
    """A WebSocket at paths that match the whole pattern. answer: what is said in return, given what the pattern has
    captured and a message, which is a JSON object; it may raise Refused.
    """

    pattern: re.Pattern[str]
    answer: Callable[[tuple[str, ...], dict[str, Any]], AsyncIterator[dict[str, Any]]]


class Application:
    """The ASGI application. stamp: tells the headers of each answer, given its path, when its request arrives."""

    def __init__(
        self, routes: list[Route], stamp: Callable[[str], dict[str, str]], talks: tuple[Talk, ...] = ()
    ) -> None:
        self._routes = routes
        self._stamp = stamp
        self._talks = talks

    def __repr__(self) -> str:
        return f"<Application {len(self._routes)} routes>"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._talk(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"only http is served, not {scope['type']}")
        stamped = self._stamp(scope["path"])
        try:
            answer = await self._answer(scope, receive)
        except Refused as refused:
            answer = _error(refused.status, str(refused))
        except ConnectionResetError:
            return
        answer.headers.update(stamped)
        if answer.events is None:
            await _send_json(answer, send)
        else:
            await _send_events(answer, answer.events, receive, send)

    async def _talk(self, scope: Message, receive: Receive, send: Send) -> None:
        """A WebSocket: its messages are answered one after the other, each whole before the next is looked at."""
        await receive()
        found = ((talk, talk.pattern.fullmatch(scope["path"])) for talk in self._talks)
        talk, match = next(((talk, match) for talk, match in found if match is not None), (None, None))
        if talk is None or match is None:
            # Refused before it was accepted, it is answered with 403.
            await send({"type": "websocket.close"})
            return
        stamped = [(name.encode(), value.encode()) for name, value in self._stamp(scope["path"]).items()]
        await send({"type": "websocket.accept", "headers": stamped})
        while (message := await receive())["type"] == "websocket.receive":
            try:
                asked = Request("", scope["path"], {}, (message.get("text") or "").encode()).json()
                async for said in talk.answer(match.groups(), asked):
                    await send({"type": "websocket.send", "text": json.dumps(said)})
            except Refused as refused:
                said = {"type": "error", "error": {"message": str(refused), "code": refused.status}}
                await send({"type": "websocket.send", "text": json.dumps(said)})

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        allowed = []
        for known in self._routes:
            found = known.pattern.fullmatch(path)
            if found is None:
                continue
            if method != known.method:
                allowed.append(known.method)
                continue
            query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            request = Request(method, path, {name: values[-1] for name, values in query.items()})
            request.captured = found.groups()
            request.body = await _body(receive)
            return await known.handler(request)
        if allowed:
            answer = _error(405, f"{path} does not take {method}")
            answer.headers["allow"] = ", ".join(sorted(allowed))
            return answer
        raise Refused(404, f"there is nothing at {path}")


def _error(status: int, why: str) -> Answer:
    # In the shape of OpenAI's API, so that its clients show the reason.
    return Answer({"error": {"message": why, "type": "invalid_request_error", "code": status}}, status)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        part = message.get("body", b"")
        size += len(part)
        if size > MOST_BODY_BYTES:
            raise Refused(413, f"the body has more than {MOST_BODY_BYTES} bytes")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _head(answer: Answer, own: dict[str, str]) -> Message:
    headers = [(k.encode(), v.encode()) for k, v in {**own, **answer.headers}.items()]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _send_json(answer: Answer, send: Send) -> None:
    body = b"" if answer.status == _ACCEPTED else json.dumps(answer.body).encode()
    await send(_head(answer, {"content-type": "application/json", "content-length": str(len(body))}))
    await send({"type": "http.response.body", "body": body})


async def _send_events(answer: Answer, events: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Send events as they come, and stop making them when nobody reads any more."""

    async def sending() -> None:
        await send(_head(answer, {"content-type": "text/event-stream", "cache-control": "no-store"}))
        async for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.create_task(sending()), asyncio.create_task(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(ended[0], Exception):
        raise ended[0]
