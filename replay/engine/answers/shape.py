"""The shape of a JSON document: which paths it has, and which types stand there. Pure, and bounded.

A path is a JSON pointer (RFC 6901) in which `*` stands for every element of an array. It also stands for the names of
an object that is a map: names that look like ids, each by itself, so that a map of two ids and one of three are alike;
and all names of an object that has more than any record has members. So neither a long array nor a map of ids has more
paths than one element of it. A name that is `*` itself is written `~2`.

Targets are not trusted. The document is walked without recursion, a hundred values at a time, so that whoever has
other things to do can do them in between; what lies deeper, is longer, or is more than the bounds below is not read.
Bounds depend on the document alone: two targets that answer the same are cut the same.
"""

import re
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from replay.trace.redaction.shapes import without_secret_shapes

MOST_PATHS = 2_000
MOST_VALUES = 200_000
MOST_DEPTH = 64
LONGEST_NAME = 100
_MOST_POINTERS_CHARS = 1 << 18
# Records have fewer members than this; what has more is a map, whatever its keys are.
_MOST_MEMBERS = 200
# So many values take about 0.1 ms, which is what the pacer has to spare between steps.
_SLICE = 100

# In the order in which they are named.
TYPES = ("absent", "array", "boolean", "integer", "null", "number", "object", "string")
_ABSENT, _ARRAY, _BOOLEAN, _INTEGER, _NULL, _NUMBER, _OBJECT, _STRING = (1 << n for n in range(8))
_BIT_OF = {
    list: _ARRAY,
    bool: _BOOLEAN,
    int: _INTEGER,
    type(None): _NULL,
    float: _NUMBER,
    dict: _OBJECT,
    str: _STRING,
}
_CONTAINERS = _ARRAY | _OBJECT
_NAMED = tuple("|".join(name for n, name in enumerate(TYPES) if bits >> n & 1) for bits in range(256))

# What stands for an id as a name: a UUID; 16 or more hexadecimal digits; digits; a date or an instant; a prefix with
# such (`usr_01HZX...`); or 20 or more letters and digits with several digits among them (ULID, KSUID, base62).
_looks_like_id = re.compile(
    r"(?:[a-zA-Z]{1,12}[-_:.])?"
    r"(?:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|[0-9a-fA-F]{16,128}"
    r"|[0-9]{1,64}"
    r"|\d{4}-\d\d-\d\d(?:[T ][\d:.]{5,20}(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|(?=(?:[A-Za-z]*[0-9]){3})[0-9A-Za-z]{20,128})"
).fullmatch
_MOST_NAMES_KNOWN = 4_096


class Shape(NamedTuple):
    """paths: (pointer, its types joined by `|`); their order depends on the paths alone. is_partial: the document has
    more than is read of one, so that a path that is not here may be there.
    """

    paths: tuple[tuple[str, str], ...]
    is_partial: bool = False


class Values(NamedTuple):
    """The texts, numbers and truth values at one path, in the document's order. place: of the path in the shape.

    names: those on the way there, without those that `*` stands for.
    """

    place: int
    pointer: str
    names: tuple[str, ...]
    scalars: Sequence[Any]


def shape_of(document: Any) -> Shape:
    """The shape of a document that was read already."""
    walk = reading(document)
    while True:
        try:
            next(walk)
        except StopIteration as end:
            found: Shape = end.value
            return found


def reading(document: Any, take: Callable[[Values], None] | None = None) -> Generator[None, None, Shape]:
    """As shape_of, in slices: the shape is what the generator returns. take: told the values of each path."""
    root = _Node()
    is_whole = yield from _walk(document, root, keeps_values=take is not None)
    paths: list[tuple[str, str]] = []
    chars_left = _MOST_POINTERS_CHARS
    waiting: list[tuple[_Node, str, tuple[str, ...], int]] = [(root, "", (), 1)]
    slice_left = _SLICE
    while waiting:
        node, pointer, names, objects = waiting.pop()
        chars_left -= len(pointer)
        if len(paths) >= MOST_PATHS or chars_left < 0:
            is_whole = False
            break
        if take is not None and node.scalars:
            take(Values(len(paths), pointer, names, node.scalars))
        paths.append((pointer, _NAMED[node.bits | (_ABSENT if node.seen < objects else 0)]))
        for name in sorted(node.children, reverse=True):
            # An array has no element that could be missing, and a map no name.
            of, inner = (0, names) if name == "*" else (node.objects, (*names, name))
            waiting.append((node.children[name], f"{pointer}/{name}", inner, of))
        slice_left -= 1 + len(node.scalars)
        if slice_left < 0:
            slice_left = _SLICE
            yield
    return Shape(tuple(paths), not is_whole)


class _Node:
    """One path, while the document is walked. seen: how many values stand there; objects: how many of them are such."""

    __slots__ = ("bits", "children", "objects", "scalars", "seen")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.bits = self.objects = self.seen = 0
        self.scalars: list[Any] = []

    def child(self, name: str) -> "_Node":
        found = self.children.get(name)
        if found is None:
            found = self.children[name] = _Node()
        return found


class _Elements(NamedTuple):
    """Values of one path that are still to be looked at, from the place `start` on."""

    values: Sequence[Any]
    node: _Node
    depth: int
    start: int = 0


def _walk(document: Any, root: _Node, *, keeps_values: bool) -> Generator[None, None, bool]:
    """Note every value of the document at its path; returns whether all were looked at."""
    stack: list[_Elements] = [_Elements([document], root, 0)]
    values_left, slice_left = MOST_VALUES, _SLICE
    while stack:
        values, node, depth, start = stack.pop()
        part = values[start : start + _SLICE]
        if start + _SLICE < len(values):
            stack.append(_Elements(values, node, depth, start + _SLICE))
        below: list[_Elements] = []
        looked_at = len(part)
        for value in part:
            bit = _BIT_OF[type(value)]
            node.bits |= bit
            node.seen += 1
            if bit == _OBJECT:
                node.objects += 1
                if depth < MOST_DEPTH:
                    looked_at += _members(value, node, depth + 1, below, keeps_values)
            elif bit == _ARRAY:
                if value and depth < MOST_DEPTH:
                    below.append(_Elements(value, node.child("*"), depth + 1))
            elif keeps_values and bit != _NULL:
                node.scalars.append(value)
        # The first is to be looked at first, so that the values of a path keep the document's order.
        stack += reversed(below)
        values_left -= looked_at
        slice_left -= looked_at
        if values_left < 0:
            return False
        if slice_left < 0:
            slice_left = _SLICE
            yield
    return True


def _members(value: dict[str, Any], node: _Node, depth: int, below: list[_Elements], keeps_values: bool) -> int:
    """Look at the members of an object, but for what is inside of them, which is put below; returns how many."""
    if len(value) > _MOST_MEMBERS:
        below.append(_Elements([value[name] for name in sorted(value)], node.child("*"), depth))
        return 0
    looked_at, mapped = 0, []
    for name, inner in value.items():
        shown = _known(name) if len(name) <= LONGEST_NAME else _shown(name)
        if shown == "*":
            mapped.append(name)
            continue
        bit = _BIT_OF[type(inner)]
        child = node.child(shown)
        if bit & _CONTAINERS:
            below.append(_Elements([inner], child, depth))
            continue
        # Most members are such; to put them below, as all others, would take twice as long for a whole answer.
        looked_at += 1
        child.bits |= bit
        child.seen += 1
        if keeps_values and bit != _NULL:
            child.scalars.append(inner)
    if mapped:
        # The members of an object have no order.
        below.append(_Elements([value[name] for name in sorted(mapped)], node.child("*"), depth))
    return looked_at


def _shown(name: str) -> str:
    """A member's name as it stands in a pointer; `*` for what looks like an id."""
    if _looks_like_id(name):
        return "*"
    # Half a surrogate pair is no text that could be written.
    name = without_secret_shapes(name[: 4 * LONGEST_NAME].encode("utf-8", "replace").decode())
    if len(name) > LONGEST_NAME:
        name = name[:LONGEST_NAME] + "…"
    return "~2" if name == "*" else name.replace("~", "~0").replace("/", "~1")


# The same few names come with every answer.
_known = lru_cache(_MOST_NAMES_KNOWN)(_shown)
