"""Objects out of JSON that programs export: JSON Lines, an array, or an object around an array.

Fields are read one by one, so that a field that nobody needs may hold anything.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, repeat
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from replay.reading.damage import Damage
from replay.reading.inputs import decoded, refuse_heavy, rest_of
from replay.reading.opened import open_recording
from replay.reading.rows import (
    LONGEST_ROW_BYTES,
    as_json,
    is_whole,
    looks_like_an_object,
    refuse_long,
    refuse_other_than_utf8,
)
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.file.stored import BlankLines

_Value = TypeVar("_Value")
_Object = dict[str, msgspec.Raw]
_DEEPEST = 5


class Item:
    """One object. place: where it stands, to begin an error. outer: the object around its array, where there is one."""

    def __init__(self, fields: Mapping[str, msgspec.Raw], place: str, outer: "Item | None" = None) -> None:
        self._fields = fields
        self.place = place
        self.outer = outer

    @classmethod
    def of(cls, raw: bytes | msgspec.Raw, place: str) -> "Item":
        """Out of JSON that is an object. Raises TraceError where it is something else."""
        return cls(_decoded(bytes(raw), _Object, place, 1), place)

    def with_fields_of(self, other: "Item") -> "Item":
        """This object with what another one says in those fields in which it says something."""
        said = {name: raw for name, raw in other._fields.items() if bytes(raw) not in (b"", b"null")}
        return Item({**self._fields, **said}, self.place, self.outer)

    def within(self, outer: "Item | None") -> "Item":
        """This object with another one around it."""
        return Item(self._fields, self.place, outer)

    def only(self, names: Sequence[str]) -> bytes:
        """The object with only these of its fields, as JSON."""
        return msgspec.json.encode({name: self._fields[name] for name in names if name in self._fields})

    def raw(self, *names: str) -> bytes | None:
        """The JSON of the first of these fields that is there and not null."""
        for name in names:
            value = bytes(self._fields.get(name, b""))
            if value and value != b"null":
                return value
        return None

    def names(self) -> Sequence[str]:
        return tuple(self._fields)

    def value(self, kind: type[_Value], *names: str) -> _Value | None:
        """The first of these fields that is there and not null. Raises TraceError if it is of another type."""
        raw = self.raw(*names)
        return None if raw is None else _decoded(raw, kind, f"{self.place}, {' or '.join(names)}")

    def text(self, *names: str) -> str | None:
        """As value, for a text; None where it is empty."""
        return self.value(str, *names) or None

    def inner(self, *names: str) -> "Item | None":
        """The object in the first of these fields; None where it is something else."""
        raw = self.raw(*names)
        if raw is None or not raw.startswith(b"{"):
            return None
        return Item(_decoded(raw, _Object, self.place, 1), self.place, self)

    def parsed(self, name: str) -> "Item | None":
        """As inner, or the object in a field's text; None where it is neither."""
        raw = self.raw(name)
        if raw is None or not raw.startswith(b'"'):
            return self.inner(name)
        try:
            text = msgspec.json.decode(raw, type=str)
            return Item(msgspec.json.decode(text, type=_Object), self.place, self)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None

    def objects(self, name: str) -> "list[Item]":
        """The objects in the array in a field; none where it is something else. Raises TraceError."""
        raw = self.raw(name)
        if raw is None or not raw.startswith(b"["):
            return []
        place = f"{self.place}, {name}"
        found = _decoded(raw, list[_Object], place, 2)
        return [Item(fields, f"{place}, object {n}", self) for n, fields in enumerate(found, 1)]

    def plain(self, name: str) -> str | None:
        """A text or number in a field, as a text; None where it is something else, or empty."""
        raw = self.raw(name)
        if raw is None or raw[:1] in (b"{", b"["):
            return None
        return self.text(name) if raw.startswith(b'"') else raw.decode()

    def error(self, name: str, what: str) -> TraceError:
        """An error for a field: where it stands, what it holds, and what is wrong with that."""
        held = shown((self.raw(name) or b"null").decode("utf-8", "replace").strip('"'))
        return TraceError(f"{self.place}, {name}: {held} is {what}.")


def read_items(path: Path, arrays: Sequence[str], damage: Damage) -> Iterator[Item]:
    """The objects in a file. arrays: the fields whose arrays hold them, where an object is only around them.

    Raises TraceError that names the line or, in an array, the number of the object.
    """
    with open_recording(path) as source:
        for item in _found(source, path, arrays, damage):
            damage.lines += 1
            yield item


def read_all_items(files: Sequence[Path], arrays: Sequence[str], damage: Damage) -> Iterator[tuple[int, Item]]:
    """As read_items, the objects in all files, each with its file's number. A file that cannot be read costs itself
    only, where there are others.
    """
    numbers = count()
    return damage.of_files(files, lambda file: zip(repeat(next(numbers)), read_items(file, arrays, damage)))


def _found(source: BinaryIO, path: Path, arrays: Sequence[str], damage: Damage) -> Iterator[Item]:
    n, is_first = 0, True
    blank = BlankLines(path)
    while line := source.readline(LONGEST_ROW_BYTES + 1):
        n += 1
        if blank.passes_over(line):
            continue
        text = line.strip()
        if is_first and (text.startswith(b"[") or (text.startswith(b"{") and not text.endswith(b"}"))):
            # An array, or an object laid out over several lines: the whole file is one document.
            document = rest_of(source, shown_path(path), line)
            if not _is_a_damaged_line_above_whole_ones(document):
                yield from _document(document, shown_path(path), arrays)
                return
            source = io.BytesIO(document[len(line) :])
        is_first = False
        if not looks_like_an_object(text) and damage.lose_at_once():
            continue
        place = f"{shown_path(path)}, line {n}"
        refuse_long(line, place)
        try:
            refuse_other_than_utf8(line, place)
            item = Item(_decoded(line, _Object, place, 1), place)
        except TraceError as error:
            damage.lines += 1
            damage.lose(error)
        else:
            yield from _items(item, arrays, 0)


def _is_a_damaged_line_above_whole_ones(document: bytes) -> bool:
    """Whether what begins like a document of several lines is a line that was cut off, with whole ones below it."""
    first, _, below = document.partition(b"\n")
    following = below.lstrip().partition(b"\n")[0]
    return first.startswith(b"{") and is_whole(following) and not is_whole(document)


def _document(data: bytes, file: str, arrays: Sequence[str]) -> Iterator[Item]:
    if data.lstrip().startswith(b"{"):
        yield from _items(Item(_decoded(data, _Object, file, 1), file), arrays, 0)
    else:
        yield from _inside(_decoded(data, list[_Object], file, 2), file, None, arrays, 0)


def _items(item: Item, arrays: Sequence[str], depth: int) -> Iterator[Item]:
    """The objects in the arrays of an object, or else the object itself."""
    for name in arrays:
        raw = item.raw(name)
        if raw is not None and raw.startswith(b"[") and depth < _DEEPEST:
            place = f"{item.place}, {name}"
            yield from _inside(_decoded(raw, list[_Object], place, 2), place, item, arrays, depth + 1)
            return
    yield item


def _inside(
    found: Sequence[_Object], place: str, outer: Item | None, arrays: Sequence[str], depth: int
) -> Iterator[Item]:
    for n, fields in enumerate(found, 1):
        yield from _items(Item(fields, f"{place}, object {n}", outer), arrays, depth)


def _decoded(data: bytes, kind: type[_Value], place: str, levels: int | None = None) -> _Value:
    refuse_heavy(data, place, levels)
    try:
        return msgspec.json.decode(data, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decoded(as_json(data), kind, place)
