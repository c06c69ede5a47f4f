"""Telling a live view how a run goes; several runs at once are told as one."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from replay.engine.loop import RunLoop
from replay.engine.plan import Planned
from replay.engine.records.recorder import Recorder
from replay.results.histogram import LAG_UNIT_NS, Histogram
from replay.results.summary_types import Snapshot

_EVERY_S = 0.5
# A target is reached sooner, as a rule, and then there is nothing to tell of it.
_SLOW_S = 1.0
_NS = 1_000_000_000

OnProgress = Callable[[Snapshot], None]


class Watched(NamedTuple):
    """A run under way, as far as a view is concerned. ends_s: when it would be over by the recorded times."""

    target: str
    planned: Planned
    ends_s: float | None
    loop: RunLoop
    recorder: Recorder


async def report_opening(
    trace: str, target: str, planned: Planned, what: Callable[[], str], on_progress: OnProgress
) -> None:
    """Tell the view what a target is waited for before the first step, for ever, once that takes long."""
    began_ns = time.monotonic_ns()
    while True:
        await asyncio.sleep(_EVERY_S)
        waited_s = (time.monotonic_ns() - began_ns) / _NS
        if waited_s >= _SLOW_S:
            on_progress(
                Snapshot(
                    trace=trace,
                    target=target,
                    elapsed_s=waited_s,
                    steps=planned.steps,
                    done=0,
                    sent=0,
                    failed=0,
                    unsent=0,
                    in_flight=0,
                    sessions=planned.sessions,
                    sessions_done=0,
                    offered_rps=0.0,
                    achieved_rps=0.0,
                    state=what(),
                )
            )


async def report_progress(trace: str, runs: Sequence[Watched], on_progress: OnProgress) -> None:
    """Tell the view twice a second, for ever; cheap, because the drawing is done elsewhere."""
    before_sent = before_done = 0
    before_ns = time.monotonic_ns()
    target = ", ".join(run.target for run in runs)
    steps = sum(run.planned.steps for run in runs)
    ends_s = max((run.ends_s for run in runs if run.ends_s is not None), default=None)
    while True:
        await asyncio.sleep(_EVERY_S)
        progress = [run.loop.progress for run in runs]
        now = time.monotonic_ns()
        elapsed_s = max(0, now - runs[0].loop.start_ns) / _NS
        span_s = max(1e-9, (now - before_ns) / _NS)
        latency = _together([run.recorder.fold.total for run in runs], Histogram()).quantiles()
        lag = _together([run.recorder.lag for run in runs], Histogram(LAG_UNIT_NS)).quantiles()
        sent = sum(p.sent for p in progress)
        done = sum(p.ended + p.waits - p.retried for p in progress)
        unsent = sum(p.unsent for p in progress)
        on_progress(
            Snapshot(
                trace=trace,
                target=target,
                elapsed_s=elapsed_s,
                steps=steps,
                done=done,
                sent=sent,
                failed=sum(p.failed for p in progress),
                unsent=unsent,
                in_flight=sum(p.in_flight for p in progress),
                sessions=sum(run.planned.sessions for run in runs),
                sessions_done=sum(p.sessions_done for p in progress),
                offered_rps=(sent - before_sent) / span_s,
                achieved_rps=(done - before_done) / span_s,
                p50_ms=latency.p50,
                p99_ms=latency.p99,
                lag_p99_us=None if lag.p99 is None else lag.p99 * 1000,
                left_s=time_left_s(elapsed_s, done + unsent, steps, ends_s),
                state="stopping" if any(run.loop.is_stopping for run in runs) else "running",
                parts=[
                    (sum(part.sent for part in parts), sum(part.in_flight for part in parts))
                    for parts in zip(*(p.parts for p in progress), strict=True)
                ],
            )
        )
        before_sent, before_done, before_ns = sent, done, now


def _together(histograms: Sequence[Histogram], whole: Histogram) -> Histogram:
    if len(histograms) == 1:
        return histograms[0]
    for histogram in histograms:
        whole.add(histogram)
    return whole


def time_left_s(elapsed_s: float, settled: int, steps: int, ends_s: float | None) -> float | None:
    """By the recorded times; past their end, by the share of steps that are settled. None while that says too little.

    Shares alone mislead where load is uneven: of 65 s of a trace that begins slowly 111 s seemed to be left.
    """
    if ends_s is not None and elapsed_s < ends_s:
        return ends_s - elapsed_s
    if settled < 10 or elapsed_s < 2:
        return None
    return elapsed_s * (steps - settled) / settled
