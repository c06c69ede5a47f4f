"""An importer whose sessions are gone through for secrets in names, ids and attributes, wherever it took them from.

So are the trace's name, which is that of a file, and what it says of its input, in notes and errors, which quote what
could not be read. Sessions that come as lines have been gone through where these were made.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from replay.assembly.types import Importer, ImportOptions, ImportResult
from replay.trace.errors import TraceError
from replay.trace.redaction.labels import label_without_secrets, sessions_without_secrets
from replay.trace.redaction.secrets import without_secrets
from replay.trace.types import Session


class Cleaned:
    """The importer, through which all that is imported passes."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer
        self.name = importer.name
        self.describe = importer.describe

    def sniff(self, first_bytes: bytes) -> bool:
        return self._importer.sniff(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        try:
            result = self._importer.read(paths, options)
        except TraceError as error:
            raise TraceError(_said(str(error))) from error
        notes = tuple(map(_said, result.notes))
        name = label_without_secrets(result.header.name)  # that of a file, most often
        header = msgspec.structs.replace(result.header, name=name)
        if result.lines is not None:
            return msgspec.structs.replace(result, header=header, notes=notes)
        return msgspec.structs.replace(
            result, header=header, sessions=lambda: _cleaned(result.sessions), notes=notes
        )


def _cleaned(sessions: Callable[[], Iterator[Session]]) -> Iterator[Session]:
    try:
        yield from sessions_without_secrets(sessions())
    except TraceError as error:
        raise TraceError(_said(str(error))) from error


def _said(text: str) -> str:
    """A sentence without the secrets that it quotes; the place that stands in front is as the user wrote it."""
    place, colon, rest = text.partition(": ")
    return f"{place}{colon}{without_secrets(rest)}" if colon else without_secrets(text)
