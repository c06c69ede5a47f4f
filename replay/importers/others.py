"""Importers that other packages bring: entry points of the group `replay.importers`, each named by its format.

An entry point names a class, or a function without arguments, that gives an `Importer` (replay/assembly/types.py).
They are looked for only where a format is asked for that is not ours, and loaded only when they are used. One that is
broken costs itself only: what goes wrong in it is told as its own fault, with the package that it came from.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import NamedTuple, TypeVar

from replay.assembly.types import Importer, ImportOptions, ImportResult
from replay.errors import ReplayError
from replay.importers import IMPORTERS
from replay.trace.errors import escaped, shortened, shown
from replay.trace.redaction.labels import sessions_without_secrets
from replay.trace.types import Header, Session

GROUP = "replay.importers"

_MEMBERS = ("name", "describe", "sniff", "read")
_LONGEST_SAID = 200
_Given = TypeVar("_Given")
_is_name = re.compile(r"[a-z0-9][a-z0-9_.-]{0,49}").fullmatch


class ImporterFault(ReplayError):
    """Another package's importer is broken; str() is the whole message."""


class OtherImporter:
    """An importer of another package. All that it raises, but for what it says of its input, is an ImporterFault."""

    def __init__(self, entry: EntryPoint) -> None:
        self.name = entry.name
        self._entry = entry
        self._loaded: Importer | None = None

    @property
    def describe(self) -> str:
        """Raises ImporterFault."""
        return escaped(self._asked(lambda: str(self._importer().describe)))

    def sniff(self, first_bytes: bytes) -> bool:
        """Raises ImporterFault."""
        return self._asked(lambda: bool(self._importer().sniff(first_bytes)))

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        """Raises TraceError as the importer does, or ImporterFault."""
        result = self._asked(lambda: self._importer().read(paths, options))
        self._check("read", result, ImportResult)
        self._check("read's header", result.header, Header)
        notes = self._asked(lambda: tuple(map(str, result.notes)))
        return ImportResult(result.header, lambda: sessions_without_secrets(self._sessions(result)), notes)

    def _sessions(self, result: ImportResult) -> Iterator[Session]:
        sessions = self._asked(lambda: iter(result.sessions()))
        while (session := self._asked(lambda: next(sessions, None))) is not None:
            self._check("sessions", session, Session)
            yield session

    def _check(self, what: str, given: object, kind: type) -> None:
        if not isinstance(given, kind):
            raise self._fault(f"{what} is of the type {type(given).__name__}, not {kind.__name__}")

    def _importer(self) -> Importer:
        if self._loaded is None:
            given = self._entry.load()()
            missing = [member for member in _MEMBERS if not hasattr(given, member)]
            if missing:
                raise self._fault(f"it has no {' and no '.join(missing)}")
            if given.name != self.name:
                raise self._fault(f"it calls itself {shown(str(given.name))}")
            self._loaded = given
        return self._loaded

    def _asked(self, question: Callable[[], _Given]) -> _Given:
        try:
            return question()
        except (ReplayError, MemoryError):
            raise
        except (Exception, SystemExit) as error:  # whatever a package may do when it is loaded
            said = shortened(str(error).strip(), _LONGEST_SAID)
            raise self._fault(f"{type(error).__name__}: {said}" if said else type(error).__name__) from error

    def _fault(self, what: str) -> ImporterFault:
        return ImporterFault(f"the importer {self.name} of {_package(self._entry)} is broken: {what}.")


class OtherImporters(NamedTuple):
    """Those that may be used, by name, and of each that may not a sentence that says why."""

    importers: dict[str, OtherImporter]
    left_out: tuple[str, ...]


def other_importers(entries: Iterable[EntryPoint] | None = None) -> OtherImporters:
    """What other packages bring. Nothing of theirs is loaded. entries: None for those that are installed."""
    found = sorted(
        entry_points(group=GROUP) if entries is None else entries, key=lambda entry: (entry.name, entry.value)
    )
    times = Counter(entry.name for entry in found)
    usable: dict[str, OtherImporter] = {}
    left_out = []
    for entry in found:
        why = _why_not(entry.name, times[entry.name])
        if why is None:
            usable[entry.name] = OtherImporter(entry)
        else:
            left_out.append(f"the importer {shown(entry.name)} of {_package(entry)} is left out: {why}.")
    return OtherImporters(usable, tuple(left_out))


def _why_not(name: str, times: int) -> str | None:
    if name in IMPORTERS:
        return "the format of that name is built in"
    if not _is_name(name):
        return "its name may hold small letters, digits, -, _ and dots only"
    return "several packages bring one of that name" if times > 1 else None


def _package(entry: EntryPoint) -> str:
    if entry.dist is None:
        return "an unknown package"
    return f"the package {shortened(entry.dist.name)} {shortened(entry.dist.version)}"
