"""Runs that others are held to: which of a folder's are, and which it keeps."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from replay.judge.types import VERDICT_FILE
from replay.results.evidence import Evidence, read_evidence
from replay.results.rundir import RunDir, RunDirError, decoded
from replay.results.types import MANIFEST_FILE

MOST_BASELINES = 10


def read_baselines(
    paths: Sequence[Path], most: int = MOST_BASELINES, *, judged: Path | None = None
) -> list[Evidence]:
    """Runs to hold another against: those named, and of a folder of runs the last `most` that passed their gate.

    A finished run without a verdict of a gate counts as passed; one whose generator was not ok is taken from a folder
    that has no other. judged: the run that is compared with them, which a folder may hold too; it is no evidence of
    itself. A run that is named more than once is one. Raises RunDirError where nothing is found.
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
        inside = []
        for child in path.iterdir():
            if (child / MANIFEST_FILE).exists() and not _is_same(child, judged):
                manifest = RunDir(child).read_manifest()
                if _has_passed(child, is_finished=manifest.status == "finished"):
                    kept_up = manifest.generator is not None and manifest.generator.verdict == "ok"
                    inside.append((kept_up, manifest.started_at, child))
        of_late_machines = not any(kept_up for kept_up, *_ in inside)
        passed = [child for kept_up, _, child in sorted(inside) if kept_up or of_late_machines]
        if not passed:
            other = "" if judged is None else " other"
            raise RunDirError(
                f"{path}: holds no{other} run that passed. Name a run directory, or a folder of them."
            )
        for child in passed[-most:]:
            _add(found, child)
    return list(found.values())


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
    try:
        verdict = decoded((run_dir / VERDICT_FILE).read_bytes(), _Verdict, "", "")
    except OSError:
        return is_finished
    except RunDirError:
        return False
    return verdict.verdict == "pass"


class _Verdict(msgspec.Struct):
    verdict: str
