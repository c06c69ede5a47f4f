"""Files, given to workers on other machines in pieces that they ask for, unless they have them already."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from replay.errors import ReplayError
from replay.scale.messages import Chunk, SentFile, Want

CHUNK_BYTES = 1 << 20
# What is larger would have a worker silent for too long. It is a trace, whose digest is compared before the start.
_MOST_HASHED = 64 << 20


class NotWhole(ReplayError):
    """A file is not what it was when the run was planned; str() is the whole message."""


def chunk_of(files: Sequence[Path], want: Want) -> Chunk:
    """What a worker asked for. Raises OSError, and ValueError for what is none of these files."""
    if not 0 <= want.file < len(files) or want.at < 0:
        raise ValueError("a wish for a file that the run does not have")
    with files[want.file].open("rb") as file:
        file.seek(want.at)
        return Chunk(want.file, want.at, file.read(CHUNK_BYTES))


class Store:
    """The worker's side: the files of a run, its own where it has them, else copies below a folder, which are kept for
    later runs. folder: exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._copies: dict[SentFile, Path] = {}
        self._paths: list[Path] = []
        self._coming: list[_Copy] = []

    def __repr__(self) -> str:
        return f"<Store of {len(self._copies)} copies in {self._folder}, {len(self._coming)} to come>"

    def need(self, files: Sequence[SentFile]) -> None:
        """What the run that comes takes. Raises OSError."""
        self._paths, self._coming = [], []
        for number, file in enumerate(files):
            path = Path(file.path)
            if not _is_there(path, file):
                copy = self._copies.get(file)
                if copy is None:
                    # Under its own name, by which errors call it, and by whose ending its packing is known.
                    copy = self._folder / file.sha256 / path.name
                    copy.parent.mkdir(exist_ok=True)
                    self._coming.append(_Copy(number, file, copy))
                path = copy
            self._paths.append(path)

    def want(self) -> Want | None:
        """What is to be asked for next; None once all are here."""
        return self._coming[0].want() if self._coming else None

    def add(self, chunk: Chunk) -> None:
        """Raises OSError; NotWhole for what was not asked for, or is another file by now."""
        if not self._coming:
            raise NotWhole("a piece of a file came that was not asked for.")
        copy = self._coming[0]
        copy.add(chunk)
        if copy.want() is None:
            del self._coming[0]
            self._copies[copy.file] = copy.path

    def path_of(self, number: int) -> Path:
        """Where this file is."""
        return self._paths[number]


class _Copy:
    """A copy that is being made. number: its file's place among those of the run."""

    def __init__(self, number: int, file: SentFile, path: Path) -> None:
        self.number, self.file, self.path = number, file, path
        self._has = 0
        self._digest = hashlib.sha256()

    def __repr__(self) -> str:
        return f"<_Copy {self._has} of {self.file.bytes} bytes>"

    def want(self) -> Want | None:
        return None if self._has == self.file.bytes else Want(self.number, self._has)

    def add(self, chunk: Chunk) -> None:
        if (chunk.file, chunk.at) != (self.number, self._has):
            raise NotWhole("a piece of a file came that was not asked for.")
        # What an earlier try has left is begun anew.
        with self.path.open("ab" if self._has else "wb") as out:
            out.write(chunk.data)
        self._digest.update(chunk.data)
        self._has += len(chunk.data)
        is_over = not chunk.data or self._has >= self.file.bytes
        if is_over and (self._has, self._digest.hexdigest()) != (self.file.bytes, self.file.sha256):
            raise NotWhole(f"{self.path.name}: changed while it was sent. Run it again.")


def _is_there(path: Path, file: SentFile) -> bool:
    """Whether a worker has this file of its own, as far as is to be known before the start."""
    try:
        if path.stat().st_size != file.bytes:
            return False
        return file.bytes > _MOST_HASHED or hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    except OSError:
        return False
