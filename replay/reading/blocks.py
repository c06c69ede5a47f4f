"""A recording of lines read in blocks of many, for formats that tell many lines at once."""

import os
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from replay.reading.opened import begin_of_stored, open_recording
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stored import cannot_read

BLOCK_BYTES = 2 << 20
PART_BYTES = 1 << 19
"""What is made of so much of a log still lies in the cache of a core: of 1 MiB at once, lines take a tenth longer."""

_SOUGHT_BYTES = 1 << 12


class Stored(NamedTuple):
    """Where a block lies in a file. file: its device and number, as another may have its name by now."""

    path: Path
    file: tuple[int, int]
    at: int
    length: int


class Block(NamedTuple):
    """Whole lines, each with its line break. first: the number of its first one, among those that are counted.

    before: at least as many lines as come before it in the recording. stored: where the lines lie, in place of
    themselves: to read them is then a part of the work on them, and they need not be handed over.
    """

    data: bytes
    first: int = 1
    before: int = 0
    stored: Stored | None = None


def read_blocks(
    path: Path, longest_line_bytes: int, before: int = 0, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """The lines of a file, counted from 1 in each block. Of one that is too long no more is kept than shows that it is.

    before: see Block; those of a file come to its bytes at most. Raises TraceError where the file cannot be read.
    """
    with open_recording(path) as source:
        begin = begin_of_stored(source, path)
        if begin is None:
            yield from _streamed(source, longest_line_bytes, before, block_bytes)
            return
    try:
        with path.open("rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            of_file = partial(Stored, path, (found.st_dev, found.st_ino))
            for at, length, next_at in _spans(
                file.fileno(), begin, found.st_size, longest_line_bytes, block_bytes
            ):
                yield Block(b"", before=before + at, stored=of_file(at, min(length, next_at - at)))
    except OSError as error:
        raise TraceError(cannot_read(path, error)) from error


def with_lines(block: Block) -> Block:
    """The block with the lines themselves. Raises TraceError where they are not what they were."""
    if block.stored is None:
        return block
    path, file, at, length = block.stored
    try:
        with path.open("rb", buffering=0) as source:
            found = os.fstat(source.fileno())
            data = os.pread(source.fileno(), length, at) if (found.st_dev, found.st_ino) == file else b""
    except OSError as error:
        raise TraceError(cannot_read(path, error)) from error
    if len(data) != length:
        raise TraceError(f"{shown_path(path)}: was changed while it was read. Import a copy of it.")
    return block._replace(data=data if data.endswith(b"\n") else data + b"\n", stored=None)


def _streamed(source: BinaryIO, longest_line_bytes: int, before: int, block_bytes: int) -> Iterator[Block]:
    read_bytes = min(block_bytes, PART_BYTES)
    reads = iter(partial(source.read, read_bytes), b"")
    # Of a short recording no more is held than it has.
    while data := b"".join(islice(reads, block_bytes // read_bytes)):
        if not data.endswith(b"\n"):
            data += source.readline(longest_line_bytes + 1)
            if not data.endswith(b"\n"):
                while (more := source.readline(longest_line_bytes)) and not more.endswith(b"\n"):
                    pass
                data += b"\n"
        yield Block(data, before=before)
        before += len(data)


def _spans(
    file: int, at: int, size: int, longest_line_bytes: int, block_bytes: int
) -> Iterator[tuple[int, int, int]]:
    """Where blocks begin, how long they are at most, and where the next ones begin. at: of the first one."""
    while at < size:
        end = _line_end(file, at + block_bytes - 1, size)
        yield at, block_bytes + longest_line_bytes + 1, end
        at = end


def _line_end(file: int, at: int, size: int) -> int:
    """Behind the next line break from here on, or the end of the file."""
    while at < size and (piece := os.pread(file, min(_SOUGHT_BYTES, size - at), at)):
        if found := piece.find(b"\n") + 1:
            return at + found
        at += len(piece)
    return size


def parts_of(block: Block, part_bytes: int = PART_BYTES) -> Iterator[Block]:
    """The lines of a block in smaller ones, each of so many bytes at most where no line is longer."""
    at, n = 0, block.first
    while at < len(block.data):
        end = block.data.rfind(b"\n", at, at + part_bytes) + 1 or block.data.index(b"\n", at + part_bytes) + 1
        data = block.data[at:end]
        yield Block(data, n, block.before)
        at, n = end, n + data.count(b"\n")


def has_longer(data: bytes, most_bytes: int) -> bool:
    """Whether one of these lines is longer, with its line break. data: ends with one."""
    at = 0
    while at < len(data):
        # From the begin of a line, to behind the last one that ends within so many bytes.
        end = data.rfind(b"\n", at, at + most_bytes) + 1
        if not end:
            return True
        at = end
    return False
