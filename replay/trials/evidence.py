"""Verdicts written beside runs, and read back with what planes told of their instances."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from replay.choice.types import PilotVerdict
from replay.judge.cold.types import ColdVerdict
from replay.judge.load.recovery import RecoveryVerdict
from replay.judge.load.types import CeilingVerdict
from replay.judge.types import VERDICT_FILE, CompareVerdict, GateVerdict
from replay.results.rundir import RunDir, RunDirError, decoded, document, read_lines
from replay.results.types import INSTANCES_FILE, InstanceRecord
from replay.system.files import write_whole


def read_instances(run_dir: Path) -> list[InstanceRecord] | None:
    """What the run's plane told of its instances; None where it told nothing. Raises RunDirError."""
    path = run_dir / INSTANCES_FILE
    return read_lines(path, InstanceRecord, "is not a record of instances") if path.exists() else None


AnyVerdict = GateVerdict | CompareVerdict | CeilingVerdict | ColdVerdict | RecoveryVerdict | PilotVerdict


def read_verdict(directory: Path) -> AnyVerdict | None:
    """The verdict that a folder holds, None if it holds none that is known. Raises RunDirError if it cannot be read."""
    path = directory / VERDICT_FILE
    if not path.is_file():
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    kinds: dict[str, type[AnyVerdict]] = {
        "gate": GateVerdict,
        "compare": CompareVerdict,
        "ceiling": CeilingVerdict,
        "coldstart": ColdVerdict,
        "run": RecoveryVerdict,
        "pilot": PilotVerdict,
    }
    place, fault = str(path), "is not a verdict"
    kind = kinds.get(decoded(data, _Command, place, fault).command)
    return None if kind is None else document(data, kind, place, fault)


class _Command(msgspec.Struct):
    command: str


def write_verdict(directory: Path, verdict: msgspec.Struct) -> None:
    """verdict.json at the top of the directory. Raises OSError that names it."""
    write_whole(directory / VERDICT_FILE, msgspec.json.format(msgspec.json.encode(verdict)) + b"\n")


@contextlib.contextmanager
def gone_if_empty(directory: Path) -> Iterator[None]:
    """A folder made for runs goes again if an exception comes before the first of them; what was recorded stays."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            directory.rmdir()
        raise


@contextlib.contextmanager
def verdict_left_in(out: Path | None) -> Iterator[Callable[[msgspec.Struct], None]]:
    """Gives what leaves the verdict on runs that were made before in a folder of its own, and nowhere if none is named.

    Raises RunDirError if that is not new or empty.
    """
    if out is None:
        yield lambda verdict: None
        return
    directory = RunDir.create(out, "", "").path
    with gone_if_empty(directory):
        yield partial(write_verdict, directory)


def forget_verdict(directory: Path) -> None:
    """No verdict of before stays in a directory that is used again."""
    path = directory / VERDICT_FILE
    try:
        path.unlink(missing_ok=True)
    except OSError as cause:
        raise RunDirError(f"{path}: cannot be removed ({cause.strerror}).") from cause
