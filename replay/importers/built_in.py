"""An importer of ours, which is imported when it is first used."""

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from replay.assembly.types import Importer, ImportOptions, ImportResult
from replay.importers.formats import Format


class BuiltIn:
    """The importer of this format."""

    def __init__(self, of: Format) -> None:
        self.name = of.name
        self.describe = of.describe
        self._format = of

    def sniff(self, first_bytes: bytes) -> bool:
        return self.importer.sniff(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        return self.importer.read(paths, options)

    @cached_property
    def importer(self) -> Importer:
        """What reads it."""
        kind, told = _found(self._format.where), self._format.told
        importer: Importer = kind(_found(told)) if told else kind()
        return importer


def _found(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(f"replay.importers.{module}"), name)
