"""Adds a run up while it goes on, from the lines that its recorder has in hand: its summary is there at its end.

Lines wait in blocks, and a block is added in pieces of about a tenth of a millisecond, when the recorder has nothing
more urgent to do. Where it never has that time, blocks wait for the run's end, up to a bound.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from replay.results.histogram import Histogram
from replay.results.instants import Elsewhere, KeptInstants
from replay.results.manifest_types import Manifest
from replay.results.summary import SummaryFold
from replay.results.summary_types import Summary
from replay.results.tables.plain_lines import lines_in, plain_table
from replay.results.tables.table import Table, table_of
from replay.results.types import StepRecord

# Fewer lines cost more each: about half of what a block takes is for the block itself.
_BLOCK_LINES = 1024
# Records are large; what has many of them has other costs a step.
_BLOCK_RECORDS = 512
# 4 s of a saturated run, some 60 MB of plain lines.
_MOST_BLOCKS = 250


class Summing:
    """One run's.

    plain: takes the cells of a plain line (see replay/results/tables/plain_lines.py). unusual: the record of any other.
    series: to be told of each kind and name of steps that are tried, in order of writing. resolution_ms: of the
    recording. elsewhere: keeps what a long run has too much of for memory.
    """

    def __init__(self, resolution_ms: float | None, elsewhere: Elsewhere | None = None) -> None:
        self._kept = KeptInstants(elsewhere)
        self._fold = SummaryFold(resolution_ms, self._kept)
        self.series = self._fold.series
        # Bound methods of lists that are emptied in place: the cheapest way to hand something over.
        self._cells: list[Any] = []
        self.plain: Callable[[Iterable[Any]], None] = self._cells.extend
        self._records: list[StepRecord] = []
        self.unusual: Callable[[StepRecord], None] = self._records.append
        self._blocks: deque[Table] = deque()
        self._adding: Iterator[None] = iter(())

    def __repr__(self) -> str:
        return f"<Summing {len(self._blocks)} blocks waiting>"

    @property
    def is_behind(self) -> bool:
        """Whether a block waits."""
        return bool(self._blocks)

    @property
    def is_pressing(self) -> bool:
        """Whether so much waits that it must be worked on without slack."""
        return len(self._blocks) >= _MOST_BLOCKS

    def gather(self) -> None:
        """Put together what makes a block; to be called after some lines."""
        if lines_in(self._cells) >= _BLOCK_LINES or len(self._records) >= _BLOCK_RECORDS:
            self._close_blocks()

    def _close_blocks(self) -> None:
        if self._cells:
            self._blocks.append(plain_table(self._cells[:]))
            self._cells.clear()
        if self._records:
            self._blocks.append(table_of(self._records[:]))
            self._records.clear()

    def work(self) -> bool:
        """One piece; returns whether there is more."""
        for _ in self._adding:
            return True
        if not self._blocks:
            return False
        self._adding = self._fold.adding(self._blocks.popleft())
        return True

    def summary(self, manifest: Manifest, logged: Mapping[str, Histogram]) -> Summary:
        """The figures of all lines, once the run is over. logged: see SummaryFold.summary."""
        self._close_blocks()
        while self.work():
            pass
        return self._fold.summary(manifest, logged, self._kept.taken())
