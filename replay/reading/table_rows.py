"""Rows of a published table, in CSV or, as Parquet is read, in objects of JSON Lines: the same rows either way."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.reading.csv_rows import Row, columns_of, has_columns, read_csv
from replay.reading.damage import Damage
from replay.reading.opened import open_recording
from replay.reading.rows import read_rows
from replay.trace.errors import TraceError, shown_path

_BOM = b"\xef\xbb\xbf"
_OBJECT = (b"{", b"[")


def names_columns(first_bytes: bytes, names: Sequence[str]) -> bool:
    """Whether the header of a table, or its first row where that is an object, names these columns."""
    start = first_bytes.removeprefix(_BOM).lstrip()
    if not start.startswith(_OBJECT):
        return has_columns(first_bytes, names)
    line = start.split(b"\n", 1)[0].strip().removeprefix(b"[").rstrip(b",]")
    try:
        row = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return {name.strip().lower() for name in row}.issuperset(names)


def take_rows(
    files: Sequence[Path], needed: Sequence[str], damage: Damage, take: Callable[[Row], None]
) -> None:
    """Give every row of all files to take; one that it refuses is damaged. Raises TraceError where most are."""
    for row in damage.of_files(files, lambda file: _rows(file, needed, damage)):
        try:
            take(row)
        except TraceError as error:
            damage.lose(error)
    damage.refuse_most()


def _rows(path: Path, needed: Sequence[str], damage: Damage) -> Iterator[Row]:
    with open_recording(path) as source:
        start = source.peek(1 << 10)[: 1 << 10].lstrip()  # type: ignore[attr-defined]
    if start.startswith(_OBJECT):
        yield from _of_objects(path, needed, damage)
    else:
        yield from read_csv(path, needed, damage)


def _of_objects(path: Path, needed: Sequence[str], damage: Damage) -> Iterator[Row]:
    columns: dict[tuple[str, ...], dict[str, int]] = {}
    for n, row in read_rows(path, dict[str, Any], damage):
        names = tuple(row)
        try:
            if names not in columns:
                columns = {names: columns_of(names, needed, f"{shown_path(path)}, line {n}")}
        except TraceError as error:
            damage.lose(error)
            continue
        yield Row(path, n, columns[names], [_cell(value) for value in row.values()])


def _cell(value: Any) -> str:
    """As CSV has it."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
