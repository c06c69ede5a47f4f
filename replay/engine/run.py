"""Runs from beginning to end: check the trace, open the targets, replay, leave run directories behind."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import anyio

from replay.engine.answers.digests import Digests
from replay.engine.arms import ALL, Arm
from replay.engine.attempt import Attempt
from replay.engine.beside.events import carry_out, reaper_for
from replay.engine.beside.observe import PlaneObserver
from replay.engine.budget import Purse, Till
from replay.engine.counting import Progress
from replay.engine.hosting.event_loop import Host, alone, run_to_end
from replay.engine.loop import RunLoop, run_together
from replay.engine.manifest import complete, ended_by, manifest_of, unwritten
from replay.engine.outcome import Outcomes
from replay.engine.plan import Planned, planned_counts, planned_end_s, planned_sessions, read_trace
from replay.engine.progress import OnProgress, Watched, report_opening, report_progress
from replay.engine.records.recorder import Recorder
from replay.engine.records.writer import FileWriter
from replay.engine.requests.login import columns_asked
from replay.engine.requests.own_origin import refuse_own_origin
from replay.engine.requests.sender import TargetSender
from replay.engine.retries import Retries
from replay.engine.shares import WHOLE, Share
from replay.engine.types import At, RunOptions
from replay.engine.users.casting import casting_for
from replay.engine.users.rows import Rows, notes_on, rows_for
from replay.engine.walker import Pace
from replay.results.manifest_types import Ended, Manifest, RunStatus
from replay.results.rundir import RunDir
from replay.results.selector import Selector
from replay.results.summary import rebuild
from replay.results.summary_types import Summary
from replay.system.shortage import most_descriptors
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trace.file.stream import TraceScan
from replay.wire.errors import TargetUnreachable
from replay.words.phrases import counted

_LOOK_EVERY_S = 0.1


class Outcome(NamedTuple):
    """ended_early: why the run was ended before its trace was, on purpose; None for one that went on to its end, and
    for one that was interrupted or failed.
    """

    summary: Summary
    directory: Path
    ended_early: str | None = None


class Job(NamedTuple):
    """One target of a run. out: its run directory; None: a fresh one. arm: its part of the sessions.

    digests: what values of answers are digested with, where they are recorded; None: with a key of the run's own, so
    that they can be compared to no other run's. witness: is shown every attempt that has ended, with the headers of its
    answer, which costs the run its precision. run_id: what the trace ids of its requests are derived from; None: a
    fresh one.
    """

    target: Target
    out: Path | None = None
    arm: Arm = ALL
    digests: Digests | None = None
    witness: Callable[[Attempt], None] | None = None
    run_id: str | None = None


class Part(Protocol):
    """What makes runs one share of several: which, and when all of them begin."""

    share: Share

    async def line_up(self, manifests: Sequence[Manifest]) -> int:
        """All that is read ahead has been read. manifests: of the runs, as they were written first. Returns the instant
        of start, in ns of CLOCK_MONOTONIC, once it is known.
        """


class StopWhen(Protocol):
    """Watches a run's directory, in its own time, and says when enough was seen."""

    def begin(self, directory: Path, progress: Progress) -> None:
        """The run is about to start; progress is kept up to date while it goes on."""

    def is_met(self) -> str | None:
        """Why the run may end now, or None. Asked ten times a second, so it must be quick."""


class AbortWhen(StopWhen, Protocol):
    """One that looks at some steps of the run by themselves."""

    @property
    def selectors(self) -> Sequence[Selector]:
        """Which steps; the parts of the progress are those."""


def replay_trace(
    trace: Path,
    target: Target,
    options: RunOptions,
    out: Path | None = None,
    on_progress: OnProgress | None = None,
    stop_when: StopWhen | None = None,
) -> Outcome:
    """Replay one trace against one target, and return the summary that was written.

    Raises TraceError, TargetError and RunDirError for bad input, OriginRefused (a TargetError) where the trace was
    recorded at the target, and TargetUnreachable when nothing could be sent at all. stop_when ends the run early, with
    the status interrupted. So does Ctrl-C (SIGINT), SIGTERM or SIGHUP where the caller owns the process's signals; what
    another handler raises then ends the run too, and is raised here: run.json says failed, and what was recorded is
    kept. Where the caller does not own them, what is raised in this thread, as KeyboardInterrupt is, ends the run,
    which says that it was interrupted, and is raised once its directory is whole.
    """
    return replay_together(trace, [Job(target, out)], options, on_progress, stop_when)[0]


def replay_together(
    trace: Path,
    jobs: Sequence[Job],
    options: RunOptions,
    on_progress: OnProgress | None = None,
    stop_when: StopWhen | None = None,
    abort_when: AbortWhen | None = None,
    part: Part | None = None,
) -> list[Outcome]:
    """Replay one trace against several targets at once, from the same instant on; as replay_trace otherwise.

    One event loop serves them all, so that whatever makes this machine late makes all of them late. abort_when: told of
    each run, ends them all when going on would do harm; what is in flight then has the grace time, and `ended` says so.
    part: these are a share of runs that other processes take part in; None: they are all of it.
    """
    # Reading the trace, before, and folding the record, after, may take long; outside of the event loop Ctrl-C
    # ends them at once.
    found = read_trace(trace, options)
    refuse_own_origin(trace, found.header, [job.target for job in jobs], to_origin=options.to_origin)
    for job in jobs:
        _refuse_sockets(trace, found, job.target)
    rows = rows_for(trace, found.uses, options, columns_asked([job.target for job in jobs]))
    purse = None if options.budget is None else Purse(options.budget)
    share = WHOLE if part is None else part.share
    runs = [_Run(trace, found, job, options, rows, purse, share) for job in jobs]
    try:
        with most_descriptors:
            run_to_end(partial(_replay, runs, options, on_progress, stop_when, abort_when, purse, part))
    except BaseException as raised:
        cause = alone(raised)
        for run in runs:
            run.break_off(cause)
        if isinstance(cause, asyncio.CancelledError):
            raise TargetUnreachable(
                f"{runs[0].target.url}: the application cancelled the run that it was tested by."
            ) from cause
        if cause is raised:
            raise
        raise cause from None
    return [run.outcome() for run in runs]


class _Run:
    """One target's run: what it plans, and while it lasts its parts."""

    directory: RunDir
    recorder: Recorder
    loop: RunLoop
    manifest: Manifest | None = None
    ended_early: str | None = None

    def __init__(
        self,
        trace: Path,
        found: TraceScan,
        job: Job,
        options: RunOptions,
        rows: Rows | None,
        purse: Purse | None,
        share: Share,
    ) -> None:
        self.target = job.target
        self._till = None
        if purse is not None and options.budget is not None:
            self._till = Till(job.target, options.budget, purse)
        self.planned: Planned = planned_counts(trace, found, options, job.arm, share)
        self.ends_s = planned_end_s(found, options)
        self._trace, self._found, self._job, self._options = trace, found, job, options
        self._share = share
        self._rows = rows
        self._run_id = job.run_id or secrets.token_hex(8)
        self.sender = TargetSender(job.target, self._run_id, read_only=options.read_only)
        self.sender.prepares = found.requests > found.sockets
        self.sender.refuse_unspoken(found.calls)
        self._pace = Pace(options.knobs)
        observe = job.target.observe
        self.observe = observe
        self.observer: PlaneObserver | None = None
        self._is_settled = False

    @property
    def trace_name(self) -> str:
        return self._found.header.name

    def prepare(self) -> None:
        """Make the directory, write what is known, and get ready to start."""
        options, arm = self._options, self._job.arm
        self.directory = RunDir.create(self._job.out, self.trace_name, self.target.name)
        self.directory.reserve()
        self.manifest = manifest_of(self._found, self.planned, self.target, options, self._share)
        self.manifest.run_id = self._run_id
        self.manifest.notes = list(self._found.doubts)
        if self._share == WHOLE:
            # Of a share they would be of too few sessions.
            logins = columns_asked([self.target])
            self.manifest.notes += notes_on(self._rows, self._found.uses, self.planned.sessions, logins)
        if self._rows is not None:
            self.manifest.data = self._rows.facts
        self.directory.write_manifest(self.manifest)
        self.recorder = Recorder(
            self.directory.path,
            self.target.name,
            FileWriter(),
            options.warmup_s,
            self.manifest.trace.resolution_ms,
        )
        keeps_answers = options.answers != "none"
        if keeps_answers:
            is_asked = options.answers == "values"
            self.recorder.keep_answers((self._job.digests or Digests()) if is_asked else None)
        names_users = any(at is not None and at.login.differs for at in self.sender.logins)
        sessions = planned_sessions(
            self._trace, self._found, options, self._pace, arm, self._share, names_users=names_users
        )
        policy = self.target.retry
        retries = Retries(policy, options.knobs.seed) if policy.attempts > 1 else None
        outcomes = Outcomes(self.target, keeps_bodies=keeps_answers)
        self.loop = RunLoop(
            sessions,
            self.sender,
            self.recorder,
            options,
            self._pace,
            outcomes,
            retries=retries,
            till=self._till,
            casting=casting_for(
                self.target,
                self.sender.places,
                options.knobs.seed,
                fills=self._found.has_references,
                rows=self._rows,
            ),
            witness=self._job.witness,
        )
        if self.observe is not None:
            self.observer = PlaneObserver(self.observe, self.directory.path)

    async def finish(self, host: Host, why: str | None, ended: Ended | None) -> None:
        """Write the end of the run. why: it was ended early, since enough was seen. ended: or to do no harm."""
        loop, recorder, manifest = self.loop, self.recorder, self.manifest
        assert manifest is not None
        recorder.finish(time.monotonic_ns())
        status: RunStatus = "interrupted" if host.interrupts.were_seen or why or ended else "finished"
        if recorder.failure is not None or loop.read_error is not None or loop.fault is not None:
            status = "failed"
        stopped = host.interrupts.were_continued
        complete(manifest, status, loop, recorder, self.sender, self._pace, was_stopped=stopped)
        if host.interrupts.raised is not None:
            ended_by(manifest, host.interrupts.raised)
        if why is not None:
            manifest.notes = [*manifest.notes, f"ended early: {why}"]
            self.ended_early = why if status == "interrupted" and not host.interrupts.were_seen else None
        if self._till is not None:
            manifest.spent = self._till.result()
        if ended is not None:
            manifest.ended = ended
            manifest.notes = [*manifest.notes, f"ended by {ended.option}: {ended.why}"]
        if self.sender.has_guest:
            manifest.notes = [*manifest.notes, *host.notes()]
        if self.observer is not None:
            await self.observer.poll(loop.start_ns)
            manifest.plane = self.observer.figures()
            manifest.notes = [*manifest.notes, *self.observer.notes()]
        self.directory.release()
        try:
            self.directory.write_manifest(manifest)
        except OSError as cause:
            manifest.status = "failed"
            manifest.error = manifest.error or unwritten(cause)
        self._is_settled = True

    def outcome(self) -> Outcome:
        """The figures, on the disk as far as it takes them. Of what failed, they are those of what was written."""
        manifest = self.manifest
        assert manifest is not None
        if manifest.status == "failed":
            summary = rebuild(self.directory.path, manifest)
        else:
            summary = self.recorder.summary(manifest)
        try:
            self.directory.write_summary(summary)
        except OSError as cause:
            summary.error = summary.error or unwritten(cause)
            summary.notes = [*summary.notes, unwritten(cause)]
        return Outcome(summary, self.directory.path, self.ended_early)

    def break_off(self, cause: BaseException) -> None:
        """An exception ended everything: keep what was recorded, and write of its end what is not written already."""
        if self.manifest is None:
            return
        # What is raised is the cause; that its traces could not be written is the lesser evil.
        with contextlib.suppress(OSError):
            if self._is_settled:
                cause.add_note(f"What was recorded is in {self.directory.path}.")
                self.outcome()
                return
            if hasattr(self, "loop") and self.loop.finished_ns:
                self.recorder.finish(time.monotonic_ns())
                complete(self.manifest, "failed", self.loop, self.recorder, self.sender, self._pace)
            ended_by(self.manifest, cause)
            self.directory.release()
            self.directory.write_manifest(self.manifest)


async def _replay(
    runs: Sequence[_Run],
    options: RunOptions,
    on_progress: OnProgress | None,
    stop_when: StopWhen | None,
    abort_when: AbortWhen | None,
    purse: Purse | None,
    part: Part | None,
    host: Host,
) -> None:
    opened: list[_Run] = []
    met: list[str] = []
    ended: list[Ended] = []
    host.has_guest = any(run.sender.has_guest for run in runs)
    try:
        for run in runs:
            await _open(run, on_progress)
            opened.append(run)
        host.take_signals()
        for run in runs:
            run.prepare()
        loops = [run.loop for run in runs]
        if stop_when is not None:
            stop_when.begin(runs[0].directory.path, runs[0].loop.progress)
        if abort_when is not None:
            for run in runs:
                abort_when.begin(run.directory.path, run.loop.progress)
        with host.interrupts.stopping(loops, options.grace_s):
            async with anyio.create_task_group() as tasks:
                if on_progress is not None:
                    watched = [
                        Watched(run.target.name, run.planned, run.ends_s, run.loop, run.recorder)
                        for run in runs
                    ]
                    tasks.start_soon(report_progress, runs[0].trace_name, watched, on_progress)
                for run in runs:
                    if run.observer is not None:
                        tasks.start_soon(run.observer.watch, _start_of(run.loop))
                if stop_when is not None:
                    tasks.start_soon(_end_when, stop_when, loops, met)
                if purse is not None:
                    tasks.start_soon(_end_when_spent, purse, loops, options.grace_s)
                if abort_when is not None:
                    tasks.start_soon(_abort_when, abort_when, loops, options.grace_s, ended)
                for n, run in enumerate(runs):
                    if events := _events_of(options, is_first=n == 0):
                        tasks.start_soon(
                            carry_out,
                            events,
                            run.observe,
                            _start_of(run.loop),
                            run.directory.path,
                            reaper_for(events),
                        )
                manifests = [run.manifest for run in runs if run.manifest is not None]
                line_up = None if part is None else partial(part.line_up, manifests)
                await run_together(loops, host.excuses, line_up)
                tasks.cancel_scope.cancel()
    finally:
        for run in opened:
            await run.sender.close()
    if purse is not None and purse.why is not None:
        ended.append(Ended("budget", purse.why))
    for run in runs:
        await run.finish(host, met[0] if met else None, ended[0] if ended else None)


async def _open(run: _Run, on_progress: OnProgress | None) -> None:
    """Get ready to send. A view is told what takes long: a command that prints a token may take a minute."""
    if on_progress is None:
        await run.sender.open()
        return
    told = asyncio.ensure_future(
        report_opening(run.trace_name, run.target.name, run.planned, lambda: run.sender.waits_for, on_progress)
    )
    try:
        await run.sender.open()
    finally:
        told.cancel()


def _refuse_sockets(trace: Path, found: TraceScan, target: Target) -> None:
    """Raises TargetError where steps are on WebSockets, and the target is reached in a way that has none."""
    if not found.sockets:
        return
    what = (
        "a proxy" if target.proxy is not None else "an application in this process" if target.is_asgi else None
    )
    if what is not None:
        raise TargetError(
            f"{trace}: has {counted(found.sockets, 'step')} on WebSockets, which do not go through {what}. Name a "
            "target that is reached directly."
        )


def _events_of(options: RunOptions, *, is_first: bool) -> list[At]:
    """Faults are done to every target, commands once."""
    return [event for event in options.at if is_first or event.fault is not None]


def _start_of(loop: RunLoop) -> Callable[[], int]:
    return lambda: loop.start_ns


async def _end_when(stop_when: StopWhen, loops: Sequence[RunLoop], met: list[str]) -> None:
    """End the runs once enough was seen; what is in flight then can change nothing."""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        why = stop_when.is_met()
        if why is not None:
            met.append(why)
            for loop in loops:
                loop.abort()
            return


async def _abort_when(
    abort_when: AbortWhen, loops: Sequence[RunLoop], grace_s: float, ended: list[Ended]
) -> None:
    """End the runs when going on would do harm."""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        why = abort_when.is_met()
        if why is not None:
            ended.append(Ended("aborted", why))
            await _wind_down(loops, grace_s)
            return


async def _end_when_spent(purse: Purse, loops: Sequence[RunLoop], grace_s: float) -> None:
    """End all runs once one has stopped because its next call would pass the budget."""
    while purse.why is None:
        await asyncio.sleep(_LOOK_EVERY_S)
    await _wind_down(loops, grace_s)


async def _wind_down(loops: Sequence[RunLoop], grace_s: float) -> None:
    """Send nothing more, wait for responses for a while, and end."""
    for loop in loops:
        loop.stop()
    await asyncio.sleep(grace_s)
    for loop in loops:
        loop.abort()
