"""An importer whose sessions are gone through for secrets in names, ids and attributes, wherever it took them from.

Those that come as lines have been gone through where these were made.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from replay.importers.types import Importer, ImportOptions, ImportResult
from replay.trace.redaction.labels import sessions_without_secrets


class Cleaned:
    """The importer, through which all that is imported passes."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer
        self.name = importer.name
        self.describe = importer.describe

    def sniff(self, first_bytes: bytes) -> bool:
        return self._importer.sniff(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        result = self._importer.read(paths, options)
        if result.lines is not None:
            return result
        return msgspec.structs.replace(result, sessions=lambda: sessions_without_secrets(result.sessions()))
