"""Checking a target before a replay: reach it, send one session of each sort at once, and say what that shows."""

import contextlib
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from replay.engine.attempt import Attempt
from replay.engine.forecast.connections import short_of_descriptors
from replay.engine.forecast.timetable import foreseen_steps
from replay.engine.plan import read_trace
from replay.engine.requests.own_origin import refuse_own_origin
from replay.engine.run import Job, replay_together
from replay.engine.types import Knobs, RunOptions
from replay.engine.walker import Pace
from replay.exit_codes import Conclusion
from replay.judge.check import CheckReport, report_of
from replay.results.rates import peak_in_flight
from replay.results.record import read_blocks
from replay.results.rundir import RunDir
from replay.results.types import STEPS_FILE, StepRecord
from replay.target.target import Target
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import Header
from replay.trials.check.findings import findings
from replay.trials.check.reaching import reach
from replay.trials.check.sampling import Sample, ShapeCount, sample_of
from replay.trials.check.seen import Answer, Changes, Seen, changes_of
from replay.trials.evidence import write_verdict
from replay.wire.errors import TargetUnreachable

_MOST_HEADERS = 200
_TRACE_FILE = "sample.jsonl"
_RUN_FOLDER = "run"


class CheckOutcome(NamedTuple):
    """directory: with the sample and its run, where one was asked for. was_interrupted: so there is no saying."""

    report: CheckReport
    directory: Path | None
    was_interrupted: bool = False

    @property
    def conclusion(self) -> Conclusion:
        """A target that a replay would mislead about is one at which no run can be carried out."""
        if self.was_interrupted:
            return "interrupted"
        return "done" if self.report.verdict == "ok" else "not_carried_out"


def check_target(trace: Path, target: Target, options: RunOptions, *, out: Path | None = None) -> CheckOutcome:
    """Send one session of each shape of the trace, all at once and without think times, and report what was found.

    options: references, data, read_only, to_origin, budget and grace_s count, the others do not. out: a fresh folder
    for the sample, its run and verdict.json; None: nothing is left. A target that cannot be reached is a finding.
    Raises TraceError, TargetError (OriginRefused where the trace was recorded at the target) and RunDirError.
    """
    header, sample, changes, at_once = _sampled(trace, references=options.references)
    refuse_own_origin(trace, header, [target], to_origin=options.to_origin)
    began = time.monotonic()
    short_of = short_of_descriptors(at_once, target)
    seen = Seen(target, options, header, sample, changes, reach(target), short_of=short_of)
    was_interrupted = False
    with _folder(out, header.name, target.name) as folder:
        if all(reached.failure is None for reached in seen.reached):
            try:
                seen, was_interrupted = _tried(seen, folder)
            except TargetUnreachable as error:
                seen = seen._replace(refusal=str(error))
        report = report_of(
            header.name,
            target.name,
            sample.sampled,
            findings(seen),
            0 if seen.summary is None else seen.summary.counts.sent,
            time.monotonic() - began,
        )
        if out is not None:
            write_verdict(folder, report)
    return CheckOutcome(report, out, was_interrupted)


class _Sampled(NamedTuple):
    """at_once: requests of the whole trace in flight at once, had they taken as long as was recorded."""

    header: Header
    sample: Sample
    changes: Changes
    at_once: int


def _sampled(trace: Path, *, references: bool) -> _Sampled:
    found = read_trace(trace, RunOptions(references=references))
    counted = ShapeCount()
    changes = Changes(0, Counter(), 0)
    sessions = partial(read_sessions, trace, checked=False, text=found.text)
    pace = Pace(Knobs())
    sent_ns, end_ns = array("q"), array("q")
    for session in sessions():
        counted.add(session)
        changes = changes_of(session.steps, changes)
        # Last, since it takes the steps out of the session.
        for step, due_ns, ended_ns in foreseen_steps(session, pace, pace.start_ns(session.start_ms), False):
            if not step.is_wait:
                sent_ns.append(due_ns)
                end_ns.append(ended_ns)
    if not counted.shapes:
        raise TraceError(f"{shown_path(trace)}: sends nothing: all of its steps are waits.")
    at_once = peak_in_flight(np.frombuffer(sent_ns, np.int64), np.frombuffer(end_ns, np.int64))
    return _Sampled(found.header, sample_of(sessions(), counted), changes, at_once)


@contextlib.contextmanager
def _folder(out: Path | None, trace: str, target: str) -> Iterator[Path]:
    if out is not None:
        yield RunDir.create(out, trace, target).path
        return
    with tempfile.TemporaryDirectory(prefix="replay-check-") as folder:
        yield Path(folder)


def _tried(seen: Seen, folder: Path) -> tuple[Seen, bool]:
    """The sample replayed, and whether that was interrupted."""
    path = folder / _TRACE_FILE
    with TraceWriter(path, seen.header) as writer:
        for session in seen.sample.sessions:
            writer.write(session)
    given = seen.options
    options = RunOptions(
        knobs=Knobs(idle_cap_s=0.0, seed=given.knobs.seed),
        grace_s=given.grace_s,
        references=given.references,
        data=given.data,
        data_order=given.data_order,
        read_only=given.read_only,
        to_origin=given.to_origin,
        budget=given.budget,
    )
    answers: list[Answer] = []
    # Answers are looked at for errors that their status does not tell, whatever the target file says.
    target = msgspec.structs.replace(seen.target, answers="kind")
    job = Job(target, folder / _RUN_FOLDER, witness=lambda attempt: _note(attempt, answers))
    (outcome,) = replay_together(path, [job], options)
    records, handshakes = _told_of(folder / _RUN_FOLDER / STEPS_FILE)
    was_interrupted = outcome.summary.status == "interrupted" and outcome.summary.ended is None
    seen = seen._replace(records=records, answers=answers, summary=outcome.summary, handshakes=handshakes)
    return seen, was_interrupted


def _note(attempt: Attempt, answers: list[Answer]) -> None:
    """Keep an answer's head; nothing else of it."""
    if not attempt.status:
        return
    headers: dict[str, list[str]] = {}
    for name, value in (attempt.captured_headers or [])[:_MOST_HEADERS]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip())
    answers.append(Answer(attempt.walk.id, attempt.step.id, attempt.status, headers, time.time()))


def _told_of(steps: Path) -> tuple[list[StepRecord], list[StepRecord]]:
    """The last attempt of every step that was tried, and the handshakes that failed."""
    records, handshakes = [], []
    for block in read_blocks(steps):
        for record in block:
            if record.handshake and record.outcome == "failed":
                handshakes.append(record)
            elif record.final and record.outcome != "unsent" and (record.sent_ns is not None or record.error):
                records.append(record)
    return records, handshakes
