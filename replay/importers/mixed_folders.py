"""Which files of a folder are recordings of other formats than the one that the folder is read as."""

from collections.abc import Iterable, Mapping

from replay.assembly.types import Importer
from replay.importers.foreign import foreign
from replay.trace.errors import shown_path
from replay.words.phrases import counted


def note_on_others(
    beginnings: Iterable[tuple[str, bytes]], told: Importer, importers: Mapping[str, Importer]
) -> str | None:
    """A sentence that counts them, with the first; None where there are none. beginnings: of files, by name."""
    others = [
        (name, other)
        for name, beginning in beginnings
        if beginning.strip()
        and not told.sniff(beginning)
        and (other := _format_of(beginning, importers)) is not None
    ]
    if not others:
        return None
    name, other = others[0]
    example = f"{shown_path(name)} ({other})"
    these = counted(len(others), "file in this folder looks", "files in this folder look")
    return f"{these} like another format, as {example}. Import such apart."


def _format_of(beginning: bytes, importers: Mapping[str, Importer]) -> str | None:
    if foreign(beginning) is not None:
        return None
    return next((name for name, importer in importers.items() if importer.sniff(beginning)), None)
