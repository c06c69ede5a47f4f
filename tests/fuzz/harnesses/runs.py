"""Run directories made elsewhere: each of their files as a stranger might have written it, read by whole commands."""

import contextlib
import io
import shutil
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from replay.cli.failures import failure_of
from replay.cli.main import cli
from replay.results.histogram import decode
from replay.results.hlog import read_hlog, read_totals
from replay.results.tables.cache import CACHE_FILE
from tests.fuzz import seeds
from tests.fuzz.contract import Harness

_COMMANDS = (
    ("report", "RUN"),
    ("report", "RUN", "--json"),
    ("report", "RUN", "--session", "s-1"),
    ("report", "RUN", "--markdown", "OUT"),
    ("report", "RUN", "--html", "OUT"),
    ("gate", "--run", "RUN", "--slo", "p99 < 1s", "--slo", "errors < 1%"),
    ("gate", "--run", "WHOLE", "--slo", "p99 < baseline * 9", "--baseline", "FOLDER"),
    ("explain", "RUN"),
    ("cost", "RUN", "--prices", "cloud-run-us-central1"),
    ("coldstart", "--run", "RUN"),
)
_FILES = {
    "run.json": ("replay.results.rundir",),
    "steps.jsonl": ("replay.results.record", "replay.results.columns", "replay.results.summary"),
    "latency.hlog": ("replay.results.hlog", "replay.results.histogram"),
    "instances.jsonl": ("replay.trials.evidence", "replay.trials.pilot.lives"),
    "events.jsonl": ("replay.trials.faults",),
    "answers.jsonl": ("replay.results.answers",),
    "plane.jsonl": (),
    "verdict.json": ("replay.trials.evidence", "replay.trials.gate.baselines"),
    "pilot.json": ("replay.trials.pilot.carrying",),
}


def _harness_of(file: str, covers: tuple[str, ...], seeds_of: Callable[[], Sequence[bytes]]) -> Harness:
    def feed(data: bytes, folder: Path) -> bool:
        run = folder / "run"
        if not run.exists():
            shutil.copytree(seeds.run_directory(), run)
        before = (run / file).read_bytes() if (run / file).exists() else None
        (run / file).write_bytes(data)
        # As it was, a run is read by a command that takes any run; by its bytes, which differ by their times, it would
        # be now and then by one that this run is too small for.
        command = _COMMANDS[0 if data == before else zlib.crc32(data) % len(_COMMANDS)]
        try:
            return _command(command, run, folder / "out")
        finally:
            (run / VERDICT).unlink(missing_ok=True)
            if before is None:
                (run / file).unlink(missing_ok=True)
            else:
                (run / file).write_bytes(before)

    return Harness(f"run:{file}", feed, (), seeds_of, covers, short_run=8)


VERDICT = "verdict.json"


def _command(words: tuple[str, ...], run: Path, out: Path) -> bool:
    """A command ends well, or with a sentence; never with one that calls the program itself at fault."""
    paths = {"RUN": run, "OUT": out, "FOLDER": run.parent, "WHOLE": seeds.run_directory()}
    arguments = [str(paths.get(word, word)) for word in words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            cli.main(arguments, standalone_mode=False)
        except (click.exceptions.Exit, SystemExit):
            return True
        except Exception as error:
            if failure_of(error).is_ours:
                raise
            return False
    return True


def _hlog(data: bytes, folder: Path) -> bool:
    path = folder / "latency.hlog"
    path.write_bytes(data)
    found = list(read_hlog(path))
    read_totals(path, {"response", "service"})
    for line in data.split(b"\n")[:50]:
        with contextlib.suppress(ValueError):
            decode(line.rpartition(b",")[2])
    for interval in found:
        interval.histogram.quantiles()
    return bool(found)


HARNESSES = (
    Harness("hlog", _hlog, (), lambda: seeds.files_of_runs("latency.hlog"), ("replay.results.hlog",)),
    *(_harness_of(file, covers, partial(seeds.files_of_runs, file)) for file, covers in _FILES.items()),
    _harness_of(
        CACHE_FILE, ("replay.results.tables.cache", "replay.results.tables.column_file"), seeds.column_cache
    ),
)
