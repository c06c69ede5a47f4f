"""The lines of a run as tables, a block at a time."""

from collections.abc import Iterator
from pathlib import Path

from replay.results.record import ReadTally, read_blocks
from replay.results.table import Table, table_of
from replay.results.types import STEPS_FILE


def read_tables(run_dir: Path, tally: ReadTally | None = None) -> Iterator[Table]:
    """Every line of a run that can be read, in order of writing; none where nothing was recorded.

    Raises RunDirError for an object that is no record.
    """
    text = run_dir / STEPS_FILE
    if text.exists():
        yield from map(table_of, read_blocks(text, tally))
