"""Which formats the first lines of a log are of, where they are not all of one."""

from collections import Counter
from collections.abc import Mapping

from replay.assembly.types import Importer
from replay.importers.formats import FORMATS

# Formats whose lines stand each for itself, so that one alone tells.
_OF_LINES = frozenset(each.name for each in FORMATS if each.where.startswith("logs."))
_MOST_LINES = 60
_FEW = 3


def of_most_lines(told: Importer, beginning: bytes, importers: Mapping[str, Importer]) -> Importer:
    """The importer of most lines, where less than half are of the format that a file was told to be by some of them."""
    if told.name not in _OF_LINES:
        return told
    lines = _lines(beginning)
    own = sum(map(told.sniff, lines))
    if own * 2 >= len(lines):
        return told
    others = _counted(lines, told.name, importers)
    name, n = others.most_common(1)[0] if others else (told.name, 0)
    return importers[name] if n > own else told


def other_format(told: Importer, beginning: bytes, importers: Mapping[str, Importer]) -> str | None:
    """The format that most of the lines have that are not of the one which a file was read as; None for none."""
    lines = [line for line in _lines(beginning) if not told.sniff(line)]
    others = _counted(lines, told.name, importers)
    name, n = others.most_common(1)[0] if others else ("", 0)
    return name if n >= min(_FEW, len(lines)) > 0 and n * 2 > len(lines) else None


def _lines(beginning: bytes) -> list[bytes]:
    lines = beginning.split(b"\n")
    whole = lines if beginning.endswith(b"\n") or len(lines) == 1 else lines[:-1]
    return [line + b"\n" for line in whole if line.strip()][:_MOST_LINES]


def _counted(lines: list[bytes], but: str, importers: Mapping[str, Importer]) -> Counter[str]:
    names = [name for name in importers if name in _OF_LINES and name != but]
    return Counter(name for line in lines for name in names if importers[name].sniff(line))
