"""A recording of lines read in blocks of many, for formats that tell many lines at once."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from replay.reading.opened import open_recording

BLOCK_BYTES = 2 << 20
PART_BYTES = 1 << 19
"""What is made of so much of a log still lies in the cache of a core: of 1 MiB at once, lines take a tenth longer."""


class Block(NamedTuple):
    """Whole lines, each with its line break. first: the number of its first one. before: lines of the files before."""

    data: bytes
    first: int
    before: int = 0


def read_blocks(
    path: Path, longest_line_bytes: int, before: int = 0, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """The lines of a file. Of one that is too long no more is kept than shows that it is. before: see Block.

    Raises TraceError where the file cannot be read.
    """
    n = 1
    read_bytes = min(block_bytes, PART_BYTES)
    with open_recording(path) as source:
        reads = iter(partial(source.read, read_bytes), b"")
        # Of a short recording no more is held than it has.
        while data := b"".join(islice(reads, block_bytes // read_bytes)):
            if not data.endswith(b"\n"):
                data += source.readline(longest_line_bytes + 1)
                if not data.endswith(b"\n"):
                    while (more := source.readline(longest_line_bytes)) and not more.endswith(b"\n"):
                        pass
                    data += b"\n"
            yield Block(data, n, before)
            n += data.count(b"\n")


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
