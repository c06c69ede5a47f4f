"""A run of several workers from beginning to end: what replay_together (replay/engine/run.py) is for one process."""

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.engine.counting import Progress
from replay.engine.hosting.ownership import owns_signals
from replay.engine.hosting.threads import breaker_here, call_in_thread
from replay.engine.manifest import manifest_of, unwritten
from replay.engine.plan import Planned, planned_counts, read_trace
from replay.engine.progress import OnProgress
from replay.engine.requests.login import columns_asked
from replay.engine.requests.own_origin import refuse_own_origin
from replay.engine.run import AbortWhen, Job, Outcome, StopWhen
from replay.engine.shares import Share
from replay.engine.types import RunOptions
from replay.engine.users.rows import Rows, rows_for
from replay.engine.users.rows import notes_on as notes_on_rows
from replay.errors import InputError
from replay.results.manifest_types import Manifest, WorkerFacts
from replay.results.merging.layout import WORKERS_FOLDER, worker_directory
from replay.results.merging.merge import merge
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.results.summary_types import Snapshot
from replay.results.types import MANIFEST_FILE
from replay.scale.conductor import Conducted
from replay.scale.crew import Crew
from replay.scale.dividing import notes_on, options_of_share, target_of_share
from replay.scale.latency import Latencies
from replay.scale.messages import Assignment, JobPart, SentFile
from replay.scale.needs import Room, check_room
from replay.scale.presses import Presses, counted_presses
from replay.system.shortage import local_ports, most_descriptors_possible
from replay.target.secrets import redacted
from replay.target.target import Target
from replay.target.urls import ASGI_PREFIX
from replay.trace.file.stream import TraceScan

_NS = 1_000_000_000
_SHOW_EVERY_NS = _NS // 2


def replay_dealt(
    trace: Path,
    jobs: Sequence[Job],
    options: RunOptions,
    on_progress: OnProgress | None = None,
    stop_when: StopWhen | None = None,
    abort_when: AbortWhen | None = None,
    crew: Crew | None = None,
    not_before_ns: int = 0,
) -> list[Outcome]:
    """As replay_together, its sessions dealt to options.workers processes, which begin at one instant.

    crew: the workers, kept for the next run; None: they are this run's. not_before_ns: when it may begin at the
    earliest, on CLOCK_MONOTONIC. A worker that is lost later is given up: the run goes on, and says that it is
    incomplete. Raises what replay_together raises, and NotStarted where a worker could not begin.
    """
    breaker = breaker_here()
    if breaker is None and not owns_signals():
        # As replay_together does: what is raised here then breaks into nothing that is written.
        return call_in_thread(
            lambda: replay_dealt(trace, jobs, options, on_progress, stop_when, abort_when, crew, not_before_ns)
        )
    with contextlib.ExitStack() as ours:
        presses = ours.enter_context(counted_presses(breaker))
        crew = crew or ours.enter_context(Crew(options))
        tops, conducted = _conducted(
            trace, jobs, options, on_progress, stop_when, abort_when, crew, not_before_ns, presses
        )
    notes = notes_on(options, [job.target for job in jobs], options.workers)
    return [top.outcome(conducted, notes) for top in tops]


def _conducted(
    trace: Path,
    jobs: Sequence[Job],
    options: RunOptions,
    on_progress: OnProgress | None,
    stop_when: StopWhen | None,
    abort_when: AbortWhen | None,
    crew: Crew,
    not_before_ns: int,
    presses: Presses,
) -> "tuple[list[_Top], Conducted]":
    """The wiring, in the order in which it happens; the directories, unmerged, and how it went."""
    _check_possible(jobs)
    if crew.is_away:
        _check_travels(jobs)
    count = options.workers
    shares = [Share(place, count) for place in range(count)]
    # Asked for before anything is started, since it may be refused.
    divided = [options_of_share(options, share) for share in shares]
    targets = [[target_of_share(job.target, share) for job in jobs] for share in shares]
    with crew.at_work(presses) as conductor:
        # While this process reads the trace, the others come to life.
        found = read_trace(trace, options)
        refuse_own_origin(trace, found.header, [job.target for job in jobs], to_origin=options.to_origin)
        logins = columns_asked([job.target for job in jobs])
        rows = rows_for(trace, found.uses, options, logins)
        if not crew.is_away:
            _check_room(found, jobs, options)
        planned = [planned_counts(trace, found, options, job.arm) for job in jobs]
        conductor.gather()
        run_ids = [job.run_id or secrets.token_hex(8) for job in jobs]
        tops = [
            _Top(
                RunDir.create(job.out, found.header.name, job.target.name),
                job.target,
                counts,
                run_id,
                notes_on_rows(rows, found.uses, counts.sessions, columns_asked([job.target])),
            )
            for job, counts, run_id in zip(jobs, planned, run_ids, strict=True)
        ]
        with _gone_unless_started(tops):
            for top in tops:
                top.manifest = manifest_of(found, top.planned, top.target, options)
                top.manifest.run_id = top.run_id
                top.write(conductor.facts)
            files = _files(trace, found, options, rows)
            conductor.assign(
                [Path(file.path) for file in files],
                lambda place, core: Assignment(
                    place,
                    count,
                    str(trace),
                    divided[place],
                    [
                        JobPart(
                            target,
                            str(worker_directory(top.directory.path, place)),
                            job.arm,
                            top.run_id,
                            None if job.digests is None else job.digests.key,
                        )
                        for target, job, top in zip(targets[place], jobs, tops, strict=True)
                    ],
                    core,
                    files if crew.is_away else None,
                    [] if abort_when is None else list(abort_when.selectors),
                ),
            )
            conductor.make_ready()
            for top in tops:
                top.write(conductor.facts)
            start_ns = conductor.start(not_before_ns)
        watch = _Watch(tops, count, found.header.name, on_progress)
        watch.progress.start_ns = start_ns
        if stop_when is not None:
            stop_when.begin(tops[0].directory.path, watch.progress)
        if abort_when is not None:
            for top in tops:
                abort_when.begin(top.directory.path, watch.progress)
        conducted = conductor.conduct(
            watch.look,
            (lambda: None) if stop_when is None else stop_when.is_met,
            (lambda: None) if abort_when is None else abort_when.is_met,
        )
    return tops, conducted


def _files(trace: Path, found: TraceScan, options: RunOptions, rows: Rows | None) -> list[SentFile]:
    """What workers on other machines need: the trace, and the rows of users."""
    files = [SentFile(str(trace), found.bytes, found.sha256)]
    if options.data is not None and rows is not None:
        files.append(SentFile(options.data, Path(options.data).stat().st_size, rows.facts.sha256))
    return files


def _check_possible(jobs: Sequence[Job]) -> None:
    for job in jobs:
        routes = [route.send_to or "" for route in job.target.routes]
        if job.target.is_asgi or any(url.startswith(ASGI_PREFIX) for url in routes):
            raise InputError(
                f"{job.target.name}: is an application in this process, which cannot be shared by several workers. "
                "Serve it, and name its URL."
            )


def _check_room(found: TraceScan, jobs: Sequence[Job], options: RunOptions) -> None:
    """Raises TooLittleRoom."""
    knobs = options.knobs
    in_flight = (found.mean_in_flight or 0.0) * knobs.arrivals * knobs.speed * knobs.scale
    if options.max_in_flight is not None:
        in_flight = min(in_flight, options.max_in_flight)
    room = Room(most_descriptors_possible(), local_ports())
    needed = [min(in_flight, job.target.connections.max) for job in jobs]
    # One process has the connections of all targets; ports are counted for each address.
    check_room(sum(needed), options.workers, room._replace(ports=None))
    for job, connections in zip(jobs, needed, strict=True):
        check_room(connections / max(1, len(job.target.connections.local_addresses)), options.workers, room)


def _check_travels(jobs: Sequence[Job]) -> None:
    """What goes over the network holds the names of secrets, and none of them."""
    for job in jobs:
        told, shown = msgspec.to_builtins(job.target), redacted(job.target)
        for part in ("headers", "proxy", "observe"):
            if told.get(part) != shown.get(part):
                raise InputError(
                    f"{job.target.name}: {part} holds a secret, which would be sent to the workers. Name an "
                    "environment variable under [auth] in its stead, and set that on each of them."
                )


class _Top:
    """The directory of one target's run as a whole."""

    manifest: Manifest

    def __init__(
        self, directory: RunDir, target: Target, planned: Planned, run_id: str, notes: Sequence[str]
    ) -> None:
        self.directory, self.target, self.planned, self.run_id = directory, target, planned, run_id
        self._notes = notes

    def __repr__(self) -> str:
        return f"<_Top {self.directory}>"

    def write(self, workers: Sequence[WorkerFacts]) -> None:
        """What is known by now, for whoever has to merge the workers' directories if nobody is left who conducts."""
        self.manifest.workers = [msgspec.structs.replace(worker) for worker in workers]
        self.directory.write_manifest(self.manifest)

    def forget(self) -> None:
        """Nothing was recorded here."""
        path = self.directory.path
        with contextlib.suppress(OSError):
            (path / MANIFEST_FILE).unlink(missing_ok=True)
            shutil.rmtree(path / WORKERS_FOLDER, ignore_errors=True)
            path.rmdir()

    def outcome(self, conducted: Conducted, notes: Sequence[str]) -> Outcome:
        """The workers' directories merged, and the figures of the whole."""
        self.manifest.workers = list(conducted.workers)
        self.manifest.ended = conducted.harm
        path = self.directory.path
        merged = merge(path, self.manifest)
        merged.notes = [*notes, *self._notes, *merged.notes]
        with contextlib.suppress(OSError):
            self.directory.write_manifest(merged)
        summary = rebuild(path, merged)
        try:
            self.directory.write_summary(summary)
        except OSError as cause:
            summary.error = summary.error or unwritten(cause)
            summary.notes = [*summary.notes, unwritten(cause)]
        is_early = summary.status == "interrupted" and not conducted.was_interrupted
        return Outcome(summary, path, conducted.enough if is_early else None)


@contextlib.contextmanager
def _gone_unless_started(tops: Sequence[_Top]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for top in tops:
            top.forget()
        raise


class _Watch:
    """The workers together, as a live view and whoever ends a run see them. progress: kept up to date."""

    def __init__(self, tops: Sequence[_Top], workers: int, trace: str, on_progress: OnProgress | None) -> None:
        self._tops, self._trace, self._on_progress = tops, trace, on_progress
        self._latencies = Latencies(
            [worker_directory(top.directory.path, n) for top in tops for n in range(workers)]
        )
        self.progress = Progress()
        self._next_ns = 0
        self._before = (0, 0, time.monotonic_ns())

    def look(self, snapshots: Sequence[Snapshot | None]) -> None:
        known = [snapshot for snapshot in snapshots if snapshot is not None]
        progress = self.progress
        progress.sent = sum(each.sent for each in known)
        progress.ended = progress.sent - sum(each.in_flight for each in known)
        progress.failed = sum(each.failed for each in known)
        progress.unsent = sum(each.unsent for each in known)
        progress.sessions_done = sum(each.sessions_done for each in known)
        # What a worker says before its first step has none.
        of_workers = [each.parts for each in known if each.parts]
        for n, part in enumerate(progress.parts):
            part.sent = sum(parts[n][0] for parts in of_workers)
            part.ended = part.sent - sum(parts[n][1] for parts in of_workers)
        now_ns = time.monotonic_ns()
        if self._on_progress is not None and known and now_ns >= self._next_ns:
            self._next_ns = now_ns + _SHOW_EVERY_NS
            self._on_progress(self._together(known, now_ns))

    def _together(self, known: Sequence[Snapshot], now_ns: int) -> Snapshot:
        done, sent = sum(each.done for each in known), sum(each.sent for each in known)
        before_done, before_sent, before_ns = self._before
        span_s = max(1e-9, (now_ns - before_ns) / _NS)
        self._before = (done, sent, now_ns)
        latency = self._latencies.look().quantiles()
        lags = [each.lag_p99_us for each in known if each.lag_p99_us is not None]
        left = [each.left_s for each in known if each.left_s is not None]
        return Snapshot(
            trace=self._trace,
            target=known[0].target,
            elapsed_s=max(0, now_ns - self.progress.start_ns) / _NS,
            steps=sum(top.planned.steps for top in self._tops),
            done=done,
            sent=sent,
            failed=self.progress.failed,
            unsent=self.progress.unsent,
            in_flight=sum(each.in_flight for each in known),
            sessions=sum(top.planned.sessions for top in self._tops),
            sessions_done=self.progress.sessions_done,
            offered_rps=(sent - before_sent) / span_s,
            achieved_rps=(done - before_done) / span_s,
            p50_ms=latency.p50,
            p99_ms=latency.p99,
            # Of the worst of them; how late each was cannot be added up from here.
            lag_p99_us=max(lags, default=None),
            left_s=max(left, default=None),
            state="stopping" if any(each.state == "stopping" for each in known) else "running",
        )
