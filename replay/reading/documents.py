"""One JSON document that is not quite one: with comments or as a script, or cut off, and read as far as it goes."""

import contextlib
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
# What people and programs write into JSON: comments of JavaScript and of shells, a comma behind the last value, a call
# around the whole (JSONP). A text is matched first, so that nothing within one counts. No end of a comment ends it.
_BESIDE = re.compile(
    rb'"(?:[^"\\]|\\.)*+"?|(?P<comment>//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)|^[ \t]*+#[^\n]*+)',
    re.MULTILINE | re.DOTALL,
)
_LAST_COMMA = re.compile(rb'"(?:[^"\\]|\\.)*+"?|(?P<comma>,)(?=\s*+[}\]])', re.DOTALL)
_CALL = re.compile(rb"\s*+[A-Za-z_$][\w$.]{0,100}+\s*+\((?=\s*+[{\[])").match
_CALL_ENDS = re.compile(rb"\)\s*+;?\s*+\Z")


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
        plain = as_plain_json(data)
        if plain != data:
            with contextlib.suppress(TraceError):
                return decoded(plain, kind, place)
        found = _records(plain, array)
        if not found:
            raise
        damage.lines += 1
        damage.lose(error)
        return found


def as_plain_json(data: bytes) -> bytes:
    """JSON without the comments in it, the commas behind last values, and the call around it."""
    call = _CALL(data)
    if call is not None:
        data = _CALL_ENDS.sub(b"", data[call.end() :])
    if b"//" in data or b"/*" in data or b"#" in data:
        data = _BESIDE.sub(lambda found: found[0] if found["comment"] is None else b" ", data)
    return _LAST_COMMA.sub(lambda found: found[0] if found["comma"] is None else b"", data)


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
