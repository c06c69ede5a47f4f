"""The lines of a run for other programs: as a Parquet file, or as CSV.

Both have a row for each line of steps.jsonl, in its order, and a column for each of its fields. What a line lacks is
null, or an empty cell. Texts come from traces and targets: in CSV, what a spreadsheet would take for a formula has an
apostrophe before it.
"""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import isnan
from pathlib import Path
from typing import Any

from replay.errors import InputError
from replay.results.tables.column_file import ColumnWriter, column_error, has_parquet
from replay.results.tables.reading import read_tables
from replay.results.tables.table import ABSENT, COLD, FLAGS, MILLISECONDS, TEXTS, Table
from replay.results.types import StepRecord
from replay.system.files import end_of_links, is_written_through, naming, opener_for, part_of, settle

_ANSWERS = {True: "true", False: "false", -1: ""}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ExportError(InputError):
    """The lines cannot be written so here; str() is the whole message."""


def write_parquet(run_dir: Path, path: Path) -> None:
    """Raises RunDirError for a run that cannot be read, ExportError without the extra, OSError that names the file."""
    if not has_parquet():
        raise ExportError("--parquet needs the extra parquet. Run: pip install 'agent-replay[parquet]'")
    with _whole(path) as part:
        writer = ColumnWriter(part)
        try:
            for table in read_tables(run_dir, keeps=True):
                writer.add(table)
            writer.close()
        except column_error() as cause:
            raise OSError(None, str(cause)) from cause
        finally:
            writer.discard()


def write_csv(run_dir: Path, path: Path) -> None:
    """Raises RunDirError for a run that cannot be read, and OSError that names the file."""
    fields = StepRecord.__struct_fields__
    with _whole(path) as part, open(part, "w", encoding="utf-8", newline="", opener=opener_for(part)) as file:
        writer = csv.writer(file)
        writer.writerow(fields)
        for table in read_tables(run_dir, keeps=True):
            writer.writerows(zip(*(_cells(table, name) for name in fields), strict=True))


def _cells(table: Table, name: str) -> list[Any]:
    """A column as cells."""
    if name in FLAGS:
        return [_ANSWERS[flag] for flag in table.flags(name).tolist()]
    if name == COLD:
        return [_ANSWERS[said] for said in table.cold().tolist()]
    if name in TEXTS:
        # The last one stands for the code -1.
        texts = [f"'{text}" if text.startswith(_FORMULA) else text for text in table.texts(name)] + [""]
        return [texts[code] for code in table.codes(name).tolist()]
    if name in MILLISECONDS:
        return ["" if isnan(value) else value for value in table.milliseconds(name).tolist()]
    return ["" if value == ABSENT else value for value in table.numbers(name).tolist()]


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Where to write what gets this name once it is whole."""
    with naming(path):
        if is_written_through(path):
            # Whoever reads from a pipe may have had enough.
            with suppress(BrokenPipeError):
                yield path
            return
        path = end_of_links(path)
        part = part_of(path)
        try:
            yield part
            settle(part, path)
        finally:
            part.unlink(missing_ok=True)


EXPORTS: dict[str, Callable[[Path, Path], None]] = {"parquet": write_parquet, "csv": write_csv}
"""How a run is written, by the name of the format."""
