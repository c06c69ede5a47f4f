"""Rows of JSON Lines, read as a stream and refused in plain words, with one fault repaired.

Programs in JavaScript write a text that was cut in the middle of a character outside the basic plane with half of a
surrogate pair, which is no Unicode. Such halves are read as U+FFFD.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from replay.importers.reading.damage import Damage
from replay.importers.reading.inputs import decoded, refuse_heavy
from replay.importers.reading.opened import open_recording
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stored import BlankLines

LONGEST_ROW_BYTES = 64 << 20

_Row = TypeVar("_Row")
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
    rb"|\\."
)
_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_rows(path: Path, kind: type[_Row], damage: Damage) -> Iterator[tuple[int, _Row]]:
    """The rows of a file with their line numbers. Raises TraceError that names line and field."""
    decoder = msgspec.json.Decoder(kind, strict=False)
    blank = BlankLines(path)
    n = 0
    with open_recording(path) as source:
        while line := source.readline(LONGEST_ROW_BYTES + 1):
            n += 1
            place = f"{shown_path(path)}, line {n}"
            refuse_long(line, place)
            if blank.passes_over(line):
                continue
            damage.lines += 1
            refuse_heavy(line, place)
            try:
                refuse_other_than_utf8(line, place)
                try:
                    row = decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    row = decoded(without_halves(line), kind, place)
            except TraceError as error:
                if is_whole(line):
                    raise
                damage.lose(error)
            else:
                yield n, row


def refuse_long(line: bytes, place: str) -> None:
    """Raises TraceError, which begins with place, for a line of more than LONGEST_ROW_BYTES."""
    if len(line) > LONGEST_ROW_BYTES:
        text = f"longer than {LONGEST_ROW_BYTES >> 20} MiB, the most that one line may take."
        raise TraceError(f"{place}: {text}")


def refuse_other_than_utf8(line: bytes, place: str) -> None:
    """Raises TraceError, which begins with place. JSON that nobody looks into is passed over as bytes."""
    if not line.isascii():
        try:
            line.decode()
        except UnicodeDecodeError as error:
            raise TraceError(f"{place}: not valid UTF-8.") from error


def is_whole(line: bytes) -> bool:
    """Whether this is a JSON object from end to end, whatever it holds."""
    try:
        _is_object(line)
        line.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def without_halves(data: bytes) -> bytes:
    """JSON with the halves of surrogate pairs replaced."""
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], data)
