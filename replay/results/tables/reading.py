"""The lines of a run as tables, a block at a time: from the text, or from a cache that was made of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from replay.results.record import ReadTally, ends_too_early, read_blocks
from replay.results.tables.cache import cached, caching
from replay.results.tables.table import Table, table_of
from replay.results.types import STEPS_FILE


def read_tables(run_dir: Path, tally: ReadTally | None = None, *, keeps: bool = False) -> Iterator[Table]:
    """Every line of a run that can be read, in order of writing; none where nothing was recorded.

    keeps: a long run gets a cache by it (see cache.py). Raises RunDirError for an object that is no record, and for one
    that ends before it began.
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
        for records in read_blocks(text, tally):
            table = table_of(records)
            _refuse_impossible(table, text)
            yield table
        return
    try:
        for records in read_blocks(text, tally, cache.saw):
            table = table_of(records)
            _refuse_impossible(table, text)
            cache.add(table)
            yield table
        cache.finish(tally.unreadable)
    finally:
        cache.close()


def _refuse_impossible(table: Table, text: Path) -> None:
    """Raises RunDirError for a step that ends before it was due or sent."""
    ends = table.numbers("end_ns")
    is_impossible = (ends < table.numbers("intended_ns")) | (ends < table.numbers("sent_ns"))
    for row in np.flatnonzero(is_impossible & table.has("end_ns")):
        session, step = (table.texts(name)[table.codes(name)[row]] for name in ("session", "step"))
        raise ends_too_early(text, session, step)
