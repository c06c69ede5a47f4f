"""What the plane under the target says of itself while a run goes on: polled once a second into plane.jsonl.

The address is named in the target file (`observe`). Planes of our own answer `/state` with JSON; any other address may
answer in Prometheus's text format, of which each sample becomes a number under its name and labels.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns
from typing import Any
from urllib.parse import urlsplit

import msgspec

from replay.results.types import PlaneFigures

PLANE_FILE = "plane.jsonl"
_EVERY_S = 1.0
_ANSWER_S = 2.0
_MOST_BYTES = 4 << 20
_MOST_SAMPLES = 10_000


class PlaneObserver:
    """Polls one address and appends what it says. missed: polls that failed; the run does not mind."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url = url
        self._path = directory / PLANE_FILE
        self._first: dict[str, Any] | None = None
        self._last: dict[str, Any] | None = None
        self._most = 0
        self.missed = self.polls = 0

    def __repr__(self) -> str:
        return f"<PlaneObserver of {self._url}, {self.polls} polls, {self.missed} missed>"

    async def watch(self, origin_ns: Callable[[], int]) -> None:
        """Poll until cancelled. origin_ns: tells the run's start, from which at_s counts."""
        while True:
            await self.poll(origin_ns())
            await asyncio.sleep(_EVERY_S)

    async def poll(self, origin_ns: int) -> None:
        """Poll once."""
        self.polls += 1
        try:
            async with asyncio.timeout(_ANSWER_S):
                found = understood(await _fetched(self._url))
        except (OSError, ValueError, TimeoutError):
            self.missed += 1
            return
        self._first = self._first or found
        self._last = found
        states = found.get("instances")
        if isinstance(states, dict):
            self._most = max(self._most, sum(n for n in states.values() if isinstance(n, int)))
        line = msgspec.json.encode({"at_s": round((monotonic_ns() - origin_ns) / 1e9, 3), **found})
        with self._path.open("ab") as file:
            file.write(line + b"\n")

    def figures(self) -> PlaneFigures | None:
        """What one of our planes did between the first poll and the last; None for any other."""
        first, last = self._first, self._last
        if first is None or last is None or not {"instances", "requests", "seconds"} <= last.keys():
            return None
        requests, seconds = (
            {name: last[part][name] - first[part].get(name, 0) for name in last[part]}
            for part in ("requests", "seconds")
        )
        return PlaneFigures(
            instances=requests["booted"],
            most_instances=self._most,
            cold=requests["cold"],
            refused=requests["refused"],
            timed_out=requests["timed_out"],
            instance_s=round(sum(seconds.values()), 3),
            busy_s=round(seconds["busy"], 3),
            booting_s=round(seconds["booting"], 3),
        )


def understood(body: bytes) -> dict[str, Any]:
    """JSON as it is; Prometheus text as {"samples": {name and labels: value}}. Raises ValueError."""
    if body.lstrip().startswith(b"{"):
        found = json.loads(body)
        if not isinstance(found, dict):
            raise ValueError("not an object")
        return found
    samples: dict[str, float] = {}
    for line in body.decode().splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, value = line.rpartition(" ") if "}" not in line else _labelled(line)
        if len(samples) < _MOST_SAMPLES:
            samples[name] = float(value)
    return {"samples": samples}


def _labelled(line: str) -> tuple[str, str, str]:
    """A sample with labels: its name and labels, and its value without the timestamp that may follow."""
    name, _, rest = line.rpartition("}")
    return f"{name}}}", " ", rest.split()[0] if rest.split() else ""


async def _fetched(url: str) -> bytes:
    """The body that a plain GET of this address brings. Raises OSError or ValueError."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=parts.scheme == "https")
    try:
        path = parts.path or "/"
        writer.write(f"GET {path} HTTP/1.0\r\nhost: {parts.netloc}\r\n\r\n".encode())
        answer = b""
        while chunk := await reader.read(65536):
            answer += chunk
            if len(answer) > _MOST_BYTES:
                raise ValueError("too long")
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] != [b"200"]:
        raise ValueError("not 200")
    return body
