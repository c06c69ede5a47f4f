"""Rows of a CSV file that names its columns, read as a stream and refused in plain words."""

import csv
import io
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from replay.reading.damage import Damage
from replay.reading.text_lines import read_lines
from replay.trace.errors import TraceError, escaped, shown, shown_path
from replay.words.numbers import exact
from replay.words.phrases import counted

LARGEST_NUMBER = 1e12

_MOST_LINES_OF_A_ROW = 1_000
_LONGEST_ROW = 1 << 20

# The first where there are none.
_MARKS = (",", ";", "\t", "|")
_BOM = b"\xef\xbb\xbf"


class Row(msgspec.Struct, gc=False):
    """One row. Columns are named in lower case; a column that the file lacks is as good as an empty cell."""

    file: Path
    line: int
    columns: Mapping[str, int]
    cells: Sequence[str]

    def text(self, column: str) -> str:
        """The cell without the blanks around it."""
        index = self.columns.get(column)
        return "" if index is None else self.cells[index].strip()

    def number(self, column: str) -> float | None:
        """The cell as a number that is 0 or more; None where it is empty. Raises TraceError."""
        text = self.text(column)
        if not text:
            return None
        try:
            value = float(text) if "_" not in text else math.nan
        except ValueError:
            value = math.nan
        if not 0.0 <= value <= LARGEST_NUMBER:
            raise self.error(column, f"not a number from 0 to {exact(LARGEST_NUMBER)}")
        return value

    def count(self, column: str, most: int) -> int | None:
        """The cell as a whole number from 0 to most; None where it is empty. Raises TraceError."""
        value = self.number(column)
        if value is not None and (value > most or value != int(value)):
            raise self.error(column, f"not a whole number from 0 to {most:,}")
        return None if value is None else int(value)

    def error(self, column: str, what: str) -> TraceError:
        """An error for a cell: "..., line 7: the column "duration" holds "x", " and what."""
        cell = f"the column {shown(column)} holds {shown(self.text(column))}"
        return TraceError(f"{shown_path(self.file)}, line {self.line}: {cell}, {what}.")


def read_csv(path: Path, needed: Sequence[str], damage: Damage) -> Iterator[Row]:
    """The rows below the header. Raises TraceError where needed columns are missing.

    A line that has not as many cells as the header is damaged, but where it and those below it are a row whose quoted
    cells hold line breaks.
    """
    columns: dict[str, int] | None = None
    lines = _Lines(read_lines(path, damage))
    for n, line in lines:
        if columns is not None and line.count('"') % 2:
            line = lines.row(line, len(columns))
        place = f"{shown_path(path)}, line {n}"
        if columns is None:
            lines.mark = mark_of(line)
            names = _cells(line, place, lines.mark)
            columns = columns_of(names, needed, f"{shown_path(path)}, line 1") if names else None
            continue
        try:
            cells = _cells(line, place, lines.mark)
            if cells and len(cells) != len(columns):
                raise TraceError(
                    f"{place}: {counted(len(cells), 'field')}, where the header names {len(columns)}."
                )
        except TraceError as error:
            damage.lines += 1
            damage.lose(error)
            continue
        if cells:
            damage.lines += 1
            yield Row(path, n, columns, cells)
    if columns is None:
        raise TraceError(f"{shown_path(path)}: empty; expected a line that names the columns.")


class _Lines:
    """Lines that can be looked ahead to. Iterating gives each once. mark: what stands between cells."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self._ahead: deque[tuple[int, str]] = deque()
        self.mark = ","

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> tuple[int, str]:
        return self._ahead.popleft() if self._ahead else next(self._lines)

    def row(self, line: str, columns: int) -> str:
        """The line with those that its open quote takes in, where these are a row; else the line alone."""
        whole, taken = line, 0
        while taken < _MOST_LINES_OF_A_ROW and len(whole) < _LONGEST_ROW:
            if taken == len(self._ahead):
                following = next(self._lines, None)
                if following is None:
                    break
                self._ahead.append(following)
            whole += self._ahead[taken][1]
            taken += 1
            if whole.count('"') % 2 == 0:
                if _is_row(whole, columns, self.mark):
                    for _ in range(taken):
                        self._ahead.popleft()
                    return whole
                break
        return line


def _is_row(text: str, columns: int, mark: str) -> bool:
    try:
        return len(_read(text, mark)) == columns
    except csv.Error:
        return False


def _read(text: str, mark: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True), [])


def mark_of(header: str) -> str:
    """What stands between the cells of a table, as the line that names its columns tells."""
    return max(_MARKS, key=header.count)


def _cells(line: str, place: str, mark: str) -> list[str]:
    try:
        return _read(line, mark)
    except csv.Error as error:
        raise TraceError(f"{place}: {escaped(str(error))}.") from error


def has_columns(first_bytes: bytes, names: Sequence[str]) -> bool:
    """Whether the first line of a file names these columns."""
    line = first_bytes.removeprefix(_BOM).split(b"\n", 1)[0].decode("utf-8", "replace")
    found = {cell.strip().strip('"').lower() for cell in line.split(mark_of(line))}
    return found.issuperset(names)


def columns_of(names: Sequence[str], needed: Sequence[str], place: str) -> dict[str, int]:
    """The number of each column by its name in lower case.

    Raises TraceError, which begins with place, where needed ones are missing.
    """
    columns: dict[str, int] = {}
    for index, cell in enumerate(names):
        name = cell.strip().lower()
        if name in columns:
            raise TraceError(f"{place}: names the column {shown(name)} twice.")
        columns[name] = index
    missing = [name for name in needed if name not in columns]
    if missing:
        named = ", ".join(shown(name) for name in missing)
        raise TraceError(f"{place}: has no column {named}. The first line names the columns.")
    return columns
