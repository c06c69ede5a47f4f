"""A server that knows who is who, on a real socket."""

import asyncio
import json
import threading
from typing import NamedTuple

import pytest


class Asked(NamedTuple):
    """One request as it came. user: whose cookie it carries."""

    method: str
    path: str
    headers: dict
    body: bytes
    user: str | None
    raw: bytes


class WhoIsWho:
    """Logs in whoever has a password, with a cookie; refuses everybody else. asked: what came, in order.

    busy: so many requests to /busy get 503, with a cookie, before they get an answer.
    """

    def __init__(self):
        self.asked = []
        self.url = ""
        self.busy = 0
        self._users = {}

    def answer(self, asked):
        """Status, headers and body for a request."""
        if asked.path.startswith("/login"):
            told = json.loads(asked.body)
            if not told.get("password", "").startswith("secret-of-"):
                return 403, "", b"{}"
            token = f"t{len(self._users)}"
            self._users[token] = told["user"]
            return 302, f"location: /home\r\nset-cookie: sid={token}; Path=/; HttpOnly\r\n", b"{}"
        if asked.path == "/busy" and self.busy:
            self.busy -= 1
            return 503, "set-cookie: seen-busy=1; Path=/\r\n", b"{}"
        if asked.user is None:
            return 401, "", b"{}"
        return 200, "", json.dumps({"user": asked.user}).encode()

    def user_of(self, cookie):
        pairs = dict(pair.split("=", 1) for pair in cookie.split("; ") if "=" in pair)
        return self._users.get(pairs.get("sid"))

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")[:-2]
                method, path, _ = first.split(" ")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                asked = Asked(method, path, headers, body, self.user_of(headers.get("cookie", "")), head + body)
                self.asked.append(asked)
                status, more, answer = self.answer(asked)
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-length: {len(answer)}\r\n{more}\r\n".encode() + answer
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
def who_is_who():
    server, started = WhoIsWho(), threading.Event()
    told = []

    async def serve():
        over = asyncio.Event()
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        told.append((asyncio.get_running_loop(), over))
        started.set()
        await over.wait()
        listening.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(10)
    yield server
    loop, over = told[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
