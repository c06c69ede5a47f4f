"""A run as evidence: its figures, and its steps as columns."""

from pathlib import Path
from typing import Any

import msgspec

from replay.results.columns import Columns, Gathering, read_columns
from replay.results.instants import Instants
from replay.results.merging.whole import make_whole
from replay.results.record import ReadTally
from replay.results.rundir import RunDir
from replay.results.summary import SummaryFold, logged_of
from replay.results.summary_types import Summary
from replay.results.tables.reading import read_tables


class Evidence(msgspec.Struct, frozen=True):
    """One run: its figures, and its steps. options: as its manifest has them; empty where nobody knows them.

    is_early: it was not whole because it was ended once enough was seen of it.
    """

    summary: Summary
    columns: Columns
    name: str
    options: dict[str, Any] = {}
    is_early: bool = False


def read_evidence(run_dir: Path, summary: Summary | None = None) -> Evidence:
    """A run's figures and steps, in one reading. Raises RunDirError if there is no run there.

    summary: where it is known already.
    """
    name = run_dir.name or str(run_dir)
    if summary is not None:
        return Evidence(summary, read_columns(run_dir), name, RunDir(run_dir).read_manifest().options)
    make_whole(run_dir)
    manifest = RunDir(run_dir).read_manifest()
    gathered, tally = Gathering(), ReadTally()
    # The instants of the steps are columns, which are not held twice.
    fold = SummaryFold(manifest.trace.resolution_ms)
    for table in read_tables(run_dir, tally, keeps=True):
        gathered.add(table)
        fold.add(table)
    columns = gathered.columns(tally.unreadable)
    instants = Instants(columns.intended_ns, columns.sent_ns, columns.end_ns, columns.ok)
    return Evidence(
        fold.summary(manifest, logged_of(run_dir), instants, tally.unreadable),
        columns,
        name,
        manifest.options,
    )
