"""Probes that this process sends, each recorded in the experiment's directory as a step of a run is."""

import asyncio
import secrets
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from replay.engine.attempt import Attempt
from replay.engine.hosting.event_loop import Host, run_to_end
from replay.engine.prober import SETTLING_S, NotLoggedIn, Prober
from replay.target.target import Target
from replay.target.urls import ASGI_PREFIX
from replay.trace.types import Step
from replay.trials.coldstart.experiment import Answer, Ask, ProbeFailed

# How long a probe may take on its way, and a boot before it, before its token is too old.
_PROBE_S = 10.0


def ask_here(
    target: Target,
    step: Step,
    asks: Generator[Ask, Sequence[Answer], None],
    directory: Path,
    on_wait: Callable[[float, str], None],
) -> None:
    """Send what is asked for, until nothing more is. Raises what that raises, and TargetUnreachable."""

    async def run(host: Host) -> None:
        host.has_guest = target.url.startswith(ASGI_PREFIX)
        async with Prober(target, directory, secrets.token_hex(8)) as prober:
            ask = next(asks)
            while True:
                since_ns = None
                if ask.idle_s:
                    # Now, when the target has just been asked something: the idle time begins after it.
                    since_ns = await _logged_in(prober, ask.idle_s)
                    on_wait(ask.idle_s, ask.why)
                    await asyncio.sleep(max(0.0, ask.idle_s - SETTLING_S))
                answers = [
                    answer._replace(idle_since_ns=since_ns) for answer in await _answers(prober, step, ask)
                ]
                try:
                    ask = asks.send(answers)
                except StopIteration:
                    return

    run_to_end(run)


async def _logged_in(prober: Prober, idle_s: float) -> int | None:
    """Have tokens that last until the probes after an idle time are answered; returns when the last login ended."""
    try:
        return await prober.stay_logged_in(idle_s + _PROBE_S)
    except NotLoggedIn as cause:
        raise ProbeFailed(str(cause)) from cause


async def _answers(prober: Prober, step: Step, ask: Ask) -> list[Answer]:
    if ask.is_at_once:
        await prober.connect(ask.requests)
        return [_answer(attempt) for attempt in await prober.send([step] * ask.requests)]
    answers: list[Answer] = []
    while len(answers) < ask.requests and not (answers and answers[-1].why_useless):
        await prober.connect(1)
        try:
            (attempt,) = await prober.send([step])
        except NotLoggedIn as cause:
            raise ProbeFailed(str(cause)) from cause
        answers.append(_answer(attempt))
    return answers


def _answer(attempt: Attempt) -> Answer:
    return Answer(
        attempt.sent_ns, attempt.end_ns, attempt.status, attempt.error, attempt.cold, attempt.instance
    )
