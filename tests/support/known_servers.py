"""Servers of which it is known what they bear, for runs in virtual time: what each answers, and after how long.

A server is asked `answer(at_s)` for each request, in order of time, and says (status, seconds). `begin` tells it that
another run starts, whose time counts from 0 again.
"""

from collections.abc import Callable
from heapq import heapreplace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from replay.engine.attempt import Attempt
from replay.engine.run import Outcome
from replay.engine.types import RunOptions
from replay.simulation import simulation
from replay.simulation.wire import SimulatedWire
from replay.target.sending import Retry
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Header, Request, Session, Step

_NS = 1_000_000_000
_TARGET = Target(url="http://127.0.0.1:9", name="known", simulate={"plane": {"kind": "vm"}})


class Slots:
    """A queue before so many places, each of which takes so long for a request: it bears slots / took_s a second."""

    def __init__(self, slots: int, took_s: float) -> None:
        self._slots, self._took_s = slots, took_s
        self.begin()

    def begin(self) -> None:
        self._free_s = [0.0] * self._slots

    def answer(self, at_s: float) -> tuple[int, float]:
        end_s = max(at_s, self._free_s[0]) + self._took_s
        heapreplace(self._free_s, end_s)
        return 200, end_s - at_s


class Limited:
    """Refuses with 429 what is more than so many a second; a burst is the bucket's depth."""

    def __init__(self, behind: Slots, rps: float, burst: float = 5.0) -> None:
        self._behind, self._rps, self._burst = behind, rps, burst
        self.begin()

    def begin(self) -> None:
        self._behind.begin()
        self._tokens, self._at_s = self._burst, 0.0

    def answer(self, at_s: float) -> tuple[int, float]:
        self._tokens = min(self._burst, self._tokens + (at_s - self._at_s) * self._rps)
        self._at_s = at_s
        if self._tokens < 1:
            return 429, 0.002
        self._tokens -= 1
        return self._behind.answer(at_s)


class Uneven:
    """Takes longer for a share of requests, whatever the load, and has a place for each."""

    def __init__(self, share: float, took_s: float, longer_s: float, seed: int = 1) -> None:
        self._share, self._took_s, self._longer_s = share, took_s, longer_s
        self._rng = np.random.default_rng(seed)

    def begin(self) -> None:
        """It remembers nothing."""

    def answer(self, _at_s: float) -> tuple[int, float]:
        return 200, self._longer_s if self._rng.random() < self._share else self._took_s


class Flaky:
    """Fails a share of requests, whatever the load."""

    def __init__(self, behind: Slots, share: float, seed: int = 1) -> None:
        self._behind, self._share, self._rng = behind, share, np.random.default_rng(seed)

    def begin(self) -> None:
        self._behind.begin()

    def answer(self, at_s: float) -> tuple[int, float]:
        status, took_s = self._behind.answer(at_s)
        return (500 if self._rng.random() < self._share else status), took_s


class Excused:
    """Beyond so many a second answers with a page that says so, at once and with status 200."""

    ANSWER_BYTES, PAGE_BYTES = 400, 94

    def __init__(self, rps: float) -> None:
        self._limited = Limited(Slots(1000, 0.02), rps)
        self.begin()

    def begin(self) -> None:
        self._limited.begin()
        self.answer_bytes = self.ANSWER_BYTES

    def answer(self, at_s: float) -> tuple[int, float]:
        status, took_s = self._limited.answer(at_s)
        self.answer_bytes = self.ANSWER_BYTES if status == 200 else self.PAGE_BYTES
        return 200, took_s


Server = Slots | Limited | Uneven | Flaky | Excused


class _Wire(SimulatedWire):
    server: Server

    def begin(self, origin_ns: int) -> None:
        super().begin(origin_ns)
        self._begun_ns = origin_ns
        self.server.begin()

    def send(self, attempt: Attempt) -> None:
        attempt.sent_ns = now = self.now_ns
        attempt.status, took_s = self.server.answer((now - self._begun_ns) / _NS)
        attempt.response_bytes = getattr(self.server, "answer_bytes", 0)
        self._time.at(now + max(1, int(took_s * _NS)), self._late_done, attempt)


def runs_against(
    server: Server, patch: pytest.MonkeyPatch, retry: Retry | None = None
) -> Callable[..., Outcome]:
    """What makes a run against this server, for whoever takes a `replay`. retry: how its steps are tried again."""

    target = _TARGET if retry is None else msgspec.structs.replace(_TARGET, retry=retry)
    patch.setattr(simulation, "SimulatedWire", type("Wire", (_Wire,), {"server": server}))

    def run(trace: Path, _target: Target, options: RunOptions, out: Path | None, *_: Any) -> Outcome:
        return simulation.simulate_trace(trace, target, options, out)

    return run


def write_requests(path: Path, starts_s: Any) -> Path:
    """A trace of single requests that come then."""
    with TraceWriter(path, Header(FORMAT, VERSION, "t")) as writer:
        for n, at_s in enumerate(starts_s):
            step = Step("a", "llm", "ask", (), 0.0, 20.0, Request("GET", f"/{n}"))
            writer.write(Session(f"s-{n}", float(at_s) * 1000, [step]))
    return path
