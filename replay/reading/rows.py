"""Rows of JSON Lines, read as a stream and refused in plain words, with one fault repaired.

Programs in JavaScript write a text that was cut in the middle of a character outside the basic plane with half of a
surrogate pair, which is no Unicode. Such halves are read as U+FFFD.
"""

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from replay.reading.damage import Damage
from replay.reading.inputs import decoded, refuse_heavy, rest_of
from replay.reading.opened import open_recording
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stored import BlankLines

LONGEST_ROW_BYTES = 64 << 20

_PEEKED_BYTES = 1 << 16
_COMMENTS = (b"#", b"//")

_Row = TypeVar("_Row")
_NO_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*+"?|(?P<none>(?<![\w.])(?:-?Infinity|NaN)\b)', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
    rb"|\\."
)
_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_rows(path: Path, kind: type[_Row], damage: Damage) -> Iterator[tuple[int, _Row]]:
    """The rows of a file with their line numbers. Rows may stand in an array, and comments (#, //) between them.

    A line that is none is damaged. Raises TraceError where the file cannot be read.
    """
    decoder = msgspec.json.Decoder(kind, strict=False)
    shown = shown_path(path)
    with open_recording(path) as source:
        for n, line in _lines(source, path):
            if not looks_like_an_object(line.strip()) and damage.lose_at_once():
                continue
            place = f"{shown}, line {n}"
            damage.lines += 1
            refuse_heavy(line, place)
            try:
                refuse_other_than_utf8(line, place)
                try:
                    row = decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    repaired = as_json(line)
                    if repaired == line and damage.lose_untold():
                        continue
                    row = decoded(repaired, kind, place)
            except TraceError as error:
                damage.lose(error)
            else:
                yield n, row


def read_all_rows(files: Sequence[Path], kind: type[_Row], damage: Damage) -> Iterator[tuple[str, _Row]]:
    """As read_rows, the rows of all files, each with its place. A file that cannot be read costs itself only, where
    there are others.
    """

    def read(file: Path) -> Iterator[tuple[str, _Row]]:
        return ((f"{shown_path(file)}, line {n}", row) for n, row in read_rows(file, kind, damage))

    return damage.of_files(files, read)


def _lines(source: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    blank, shown = BlankLines(path), shown_path(path)
    n, is_first, is_array = 0, True, False
    while line := source.readline(LONGEST_ROW_BYTES + 1):
        n += 1
        refuse_long(line, f"{shown}, line {n}")
        if blank.passes_over(line) or line.lstrip().startswith(_COMMENTS):
            continue
        if is_first and line.lstrip().startswith(b"["):
            if len(found := _of_array(line)):
                yield from ((n, bytes(each)) for each in found)
                continue
            inside = line.strip()[1:].lstrip()
            is_array = not inside or inside.startswith(b"{")
            ahead = inside or source.peek(_PEEKED_BYTES).lstrip()  # type: ignore[attr-defined]
            if is_array and _goes_on_below(ahead):
                document = line + rest_of(source, shown)
                if len(found := _of_array(document)):
                    yield from ((n, bytes(each)) for each in found)
                    return
                source = io.BytesIO(document[len(line) :])
        is_first = False
        if is_array:
            line = line.strip().removeprefix(b"[").removesuffix(b",").removesuffix(b"]").strip()
            if not line:
                continue
        yield n, line


def _goes_on_below(ahead: bytes) -> bool:
    """Whether an object begins here that is laid out over several lines."""
    first, line_break, _ = ahead.partition(b"\n")
    return line_break != b"" and first.startswith(b"{") and not is_whole(first.rstrip().rstrip(b",]"))


def _of_array(line: bytes) -> list[msgspec.Raw]:
    """The values of an array on one line; none where it goes on below."""
    try:
        return msgspec.json.decode(line, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []


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


def looks_like_an_object(text: bytes) -> bool:
    """Whether a line without the space around it can be a JSON object."""
    return text.startswith(b"{") and text.endswith(b"}")


def is_whole(line: bytes) -> bool:
    """Whether this is a JSON object from end to end, whatever it holds."""
    try:
        _is_object(line)
        line.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def as_json(data: bytes) -> bytes:
    """What programs write beyond JSON as JSON: halves of surrogate pairs replaced, NaN and Infinity as null."""
    data = without_halves(data)
    if b"NaN" not in data and b"Infinity" not in data:
        return data
    return _NO_NUMBER.sub(lambda found: b"null" if found["none"] else found[0], data)


def without_halves(data: bytes) -> bytes:
    """JSON with the halves of surrogate pairs replaced."""
    if b"\\u" not in data:
        return data
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], data)
