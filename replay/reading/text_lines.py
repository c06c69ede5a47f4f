"""Lines of a text file, read as a stream and refused in plain words."""

from collections.abc import Iterator
from pathlib import Path

from replay.reading.damage import Damage
from replay.reading.opened import open_recording
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stored import BlankLines

LONGEST_LINE_BYTES = 1 << 20


def read_lines(path: Path, damage: Damage) -> Iterator[tuple[int, str]]:
    """Every line with its number and its line break. Raises TraceError where one is too long.

    One that is not UTF-8 is damaged. damage: counts these only.
    """
    n = 0
    blank = BlankLines(path)
    with open_recording(path) as source:
        while line := source.readline(LONGEST_LINE_BYTES + 1):
            n += 1
            blank.passes_over(line)
            if len(line) > LONGEST_LINE_BYTES:
                text = f"longer than {LONGEST_LINE_BYTES >> 20} MiB, the most that one line may take."
                raise TraceError(f"{shown_path(path)}, line {n}: {text}")
            try:
                text = line.decode()
            except UnicodeDecodeError:
                damage.lines += 1
                damage.lose(TraceError(f"{shown_path(path)}, line {n}: not valid UTF-8."))
            else:
                yield n, text
