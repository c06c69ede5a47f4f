"""run.json: what is known of a run when it begins, and what only its end tells."""

import os
import platform
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from replay import __version__
from replay.engine.hosting.event_loop import described
from replay.engine.loop import RunLoop
from replay.engine.plan import Planned
from replay.engine.records.recorder import Recorder
from replay.engine.requests.sender import TargetSender
from replay.engine.selfcheck import Vitals, judge_generator
from replay.engine.shares import WHOLE, Share
from replay.engine.types import RunOptions
from replay.engine.walker import Pace
from replay.results.manifest_types import Generator, Manifest, RunStatus, TargetFacts, TraceFacts
from replay.results.merging.advice import Used, workers_advised
from replay.system.shortage import descriptor_limit, starved_of
from replay.target.secrets import redacted
from replay.target.target import Target
from replay.trace.file.stream import TraceScan

_NS = 1_000_000_000
# A run that took longer than so many times what it had says no more of how much it needs.
_MOST_BEHIND = 20.0
MANIFEST_SCHEMA = "replay.run/1"


def manifest_of(
    found: TraceScan, planned: Planned, target: Target, options: RunOptions, share: Share = WHOLE
) -> Manifest:
    """What is known of a run when it begins. planned: what this share of it sets out to do."""
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
            recorded_in_flight=_recorded_in_flight(found, options, share),
            recorded_span_s=_recorded_span_s(found, options),
            synthetic=found.header.attributes.get("synthetic") is True,
        ),
        target=redacted(target),
        target_facts=TargetFacts(name=target.name, url=redacted(target)["url"], plane=target.plane),
        options=_told(options),
        seed=options.knobs.seed,
        host=host_facts(),
        share=None if share.of == 1 else str(share),
        clock={
            "source": "CLOCK_MONOTONIC",
            "resolution_ns": round(time.get_clock_info("monotonic").resolution * 1e9),
        },
    )


def _told(options: RunOptions) -> dict[str, Any]:
    """The options as they may be written: of the file of users its name alone, of a command its program."""
    told: dict[str, Any] = msgspec.to_builtins(options)
    for written, event in zip(told.get("at", ()), options.at, strict=True):
        if "command" in written:
            written["command"] = event.what
    if options.data is not None:
        told["data"] = Path(options.data).name
    return told


def _recorded_in_flight(found: TraceScan, options: RunOptions, share: Share) -> float | None:
    """The recording's concurrency at the rate of this run; None where the run takes a part of it, or bends it."""
    knobs = options.knobs
    is_whole = options.sessions is None and options.duration_s is None and not options.phases
    if found.mean_in_flight is None or not is_whole:
        return None
    return round(found.mean_in_flight * knobs.arrivals * knobs.speed * knobs.scale / share.of, 3)


def _recorded_span_s(found: TraceScan, options: RunOptions) -> float | None:
    """How long the recording lasts; None where the run takes a part of it, or goes through it more than once."""
    is_once = options.sessions is None and options.duration_s is None and not options.repeat
    return round(found.span_ms / 1000, 3) if is_once and not options.phases else None


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
    if (descriptors := descriptor_limit()) is not None:
        facts["descriptors"] = descriptors
    return facts


def now_utc() -> str:
    """Wall time, for manifests."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def complete(
    manifest: Manifest,
    status: RunStatus,
    loop: RunLoop,
    recorder: Recorder,
    sender: TargetSender,
    pace: Pace,
    *,
    was_stopped: bool = False,
) -> None:
    """What is known only at the end of a run. was_stopped: this process was, and went on."""
    manifest.status = status
    manifest.finished_at = now_utc()
    manifest.elapsed_s = round(max(0, loop.finished_ns - loop.start_ns) / _NS, 6)
    manifest.clock["start_ns"] = loop.start_ns
    manifest.generator = _self_check(loop, recorder, sender, was_stopped=was_stopped)
    # Of several, whoever adds them up says how many there should be.
    if manifest.generator.verdict == "saturated" and manifest.share is None:
        late_s = (recorder.lag.quantiles().max or 0.0) / 1000
        had_s = max(manifest.elapsed_s - late_s, manifest.elapsed_s / _MOST_BEHIND)
        used = Used(loop.cpu_percent, manifest.elapsed_s / had_s if had_s else 1.0)
        if (advice := workers_advised([used])) is not None:
            manifest.generator.reasons.append(advice)
    manifest.removed_s = pace.removed_s()
    manifest.connections = sender.connection_counts()
    manifest.notes = [*manifest.notes, *sender.notes()]
    if recorder.failure is not None:
        manifest.error = f"could not write {recorder.failure}; what was recorded before is kept"
    elif loop.read_error is not None:
        manifest.error = str(loop.read_error)
    elif loop.fault is not None and (shortage := starved_of(loop.fault)) is not None:
        manifest.error = f"{shortage}; what was recorded before is kept"
    elif loop.fault is not None:
        where = traceback.extract_tb(loop.fault.__traceback__)[-1:]
        place = f" at {Path(where[0].filename).name}:{where[0].lineno}" if where else ""
        manifest.error = f"a fault of the replay itself ended the run ({loop.fault!r}{place}); please report it"


def unwritten(cause: OSError) -> str:
    """What to say of a file that could not be written at the end of a run."""
    return f"could not write {cause.filename}: {cause.strerror}; what was recorded before is kept"


def ended_by(manifest: Manifest, cause: BaseException) -> None:
    """An exception ended the run: an interruption, if it was Ctrl-C, and else a failure, with its words."""
    manifest.finished_at = now_utc()
    manifest.status = "interrupted" if isinstance(cause, KeyboardInterrupt) else "failed"
    manifest.error = None if manifest.status == "interrupted" else f"the run was ended by {described(cause)}"


def _self_check(loop: RunLoop, recorder: Recorder, sender: TargetSender, *, was_stopped: bool) -> Generator:
    lag = recorder.lag.quantiles()
    return judge_generator(
        Vitals(
            sent=loop.progress.sent,
            lag_p50_us=None if lag.p50 is None else lag.p50 * 1000,
            lag_p99_us=None if lag.p99 is None else lag.p99 * 1000,
            lag_max_us=lag.max * 1000 if lag.max is not None and sender.stamps_at_once else None,
            cpu_percent=loop.cpu_percent,
            max_loop_stall_ms=loop.max_stall_ns / 1e6,
            in_flight_waits=loop.held_steps,
            connection_waits=sender.waited_for_limit,
            machine_waits=sender.waited_for_machine,
            shortage=sender.shortage,
            was_stopped=was_stopped,
            slept_ms=loop.slept_ns / 1e6,
        )
    )
