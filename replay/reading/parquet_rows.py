"""Parquet as a container: its rows as JSON Lines, for readers of these.

A row is an object by the names of its columns; within these, fields that are null are left out, as rows of many shapes
share one. Instants are ISO 8601, to the microsecond, and those of a column in ns to these. So are durations and times
of day, to the microsecond. A map is an object; bytes are base64. Rows are read a few at a time, of one row group after
the other.

It needs the extra `parquet` (pyarrow).
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stored import MOST_UNPACKED_RATIO, unfolds_too_far

MAGIC = b"PAR1"

# A value that all rows share is stored once, and held for each row of a batch.
_BATCH_ROWS = 64


class ParquetLines(io.RawIOBase):
    """The lines of a file. Reading raises TraceError where it cannot be read, or the extra is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._lines = _lines(path)
        self._ready = b""
        self._packed_bytes = path.stat().st_size
        self._unpacked_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        if not self._ready:
            self._ready = next(self._lines, b"")
            self._unpacked_bytes += len(self._ready)
            if unfolds_too_far(self._packed_bytes, self._unpacked_bytes):
                raise TraceError(
                    f"{shown_path(self._path)}: its rows are more than {MOST_UNPACKED_RATIO} times as long as the "
                    "file, which no recording is. If it is sound, write them as JSON Lines."
                )
        target = memoryview(buffer)  # type: ignore[arg-type]
        n = min(len(target), len(self._ready))
        target[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n


def _lines(path: Path) -> Iterator[bytes]:
    """A line each, of as many rows as are read at once."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise TraceError(
            f"{shown_path(path)}: a Parquet file, for which the extra `parquet` is needed. Install it with: pip "
            "install 'agent-replay[parquet]'"
        ) from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            fields = list(file.schema_arrow)
            fine = [index for index, field in enumerate(fields) if _is_in_ns(pyarrow, field.type)]
            plain = pyarrow.schema(
                [
                    field.with_type(pyarrow.string() if index in fine else _plain(pyarrow, field.type))
                    for index, field in enumerate(fields)
                ]
            )
            for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
                table = pyarrow.Table.from_batches([batch])
                for index in fine:
                    table = _with_instants(pyarrow, table, index)
                rows = table.cast(plain, safe=False).to_pylist()
                yield b"".join(msgspec.json.encode(_row(row)) + b"\n" for row in rows)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, RecursionError) as error:
        why = next(iter(str(error).splitlines()), "")[:200].rstrip(".")
        raise TraceError(f"{shown_path(path)}: not a whole Parquet file ({why}).") from error


def _is_in_ns(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.unit == "ns"


def _with_instants(pa: Any, table: Any, index: int) -> Any:
    """The table with a column of instants in ns as ISO 8601. Those of a time zone are stored, and told, in UTC."""
    column = table.column(index)
    ends = "Z" if column.type.tz else ""
    said = [
        None if at_ns is None else f"{np.datetime64(at_ns, 'ns')}{ends}"
        for at_ns in column.cast(pa.int64()).to_pylist()
    ]
    return table.set_column(index, table.schema.names[index], pa.array(said, pa.string()))


def _plain(pa: Any, kind: Any) -> Any:
    """The type with times and durations to the microsecond, which is what Python has, each value where it stands."""
    types = pa.types
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    if types.is_time64(kind):
        return pa.time64("us")
    if types.is_dictionary(kind):
        return _plain(pa, kind.value_type)
    if types.is_struct(kind):
        return pa.struct([field.with_type(_plain(pa, field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(_plain(pa, kind.key_type), _plain(pa, kind.item_type))
    if types.is_large_list(kind):
        return pa.large_list(_plain(pa, kind.value_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_plain(pa, kind.value_type), kind.list_size)
    return pa.list_(_plain(pa, kind.value_type)) if types.is_list(kind) else kind


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _said(value) for name, value in row.items()}


def _said(value: Any) -> Any:
    """What is there of a value. Maps come as pairs."""
    if isinstance(value, dict):
        return {key: _said(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        if value and all(isinstance(pair, tuple) and isinstance(pair[0], str) for pair in value):
            return {key: _said(inner) for key, inner in value if inner is not None}
        return [_said(inner) for inner in value]
    return value
