"""Objects as Node's console prints them (`util.inspect`), for programs whose logs hold no JSON, and as scripts do.

An object that does not fit a line begins with one that is `{` and ends with one that is `}`; other lines are not its.
What lies deeper than it prints (`[Object]`), and what it leaves out (`... 3 more items`), is None.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from replay.reading.damage import Damage
from replay.reading.text_lines import read_lines
from replay.trace.errors import TraceError, shown_path

_TOKEN = re.compile(
    r"\s*+(?:(?P<cut>\[(?:[A-Z]\w{0,40}|Circular \*\d{1,9})\]|\.\.\. \d{1,9} more \w{4,10})|(?P<mark>[{}\[\],:+])"
    r"|'(?P<single>(?:[^'\\]|\\.)*+)'|\"(?P<double>(?:[^\"\\]|\\.)*+)\"|`(?P<tick>(?:[^`\\]|\\.)*+)`"
    r"|(?P<number>-?\d{1,30}(?:\.\d{1,30})?(?:e[+-]?\d{1,3})?)n?(?![\w$])|(?P<word>[\w$]++))",
    re.DOTALL,
).match
_ESCAPED = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_WORDS = {"true": True, "false": False}
_DEEPEST = 20
_MOST_LINES = 100_000


class _Wrong(Exception):
    pass


def read_printed(path: Path, damage: Damage) -> Iterator[Mapping[str, Any]]:
    """The objects in a file. One that is damaged, or that has no end, costs itself only."""
    begun: list[str] = []
    first = 0
    for n, line in read_lines(path, damage):
        text = line.rstrip("\r\n")
        if text == "{":
            if begun:
                damage.lose(TraceError(f"{shown_path(path)}, line {first}: an object that does not end."))
            begun, first = [text], n
            damage.lines += 1
        elif begun:
            begun.append(text)
            if text.startswith("}") and text.rstrip(",") == "}":
                try:
                    yield printed_object("\n".join(begun))
                except ValueError:
                    damage.lose(
                        TraceError(f"{shown_path(path)}, line {first}: not an object as Node prints it.")
                    )
                begun = []
            elif len(begun) > _MOST_LINES:
                why = f"an object of more than {_MOST_LINES:,} lines."
                damage.lose(TraceError(f"{shown_path(path)}, line {first}: {why}"))
                begun = []
    if begun:
        damage.lose(TraceError(f"{shown_path(path)}, line {first}: an object that does not end."))


def printed_object(text: str) -> Mapping[str, Any]:
    """An object. Raises ValueError where the text is none."""
    try:
        value, _ = _value(text, 0, 0)
    except _Wrong as error:
        raise ValueError("not an object as Node prints it") from error
    if not isinstance(value, dict):
        raise ValueError("not an object as Node prints it")
    return value


def value_at(text: str, at: int) -> tuple[Any, int]:
    """The value that begins here, as JavaScript writes it down, and where it ends. Raises ValueError where none is."""
    try:
        return _value(text, at, 0)
    except _Wrong as error:
        raise ValueError("not a value as JavaScript writes it down") from error


def _next(text: str, at: int) -> "re.Match[str]":
    found = _TOKEN(text, at)
    if found is None:
        raise _Wrong
    return found


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    found = _next(text, at)
    at = found.end()
    if found["mark"] in ("{", "["):
        if depth > _DEEPEST:
            raise _Wrong
        return _inside(text, at, "}" if found["mark"] == "{" else "]", depth + 1)
    if found["mark"]:
        raise _Wrong
    if found["number"]:
        number = found["number"]
        return (int(number) if number.lstrip("-").isdigit() else float(number)), at
    if found["cut"] or found["word"]:
        return _WORDS.get(found["word"] or ""), at
    said = _said(found)
    while (more := _TOKEN(text, at)) is not None and more["mark"] == "+":  # a text of several lines
        further = _TOKEN(text, more.end())
        if further is None or further["number"] or further["word"] or further["mark"] or further["cut"]:
            break
        said, at = said + _said(further), further.end()
    return said, at


def _inside(text: str, at: int, end: str, depth: int) -> tuple[Any, int]:
    """What stands in an object or an array up to its end."""
    named: dict[str, Any] = {}
    items: list[Any] = []
    while True:
        found = _next(text, at)
        if found["mark"] == end:
            return (named if end == "}" else items), found.end()
        if found["mark"] == ",":
            at = found.end()
        elif end == "]":
            value, at = _value(text, at, depth)
            items.append(value)
        elif found["cut"]:
            at = found.end()
        else:
            name = found["word"] or found["number"] or _said(found)
            colon = _next(text, found.end())
            if colon["mark"] != ":":
                raise _Wrong
            named[name], at = _value(text, colon.end(), depth)


def _said(found: "re.Match[str]") -> str:
    for quote in ("single", "double", "tick"):
        if found[quote] is not None:
            return _ESCAPED.sub(_meant, found[quote])
    raise _Wrong


def _meant(found: "re.Match[str]") -> str:
    code = found[1] or found[2]
    if not code:
        return _NAMED.get(found[3], found[3])
    point = int(code, 16)
    return "\ufffd" if 0xD800 <= point <= 0xDFFF else chr(point)  # half of a pair is no text
