"""A run in virtual time: the same run loop, against a plane's core instead of a network.

Trace, knobs, graph walk and recorder are those of a real run; the clock is virtual, and the wire hands each step to
the plane's core (replay/planes/core/plane.py), which decides where it is served. Boots and answers take the times that
their models draw, or that the recording has; the network takes none. So a run of a day takes as long as its
steps take to compute, and the same seed gives the same figures.

Where a target's routes send steps to other URLs, what is there is a second plane, as `[simulate.elsewhere]` describes
it. Both are on the one clock, so that a session's steps go from one to the other and back as their edges say.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from replay.engine.loop import RunLoop
from replay.engine.manifest import manifest_of, now_utc
from replay.engine.outcome import Outcomes
from replay.engine.pacing.pacer import Pacer
from replay.engine.plan import planned_counts, planned_sessions, read_trace
from replay.engine.records.recorder import Recorder
from replay.engine.records.writer import PromptWriter
from replay.engine.requests.router import Router
from replay.engine.retries import Retries
from replay.engine.run import Outcome
from replay.engine.types import RunOptions
from replay.engine.walker import Pace
from replay.keys import explained
from replay.planes.profiles import PROFILES, with_profile
from replay.planes.types import SimulatedPlane
from replay.results.manifest_types import Generator
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.results.types import INSTANCES_FILE, PARTS, SIMULATED
from replay.simulation.lives import together
from replay.simulation.sender import SimulatedSender
from replay.simulation.virtual import VirtualTime
from replay.simulation.wire import SimulatedWire
from replay.system.files import write_whole
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trace.file.stream import TraceScan
from replay.trace.redaction.shown_urls import shown_url
from replay.words.phrases import counted, were

_NS = 1_000_000_000
# Between the events of a simulation nothing has to be looked at.
_IDLE_NS = 3600 * _NS


def simulate_trace(trace: Path, target: Target, options: RunOptions, out: Path | None = None) -> Outcome:
    """Replay a trace against a simulated plane, and return the summary that was written.

    target: its `simulate` table says what plane it is. Raises TraceError, TargetError and RunDirError.
    """
    specs = simulated_planes(target)
    found = read_trace(trace, options)
    _refuse_sockets(target, found, specs)
    planned = planned_counts(trace, found, options)
    directory = RunDir.create(out, found.header.name, target.name)
    manifest = manifest_of(found, planned, target, options)
    directory.write_manifest(manifest)
    time = VirtualTime()
    asked_at = target.shape.asked_at("default", is_stream=False)
    wires = [SimulatedWire(spec, time, asked_at, part) for spec, part in zip(specs, PARTS, strict=False)]
    pace = Pace(options.knobs)
    recorder = Recorder(
        directory.path, target.name, PromptWriter(), options.warmup_s, manifest.trace.resolution_ms
    )
    loop = RunLoop(
        planned_sessions(trace, found, options, pace),
        SimulatedSender(target, wires, options.read_only),
        recorder,
        options,
        pace,
        Outcomes(target, reads_answers=False),
        time.now,
        partial(Pacer, idle_ns=_IDLE_NS, hard_spin_ns=0),
        retries=Retries(target.retry, options.knobs.seed) if target.retry.attempts > 1 else None,
    )
    loop.begin(time, time.make_alarm)
    for wire in wires:
        wire.begin(loop.start_ns)
    time.run_until(lambda: loop.is_over)
    loop.finish()
    recorder.finish(time.now_ns)
    manifest.status = "failed" if recorder.failure or loop.read_error else "finished"
    manifest.error = recorder.failure or (str(loop.read_error) if loop.read_error else None)
    manifest.finished_at = now_utc()
    manifest.elapsed_s = round((loop.finished_ns - loop.start_ns) / _NS, 6)
    manifest.removed_s = pace.removed_s()
    manifest.generator = Generator(verdict="ok", reasons=[])
    manifest.plane = together(
        {wire.part: wire.figures() for wire in wires},
        [life for wire in wires for life in wire.ledger()],
        time.now_ns,
    )
    lives = msgspec.json.Encoder().encode_lines(
        [life for wire in wires for life in wire.instances(loop.start_ns)]
    )
    write_whole(directory.path / INSTANCES_FILE, lives)
    manifest.notes = [
        SIMULATED,
        *_notes(wires),
    ]
    directory.write_manifest(manifest)
    summary = rebuild(directory.path) if manifest.status == "failed" else recorder.summary(manifest)
    directory.write_summary(summary)
    return Outcome(summary, directory.path)


def _refuse_sockets(target: Target, found: TraceScan, specs: Sequence[SimulatedPlane]) -> None:
    """Raises TargetError where steps are on WebSockets, and no plane can hold one."""
    if found.sockets and all(spec.plane.binding == "early" for spec in specs):
        raise TargetError(
            f"{target.name}: {found.header.name} has {counted(found.sockets, 'step')} on WebSockets, and AWS Lambda "
            "(binding early) gives each request an instance of its own for that request alone, and holds no "
            "connections. Simulate another plane."
        )


def simulated_plane(target: Target) -> SimulatedPlane:
    """The plane that a target file describes for simulation. Raises TargetError."""
    if target.simulate is None:
        raise TargetError(f"{target.name}: has no [simulate] table, so there is no plane to simulate. Add one.")
    try:
        return msgspec.convert(_filled_in(target.simulate, f"{target.name}: [simulate]"), SimulatedPlane)
    except msgspec.ValidationError as cause:
        raise TargetError(
            f"{target.name}: {explained(cause, SimulatedPlane, target.simulate, 'simulate')}"
        ) from cause


def _filled_in(table: dict[str, Any], where: str) -> dict[str, Any]:
    """A [simulate] table with what profiles say, its own and that of elsewhere. where: how it is called."""
    if isinstance(name := table.get("profile"), str) and name not in PROFILES:
        raise TargetError(f"{where} profile: {name!r} is not known. Use one of {', '.join(sorted(PROFILES))}.")
    filled = with_profile(table)
    if isinstance(elsewhere := table.get("elsewhere"), dict):
        filled["elsewhere"] = _filled_in(elsewhere, f"{where} elsewhere")
    return filled


def simulated_planes(target: Target) -> list[SimulatedPlane]:
    """The plane at the target's own URL, then what is at all others to which its routes send steps, if any do.

    Raises TargetError where its file does not say what is there.
    """
    own = simulated_plane(target)
    urls = Router(target).urls
    if len(urls) == 1:
        return [own]
    if own.elsewhere is None:
        raise TargetError(
            f"{target.name}: sends steps to {shown_url(urls[1])}, and its [simulate] table does not say what plane is "
            "there. Add [simulate.elsewhere]."
        )
    return [own, own.elsewhere]


def _notes(wires: Sequence[SimulatedWire]) -> list[str]:
    notes = []
    if unknown := sum(wire.unknown for wire in wires):
        notes.append(f"{were(unknown, 'step')} recorded without a duration, and answered at once")
    if lost := sum(wire.background_lost for wire in wires):
        notes.append(f"{counted(lost, 'request')} left background work that was lost with the instance")
    return notes
