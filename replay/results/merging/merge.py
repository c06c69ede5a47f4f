"""The directory of a run of several workers, made whole: the files at its top are a fold over those of the workers.

It can be done at any time, and again: while the run goes on, after it, and after a crash of whoever conducted it.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from replay.results.manifest_types import Manifest
from replay.results.merging.answers import merge_answers
from replay.results.merging.histograms import merge_histograms
from replay.results.merging.layout import worker_directory
from replay.results.merging.manifests import merged_manifest
from replay.results.merging.steps import Tally, merge_steps
from replay.results.rundir import RunDir, RunDirError
from replay.results.types import ANSWERS_FILE, EVENTS_FILE, HLOG_FILE, INSTANCES_FILE, PLANE_FILE, STEPS_FILE
from replay.system.files import as_private, naming, part_of, settle

# What only one worker writes, for all.
_OF_ONE = (INSTANCES_FILE, EVENTS_FILE, PLANE_FILE)


def merge(run_dir: Path, top: Manifest | None = None) -> Manifest:
    """Add the workers' directories up to one, and return the manifest of the whole, which is written too.

    top: what is known of the run as a whole; None: what its run.json says. Raises RunDirError where there is no run,
    and OSError, which names the file and what to do, where there is no room.
    """
    try:
        return _merged(run_dir, top)
    except OSError as cause:
        kept = f"the workers' files are kept, and `replay report {run_dir}` puts them together"
        raise OSError(cause.errno, f"{cause.strerror or cause}; {kept}", cause.filename) from cause


def _merged(run_dir: Path, top: Manifest | None) -> Manifest:
    directory = RunDir(run_dir)
    top = top or directory.read_manifest()
    paths = [worker_directory(run_dir, worker.index) for worker in top.workers]
    parts = {}
    for worker, path in zip(top.workers, paths, strict=True):
        with contextlib.suppress(RunDirError):
            parts[worker.index] = RunDir(path).read_manifest()
    with _replacing(run_dir / STEPS_FILE) as out:
        tallies = merge_steps([path / STEPS_FILE for path in paths], top.workers, out)
    with _replacing(run_dir / HLOG_FILE) as out:
        merge_histograms([path / HLOG_FILE for path in paths], out.write)
    if any((path / ANSWERS_FILE).exists() for path in paths):
        with _replacing(run_dir / ANSWERS_FILE, is_private=True) as out:
            merge_answers([path / ANSWERS_FILE for path in paths], out)
    for name in _OF_ONE:
        for path in paths:
            if (path / name).exists():
                with (path / name).open("rb") as told, _replacing(run_dir / name) as out:
                    shutil.copyfileobj(told, out)
                break
    of_worker: dict[int, Tally] = {
        worker.index: tally for worker, tally in zip(top.workers, tallies, strict=True)
    }
    manifest = merged_manifest(top, parts, of_worker)
    directory.write_manifest(manifest)
    return manifest


@contextlib.contextmanager
def _replacing(path: Path, *, is_private: bool = False) -> Iterator[IO[bytes]]:
    """A file that takes the place of another once it is whole."""
    part = part_of(path)
    with naming(path):
        try:
            with open(part, "xb", opener=as_private if is_private else None) as out:
                yield out
            settle(part, path)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
