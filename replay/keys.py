"""What is wrong with a file that a user wrote, in plain words: unknown keys, values of another kind. Pure."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.inspect import DictType, LiteralType, Metadata, StructType, Type, UnionType, type_info

_MOST_CHARACTERS = 60


def unknown_key(written: Mapping[str, Any], known: Iterable[str], place: str = "") -> str | None:
    """What is wrong with the first key that is not known, as the end of a sentence; None where all are.

    place: the table that the keys are in, as " in [growth]".
    """
    names = list(known)
    for key in written:
        if key in names:
            continue
        near = difflib.get_close_matches(key, names, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else f"Known are: {', '.join(names)}."
        return f"unknown key {quoted(key)}{place}. {hint}"
    return None


def quoted(text: object) -> str:
    """A word that a user wrote, safe to print and not too long."""
    return '"' + ascii(str(text))[1:-1][:_MOST_CHARACTERS] + '"'


_KINDS = {
    "float": "a number",
    "int": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def in_words(problem: str) -> str:
    """What msgspec says of a value that does not fit, without its names for types."""
    missing = re.fullmatch(r"Object missing required field `(\w+)`", problem)
    if missing:
        return f'the key "{missing[1]}" is missing'
    wrong = re.fullmatch(r"Expected `([^`]+)`, got `([^`]+)`", problem)
    if wrong:
        wanted, got = (
            " or ".join(_KINDS.get(kind, kind) for kind in part.split(" | ") if kind != "null")
            for part in wrong.groups()
        )
        return "must be a whole number, without a point" if wanted == got else f"must be {wanted}, and is {got}"
    return problem.replace("`", '"')


def ended(sentence: str) -> str:
    """With a full stop where it has no end yet."""
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def explained(cause: msgspec.ValidationError, kind: type, written: Any, table: str = "") -> str:
    """What is wrong with what was written where a `kind` is wanted, as a whole sentence that names the place.

    table: what is written, where that is a table of a larger file.
    """
    what, _, at = str(cause).partition(" - at `")
    path = re.findall(r"\.([^.\[\]`]+)|(\[[^\[\]]*\])", at)
    unknown = re.fullmatch(r"Object contains unknown field `(.+)`", what)
    if unknown is not None:
        inside = ".".join(filter(None, (table, *(name for name, _ in path))))
        known = _known_at(kind, path, written)
        return ended(unknown_key({unknown[1]: None}, known, f" in [{inside}]" if inside else "") or what)
    key = "".join(index or f".{name}" for name, index in path).lstrip(".")
    place = " ".join(filter(None, (f"[{table}]" if table else "", key)))
    enum = re.fullmatch(r"Invalid enum value '(.*)'", what, re.DOTALL)
    said = in_words(what) if enum is None else _no_choice(enum[1], _choices_at(kind, path))
    return ended(f"{place}: {said}" if place else said)


def _no_choice(value: str, choices: list[str]) -> str:
    near = difflib.get_close_matches(value, choices, n=1)
    hint = f'. Did you mean "{near[0]}"?' if near else ""
    return f"must be one of {', '.join(choices)}, and is {quoted(value)}{hint}"


def _choices_at(kind: type, path: list[tuple[str, str]]) -> list[str]:
    """The words that may stand at that place."""
    here = _types_at(kind, path)
    return [str(value) for one in here if isinstance(one, LiteralType) for value in one.values]


def _known_at(kind: type, path: list[tuple[str, str]], written: Any) -> list[str]:
    """The keys of the table at that place; where several kinds of table may be there, of the one that is named."""
    tables = [one for one in _types_at(kind, path) if isinstance(one, StructType)]
    for name, index in path:
        written = _part_of(written, name, index)
    if isinstance(written, Mapping):
        named = [one for one in tables if one.tag_field and written.get(one.tag_field) == one.tag]
        tables = named or tables
    fields = [field.encode_name for one in tables for field in one.fields]
    return list(dict.fromkeys([*fields, *(one.tag_field for one in tables if one.tag_field)]))


def _types_at(kind: type, path: list[tuple[str, str]]) -> list[Type]:
    here = list(_alternatives(type_info(kind)))
    for name, _ in path:
        here = [part for one in here for inner in _inside(one, name) for part in _alternatives(inner)]
    return here


def _alternatives(info: Type) -> Iterator[Type]:
    if isinstance(info, UnionType):
        for one in info.types:
            yield from _alternatives(one)
    elif isinstance(info, Metadata):
        yield from _alternatives(info.type)
    else:
        yield info


def _inside(info: Type, name: str) -> list[Type]:
    """What may be at that key, or, for no name, at any place of a list or a table of free names."""
    if isinstance(info, StructType):
        return [field.type for field in info.fields if field.encode_name == name]
    if isinstance(info, DictType):
        return [info.value_type]
    item = getattr(info, "item_type", None)
    return [] if item is None or name else [item]


def _part_of(written: Any, name: str, index: str) -> Any:
    if isinstance(written, Mapping):
        return written.get(name)
    place = index[1:-1]
    if isinstance(written, list | tuple) and place.isdigit() and int(place) < len(written):
        return written[int(place)]
    return None
