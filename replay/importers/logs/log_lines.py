"""Lines of logs, where a damaged line costs no more than itself."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from replay.importers.logs.log_times import instant_ns
from replay.importers.reading.damage import Damage
from replay.importers.reading.opened import open_recording
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stored import BlankLines

LONGEST_LINE_BYTES = 1 << 16

Match = re.Match[str] | None


def read_log_lines(path: Path, damage: Damage) -> Iterator[tuple[int, str]]:
    """Every line that is not blank, with its number and without its line break.

    One of more than 64 KiB, or one that is not UTF-8, is damaged. Raises TraceError where the file cannot be read.
    """
    n = 0
    blank = BlankLines(path)
    with open_recording(path) as source:
        while line := source.readline(LONGEST_LINE_BYTES + 1):
            n += 1
            if blank.passes_over(line):
                continue
            if len(line) > LONGEST_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = source.readline(LONGEST_LINE_BYTES)
                damage.lines += 1
                text = f"longer than {LONGEST_LINE_BYTES >> 10} KiB, the most that one line may take."
                damage.lose(TraceError(f"{shown_path(path)}, line {n}: {text}"))
                continue
            try:
                text = line.decode().strip()
            except UnicodeDecodeError:
                damage.lines += 1
                damage.lose(TraceError(f"{shown_path(path)}, line {n}: not valid UTF-8."))
                continue
            if text:
                damage.lines += 1
                yield n, text


def stamped(match: Callable[[str], Match], why_not: str) -> Callable[[str], tuple[re.Match[str], int] | str]:
    """Reads a line by a pattern with a group `time`: gives what matched and the instant in ns, or the sentence."""

    def parsed(line: str) -> tuple[re.Match[str], int] | str:
        found = match(line)
        stamp_ns = None if found is None else instant_ns(found["time"])
        return why_not if found is None or stamp_ns is None else (found, stamp_ns)

    return parsed
