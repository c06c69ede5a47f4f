"""What a pilot left on disk, read back: the run of each phase on each target, ceilings, cold starts, recoveries."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import msgspec

from replay.engine.observe import PLANE_FILE
from replay.judge.ceiling import CeilingVerdict
from replay.judge.choice.planes import phase_figures
from replay.judge.choice.types import PhaseFigures, PhaseName
from replay.judge.coldstart import ColdVerdict, judge_coldstart
from replay.judge.figures import Evidence
from replay.results.rundir import RunDir
from replay.results.types import INSTANCES_FILE, MANIFEST_FILE, InstanceRecord, Manifest
from replay.trace.file import read_sessions
from replay.trace.types import Session
from replay.trials.evidence import read_evidence, read_verdict
from replay.trials.faults import read_events
from replay.trials.pilot.phases import REPRESENTATIVE_FILE

TRACES_FOLDER = "traces"
_SHARED: tuple[PhaseName, ...] = ("representative", "bursts", "idle-wake", "long-chains")


class Material(NamedTuple):
    """By target: the runs of the phases, the ceiling, and cold starts as the representative and the idle-wake phase
    show them. manifests: of the representative runs.
    """

    runs: dict[str, dict[PhaseName, Evidence]]
    folders: dict[str, dict[PhaseName, Path]]
    figures: list[PhaseFigures]
    ceilings: dict[str, CeilingVerdict]
    colds: dict[str, ColdVerdict]
    wakes: dict[str, ColdVerdict]
    instances: dict[str, list[tuple[float, float]]]
    manifests: list[Manifest]


def read_material(directory: Path, done: dict[str, str], names: Sequence[str]) -> Material:
    """What is there of the targets of these names. Raises RunDirError for what cannot be read."""
    found = Material({}, {}, [], {}, {}, {}, {}, [])
    for name in names:
        runs: dict[PhaseName, Evidence] = {}
        folders: dict[PhaseName, Path] = {}
        for phase, folder in _run_dirs(directory, done, name):
            run = runs[phase] = read_evidence(folder)
            folders[phase] = folder
            found.figures.append(phase_figures(phase, name, run, str(folder.relative_to(directory))))
        found.runs[name], found.folders[name] = runs, folders
        if (main := runs.get("representative")) is not None:
            found.colds[name] = judge_coldstart(main)
            found.instances[name] = instances_over_time(folders["representative"])
            found.manifests.append(RunDir(folders["representative"]).read_manifest())
        if (wake := runs.get("idle-wake")) is not None:
            found.wakes[name] = judge_coldstart(wake)
        ceiling = _ceiling(directory, done.get(f"ceiling/{name}"))
        if ceiling is not None:
            found.ceilings[name] = ceiling
    return found


def recorded_sessions(directory: Path, wanted: Sequence[str]) -> dict[str, Session]:
    """The sessions of these ids as the representative trace has them; a folder without the trace has none."""
    path = directory / TRACES_FOLDER / REPRESENTATIVE_FILE
    if not path.exists():
        return {}
    left = set(wanted)
    found: dict[str, Session] = {}
    for session in read_sessions(path, checked=False):
        if session.id in left:
            found[session.id] = session
            left.discard(session.id)
            if not left:
                break
    return found


def _run_dirs(directory: Path, done: dict[str, str], target: str) -> list[tuple[PhaseName, Path]]:
    folders: list[tuple[PhaseName, Path]] = [
        (phase, directory / done[phase] / target) for phase in _SHARED if phase in done
    ]
    if (failure := done.get(f"failure/{target}")) is not None:
        folders.append(("failure", directory / failure))
    return [(phase, folder) for phase, folder in folders if (folder / MANIFEST_FILE).exists()]


def _ceiling(directory: Path, folder: str | None) -> CeilingVerdict | None:
    if folder is None:
        return None
    return cast("CeilingVerdict | None", read_verdict(directory / folder))


def has_struck(run_dir: Path, at_ns: int) -> bool | None:
    """Whether the fault of a run met an instance of a plane of our own; None where a plane does not tell."""
    for event in read_events(run_dir):
        try:
            return msgspec.json.decode(event.answer or "", type=_Struck).instance is not None
        except msgspec.DecodeError:
            continue
    try:
        lives = read_instances(run_dir)
    except FileNotFoundError:
        return None
    return any(life.gone_ns == at_ns for life in lives)


class _Struck(msgspec.Struct):
    """What the control address answers to a fault."""

    instance: str | None


def read_instances(run_dir: Path) -> list[InstanceRecord]:
    """The instances of a simulated plane. Raises FileNotFoundError for a run of any other."""
    lines = (run_dir / INSTANCES_FILE).read_bytes().splitlines()
    return [msgspec.json.decode(line, type=InstanceRecord) for line in lines if line]


def instances_over_time(run_dir: Path) -> list[tuple[float, float]]:
    """How many instances a plane of our own had, as it was polled or as it was simulated; nothing for others."""
    try:
        polled = (run_dir / PLANE_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return _simulated_instances(run_dir)
    found: list[tuple[float, float]] = []
    for line in polled:
        try:
            told = msgspec.json.decode(line, type=_Told)
        except msgspec.DecodeError:
            continue
        found.append((told.at_s, float(sum(told.instances.values()))))
    return found


class _Told(msgspec.Struct):
    """One line of plane.jsonl, as far as it matters here."""

    at_s: float
    instances: dict[str, int]


def _simulated_instances(run_dir: Path) -> list[tuple[float, float]]:
    try:
        lives = read_instances(run_dir)
    except FileNotFoundError:
        return []
    changes = [(life.requested_ns, 1) for life in lives]
    changes += [(life.gone_ns, -1) for life in lives if life.gone_ns is not None]
    found: list[tuple[float, float]] = []
    there = 0
    for at_ns, change in sorted(changes):
        there += change
        found.append((at_ns / 1e9, float(there)))
    return found
