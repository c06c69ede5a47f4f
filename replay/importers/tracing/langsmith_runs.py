"""Runs of LangSmith in the files that hold them: objects, batches of what its SDK sends, and tables.

A batch has runs as they began in `post` and what became of them in `patch`, maybe another one's. So a run without its
end, and an end without its run, wait for one another, in all files; what is left of them at the end is all there is.
The same batch goes over the wire as a form (`multipart/form-data`), with a part `post.ID` or `patch.ID` for each, and
one for each of its large fields, `post.ID.inputs`; files attached are passed over.
A table (CSV) names its columns as the fields of a run, with objects as texts of JSON, as of a bulk export.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.http.multipart import Part, with_contents
from replay.reading.csv_rows import Row, has_columns, read_csv
from replay.reading.damage import Damage
from replay.reading.inputs import decoded, document_bytes, first_bytes
from replay.reading.json_items import Item, read_items
from replay.trace.errors import TraceError, shown, shown_path

COLUMNS = ("run_type", "start_time")
_ARRAYS = ("runs",)
_BATCH = ("post", "patch")
_TELLING_BYTES = 1 << 16
_IS_FORM = re.compile(
    rb"\s*--[^\r\n]{1,200}\r?\n"
    rb"content-disposition: form-data; name=\"(?:post|patch|feedback|attachment)\.",
    re.IGNORECASE,
).match
# The last line of a form, behind which there may be another.
_CLOSING = re.compile(r"^--[^\r\n]{1,200}--\r?(?:\n|\Z)", re.MULTILINE)


def is_form(first_bytes: bytes) -> bool:
    """Whether a file begins like a batch as it goes over the wire."""
    return _IS_FORM(first_bytes) is not None


class RunFiles:
    """Gives the runs of files one after the other."""

    def __init__(self, damage: Damage) -> None:
        self._damage = damage
        self._parts: dict[str, Item] = {}

    def runs(self, file: Path) -> Iterator[Item]:
        """The whole runs of a file."""
        for item in self._objects(file):
            name = item.plain("id")
            if name is None or item.raw("child_runs") is not None:
                yield item
            elif all(item.raw(field) is not None for field in ("run_type", "start_time", "end_time")):
                begun = self._parts.pop(name, None)
                yield item if begun is None else begun.with_fields_of(item)
            elif (found := self._joined(name, item)) is not None:
                yield found

    def rest(self) -> Iterator[Item]:
        """The runs of which no end was found, and ends without a run, once all files are read."""
        yield from self._parts.values()
        self._parts.clear()

    def _objects(self, file: Path) -> Iterator[Item]:
        start = first_bytes(file, _TELLING_BYTES)
        if is_form(start):
            yield from _of_forms(document_bytes(file).decode("latin-1"), shown_path(file))
            return
        if has_columns(start, COLUMNS):
            yield from map(_of_row, read_csv(file, COLUMNS, self._damage))
            return
        for item in read_items(file, _ARRAYS, self._damage):
            if item.raw(*_BATCH) is None or item.raw("run_type") is not None:
                yield item
            else:
                yield from (inner for name in _BATCH for inner in item.objects(name))

    def _joined(self, name: str, item: Item) -> Item | None:
        """A run of this part and one that waited for it; None where it now waits itself."""
        other = self._parts.pop(name, None)
        if other is None or (other.raw("end_time") is None) == (item.raw("end_time") is None):
            self._parts[name] = item if other is None else other.with_fields_of(item)
            return None
        begun, ended = (other, item) if other.raw("end_time") is None else (item, other)
        return begun.with_fields_of(ended)


def _of_forms(text: str, place: str) -> Iterator[Item]:
    """The beginnings and the ends of runs in forms, one behind the other. text: a character for each byte.

    Raises TraceError where a part is no object.
    """
    begin = 0
    for closing in _CLOSING.finditer(text):
        yield from _of_form(text[begin : closing.end()], place)
        begin = closing.end()
    if text[begin:].strip():
        raise TraceError(f"{place}: the last batch has no end. The file was probably cut off.")


def _of_form(text: str, place: str) -> Iterator[Item]:
    parts: list[Part] = []

    def took(part: Part) -> str:
        parts.append(part)
        return ""

    with_contents(text, "", took, "")
    wholes: dict[tuple[str, str], dict[str, msgspec.Raw]] = {}
    for part in parts:
        operation, _, rest = (part.field_names or [""])[0].partition(".")
        run_id, _, field = rest.partition(".")
        if operation in _BATCH and run_id:
            content = part.content.encode("latin-1")
            fields = wholes.setdefault((operation, run_id), {"id": msgspec.Raw(msgspec.json.encode(run_id))})
            if field:
                fields[field] = msgspec.Raw(content)
            else:
                fields.update(decoded(content, dict[str, msgspec.Raw], f"{place}, {operation}.{shown(run_id)}"))
    for (operation, run_id), fields in wholes.items():
        yield Item(fields, f"{place}, {operation}.{shown(run_id)}")


def _of_row(row: Row) -> Item:
    """The run in a row. Numbers stand as such, as tables write those of columns with gaps with a fraction."""
    fields = {}
    for name in row.columns:
        text = row.text(name)
        value = row.number(name) if name.endswith("_tokens") else text
        if text and value is not None:
            fields[name] = msgspec.Raw(msgspec.json.encode(value))
    return Item(fields, f"{shown_path(row.file)}, line {row.line}")
