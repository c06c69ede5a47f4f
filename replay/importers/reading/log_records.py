"""Records of logs that programs in JavaScript write: JSON Lines, read with one fault of theirs repaired.

A text that was cut in the middle of a character outside the basic plane is written with half of a surrogate
pair, which is no Unicode. Such halves are read as U+FFFD.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from replay.importers.reading.inputs import LONGEST_ROW_BYTES, decoded, refuse_heavy
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stored import BlankLines, StoredBytes, open_lines

_Record = TypeVar("_Record")
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
    rb"|\\."
)


def read_records(path: Path, kind: type[_Record]) -> Iterator[tuple[int, _Record]]:
    """The records of a file with their line numbers. Raises TraceError that names line and field."""
    decoder = msgspec.json.Decoder(kind)
    blank = BlankLines(path)
    n = 0
    with StoredBytes(path, hashed=False, progress=None) as stored, open_lines(stored, path) as source:
        while line := source.readline(LONGEST_ROW_BYTES + 1):
            n += 1
            if len(line) > LONGEST_ROW_BYTES:
                text = f"longer than {LONGEST_ROW_BYTES >> 20} MiB, the most that one line may take."
                raise TraceError(f"{shown_path(path)}, line {n}: {text}")
            if blank.passes_over(line):
                continue
            refuse_heavy(line, f"{shown_path(path)}, line {n}")
            try:
                yield n, decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                yield n, decoded(without_halves(line), kind, f"{shown_path(path)}, line {n}")


def without_halves(data: bytes) -> bytes:
    """JSON with the halves of surrogate pairs replaced."""
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], data)
