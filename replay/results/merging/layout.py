"""Where the workers of a run leave their directories: `workers/00`, `workers/01` and so on, in the run's own."""

import re
from pathlib import Path

from replay.results.types import STEPS_FILE

WORKERS_FOLDER = "workers"
_NUMBER = re.compile(r"[0-9]{1,6}").fullmatch


def worker_directory(run_dir: Path, index: int) -> Path:
    """Of the worker with this number."""
    return run_dir / WORKERS_FOLDER / f"{index:02d}"


def worker_directories(run_dir: Path) -> list[tuple[int, Path]]:
    """The directories that workers made, by their number, in order of it; none in a run of one process."""
    folder = run_dir / WORKERS_FOLDER
    if not folder.is_dir():
        return []
    found = [(int(path.name), path) for path in folder.iterdir() if _NUMBER(path.name) and path.is_dir()]
    return sorted(found)


def step_files(run_dir: Path) -> list[Path]:
    """The files that a run writes its lines to while it goes on, as far as they are there."""
    if not (run_dir / WORKERS_FOLDER).is_dir():
        return [run_dir / STEPS_FILE]
    return [file for _, path in worker_directories(run_dir) if (file := path / STEPS_FILE).exists()]
