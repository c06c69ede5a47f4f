"""The lines of a run as tables, a block at a time: from the text, or from a cache that was made of it."""

from collections.abc import Iterator
from pathlib import Path

from replay.results.record import ReadTally, read_blocks
from replay.results.tables.cache import cached, caching
from replay.results.tables.table import Table, table_of
from replay.results.types import STEPS_FILE


def read_tables(run_dir: Path, tally: ReadTally | None = None, *, keeps: bool = False) -> Iterator[Table]:
    """Every line of a run that can be read, in order of writing; none where nothing was recorded.

    keeps: a long run gets a cache by it (see cache.py). Raises RunDirError for an object that is no record.
    """
    text = run_dir / STEPS_FILE
    tally = tally or ReadTally()
    if not text.exists():
        return
    known = cached(text)
    if known is not None:
        tally.unreadable = known.unreadable
        yield from known.tables()
        return
    cache = caching(text) if keeps else None
    if cache is None:
        yield from map(table_of, read_blocks(text, tally))
        return
    try:
        for records in read_blocks(text, tally, cache.saw):
            table = table_of(records)
            cache.add(table)
            yield table
        cache.finish(tally.unreadable)
    finally:
        cache.close()
