"""What the plane under the target says of itself while a run goes on: polled once a second into plane.jsonl.

The address is named in the target file (`observe`). Planes of our own answer `/state` with JSON; any other address may
answer in Prometheus's text format, of which each sample becomes a number under its name and labels. What it answers is
not trusted: whatever is wrong with it makes a poll that was missed, and it can take neither much time nor much room.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from io import StringIO
from itertools import islice
from pathlib import Path
from time import monotonic_ns
from typing import Annotated, Any

import msgspec

from replay.engine.beside.plane_client import ask, state_address
from replay.results.manifest_types import PlaneFigures
from replay.results.types import PLANE_FILE
from replay.trace.redaction.shown_urls import shown_url
from replay.words.numbers import seconds
from replay.words.phrases import counted

_EVERY_S = 1.0
_ANSWER_S = 2.0
_MOST_JSON_BYTES = 512 << 10
_MOST_LINES = 20_000
_MOST_SAMPLES = 10_000
# A run of a day at 700 bytes a poll.
_MOST_WRITTEN_BYTES = 64 << 20

_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class _Requests(msgspec.Struct):
    booted: _Count = 0
    cold: _Count = 0
    refused: _Count = 0
    timed_out: _Count = 0


class _Plane(msgspec.Struct):
    """What a plane of ours says, as far as figures are made of it."""

    instances: dict[str, _Count]
    requests: _Requests
    seconds: dict[str, _Seconds]


class PlaneObserver:
    """Polls one address and appends what it says.

    missed: polls that failed, which the run does not mind; last_miss: the status that was answered to the last of
    them, or the kind of exception that ended it. unwritten: polls that came after the file was full, of which only
    figures are made.
    """

    def __init__(self, url: str, directory: Path) -> None:
        self._url = state_address(url)
        self._path = directory / PLANE_FILE
        self._first: _Plane | None = None
        self._last: _Plane | None = None
        self._most = 0
        self._written_bytes = 0
        self.missed = self.polls = self.unwritten = 0
        self.last_miss = ""

    def __repr__(self) -> str:
        return f"<PlaneObserver of {shown_url(self._url)}, {self.polls} polls, {self.missed} missed>"

    async def watch(self, origin_ns: Callable[[], int]) -> None:
        """Poll until cancelled. origin_ns: tells the run's start, from which at_s counts."""
        while True:
            await self.poll(origin_ns())
            await asyncio.sleep(_EVERY_S)

    async def poll(self, origin_ns: int) -> None:
        """Poll once. Nothing that is answered, nor a file that cannot be written, raises anything."""
        self.polls += 1
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await ask(self._url)
            if answer.status != "200":
                self.missed += 1
                self.last_miss = f"status {answer.status}" if answer.status else "no HTTP answer"
                return
            found = understood(answer.body)
            line = msgspec.json.encode({**found, "at_s": round((monotonic_ns() - origin_ns) / 1e9, 3)}) + b"\n"
            self._learn(found)
            if self.unwritten or self._written_bytes + len(line) > _MOST_WRITTEN_BYTES:
                self.unwritten += 1
                return
            with self._path.open("ab") as file:
                file.write(line)
            self._written_bytes += len(line)
        except Exception as cause:
            # Whatever it is; which kind it was is told, so that a fault of ours is not taken for the plane's.
            self.missed += 1
            self.last_miss = _why(cause)

    def _learn(self, found: dict[str, Any]) -> None:
        """Remember what a plane of ours says; any other says something else."""
        try:
            plane = msgspec.convert(found, _Plane)
        except msgspec.ValidationError:
            return
        self._first = self._first or plane
        self._last = plane
        self._most = max(self._most, sum(plane.instances.values()))

    def notes(self) -> list[str]:
        """What a reader of the run must know of the polls, in sentences."""
        found = []
        if self.missed:
            found.append(
                f"{self.missed:,} of {counted(self.polls, 'poll')} of {shown_url(self._url)} failed; "
                f"the last: {self.last_miss}"
            )
        if self.unwritten:
            found.append(
                f"{PLANE_FILE} is full ({_MOST_WRITTEN_BYTES >> 20} MiB): it lacks the last {self.unwritten:,} of "
                f"{counted(self.polls, 'poll')}"
            )
        return found

    def figures(self) -> PlaneFigures | None:
        """What one of our planes did between the first poll and the last; None for any other.

        None as well where a count went back, since it is a plane that was started anew.
        """
        first, last = self._first, self._last
        if first is None or last is None:
            return None
        seconds = {name: spent - first.seconds.get(name, 0.0) for name, spent in last.seconds.items()}
        figures = PlaneFigures(
            instances=last.requests.booted - first.requests.booted,
            most_instances=self._most,
            cold=last.requests.cold - first.requests.cold,
            refused=last.requests.refused - first.requests.refused,
            timed_out=last.requests.timed_out - first.requests.timed_out,
            instance_s=round(sum(seconds.values()), 3),
            busy_s=round(seconds.get("busy", 0.0), 3),
            booting_s=round(seconds.get("booting", 0.0), 3),
        )
        counted = (figures.instances, figures.cold, figures.refused, figures.timed_out, *seconds.values())
        return figures if min(counted) >= 0 else None


def understood(body: bytes) -> dict[str, Any]:
    """JSON as it is; Prometheus text as {"samples": {name and labels: value}}. Raises ValueError."""
    if body.lstrip().startswith(b"{"):
        if len(body) > _MOST_JSON_BYTES:
            raise ValueError("too long")
        found: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        return found
    samples: dict[str, float] = {}
    for line in islice(StringIO(body.decode()), _MOST_LINES):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, value = line.rstrip().rpartition(" ") if "}" not in line else _labelled(line)
        if len(samples) < _MOST_SAMPLES:
            samples[name] = float(value)
    return {"samples": samples}


def _labelled(line: str) -> tuple[str, str, str]:
    """A sample with labels: its name and labels, and its value without the timestamp that may follow."""
    name, _, rest = line.rpartition("}")
    return f"{name}}}", " ", rest.split()[0] if rest.split() else ""


def _why(cause: Exception) -> str:
    if isinstance(cause, TimeoutError):
        return f"no answer within {seconds(_ANSWER_S)}"
    # Both have numbers of their own, which are not the system's.
    if isinstance(cause, ssl.SSLError):
        return "TLS failed"
    if isinstance(cause, socket.gaierror):
        return "its name was not found"
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno).lower()
    return type(cause).__name__
