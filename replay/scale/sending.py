"""A trace, given to workers on other machines in pieces that they ask for, unless they have the file already."""

from pathlib import Path

from replay.scale.messages import Chunk, Want

CHUNK_BYTES = 1 << 20


def chunk_of(trace: Path, want: Want) -> Chunk:
    """What a worker asked for. Raises OSError."""
    with trace.open("rb") as file:
        file.seek(max(0, want.at))
        return Chunk(want.at, file.read(CHUNK_BYTES))


class Fetched:
    """The worker's side: a copy of the trace that is being made. size: of the file in bytes."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self._size = path, size
        self._has = 0

    def __repr__(self) -> str:
        return f"<Fetched {self._has} of {self._size} bytes>"

    @property
    def is_whole(self) -> bool:
        return self._has >= self._size

    def want(self) -> Want:
        """What is to be asked for next."""
        return Want(self._has)

    def add(self, chunk: Chunk) -> None:
        """Raises OSError; ValueError for a chunk that was not asked for, or is empty: the file is shorter by now."""
        if chunk.at != self._has or not chunk.data:
            raise ValueError("the trace changed while it was sent")
        with self.path.open("ab") as file:
            file.write(chunk.data)
        self._has += len(chunk.data)
