"""A run from beginning to end: check the trace, open the target, replay, leave a run directory behind."""

import asyncio
import os
import platform
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import msgspec

from replay import __version__
from replay.engine.loop import RunLoop
from replay.engine.observe import PlaneObserver
from replay.engine.plan import Planned, planned_counts, planned_sessions, read_trace
from replay.engine.recorder import Recorder
from replay.engine.selfcheck import Vitals, judge_generator
from replay.engine.sender import TargetSender
from replay.engine.types import RunOptions
from replay.engine.walker import Pace
from replay.engine.writer import FileWriter
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.results.types import (
    Generator,
    Manifest,
    RunStatus,
    Snapshot,
    Summary,
    TargetFacts,
    TraceFacts,
)
from replay.target import Target, redacted
from replay.trace.file import TraceScan

_SNAPSHOT_EVERY_S = 0.5
_NS = 1_000_000_000
MANIFEST_SCHEMA = "replay.run/1"

OnProgress = Callable[[Snapshot], None]


class Outcome(NamedTuple):
    summary: Summary
    directory: Path


def replay_trace(
    trace: Path,
    target: Target,
    options: RunOptions,
    out: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Outcome:
    """Replay one trace against one target, and return the summary that was written.

    Raises TraceError, TargetError and RunDirError for bad input, and TargetUnreachable when nothing could be
    sent at all. Ctrl-C (SIGINT) or SIGTERM ends the run early, with the status interrupted.
    """
    # Reading the trace, before, and folding the record, after, may take long; outside of the event loop Ctrl-C
    # ends them at once.
    found = read_trace(trace)
    plan = _Plan(trace, found, planned_counts(trace, found, options), target, options, secrets.token_hex(8))
    directory = anyio.run(
        _replay,
        plan,
        out,
        on_progress,
        backend="asyncio",
        backend_options={"use_uvloop": sys.platform != "win32"},
    )
    summary = rebuild(directory.path)
    directory.write_summary(summary)
    return Outcome(summary, directory.path)


class _Plan(NamedTuple):
    """What one run sets out to do. run_id: what its requests' trace ids are derived from."""

    trace: Path
    found: TraceScan
    planned: Planned
    target: Target
    options: RunOptions
    run_id: str


async def _replay(plan: _Plan, out: Path | None, on_progress: OnProgress | None) -> RunDir:
    trace, found, planned, target, options, run_id = plan
    sender = TargetSender(target, run_id)
    await sender.open()
    try:
        directory = RunDir.create(out, found.header.name, target.name)
        manifest = manifest_of(found, planned, target, options)
        manifest.run_id = run_id
        directory.write_manifest(manifest)
        writer = FileWriter()
        recorder = Recorder(directory.path, target.name, writer, options.warmup_s)
        pace = Pace(options.knobs)
        loop = RunLoop(planned_sessions(trace, found, options, pace), sender, recorder, options, pace)
        observer = None if target.observe is None else PlaneObserver(target.observe, directory.path)
        with _Interrupts(loop, options.grace_s) as interrupts:
            async with anyio.create_task_group() as tasks:
                if on_progress is not None:
                    tasks.start_soon(_report_progress, loop, recorder, planned, found, target, on_progress)
                if observer is not None:
                    tasks.start_soon(observer.watch, lambda: loop.start_ns)
                await loop.run()
                tasks.cancel_scope.cancel()
    finally:
        await sender.close()
    recorder.finish(time.monotonic_ns())
    status: RunStatus = "interrupted" if interrupts.were_seen else "finished"
    if recorder.failure is not None or loop.read_error is not None or loop.fault is not None:
        status = "failed"
    _complete(manifest, status, loop, recorder, sender, pace)
    if observer is not None:
        await observer.poll(loop.start_ns)
        manifest.plane = observer.figures()
        if observer.missed:
            manifest.notes = [
                *manifest.notes,
                f"{observer.missed} of {observer.polls} polls of {target.observe} failed",
            ]
    directory.write_manifest(manifest)
    return directory


def _complete(
    manifest: Manifest,
    status: RunStatus,
    loop: RunLoop,
    recorder: Recorder,
    sender: TargetSender,
    pace: Pace,
) -> None:
    """What is known only at the end of a run."""
    manifest.status = status
    manifest.finished_at = now_utc()
    manifest.elapsed_s = round(max(0, loop.finished_ns - loop.start_ns) / _NS, 6)
    manifest.clock["start_ns"] = loop.start_ns
    manifest.generator = _self_check(loop, recorder, sender)
    manifest.removed_s = pace.removed_s()
    manifest.connections = sender.connection_counts()
    manifest.notes = [*manifest.notes, *sender.notes()]
    if recorder.failure is not None:
        manifest.error = f"could not write {recorder.failure}; what was recorded before is kept"
    elif loop.read_error is not None:
        manifest.error = str(loop.read_error)
    elif loop.fault is not None:
        where = traceback.extract_tb(loop.fault.__traceback__)[-1:]
        place = f" at {Path(where[0].filename).name}:{where[0].lineno}" if where else ""
        manifest.error = f"a fault of the replay itself ended the run ({loop.fault!r}{place}); please report it"


def _self_check(loop: RunLoop, recorder: Recorder, sender: TargetSender) -> Generator:
    lag = recorder.lag.quantiles()
    return judge_generator(
        Vitals(
            sent=loop.progress.sent,
            lag_p50_us=None if lag.p50 is None else lag.p50 * 1000,
            lag_p99_us=None if lag.p99 is None else lag.p99 * 1000,
            cpu_percent=loop.cpu_percent,
            max_loop_stall_ms=loop.max_stall_ns / 1e6,
            in_flight_waits=loop.held_steps,
            connection_waits=sender.waited_for_limit,
        )
    )


def manifest_of(found: TraceScan, planned: Planned, target: Target, options: RunOptions) -> Manifest:
    """What is known of a run when it begins."""
    return Manifest(
        schema=MANIFEST_SCHEMA,
        status="running",
        version=__version__,
        started_at=now_utc(),
        trace=TraceFacts(
            name=found.header.name,
            sha256=found.sha256,
            sessions=planned.sessions,
            steps=planned.steps,
            resolution_ms=found.header.resolution_ms,
        ),
        target=redacted(target),
        target_facts=TargetFacts(name=target.name, url=redacted(target)["url"], plane=target.plane),
        options=msgspec.to_builtins(options),
        seed=options.knobs.seed,
        host=host_facts(),
        clock={
            "source": "CLOCK_MONOTONIC",
            "resolution_ns": round(time.get_clock_info("monotonic").resolution * 1e9),
        },
    )


def host_facts() -> dict[str, Any]:
    """What the machine is: what a reader of the figures needs to judge them."""
    facts: dict[str, Any] = {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
    }
    if hasattr(os, "sched_getaffinity"):
        facts["cpus_usable"] = len(os.sched_getaffinity(0))
    return facts


def now_utc() -> str:
    """Wall time, for manifests."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Interrupts:
    """SIGINT and SIGTERM: the first stops sending and gives responses a grace time, the second ends the run."""

    def __init__(self, loop: RunLoop, grace_s: float) -> None:
        self._loop = loop
        self._grace_s = grace_s
        self._signals = (signal.SIGINT, signal.SIGTERM)
        self._grace: asyncio.TimerHandle | None = None
        self.were_seen = False

    def __enter__(self) -> "_Interrupts":
        running = asyncio.get_running_loop()
        for number in self._signals:
            running.add_signal_handler(number, self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        running = asyncio.get_running_loop()
        for number in self._signals:
            running.remove_signal_handler(number)
        if self._grace is not None:
            self._grace.cancel()

    def _seen(self) -> None:
        if self.were_seen:
            self._loop.abort()
            return
        self.were_seen = True
        self._loop.stop()
        self._grace = asyncio.get_running_loop().call_later(self._grace_s, self._loop.abort)


async def _report_progress(
    loop: RunLoop,
    recorder: Recorder,
    planned: Planned,
    found: TraceScan,
    target: Target,
    on_progress: OnProgress,
) -> None:
    """Tell the view how it goes, twice a second; cheap, because the drawing is done elsewhere."""
    before_sent = before_done = 0
    before_ns = time.monotonic_ns()
    while True:
        await asyncio.sleep(_SNAPSHOT_EVERY_S)
        progress = loop.progress
        now = time.monotonic_ns()
        elapsed_s = max(0, now - loop.start_ns) / _NS
        span_s = max(1e-9, (now - before_ns) / _NS)
        latency = recorder.fold.total.quantiles()
        lag = recorder.lag.quantiles()
        done = progress.ended + progress.waits
        settled = done + progress.unsent
        on_progress(
            Snapshot(
                trace=found.header.name,
                target=target.name,
                elapsed_s=elapsed_s,
                steps=planned.steps,
                done=done,
                sent=progress.sent,
                failed=progress.failed,
                unsent=progress.unsent,
                in_flight=progress.in_flight,
                sessions=planned.sessions,
                sessions_done=progress.sessions_done,
                offered_rps=(progress.sent - before_sent) / span_s,
                achieved_rps=(done - before_done) / span_s,
                p50_ms=latency.p50,
                p99_ms=latency.p99,
                lag_p99_us=None if lag.p99 is None else lag.p99 * 1000,
                left_s=_time_left_s(elapsed_s, settled, planned.steps),
                state="stopping" if loop.is_stopping else "running",
            )
        )
        before_sent, before_done, before_ns = progress.sent, done, now


def _time_left_s(elapsed_s: float, settled: int, steps: int) -> float | None:
    """By the share of steps that are settled; None while that says too little."""
    if settled < 10 or elapsed_s < 2:
        return None
    return elapsed_s * (steps - settled) / settled
