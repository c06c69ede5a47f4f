"""Runs that others are held to: which of a folder's are, and which it keeps."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.errors import InputError
from replay.judge.types import VERDICT_FILE, GateVerdict
from replay.results.evidence import Evidence, read_evidence
from replay.results.rundir import RunDir, RunDirError, decoded, fresh_path
from replay.results.types import MANIFEST_FILE, RUN_FILES
from replay.system.files import part_of
from replay.trials.evidence import write_verdict

MOST_BASELINES = 10


def read_baselines(
    paths: Sequence[Path], most: int = MOST_BASELINES, *, judged: Path | None = None
) -> list[Evidence]:
    """Runs to hold another against: those named, and of a folder of runs the last `most` that passed their gate.

    A finished run without a verdict of a gate counts as passed, as does the first that a gate kept; one whose generator
    was not ok, or that was ended early, is taken from a folder that has no other. judged: the run that is compared with
    them, which a folder may hold too; it is no evidence of itself. A run that is named more than once is one. Raises
    RunDirError where nothing is found.
    """
    found: dict[Path, Evidence] = {}
    for path in paths:
        if not path.exists():
            raise RunDirError(f"{path}: there is no such folder. Name a run directory, or a folder of them.")
        if (path / MANIFEST_FILE).exists() or not path.is_dir():
            if _is_same(path, judged):
                raise RunDirError(
                    f"{path}: is the run that is judged, and no baseline for itself. Name another run."
                )
            _add(found, path)
            continue
        passed = _passed_in(path, judged)
        if not passed:
            other = "" if judged is None else " other"
            raise RunDirError(
                f"{path}: holds no{other} run that passed. Name a run directory, or a folder of them."
            )
        for child in passed[-most:]:
            _add(found, child)
    return list(found.values())


def _passed_in(folder: Path, judged: Path | None) -> list[Path]:
    """The runs in a folder that passed, the latest last: those that are whole and kept up, or all if none did."""
    inside = []
    for child in _runs_in(folder):
        if not _is_same(child, judged):
            manifest = RunDir(child).read_manifest()
            is_whole = manifest.status == "finished"
            if _has_passed(child, is_finished=is_whole):
                is_sound = is_whole and manifest.generator is not None and manifest.generator.verdict == "ok"
                inside.append((is_sound, manifest.started_at, child))
    has_sound = any(is_sound for is_sound, *_ in inside)
    return [child for is_sound, _, child in sorted(inside) if is_sound or not has_sound]


def _runs_in(folder: Path) -> Iterator[Path]:
    """What is hidden is a run that is being put there."""
    return (
        child
        for child in folder.iterdir()
        if not child.name.startswith(".") and (child / MANIFEST_FILE).exists()
    )


class Keeper:
    """Keeps the last runs that passed in a folder, for later runs to be held to."""

    def __init__(self, paths: Sequence[Path], most: int) -> None:
        """paths: the baselines that were named: the folder alone. most: how many runs are kept.

        Raises InputError where that is no folder to keep runs in, and OSError where none can be made.
        """
        if most < 1:
            raise InputError("--keep-last: has to be 1 or more.")
        if len(paths) != 1:
            raise InputError("--keep: name one --baseline, the folder that runs are kept in.")
        [self._folder] = paths
        self._most = most
        if (self._folder / MANIFEST_FILE).exists() or (self._folder.exists() and not self._folder.is_dir()):
            raise InputError(
                f"{self._folder}: is not a folder of runs. Name the one in which --keep is to keep them."
            )
        # Whether it can be made is found out before the run; a gate that keeps nothing leaves none.
        new = [path for path in (self._folder, *self._folder.parents) if not path.exists()]
        self._folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            for path in new:
                path.rmdir()

    def known(self) -> list[Evidence]:
        """What is kept so far. Raises RunDirError."""
        if not self._folder.exists() or not _passed_in(self._folder, None):
            return []
        return read_baselines([self._folder], self._most)

    def keep(self, run_dir: Path, verdict: GateVerdict) -> GateVerdict:
        """Put a copy of a run there, and let go of what was put there before the last ones.

        Gives the verdict with where the copy is, or with why there is none: a full disk must not cost the verdict.
        """
        try:
            kept = self._put(run_dir, verdict)
        except (OSError, RunDirError) as error:
            return with_note(verdict, f"not kept as a baseline: {_why(error)}")
        try:
            self._let_go()
        except (OSError, RunDirError) as error:
            return with_note(kept, f"older baselines are still there: {_why(error)}")
        return kept

    def _put(self, run_dir: Path, verdict: GateVerdict) -> GateVerdict:
        is_there = _is_same(run_dir.parent, self._folder)
        path = run_dir if is_there else fresh_path(self._folder, run_dir.name)
        which = "a" if verdict.baselines else "the first"
        kept = with_note(verdict, f"kept as {which} baseline: {path}")
        kept = msgspec.structs.replace(kept, kept=path.name)
        if is_there:
            write_verdict(run_dir, kept)
            return kept
        part = part_of(path)
        part.mkdir(parents=True)
        try:
            part.chmod(run_dir.stat().st_mode & 0o777)
            for name in sorted(RUN_FILES):
                if (run_dir / name).is_file():
                    shutil.copy2(run_dir / name, part / name)
            write_verdict(part, msgspec.structs.replace(kept, is_copy=True))
            part.rename(path)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return kept

    def _let_go(self) -> None:
        """Only of copies that a gate put there, and of the files of a run alone."""
        kept = [
            (RunDir(run).read_manifest().started_at, run)
            for run in _runs_in(self._folder)
            if not run.is_symlink() and _verdict_of(run).is_copy
        ]
        for _, run in sorted(kept)[: -self._most]:
            for name in (*RUN_FILES, VERDICT_FILE):
                (run / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                run.rmdir()


def with_note(verdict: GateVerdict, note: str) -> GateVerdict:
    """The verdict with one more sentence for its reader."""
    return msgspec.structs.replace(verdict, notes=[*verdict.notes, note])


def _why(error: OSError | RunDirError) -> str:
    """What could not be done, without the number that the system has for it."""
    if isinstance(error, RunDirError) or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _add(found: dict[Path, Evidence], run_dir: Path) -> None:
    """Read a run, unless it is there. One that was broken off has no verdict of pass: it was ended early."""
    key = run_dir.resolve()
    if key in found:
        return
    run = read_evidence(run_dir)
    is_early = run.summary.status == "interrupted" and _has_passed(run_dir, is_finished=False)
    found[key] = msgspec.structs.replace(run, is_early=is_early)


def _is_same(path: Path, other: Path | None) -> bool:
    return other is not None and path.resolve() == other.resolve()


def _has_passed(run_dir: Path, *, is_finished: bool) -> bool:
    verdict = _verdict_of(run_dir)
    return is_finished if verdict.verdict is None else verdict.verdict == "pass" or verdict.kept is not None


class _Verdict(msgspec.Struct):
    verdict: str | None = None
    kept: str | None = None
    is_copy: bool = False


def _verdict_of(run_dir: Path) -> _Verdict:
    """What a run's verdict says of this, whichever command's it is; nothing where it has none."""
    try:
        return decoded((run_dir / VERDICT_FILE).read_bytes(), _Verdict, "", "")
    except OSError:
        return _Verdict()
    except RunDirError:
        return _Verdict("unreadable")
