"""What is asked of every run that is read: whether several workers made it, and nobody has merged what they left."""

from pathlib import Path

from replay.results.merging.layout import worker_directories
from replay.results.rundir import RunDir


def make_whole(run_dir: Path) -> None:
    """Merge what several workers left, where that was not done: the run goes on, or whoever conducted it is no more.

    Nothing is done to any other folder. Raises RunDirError and OSError as merge.py does.
    """
    if not worker_directories(run_dir):
        return
    manifest = RunDir(run_dir).read_manifest()
    if not manifest.workers or manifest.status != "running":
        return
    # A run of one process has no use for it, and begins sooner without.
    from replay.results.merging.merge import merge

    merge(run_dir, manifest)
