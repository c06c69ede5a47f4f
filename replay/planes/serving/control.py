"""The control address of a plane: its live state as JSON, its figures for Prometheus, and faults. Loopback only.

`GET /state` and `GET /metrics`.
`POST /kill`: the instance with the most requests dies. `POST /drain`: it gets no further request, and ends with its
last. `POST /deploy`: every instance is replaced, one after another. Each answers with the instance it was done to.

Any page that a browser on this machine shows can send requests to loopback, though it cannot read the answers. So what
changes the plane needs a token that only its starter knows, as the first segment of the path (`/token-.../kill`) or as
the header `x-replay-control`; and nothing is answered to another origin, nor under a name that is not loopback's, which
a page may have its own name resolve to (DNS rebinding).
"""

import asyncio
import hmac
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic_ns
from typing import Any, Protocol

import msgspec

from replay.http.control import TOKEN_HEADER
from replay.http.heads import Refused, RequestHead, own_answer, read_request, value_of
from replay.http.hosts import names_loopback
from replay.planes.core.types import InstanceId
from replay.planes.serving.gateway import Gateway
from replay.planes.serving.metrics import metrics
from replay.system.listening import listening_on

_ANSWER_S = 5.0
_PAGE_BYTES = 4096
_FAULTS = (b"/kill", b"/drain", b"/deploy")
_HELP = "GET /state or /metrics, POST /kill, /drain or /deploy"
_TOKEN_SEGMENT = re.compile(rb"/token-([^/]*)(?=/)")
_GOOD_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}").fullmatch
_TOKEN_BYTES = 18


class Instances(Protocol):
    """Whoever runs the instances."""

    @property
    def pids(self) -> dict[InstanceId, int]:
        """The process of each instance that has one."""

    def die(self, instance: InstanceId) -> None: ...


@asynccontextmanager
async def control_server(
    gateway: Gateway, instances: Instances, host: str, port: int | None, token: str | None = None
) -> AsyncIterator[str | None]:
    """Answer while the context lasts; yields the address with the token in it, or None where port is None.

    token: what changes the plane needs; None: a new one. Raises ValueError if it can be guessed, or is none for a URL,
    and CannotListen.
    """
    if port is None:
        yield None
        return
    if token is not None and not _GOOD_TOKEN(token):
        raise ValueError("the control token must be 16 to 128 letters, digits, - and _.")
    token = token or secrets.token_urlsafe(_TOKEN_BYTES)
    guard = _Guard(token)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                head = await reader.readuntil(b"\r\n\r\n")
                try:
                    request = read_request(head[:-4])
                    writer.write(_response(request.method, guard.path(request), gateway, instances))
                except Refused as refused:
                    writer.write(own_answer(refused.status, str(refused), b"", b"close", True))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    with listening_on("--control-port", host, port):
        server = await asyncio.start_server(answer, host, port)
    bound = server.sockets[0].getsockname()[1]
    try:
        yield f"http://{'[' + host + ']' if ':' in host else host}:{bound}/token-{token}"
    finally:
        server.close()


class _Guard:
    """Who may ask for what."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def path(self, request: RequestHead) -> bytes:
        """What is asked for, without query and token. Raises Refused."""
        values = {key: value_of(line) for key, line in request.fields}
        host = values.get(b"host", b"localhost")
        if not names_loopback(host):
            raise Refused(
                403, "The control address answers to loopback names only, such as 127.0.0.1 or localhost."
            )
        if values.get(b"origin", b"http://" + host).lower() != b"http://" + host.lower():
            raise Refused(403, "The control address does not answer requests from other origins.")
        path = request.target.partition(b"?")[0]
        found = _TOKEN_SEGMENT.match(path)
        given = found[1] if found else values.get(TOKEN_HEADER.encode(), b"")
        if found:
            path = path[found.end() :]
        if (found or request.method != b"GET") and not hmac.compare_digest(given, self._token):
            raise Refused(
                403,
                "A request that changes the plane needs the token that was printed when the plane started: in the "
                f"path, as in POST /token-.../kill, or in the header {TOKEN_HEADER}.",
            )
        return path


def state(gateway: Gateway, instances: Instances, at_ns: int) -> dict[str, Any]:
    """Everything that is known of a plane now; times in seconds from at_ns backwards."""
    plane = gateway.plane
    pids = instances.pids
    alive = [
        {
            "instance": f"i-{life.instance}",
            "pid": pids.get(life.instance),
            "age_s": round((at_ns - life.requested_ns) / 1e9, 3),
            "boot_s": None if life.ready_ns is None else round((life.ready_ns - life.requested_ns) / 1e9, 3),
            "served": life.served,
            "busy_s": round(life.busy_ns / 1e9, 3),
            "memory_bytes": _memory_bytes(pids.get(life.instance)),
        }
        for life in plane.alive(at_ns)
    ]
    census = plane.census()
    return {
        "instances": {name: getattr(census, name) for name in ("booting", "idle", "busy", "draining")},
        "requests": {"waiting": census.waiting, "running": census.running, **gateway.counts},
        "seconds": {name: round(ns / 1e9, 3) for name, ns in plane.spent(at_ns)._asdict().items()},
        "outgoing": plane.outgoing,
        "alive": alive,
    }


def _response(method: bytes, path: bytes, gateway: Gateway, instances: Instances) -> bytes:
    if method == b"POST" and path in _FAULTS:
        done = _strike(path, gateway, instances)
        return _written(msgspec.json.encode(done) + b"\n", b"application/json")
    if method == b"GET" and path == b"/state":
        found = state(gateway, instances, monotonic_ns())
        return _written(msgspec.json.encode(found) + b"\n", b"application/json")
    if method == b"GET" and path == b"/metrics":
        found = state(gateway, instances, monotonic_ns())
        return _written(metrics(found).encode(), b"text/plain; version=0.0.4; charset=utf-8")
    raise Refused(404, _HELP)


def _strike(path: bytes, gateway: Gateway, instances: Instances) -> dict[str, Any]:
    """Do what is asked for to the busiest instance, or to all."""
    if path == b"/deploy":
        gateway.deploy()
        return {"replacing": gateway.plane.outgoing}
    busiest = gateway.busiest()
    if busiest is None:
        return {"instance": None}
    if path == b"/kill":
        instances.die(busiest)
    else:
        gateway.drain(busiest)
    return {"instance": f"i-{busiest}"}


def _written(body: bytes, kind: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (kind, len(body)) + body


def _memory_bytes(pid: int | None) -> int | None:
    """The resident memory of a process, where the system tells."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return None
