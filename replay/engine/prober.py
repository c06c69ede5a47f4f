"""Sending single steps when somebody decides to, rather than when a trace says: for experiments on a live target.

The same wire, renderer and recorder as in a run, so that a probe is recorded as any step is.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from replay.engine.attempt import Attempt
from replay.engine.records.recorder import Recorder
from replay.engine.records.writer import FileWriter
from replay.engine.requests.router import WAIT
from replay.engine.requests.sender import TargetSender
from replay.engine.types import Knobs
from replay.engine.walker import Pace, Walk
from replay.target.target import Target
from replay.trace.types import Session, Step

_SWEEP_S = 0.01
SETTLING_S = 0.05
"""How long connections are given to be open before anything is sent over them."""


class Prober:
    """Probes of one target, recorded in a directory. A context manager. `start_ns` is the zero of its record."""

    def __init__(self, target: Target, directory: Path, run_id: str) -> None:
        self._sender = TargetSender(target, run_id)
        self._recorder = Recorder(directory, target.name, FileWriter(), 0.0)
        self._sweeper: asyncio.Task[None] | None = None
        self._sent = 0
        self.start_ns = 0

    async def __aenter__(self) -> "Prober":
        await self._sender.open()
        self.start_ns = time.monotonic_ns()
        self._recorder.start(self.start_ns)
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self._sender.close()
        self._recorder.finish(time.monotonic_ns())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._sender.sweep(time.monotonic_ns())

    async def connect(self, connections: int) -> None:
        """Have connections open, so that opening them is no part of what is measured."""
        self._sender.prepare(connections)
        await asyncio.sleep(SETTLING_S)

    async def send(self, steps: Sequence[Step]) -> list[Attempt]:
        """Send these steps at once; returns when all have ended."""
        running = asyncio.get_running_loop()
        return list(await asyncio.gather(*(self._send(step, running.create_future()) for step in steps)))

    async def _send(self, step: Step, ended: "asyncio.Future[Attempt]") -> Attempt:
        self._sent += 1
        where = self._sender.decide(step)
        if where == WAIT:
            raise ValueError(f"step {step.id} is sent nowhere, by a route of the target file")
        walk = Walk(Session(f"probe-{self._sent}", 0.0, [step]), Pace(Knobs()), 0, False, True)
        method, head, body, is_stream, is_idempotent, _ = self._sender.renderers[where].render(step, walk.id)

        def done(attempt: Any) -> None:
            self._recorder.ended(attempt)
            if not ended.done():
                ended.set_result(attempt)

        now = time.monotonic_ns()
        attempt = Attempt(
            head,
            body,
            method,
            done,
            step,
            walk,
            0,
            where,
            now,
            now,
            session_key=walk,
            is_stream=is_stream,
            idempotent=is_idempotent,
        )
        self._sender.wires[where].send(attempt)
        return await ended
