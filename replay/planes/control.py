"""The control address of a plane: its live state as JSON, its figures for Prometheus, and faults. Loopback only.

`GET /state` and `GET /metrics` (text format 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/).
`POST /kill`: the instance with the most requests dies. `POST /drain`: it gets no further request, and ends with its
last. `POST /deploy`: every instance is replaced, one after another. Each answers with the instance it was done to.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic_ns
from typing import Any, Protocol

import msgspec

from replay.planes.gateway import Gateway
from replay.planes.types import InstanceId

_ANSWER_S = 5.0
_PAGE_BYTES = 4096
_FAULTS = (b"/kill", b"/drain", b"/deploy")
_HELP = b"GET /state or /metrics, POST /kill, /drain or /deploy\n"
_COUNTERS = {"requests": "replay_plane_requests_total", "booted": "replay_plane_boots_total"}


class Instances(Protocol):
    """Whoever runs the instances."""

    @property
    def pids(self) -> dict[InstanceId, int]:
        """The process of each instance that has one."""

    def die(self, instance: InstanceId) -> None: ...


@asynccontextmanager
async def control_server(
    gateway: Gateway, instances: Instances, host: str, port: int | None
) -> AsyncIterator[str | None]:
    """Answer while the context lasts; yields the address, or None where port is None."""
    if port is None:
        yield None
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(request, gateway, instances))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, host, port)
    bound = server.sockets[0].getsockname()[1]
    try:
        yield f"http://{'[' + host + ']' if ':' in host else host}:{bound}"
    finally:
        server.close()


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


def metrics(found: dict[str, Any]) -> str:
    """The state in Prometheus's text format."""
    lines = ["# HELP replay_plane_instances Instances by state.", "# TYPE replay_plane_instances gauge"]
    lines += [f'replay_plane_instances{{state="{name}"}} {n}' for name, n in found["instances"].items()]
    lines += ["# TYPE replay_plane_outgoing gauge", f"replay_plane_outgoing {found['outgoing']}"]
    requests = found["requests"]
    for name in ("waiting", "running"):
        lines += [
            f"# TYPE replay_plane_requests_{name} gauge",
            f"replay_plane_requests_{name} {requests[name]}",
        ]
    for name in ("requests", "booted", "refused", "timed_out", "lost", "cold", "fresh"):
        metric = _COUNTERS.get(name, f"replay_plane_requests_{name}_total")
        lines += [f"# TYPE {metric} counter", f"{metric} {requests[name]}"]
    lines += ["# TYPE replay_plane_instance_seconds_total counter"]
    lines += [
        f'replay_plane_instance_seconds_total{{spent="{name}"}} {s}' for name, s in found["seconds"].items()
    ]
    return "\n".join(lines) + "\n"


def _response(request: bytes, gateway: Gateway, instances: Instances) -> bytes:
    words = request.split(b" ", 2)
    method, path = (words[0], words[1].partition(b"?")[0]) if len(words) == 3 else (b"", b"")
    if method == b"POST" and path in _FAULTS:
        done = _strike(path, gateway, instances)
        return _written(msgspec.json.encode(done) + b"\n", b"application/json")
    if method == b"GET" and path == b"/state":
        found = state(gateway, instances, monotonic_ns())
        return _written(msgspec.json.encode(found) + b"\n", b"application/json")
    if method == b"GET" and path == b"/metrics":
        found = state(gateway, instances, monotonic_ns())
        return _written(metrics(found).encode(), b"text/plain; version=0.0.4; charset=utf-8")
    return _written(_HELP, b"text/plain", b"404 Not Found")


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


def _written(body: bytes, kind: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (
        status,
        kind,
        len(body),
        body,
    )


def _memory_bytes(pid: int | None) -> int | None:
    """The resident memory of a process, where the system tells."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return None
