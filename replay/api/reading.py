"""Reading what is there: a run directory, and a trace."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from replay.api.inputs import AnyPath, path_of
from replay.results.columns import Columns, read_columns
from replay.results.histogram import Histogram
from replay.results.hlog import Interval, read_hlog
from replay.results.manifest_types import Manifest
from replay.results.merging.whole import make_whole
from replay.results.record import read_steps
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.results.summary_types import Summary
from replay.results.types import HLOG_FILE, STEPS_FILE, StepRecord
from replay.trace.file.stream import TraceReader, read_sessions
from replay.trace.profile.shape import TraceProfile, profile
from replay.trace.types import Header, Session
from replay.trials.evidence import AnyVerdict, read_verdict


class Run:
    """A run that was made, whole or broken off. What is read is kept; the steps are read anew each time.

    directory: where it is. manifest: what run.json says: options, target without secrets, host, status.
    """

    directory: Path
    manifest: Manifest

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        make_whole(directory)
        self.manifest = RunDir(directory).read_manifest()

    def __repr__(self) -> str:
        return f"<Run {self.directory}, {self.manifest.status}>"

    @cached_property
    def summary(self) -> Summary:
        """The figures, folded from the record, as `replay report` shows them: of a run that was killed, too."""
        return rebuild(self.directory, self.manifest, keeps=True)

    @cached_property
    def verdict(self) -> AnyVerdict | None:
        """What verdict.json says; None where the run was not judged. Raises InputError if it cannot be read."""
        return read_verdict(self.directory)

    @cached_property
    def columns(self) -> Columns:
        """The last attempt of every step that was tried, as numpy columns: instants in ns from the run's start."""
        return read_columns(self.directory)

    def steps(self) -> Iterator[StepRecord]:
        """Every attempt of every step, in order of writing. Raises InputError for a line that is no record."""
        path = self.directory / STEPS_FILE
        return read_steps(path) if path.exists() else iter(())

    def intervals(self) -> Iterator[Interval]:
        """The histogram of each series over each second, in order, from latency.hlog."""
        path = self.directory / HLOG_FILE
        return read_hlog(path) if path.exists() else iter(())

    def histograms(self) -> dict[str, Histogram]:
        """The histogram of each series over the whole run, by its tag in latency.hlog. Values are in milliseconds."""
        found: dict[str, Histogram] = {}
        for interval in self.intervals():
            found.setdefault(interval.tag, Histogram()).add(interval.histogram)
        return found


class Trace:
    """A trace file. path: where it is. header: its first line."""

    path: Path
    header: Header

    def __init__(self, path: Path) -> None:
        self.path = path
        with TraceReader(path) as reader:
            self.header = reader.header

    def __repr__(self) -> str:
        return f"<Trace {self.header.name}, {self.path}>"

    @cached_property
    def profile(self) -> TraceProfile:
        """Its shape, as `replay trace info --json` prints it: how many, how often, how deep, how long.

        Raises InputError with the line that breaks a rule.
        """
        return profile(self.path)

    def sessions(self) -> Iterator[Session]:
        """The sessions in file order, read as they are asked for, each checked by itself.

        Raises InputError with the line that breaks a rule.
        """
        return read_sessions(self.path)


def open_run(directory: AnyPath) -> Run:
    """The run in a directory: summary, manifest, verdict, steps one by one and as columns, histograms.

    Raises InputError where no run is recorded.
    """
    return Run(path_of(directory))


def open_trace(path: AnyPath) -> Trace:
    """A trace file: its header, its shape, and its sessions as a stream, so that memory does not grow with the file.

    Raises InputError where the file cannot be read, or is no trace.
    """
    return Trace(path_of(path))
