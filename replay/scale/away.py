"""A worker on another machine than its conductor: a folder of its own for files and runs, which travel."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.scale.messages import Assignment, Chunk, Piece, Want
from replay.scale.mirror import Mirror
from replay.scale.sending import Store


class Away:
    """What one worker keeps, until it is closed: files for all runs of one conductor, the directories of the latest."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="replay-worker-"))
        self._files = self._folder / "files"
        self._files.mkdir()
        self._store = Store(self._files)
        self._given: Assignment | None = None
        self._directories: list[Path] = []
        self._mirror = Mirror([])

    def __repr__(self) -> str:
        return f"<Away in {self._folder}>"

    def begin(self, assignment: Assignment) -> None:
        """The next run. assignment: names the files that it takes. Raises OSError."""
        assert assignment.files is not None
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._folder / "runs")
        self._given = assignment
        self._store.need(assignment.files)
        self._directories = [self._folder / "runs" / str(n) for n in range(len(assignment.jobs))]
        self._mirror = Mirror(self._directories)

    def want(self) -> Want | None:
        """What is still to be asked for; None once all files are here."""
        return self._store.want()

    def take(self, chunk: Chunk) -> None:
        """A part of a file. Raises OSError, and NotWhole where it is not what was promised."""
        self._store.add(chunk)

    def assignment(self) -> Assignment:
        """What the engine is to do, with the paths of this machine."""
        given = self._given
        assert given is not None
        jobs = [
            msgspec.structs.replace(job, out=str(directory))
            for job, directory in zip(given.jobs, self._directories, strict=True)
        ]
        options = given.options
        if options.data is not None:
            options = msgspec.structs.replace(options, data=str(self._store.path_of(1)))
        return msgspec.structs.replace(given, jobs=jobs, options=options, trace=str(self._store.path_of(0)))

    def news(self) -> Iterator[Piece]:
        """What was recorded since."""
        return self._mirror.news()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(self._folder)
