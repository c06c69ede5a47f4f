"""Tables as a Parquet file, for which the extra `parquet` (pyarrow) is needed.

A line of a run is a row; its columns have the names of the fields of steps.jsonl, and what a line lacks is null. The
tags of a trace (attributes) are JSON.
"""

import contextlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from replay.results.tables.table import (
    ABSENT,
    COLD,
    FLAGS,
    MILLISECONDS,
    NUMBERS,
    TEXTS,
    Made,
    Table,
    column_of,
    constant,
)
from replay.system.files import is_written_through, opener_for

_COLUMNS = (*TEXTS, *NUMBERS, *MILLISECONDS, *FLAGS, COLD)
_COMPRESSION = "zstd"
# A group is read in one go; each column of it costs a millisecond to reach.
_GROUP_ROWS = 200_000


def has_parquet() -> bool:
    """Whether the extra is installed."""
    return _pyarrow() is not None


def column_error() -> type[Exception]:
    """What pyarrow raises, beside ValueError and OSError."""
    error: type[Exception] = _pyarrow().ArrowException
    return error


@cache
def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return None
    return pyarrow


@cache
def _schema() -> Any:
    pa = _pyarrow()
    kinds = {
        **dict.fromkeys(TEXTS, pa.dictionary(pa.int32(), pa.string())),
        **dict.fromkeys(NUMBERS, pa.int64()),
        **dict.fromkeys(MILLISECONDS, pa.float64()),
        **dict.fromkeys((*FLAGS, COLD), pa.bool_()),
    }
    return pa.schema([(name, kinds[name]) for name in _COLUMNS])


class ColumnWriter:
    """Writes tables to a new file, for its owner alone, or into a device. Raises OSError and `column_error()`."""

    def __init__(self, path: Path) -> None:
        mode = "wb" if is_written_through(path) else "xb"
        self._file = open(path, mode, opener=opener_for(path))  # noqa: SIM115 (closed in `close`)
        self._waiting: list[Any] = []
        self._writer = _pyarrow().parquet.ParquetWriter(
            self._file, _schema(), compression=_COMPRESSION, compression_level=1, write_statistics=True
        )

    def __repr__(self) -> str:
        return f"<ColumnWriter {self._file.name}>"

    def add(self, table: Table) -> None:
        """More lines; they are written in groups."""
        if not table.n:
            return
        arrays = [_arrow(name, table) for name in _COLUMNS]
        self._waiting.append(_pyarrow().Table.from_arrays(arrays, schema=_schema()))
        if sum(one.num_rows for one in self._waiting) >= _GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        if self._waiting:
            group = _pyarrow().concat_tables(self._waiting).unify_dictionaries()
            self._waiting.clear()
            self._writer.write_table(group, row_group_size=group.num_rows)

    def close(self, metadata: dict[bytes, bytes] | None = None) -> None:
        """The file is whole then."""
        self._write_group()
        self._writer.add_key_value_metadata(metadata or {})
        self._writer.close()
        self._file.close()

    def discard(self) -> None:
        """Close what cannot be finished."""
        with contextlib.suppress(OSError, ValueError, column_error()):
            self._writer.close()
        with contextlib.suppress(OSError):
            self._file.close()


class ColumnFile:
    """Such a file, read a column of a group at a time. Raises OSError, ValueError and `column_error()`."""

    def __init__(self, path: Path) -> None:
        parquet = _pyarrow().parquet
        if set(parquet.read_schema(path).names) != set(_COLUMNS):
            raise ValueError("its columns are others")
        self._file = parquet.ParquetFile(path, read_dictionary=list(TEXTS))
        if self._file.schema_arrow.remove_metadata() != _schema():
            raise ValueError("its columns are of other types")
        self.metadata: dict[bytes, bytes] = self._file.metadata.metadata or {}
        self._at = {name: at for at, name in enumerate(self._file.schema_arrow.names)}

    def __repr__(self) -> str:
        return f"<ColumnFile of {self._file.metadata.num_rows} lines>"

    def group_rows(self) -> Iterator[int]:
        """How many lines each group has."""
        for group in range(self._file.num_row_groups):
            yield self._file.metadata.row_group(group).num_rows

    def column(self, group: int, name: str) -> Made:
        """A column of a group, as a table has it."""
        rows = self._file.metadata.row_group(group)
        only = _only_value(name, rows.column(self._at[name]), rows.num_rows)
        if only:
            column, texts = column_of(name, only)
            return constant(column[0], rows.num_rows, column.dtype), texts
        # One column of a group is too little for threads.
        read = self._file.read_row_group(group, columns=[name], use_threads=False)
        if read.num_rows != rows.num_rows:
            raise ValueError(f"{name}: {read.num_rows} values for {rows.num_rows} lines")
        return _made(name, read.column(0).combine_chunks())


def _only_value(name: str, chunk: Any, n: int) -> list[Any]:
    """The value of all n lines of a chunk, where the file says so, twice, so that no damage makes it up."""
    said = chunk.statistics if chunk.is_stats_set else None
    if said is None or not n:
        return []
    if not said.has_min_max:
        return [None] if said.null_count == n else []
    one = said.min
    if said.null_count or one != said.max or name == "attributes":
        return []
    # Zero may be either of two floats; a number below it is an error of whoever wrote it.
    return [one] if name not in (*NUMBERS, *MILLISECONDS) or one > 0 or (one == 0 and name in NUMBERS) else []


def _arrow(name: str, table: Table) -> Any:
    pa = _pyarrow()
    if name in TEXTS:
        codes = table.codes(name)
        indices = pa.array(codes, pa.int32(), mask=codes < 0)
        return pa.DictionaryArray.from_arrays(indices, pa.array(table.texts(name), pa.string()))
    if name in NUMBERS:
        numbers = table.numbers(name)
        return pa.array(numbers, pa.int64(), mask=numbers == ABSENT)
    if name in MILLISECONDS:
        return pa.array(table.milliseconds(name), pa.float64(), from_pandas=True)
    if name == COLD:
        cold = table.cold()
        return pa.array(cold == 1, pa.bool_(), mask=cold < 0)
    return pa.array(table.flags(name), pa.bool_())


def _made(name: str, column: Any) -> Made:
    """A column of a row group as a table has it. Raises ValueError for what no text can have given."""
    n = len(column)
    if name in TEXTS:
        texts = column.dictionary.to_pylist()
        codes = _values(column.indices, -1, np.int32)
        if n and not (codes.min() >= -1 and codes.max() < len(texts)):
            raise ValueError(f"{name}: a code beyond its texts")
        return codes, texts
    if name in NUMBERS:
        numbers = _values(column, ABSENT, np.int64)
        if ((numbers < 0) & (numbers != ABSENT)).any():
            raise ValueError(f"{name}: a number below 0")
        return numbers, []
    if name in MILLISECONDS:
        return _values(column, np.nan, np.float64), []
    if name == COLD:
        return _values(column.cast("int32"), -1, np.int32), []
    return _values(column.cast("int8"), 0, np.int8).astype(np.bool_), []


def _values(column: Any, none: Any, kind: Any) -> npt.NDArray[Any]:
    """The values, `none` where there is none; in no memory where they are all the same."""
    values = column.fill_null(none) if column.null_count else column
    found: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False).astype(kind, copy=False)
    is_one = len(found) > 1 and found[0] == found[-1] and bool((found == found[0]).all())
    return constant(found[0], len(found), kind) if is_one else found
