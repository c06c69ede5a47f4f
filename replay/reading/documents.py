"""One JSON document whose array of records is read as far as it goes, where the document was cut off or overwritten."""

import json
import re
from pathlib import Path
from typing import TypeVar

import msgspec

from replay.reading.damage import Damage
from replay.reading.inputs import decoded, document_bytes, refuse_heavy
from replay.trace.errors import TraceError, shown_path

_Document = TypeVar("_Document")
_BETWEEN = re.compile(r"[\s,]*")


def read_salvaged(
    path: Path, kind: type[_Document], array: str, damage: Damage
) -> _Document | list[msgspec.Raw]:
    """The document as a value of this type, or what can be read of its array, where it is no JSON as a whole.

    array: the field that holds the records. Raises TraceError where nothing can be read of it.
    """
    data = document_bytes(path)
    place = shown_path(path)
    refuse_heavy(data, place, levels=4)
    try:
        return decoded(data, kind, place)
    except TraceError as error:
        found = _records(data, array)
        if not found:
            raise
        damage.lines += 1
        damage.lose(error)
        return found


def _records(data: bytes, array: str) -> list[msgspec.Raw]:
    text = data.decode("utf-8", "replace")
    begin = re.search(rf'"{re.escape(array)}"\s*:\s*\[', text)
    found: list[msgspec.Raw] = []
    at = begin.end() if begin else len(text)
    decoder = json.JSONDecoder()
    while at < len(text):
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        found.append(msgspec.Raw(text[at:end].encode("utf-8", "replace")))
        at = end
    return found
