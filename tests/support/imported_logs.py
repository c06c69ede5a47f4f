"""Logs imported as a format by which alone they are told."""

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS


def imported_as(name, text, path, **options):
    """The trace's steps, and the import itself. path: where the log is to be."""
    assert [each for each, importer in IMPORTERS.items() if importer.sniff(text.encode())] == [name]
    path.write_text(text)
    result = IMPORTERS[name].read([path], ImportOptions(**options))
    return [step for session in result.sessions() for step in session.steps], result


def first_us(result):
    return result.header.attributes["import"]["first_unix_ns"] // 1_000
