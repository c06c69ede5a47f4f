"""Lines of logs, where a damaged line costs no more than itself."""

from collections.abc import Iterator
from pathlib import Path

from replay.trace.file.stored import BlankLines, StoredBytes, open_lines

LONGEST_LINE_BYTES = 1 << 16

_BOM = b"\xef\xbb\xbf"


def read_log_lines(path: Path) -> Iterator[tuple[int, str | None]]:
    """Every line that is not blank, with its number and without its line break.

    None for a line of more than 64 KiB, or one that is not UTF-8. Raises TraceError where the file cannot be read.
    """
    n = 0
    blank = BlankLines(path)
    with StoredBytes(path, hashed=False, progress=None) as stored, open_lines(stored, path) as source:
        while line := source.readline(LONGEST_LINE_BYTES + 1):
            n += 1
            if blank.passes_over(line):
                continue
            if len(line) > LONGEST_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = source.readline(LONGEST_LINE_BYTES)
                yield n, None
                continue
            try:
                text = (line.removeprefix(_BOM) if n == 1 else line).decode().strip()
            except UnicodeDecodeError:
                yield n, None
                continue
            if text:
                yield n, text
