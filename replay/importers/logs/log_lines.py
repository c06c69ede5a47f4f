"""Lines of logs, where a damaged line costs no more than itself."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from replay.importers.logs.log_frames import is_cloudwatch
from replay.importers.logs.log_times import instant_ns
from replay.reading.damage import Damage
from replay.reading.inputs import decoded, refuse_heavy, rest_of
from replay.reading.opened import open_recording
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stored import BlankLines

LONGEST_LINE_BYTES = 1 << 16

# The first line of objects that are laid out over several.
_BEGINS = ("{", "[", "[{")

_GLUED = re.compile(rb'\s*\{.*\}\s?\{\s?"', re.DOTALL).match

_LONGEST_START = 4_096

# Where a log was cut off in place while its server went on behind, the file system puts zeros. Alone they are
# a line that cannot be read.
_HOLES = "\0"

Match = re.Match[str] | None


class _Event(msgspec.Struct):
    message: str = ""


class _Document(msgspec.Struct, rename="camel"):
    events: list[_Event] = []
    log_events: list[_Event] = []


class LogLines:
    """What single lines of a file hold, as a damaged one costs no more than itself."""

    def __init__(self, path: Path, damage: Damage) -> None:
        self._path = path
        self._damage = damage
        self._blank = BlankLines(path)

    def is_blank(self, line: bytes) -> bool:
        """Raises TraceError for one too many."""
        return self._blank.passes_over(line)

    def of(self, n: int, line: bytes) -> Iterator[tuple[int, str]]:
        """The line without its line break, and its number; several for an array, or where lines end in CR alone, none
        for a comment.

        One of more than 64 KiB is damaged; what is not UTF-8 is read as U+FFFD.
        """
        if self.is_blank(line):
            return
        if len(line) > LONGEST_LINE_BYTES:
            self._damage.lines += 1
            text = f"longer than {LONGEST_LINE_BYTES >> 10} KiB, the most that one line may take."
            self._damage.lose(TraceError(f"{shown_path(self._path)}, line {n}: {text}"))
            return
        text = line.decode("utf-8", "replace").strip()
        text = text.strip(_HOLES) or text
        if "\r" in text:
            for piece in filter(None, map(str.strip, text.split("\r"))):
                yield from self.of(n, piece.encode("utf-8", "replace"))
            return
        if text and text[0] not in "#[]":
            self._damage.lines += 1
            yield n, text.rstrip(",") if text[0] == "{" else text
        elif text.startswith("["):
            yield from _bracketed(text, n, self._damage)


def read_log_lines(path: Path, damage: Damage) -> Iterator[tuple[int, str]]:
    """Every line that is not blank, with its number and without its line break, as LogLines tells it.

    An array of objects is read as lines of them, a document of CloudWatch's as its messages. Raises TraceError where
    the file cannot be read.
    """
    n = 0
    lines = LogLines(path, damage)
    with open_recording(path) as source:
        if is_cloudwatch(_start_of(source)):
            yield from _messages(rest_of(source, shown_path(path)), path, damage)
            return
        while line := source.readline(LONGEST_LINE_BYTES + 1):
            n += 1
            if not damage.lines and _begins_document(line):
                yield from _objects(rest_of(source, shown_path(path), line), path, damage)
                return
            yield from lines.of(n, line)
            if len(line) > LONGEST_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = source.readline(LONGEST_LINE_BYTES)


def _begins_document(line: bytes) -> bool:
    """Whether a line is the first of objects that are laid out over several, or holds several with nothing between."""
    if len(line) <= LONGEST_LINE_BYTES and line.strip().decode("utf-8", "replace").strip() in _BEGINS:
        return True
    return _GLUED(line) is not None and _holds_several(line)


def _holds_several(line: bytes) -> bool:
    """Whether an object ends within a line, and another begins, as Firehose puts them into one file."""
    text = line.decode("utf-8", "replace").strip()
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return text[end:].lstrip().startswith("{")


def _start_of(source: BinaryIO) -> bytes:
    start: bytes = source.peek(_LONGEST_START)[:_LONGEST_START]  # type: ignore[attr-defined]
    return start


def is_of_cloudwatch(path: Path) -> bool:
    """Whether a file is a document of CloudWatch's. Raises TraceError where it cannot be read."""
    with open_recording(path) as source:
        return is_cloudwatch(_start_of(source))


def is_of_documents(path: Path) -> bool:
    """Whether a file's objects are laid out over several lines. Raises TraceError where it cannot be read."""
    blank = BlankLines(path)
    with open_recording(path) as source:
        while line := source.readline(LONGEST_LINE_BYTES):
            if not blank.passes_over(line) and not line.lstrip().startswith(b"#"):
                return _begins_document(line)
    return False


def _messages(document: bytes, path: Path, damage: Damage) -> Iterator[tuple[int, str]]:
    """What the events of CloudWatch's documents say, each line with the number of its event."""
    before = 0
    for at, text in _objects(document, path, Damage()):
        place = f"{shown_path(path)}, line {at}"
        refuse_heavy(text.encode("utf-8", "replace"), place)
        found = decoded(text.encode("utf-8", "replace"), _Document, place)
        events = (*found.events, *found.log_events)
        for n, event in enumerate(events, before + 1):
            for line in filter(None, map(str.strip, event.message.splitlines())):
                damage.lines += 1
                yield n, line
        before += len(events)


def _objects(document: bytes, path: Path, damage: Damage) -> Iterator[tuple[int, str]]:
    """Objects laid out over several lines, in an array or one after the other, each as a line."""
    text = document.decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    at = 0
    while (begin := text.find("{", at)) >= 0:
        damage.lines += 1
        n = text.count("\n", 0, begin) + 1
        try:
            _, at = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            damage.lose(TraceError(f"{shown_path(path)}, line {n}: not a JSON object."))
            at = text.find("\n{", begin + 1)
            if at < 0:
                return
        else:
            yield n, " ".join(text[begin:at].splitlines())


def _bracketed(text: str, n: int, damage: Damage) -> Iterator[tuple[int, str]]:
    """A line that begins with a bracket: of an array of objects, or one with its time in brackets."""
    try:
        found = msgspec.json.decode(text.encode("utf-8", "replace"), type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        text = text[1:].strip().rstrip(",") if text[1:].lstrip()[:1] in ("", "{") else text
        found = [msgspec.Raw(text.encode("utf-8", "replace"))] if text else []
    for each in found:
        damage.lines += 1
        yield n, bytes(each).decode()


def stamped(match: Callable[[str], Match], why_not: str) -> Callable[[str], tuple[re.Match[str], int] | str]:
    """Reads a line by a pattern with a group `time`: gives what matched and the instant in ns, or the sentence."""

    def parsed(line: str) -> tuple[re.Match[str], int] | str:
        found = match(line)
        stamp_ns = None if found is None else instant_ns(found["time"])
        return why_not if found is None or stamp_ns is None else (found, stamp_ns)

    return parsed
