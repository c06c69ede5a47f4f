"""The run directory: making one, and reading and writing its manifest and its summary."""

import contextlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from replay.errors import InputError
from replay.results.manifest_types import Manifest
from replay.results.summary_types import Summary
from replay.results.types import MANIFEST_FILE, RUN_FILES, SUMMARY_FILE
from replay.system.files import write_whole
from replay.words.names import clean

_Value = TypeVar("_Value")
_RUNS = Path("runs")
_NAME_MOST = 40
# A manifest and a summary take some kilobytes, and more with many names.
_RESERVE_FILE = ".reserve"
_RESERVES_BYTES = (64 << 10, 16 << 10, 8 << 10)

_SESSIONS_NAMED = 5
SCHEMA_VERSION = 1
"""The version of each file of a run and of each verdict that this release reads and writes."""
_SCHEMA = re.compile(r"replay\.[a-z]+/([0-9]{1,9})")


class RunDirError(InputError):
    """A run directory cannot be made or read; str() is the whole message."""


def no_such_session(run_dir: Path, session: str, known: Iterable[str]) -> RunDirError:
    """That a run has no session of this id, with some that it has. known: the ids of its sessions."""
    ids = list(dict.fromkeys(known))
    if not ids:
        return RunDirError(f"{run_dir}: has no session {session!r}: none was recorded.")
    more = f" and {len(ids) - _SESSIONS_NAMED:,} more" if len(ids) > _SESSIONS_NAMED else ""
    named = ", ".join(clean(one) for one in ids[:_SESSIONS_NAMED])
    return RunDirError(f"{run_dir}: has no session {session!r}. It has {named}{more}.")


def decoded(data: bytes, kind: type[_Value], place: str, fault: str) -> _Value:
    """JSON out of a run directory, which may be anybody's, as a value of this type.

    Raises RunDirError: the place, the fault, and what the decoder says.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except UnicodeDecodeError as cause:
        raise RunDirError(f"{place}: {fault} (it is not valid UTF-8).") from cause
    except RecursionError as cause:
        raise RunDirError(f"{place}: {fault} (it is nested too deeply to be read).") from cause
    except msgspec.DecodeError as cause:
        # msgspec tells it so from 0.23 on.
        why = "it is not valid UTF-8" if "Invalid UTF-8" in str(cause) else str(cause)
        raise RunDirError(f"{place}: {fault} ({why}).") from cause


class _Named(msgspec.Struct):
    schema: str = ""


def document(data: bytes, kind: type[_Value], place: str, fault: str) -> _Value:
    """As `decoded`, of a file that names its schema. Raises RunDirError, too, where that is of a later release."""
    named = decoded(data, _Named, place, fault).schema
    later = _SCHEMA.fullmatch(named)
    if later is not None and int(later[1]) > SCHEMA_VERSION:
        raise RunDirError(
            f"{place}: is of a later release of agent-replay (its schema is {named}). Read it with that one."
        )
    return decoded(data, kind, place, fault)


def read_lines(path: Path, kind: type[_Value], fault: str) -> list[_Value]:
    """The lines of a file of a run, each as a value of this type. Raises RunDirError as `decoded` does."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as cause:
        raise RunDirError(f"{path}: cannot be read ({cause.strerror}).") from cause
    return [decoded(line, kind, f"{path}, line {n}", fault) for n, line in enumerate(lines, 1) if line]


def _refuse_devices(folder: Path) -> None:
    """Raises RunDirError where a pipe or a device has the name of a run's file, which would be read for ever."""
    for name in RUN_FILES:
        path = folder / name
        if path.exists() and not path.is_file():
            raise RunDirError(f"{path}: is not a regular file, as a run's files are. Copy the run again.")


class RunDir:
    """One run's directory. path: where it is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"<RunDir {self.path}>"

    @classmethod
    def create(cls, out: Path | None, trace: str, target: str) -> "RunDir":
        """Make the directory: `out`, or runs/<UTC time>-<trace>-<target>.

        Raises RunDirError if it holds a run already, or cannot be made.
        """
        path = out or fresh_path(_RUNS, f"{_utc_stamp()}-{name_in_path(trace)}-{name_in_path(target)}")
        try:
            path.mkdir(parents=True, exist_ok=True)
            if (path / MANIFEST_FILE).exists():
                raise RunDirError(f"{path}: holds a run already. Choose another --out, or remove it.")
            if any(path.iterdir()):
                raise RunDirError(f"{path}: is not empty. Choose another --out.")
        except (FileExistsError, NotADirectoryError) as cause:
            # mkdir tells of the whole path where it is a folder on the way there that is none.
            way = (path, *path.parents)
            file = next(
                (part for part in way if not part.is_dir() and (part.exists() or part.is_symlink())), path
            )
            what = (
                "a link that leads nowhere"
                if file.is_symlink() and not file.exists()
                else "a file, not a directory"
            )
            raise RunDirError(f"{file}: is {what}. Choose another --out.") from cause
        except OSError as cause:
            raise RunDirError(f"{path}: cannot be made ({cause.strerror}). Choose another --out.") from cause
        return cls(path)

    def write_manifest(self, manifest: Manifest) -> None:
        """Raises OSError that names the file, as write_summary does."""
        self._write(MANIFEST_FILE, msgspec.json.format(msgspec.json.encode(manifest)))

    def write_summary(self, summary: Summary) -> None:
        self._write(SUMMARY_FILE, msgspec.json.format(msgspec.json.encode(summary)))

    def read_manifest(self) -> Manifest:
        """Raises RunDirError if there is none, or it cannot be read."""
        path = self.path / MANIFEST_FILE
        _refuse_devices(self.path)
        try:
            return document(path.read_bytes(), Manifest, str(path), "is not a run's manifest")
        except (FileNotFoundError, NotADirectoryError) as cause:
            why = f"no run is recorded here ({MANIFEST_FILE} is missing)"
            if not self.path.exists():
                why = "there is no such folder"
            elif not self.path.is_dir():
                why = "is a file, not a directory"
            raise RunDirError(f"{self.path}: {why}. {_advice(self.path)}") from cause
        except OSError as cause:
            raise RunDirError(f"{path}: cannot be read ({cause.strerror}).") from cause

    def _write(self, name: str, data: bytes) -> None:
        write_whole(self.path / name, data + b"\n")

    def reserve(self) -> None:
        """Keep room on the disk for the end of the run, as far as there is any, in a hidden file."""
        for size in _RESERVES_BYTES:
            with contextlib.suppress(OSError):
                write_whole(self.path / _RESERVE_FILE, bytes(size))
                return

    def release(self) -> None:
        """Give that room back."""
        with contextlib.suppress(OSError):
            (self.path / _RESERVE_FILE).unlink(missing_ok=True)


def name_in_path(name: str) -> str:
    """A name from a trace or a target as part of a path: letters, digits, dots and dashes, not too many."""
    safe = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")
    return safe[:_NAME_MOST].strip("-.") or "unnamed"


def _utc_stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def fresh_path(folder: Path, name: str) -> Path:
    """Where nothing is yet: by this name, or by it and a number."""
    path = folder / name
    n = 1
    while path.exists():
        n += 1
        path = folder / f"{name}-{n}"
    return path


_MOST_DEPTH = 3
_MOST_FOUND = 1_000
_MOST_NAMED = 6


def runs_within(folder: Path) -> list[Path]:
    """The run directories inside of a folder, in order of their names: of levels, phases or targets; 1,000 at most.

    A ceiling, a comparison or a pilot that was killed leaves no verdict, but each run that it made is whole.
    """
    found: list[Path] = []
    try:
        for depth in range(1, _MOST_DEPTH + 1):
            found += islice(folder.glob(f"{'*/' * depth}{MANIFEST_FILE}"), _MOST_FOUND - len(found))
    except OSError:
        pass
    return sorted(manifest.parent for manifest in found)


def _advice(folder: Path) -> str:
    inside = runs_within(folder)
    if not inside:
        return "Name a run directory."
    names = ", ".join(str(path.relative_to(folder)) for path in inside[:_MOST_NAMED])
    more = f" and {len(inside) - _MOST_NAMED:,} more" if len(inside) > _MOST_NAMED else ""
    if len(inside) == 1:
        return f"A run is in it: {names}. Name that."
    return f"{len(inside):,} runs are in it, each of which can be read by itself: {names}{more}."
