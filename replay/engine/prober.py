"""Sending single steps when somebody decides to, rather than when a trace says: for experiments on a live target.

The same wire, renderer and recorder as in a run, so that a probe is recorded as any step is.

All probes are one session's to a target that sessions log in to: it logs in with the first of them, and from then on
only when it is told to (`stay_logged_in`), for a login is a request to the target as well.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from replay.engine.attempt import Attempt
from replay.engine.outcome import Expected, plain_body
from replay.engine.records.recorder import Recorder
from replay.engine.records.writer import FileWriter
from replay.engine.requests.login import Token, carried
from replay.engine.requests.router import WAIT
from replay.engine.requests.sender import TargetSender
from replay.engine.types import Knobs
from replay.engine.walker import Pace, Walk
from replay.errors import ReplayError
from replay.target.target import Target
from replay.trace.types import Session, Step
from replay.wire.types import ALWAYS
from replay.words.numbers import seconds

_SWEEP_S = 0.01
_ANY = Expected(None, None, None)
SETTLING_S = 0.05
"""How long connections are given to be open before anything is sent over them."""


class NotLoggedIn(ReplayError):
    """A login gave no token; str() is the message."""


class Prober:
    """Probes of one target, recorded in a directory. A context manager. `start_ns` is the zero of its record."""

    def __init__(self, target: Target, directory: Path, run_id: str) -> None:
        self._target = target
        self._sender = TargetSender(target, run_id)
        self._recorder = Recorder(directory, target.name, FileWriter(), 0.0)
        self._sweeper: asyncio.Task[None] | None = None
        self._tokens: dict[int, tuple[Token, int]] = {}  # by place, with when each was asked for
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

    async def stay_logged_in(self, for_s: float) -> int | None:
        """Log in anew wherever a token is to last less than so long from now; returns when the last login ended, None
        where there was none. Raises NotLoggedIn, also where no token lasts so long.
        """
        ended_ns = None
        for place, (token, since_ns) in list(self._tokens.items()):
            if token.lives_s is None or since_ns + token.lives_s * 1e9 > time.monotonic_ns() + for_s * 1e9:
                continue
            ended_ns = await self._log_in(place)
            lives_s = self._tokens[place][0].lives_s
            if lives_s is not None and lives_s <= for_s:
                raise NotLoggedIn(
                    f"{self._target.name}: the token of a login is used for {seconds(lives_s)}, and one is needed for "
                    f"{seconds(for_s)}, within which another login would wake the target. Look less far (--max-idle)."
                )
        return ended_ns

    async def _log_in(self, place: int) -> int:
        """Log in where this place's sessions do; returns when that had ended. Raises NotLoggedIn."""
        at = self._sender.logins[place]
        assert at is not None
        step = at.step_for(None)
        walk = Walk(Session("probe-login", 0.0, [step]), Pace(Knobs()), 0, False, True)
        rendered, now = at.renderer.render(step, walk.id), time.monotonic_ns()
        ended: asyncio.Future[Attempt] = asyncio.get_running_loop().create_future()
        asked = Attempt(
            rendered.head,
            rendered.body,
            rendered.method,
            ended.set_result,
            step,
            walk,
            0,
            at.place,
            now,
            now,
            session_key=walk,
            keeps_body=ALWAYS,
            captured_headers=[],
        )
        self._sender.wires[at.place].send(asked)
        await ended
        if asked.error is None:
            _ANY.settle(asked)
        token = None if asked.error is not None else at.taken(asked.captured_headers or (), plain_body(asked))
        self._recorder.handshake(asked)
        if token is None:
            why = f"was answered with status {asked.status}" if asked.status else f"failed with {asked.error}"
            raise NotLoggedIn(
                f"{self._target.name}: {at.login.shown} {why if asked.error is not None else f'has {at.lacks}'}, so "
                "nothing could be probed."
            )
        self._tokens[place] = token, now
        return asked.end_ns

    async def send(self, steps: Sequence[Step]) -> list[Attempt]:
        """Send these steps at once; returns when all have ended. Raises NotLoggedIn."""
        for place in dict.fromkeys(map(self._sender.decide, steps)):
            if place != WAIT and self._sender.logins[place] is not None and place not in self._tokens:
                await self._log_in(place)
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

        if where in self._tokens:
            head = carried(head, self._tokens[where][0])
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
