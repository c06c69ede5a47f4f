"""The file of users that `--data` names: CSV with a header, read once, a row for each session.

Its values may be passwords and tokens. They go into requests and nowhere else: errors name lines and columns, and of
the file run.json has the name, the hash, the number of rows and the names of the columns.
"""

import csv
import io
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

import numpy as np

from replay.engine.types import RowOrder, RunOptions
from replay.results.manifest_types import DataFacts
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.values.uses import MOST_COLUMNS, Uses
from replay.words.phrases import counted

MOST_ROWS = 1_000_000
MOST_FILE_BYTES = 256 << 20
LONGEST_VALUE = 16 * 1024
_BOM = b"\xef\xbb\xbf"
# What the generator takes for a seed is not negative.
_MASK = (1 << 64) - 1
_NO_LOGINS: Mapping[str, str] = {}


class _Column:
    """The values of one column, in the bytes of their texts and 8 more for each."""

    __slots__ = ("_ends", "_texts")

    def __init__(self) -> None:
        self._texts = bytearray()
        self._ends = array("Q", [0])

    def add(self, text: str) -> None:
        self._texts += text.encode()
        self._ends.append(len(self._texts))

    def __getitem__(self, n: int) -> str:
        return self._texts[self._ends[n] : self._ends[n + 1]].decode()


class Rows:
    """The rows of one file. facts: what may be said of it. Only the columns that were asked for are kept."""

    def __init__(self, facts: DataFacts, columns: Mapping[str, _Column], order: RowOrder, seed: int) -> None:
        self.facts = facts
        self._columns = columns
        # The same row for the same session in every arm, since a session's place is counted before they part.
        self._order = np.random.default_rng(seed & _MASK).permutation(facts.rows) if order == "random" else None

    def __repr__(self) -> str:
        return f"<Rows {self.facts.rows} of {self.facts.file}>"

    def value(self, column: str, place: int) -> str | None:
        """What the session of this place in the run has in a column; after the last row comes the first again."""
        kept = self._columns.get(column)
        if kept is None:
            return None
        n = place % self.facts.rows
        return kept[n if self._order is None else int(self._order[n])]


def rows_for(
    trace: Path, uses: Uses | None, options: RunOptions, logins: Mapping[str, str] = _NO_LOGINS
) -> Rows | None:
    """The rows of a run, where it has any. logins: the columns that logins ask for, each with what asks, in words.

    Raises TraceError: the file cannot be read, or what is asked for is not in it.
    """
    columns = {} if uses is None else uses.columns
    if options.data is not None:
        order, seed = options.data_order, options.knobs.seed
        return read_rows(Path(options.data), columns, trace, order, seed, logins)
    for name, place in columns.items():
        raise no_rows(trace, name, place)
    for name, asker in logins.items():
        raise TraceError(
            f"{asker} asks for {{{{row.{name}}}}}, and there are no rows. Name a CSV file that has this column with "
            "--data."
        )
    return None


def notes_on(
    rows: Rows | None, uses: Uses | None, sessions: int, logins: Mapping[str, str] = _NO_LOGINS
) -> list[str]:
    """What a reader of a run's figures should know of its rows."""
    if rows is None:
        return []
    facts = rows.facts
    if not logins and (uses is None or not uses.columns):
        return [f"no request takes a value from {facts.file}"]
    if facts.rows < sessions:
        return [
            f"{facts.file} has {counted(facts.rows, 'row')} for {counted(sessions, 'session')}, so that "
            "some are the same user"
        ]
    return []


def read_rows(
    path: Path,
    wanted: Mapping[str, tuple[int, str, str]],
    trace: Path,
    order: RowOrder = "sequential",
    seed: int = 1,
    logins: Mapping[str, str] = _NO_LOGINS,
) -> Rows:
    """Read a file of users. wanted: the columns that a trace names, with the line, step and session that does.

    logins: those that logins name, each with what does, in words.

    Raises TraceError: the file cannot be read, or lacks a column.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_FILE_BYTES + 1)
    except OSError as cause:
        raise TraceError(f"{shown_path(path)}: cannot be read ({cause.strerror}).") from cause
    if len(data) > MOST_FILE_BYTES:
        raise TraceError(
            f"{shown_path(path)}: is larger than {MOST_FILE_BYTES >> 20} MiB, the most that is read."
        )
    rows = _rows(path, data.removeprefix(_BOM))
    names = next(rows, None)
    if names is None:
        raise TraceError(f"{shown_path(path)}: is empty. Its first line names the columns.")
    _check_names(path, names[1])
    askers = {name: _asker(trace, place) for name, place in wanted.items()}
    for name, asker in {**logins, **askers}.items():
        if name not in names[1]:
            raise TraceError(_lacks(path, name, names[1], asker))
    columns = {name: _Column() for name in names[1] if name in wanted or name in logins}
    count = _read(path, rows, names[1], columns)
    if not count:
        raise TraceError(f"{shown_path(path)}: has no rows below its header.")
    facts = DataFacts(
        file=path.name, sha256=sha256(data).hexdigest(), rows=count, columns=list(names[1]), order=order
    )
    return Rows(facts, columns, order, seed)


def _lines(path: Path, data: bytes) -> Iterator[str]:
    """Line by line, so that the text of the whole file is never held beside its bytes."""
    for n, line in enumerate(io.BytesIO(data), 1):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            # Without the cause: it holds the bytes.
            raise TraceError(f"{shown_path(path)}, line {n}: is not UTF-8.") from None


def _rows(path: Path, data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line that it ends on; lines that are empty are no rows."""
    reader = csv.reader(_lines(path, data), strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as cause:
            raise TraceError(f"{shown_path(path)}, line {reader.line_num}: is not CSV ({cause}).") from None
        if row is None:
            return
        if row:
            yield reader.line_num, row


def _check_names(path: Path, names: Sequence[str]) -> None:
    if len(names) > MOST_COLUMNS:
        raise TraceError(f"{shown_path(path)}: has {len(names):,} columns; at most {MOST_COLUMNS:,} are read.")
    for n, name in enumerate(names):
        if name in names[:n]:
            raise TraceError(f"{shown_path(path)}: has the column {shown(name)} twice.")


def _read(
    path: Path, rows: Iterable[tuple[int, list[str]]], names: Sequence[str], columns: Mapping[str, _Column]
) -> int:
    """Put what is kept into its columns; returns how many rows there are."""
    kept = [(n, columns[name]) for n, name in enumerate(names) if name in columns]
    count = 0
    for line, row in rows:
        count += 1
        if len(row) != len(names):
            raise TraceError(
                f"{shown_path(path)}, line {line}: has {counted(len(row), 'value')}, and the header names "
                f"{counted(len(names), 'column')}."
            )
        if count > MOST_ROWS:
            raise TraceError(f"{shown_path(path)}: has more than {MOST_ROWS:,} rows, the most that are read.")
        for n, column in kept:
            if len(row[n]) > LONGEST_VALUE:
                raise TraceError(
                    f"{shown_path(path)}, line {line}: the value of column {shown(names[n])} has {len(row[n]):,} "
                    f"characters; at most {LONGEST_VALUE:,} are allowed."
                )
            column.add(row[n])
    return count


def _lacks(path: Path, name: str, names: Sequence[str], asker: str) -> str:
    near = get_close_matches(name, names, n=1)
    hint = f" Did you mean {shown(near[0])}?" if near else ""
    return f"{asker} asks for {{{{row.{name}}}}}, and {shown_path(path)} has no such column.{hint}"


def no_rows(trace: Path, name: str, place: tuple[int, str, str]) -> TraceError:
    """A trace asks for rows, and the run was given none."""
    return TraceError(
        f"{_asker(trace, place)} asks for {{{{row.{name}}}}}, and there are no rows. Name a CSV file that has "
        "this column with --data, or send braces as they are with --no-references."
    )


def _asker(trace: Path, place: tuple[int, str, str]) -> str:
    line, step, session = place
    return f"{shown_path(trace)}, line {line}: step {shown(step)} of session {shown(session)}"
