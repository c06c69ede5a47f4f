"""A worker on another machine than its conductor: a folder of its own for trace and runs, which travel."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.scale.messages import Assignment, Chunk, Piece, Want
from replay.scale.mirror import Mirror
from replay.scale.sending import Fetched


class Away:
    """What one worker keeps of one run, until it is closed."""

    def __init__(self, assignment: Assignment) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="replay-worker-"))
        self._given = assignment
        size = assignment.trace_bytes or 0
        self._fetched: Fetched | None = None
        if not _has_size(Path(assignment.trace), size):
            # Under its own name, by which errors call it, and by whose ending its packing is known.
            self._fetched = Fetched(self._folder / Path(assignment.trace).name, size)
        self._directories = [self._folder / "runs" / str(n) for n in range(len(assignment.jobs))]
        self._mirror = Mirror(self._directories)

    def __repr__(self) -> str:
        return f"<Away in {self._folder}>"

    def want(self) -> Want | None:
        """What is still to be asked for; None once the trace is here."""
        if self._fetched is None or self._fetched.is_whole:
            return None
        return self._fetched.want()

    def take(self, chunk: Chunk) -> bool:
        """A part of the trace; whether it was waited for."""
        if self._fetched is None:
            return False
        self._fetched.add(chunk)
        return True

    def assignment(self) -> Assignment:
        """What the engine is to do, with the paths of this machine."""
        jobs = [
            msgspec.structs.replace(job, out=str(directory))
            for job, directory in zip(self._given.jobs, self._directories, strict=True)
        ]
        trace = self._given.trace if self._fetched is None else str(self._fetched.path)
        return msgspec.structs.replace(self._given, jobs=jobs, trace=trace)

    def news(self) -> Iterator[Piece]:
        """What was recorded since."""
        return self._mirror.news()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(self._folder)


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
