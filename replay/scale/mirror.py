"""A run directory on another machine, kept here too: what is new in its files travels once a second.

So what a worker has recorded is at the conductor's when its machine goes, and whoever watches the run, or merges it,
finds files as those of a process of this machine.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import zstandard

from replay.results.types import (
    ANSWERS_FILE,
    EVENTS_FILE,
    HLOG_FILE,
    INSTANCES_FILE,
    MANIFEST_FILE,
    PLANE_FILE,
    STEPS_FILE,
    SUMMARY_FILE,
)
from replay.scale.messages import Piece
from replay.system.files import as_private, write_whole

_GROWING = (STEPS_FILE, HLOG_FILE, ANSWERS_FILE, EVENTS_FILE, PLANE_FILE)
_WHOLE = (MANIFEST_FILE, SUMMARY_FILE, INSTANCES_FILE)
_FILES = frozenset(_GROWING) | frozenset(_WHOLE)
_PIECE_BYTES = 1 << 20
_MOST_WHOLE_BYTES = 16 << 20
_LEVEL = 1


class Mirror:
    """The worker's side. directories: of its runs, by target."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories
        self._sent: dict[tuple[int, str], int] = {}
        self._seen: dict[tuple[int, str], tuple[int, int]] = {}
        self._pack = zstandard.ZstdCompressor(level=_LEVEL)

    def __repr__(self) -> str:
        return f"<Mirror of {len(self._directories)} directories>"

    def news(self) -> Iterator[Piece]:
        """What has come since."""
        for job, directory in enumerate(self._directories):
            for name in _GROWING:
                yield from self._grown(job, directory, name)
            for name in _WHOLE:
                yield from self._changed(job, directory, name)

    def _grown(self, job: int, directory: Path, name: str) -> Iterator[Piece]:
        path = directory / name
        at = self._sent.get((job, name), 0)
        if not path.exists() or path.stat().st_size <= at:
            return
        with path.open("rb") as file:
            file.seek(at)
            while data := file.read(_PIECE_BYTES):
                yield Piece(job, name, at, self._pack.compress(data))
                at += len(data)
                self._sent[job, name] = at

    def _changed(self, job: int, directory: Path, name: str) -> Iterator[Piece]:
        path = directory / name
        try:
            now = path.stat()
            if self._seen.get((job, name)) == (now.st_mtime_ns, now.st_size) or now.st_size > _MOST_WHOLE_BYTES:
                return
            data = path.read_bytes()
        except FileNotFoundError:
            return
        self._seen[job, name] = (now.st_mtime_ns, now.st_size)
        yield Piece(job, name, None, self._pack.compress(data))


class Copy:
    """The conductor's side: of one worker. directories: where its runs are kept, by target."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories
        self._has: dict[tuple[int, str], int] = {}
        self._unpack = zstandard.ZstdDecompressor()

    def __repr__(self) -> str:
        return f"<Copy in {len(self._directories)} directories>"

    def keep(self, piece: Piece) -> None:
        """Write a piece. Raises ValueError for one that has no place here, OSError where it cannot be written."""
        if piece.name not in _FILES or not 0 <= piece.job < len(self._directories):
            raise ValueError("a piece of no file of a run")
        most = _PIECE_BYTES if piece.at is not None else _MOST_WHOLE_BYTES
        try:
            data = self._unpack.decompress(piece.data, max_output_size=most)
        except zstandard.ZstdError as cause:
            raise ValueError(f"a piece that cannot be unpacked ({cause})") from cause
        if len(data) > most:
            raise ValueError("a piece that is too large")
        directory = self._directories[piece.job]
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / piece.name
        if piece.at is None:
            write_whole(path, data)
            return
        has = self._has.get((piece.job, piece.name), 0)
        if piece.at != has:
            raise ValueError("a piece that does not follow the one before it")
        with open(path, "ab", opener=as_private if piece.name == ANSWERS_FILE else None) as file:
            file.write(data)
        self._has[piece.job, piece.name] = has + len(data)
