"""An importer that, where it refuses a file of another format, says so, and which format the file looks like."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from replay.assembly.types import Importer, ImportOptions, ImportResult
from replay.importers.foreign import foreign, is_binary
from replay.reading.inputs import SNIFFED_BYTES, first_bytes, telling_files
from replay.reading.nearest import nearest, told
from replay.reading.unread import unread
from replay.trace.errors import TraceError, shown_path
from replay.trace.types import Session


class Explained:
    """The importer. known: all that a file may be of, by name; asked only once a file has been refused.

    Where the user said how the lines are laid out, what they look like is no matter.
    """

    def __init__(self, importer: Importer, known: Mapping[str, Importer]) -> None:
        self._importer = importer
        self._known = known
        self.name = importer.name

    @property
    def describe(self) -> str:
        return self._importer.describe

    def sniff(self, first_bytes: bytes) -> bool:
        return self._importer.sniff(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        if options.log_format is not None or options.keys is not None:
            return self._importer.read(paths, options)
        try:
            result = self._importer.read(paths, options)
        except TraceError as error:
            raise self._said(error, paths) from error
        return msgspec.structs.replace(result, sessions=lambda: self._sessions(result.sessions, paths))

    def _sessions(self, sessions: Callable[[], Iterator[Session]], paths: Sequence[Path]) -> Iterator[Session]:
        try:
            yield from sessions()
        except TraceError as error:
            raise self._said(error, paths) from error

    def _said(self, error: TraceError, paths: Sequence[Path]) -> TraceError:
        """The error, with what the file is that it names; as it is where that is of this format, or cannot be read."""
        message = str(error)
        file = next((file for path in paths for file in _files(path) if _is_about(message, file)), None)
        try:
            if file is None or not file.exists():
                return error
            file = next(telling_files(file))
            start = first_bytes(file, SNIFFED_BYTES)
        except TraceError:
            return error
        return TraceError(self._explained(message, shown_path(file), start))

    def _explained(self, message: str, file: str, start: bytes) -> str:
        if not start.strip() and len(start) < SNIFFED_BYTES:
            return f"{file}: there is nothing in it to import."
        if not start.strip() or self.sniff(start):
            return message
        if (kind := foreign(start)) is not None:
            return f"{file}: is {kind.what}, not {self.name}. {kind.to_do}".rstrip()
        for name, importer in self._known.items():
            if importer.sniff(start):
                text = f"Name {name} in place of {self.name}, or no format."
                return f"{file}: looks like {name}, not {self.name}. {text}"
        if self.sniff(start.partition(b"\n")[2]):  # its first line is the damaged one
            return message
        if is_binary(start):
            return f"{message} The file is binary data, and does not look like {self.name}."
        if known := unread(start):
            return f"{file}: {known}"
        near = nearest(start)
        if near and near[0].name == self.name:
            return message
        return f"{message} The file does not look like {self.name}.{told(near)}"


def _files(path: Path) -> Iterator[Path]:
    """The files that the path may stand for, and then the path itself: a message that names a file names its folder."""
    if path.is_dir():
        yield from (file for file in sorted(path.rglob("*")) if file.is_file())
    yield path


def _is_about(message: str, file: Path) -> bool:
    return message.startswith((f"{shown_path(file)}:", f"{shown_path(file)},"))
