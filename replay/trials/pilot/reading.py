"""What a pilot left on disk, read back: the run of each phase on each target, ceilings, cold starts, recoveries."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

from replay.choice.planes import phase_figures
from replay.choice.types import PhaseFigures, PhaseName
from replay.judge.cold.coldstart import judge_coldstart
from replay.judge.cold.types import ColdVerdict
from replay.judge.load.types import CeilingVerdict
from replay.results.evidence import Evidence, read_evidence
from replay.results.manifest_types import Manifest
from replay.results.rundir import RunDir
from replay.results.types import MANIFEST_FILE
from replay.trace.file.stream import read_sessions
from replay.trace.types import Session
from replay.trials.evidence import read_instances, read_verdict
from replay.trials.pilot.lives import instances_over_time
from replay.trials.pilot.pricing.levels import Measured
from replay.trials.pilot.workload.phases import REPRESENTATIVE_FILE

TRACES_FOLDER = "traces"
_SHARED: tuple[PhaseName, ...] = ("representative", "bursts", "idle-wake", "long-chains")


class Runs:
    """The runs of a pilot, each read once however often it is asked for: it has ended by then, and stays as it is."""

    def __init__(self) -> None:
        self._read: dict[Path, Evidence] = {}

    def at(self, folder: Path) -> Evidence:
        """Raises RunDirError if there is no run there."""
        if folder not in self._read:
            self._read[folder] = read_evidence(folder)
        return self._read[folder]

    def measured(self, folder: Path, offset_s: float | None, *, is_simulated: bool) -> Measured:
        """The run there as one by which a target is priced. Raises RunDirError."""
        return Measured(self.at(folder), offset_s, is_simulated, tuple(read_instances(folder) or ()))


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


def read_material(
    directory: Path, done: dict[str, str], names: Sequence[str], runs_read: Runs | None = None
) -> Material:
    """What is there of the targets of these names. Raises RunDirError for what cannot be read."""
    known = runs_read or Runs()
    found = Material({}, {}, [], {}, {}, {}, {}, [])
    for name in names:
        runs: dict[PhaseName, Evidence] = {}
        folders: dict[PhaseName, Path] = {}
        for phase, folder in _run_dirs(directory, done, name):
            run = runs[phase] = known.at(folder)
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


def folder_of(done: dict[str, str], phase: PhaseName, target: str) -> str:
    """Where a target's run is of a phase that all go through at once; a hybrid that came later has its own folder."""
    return done.get(f"{phase}/{target}", f"{done[phase]}/{target}")


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
        (phase, directory / folder_of(done, phase, target)) for phase in _SHARED if phase in done
    ]
    if (failure := done.get(f"failure/{target}")) is not None:
        folders.append(("failure", directory / failure))
    return [(phase, folder) for phase, folder in folders if (folder / MANIFEST_FILE).exists()]


def _ceiling(directory: Path, folder: str | None) -> CeilingVerdict | None:
    if folder is None:
        return None
    return cast("CeilingVerdict | None", read_verdict(directory / folder))
