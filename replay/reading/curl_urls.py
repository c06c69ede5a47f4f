"""The URLs that curl asks for by one that was given it: its patterns spelled out, its path without dots. Pure.

`{a,b}` stands for each of its words, `[1-9]`, `[001-100:2]` and `[a-z]` for each of their numbers and letters, as
curl's manual page has it; what is no such pattern stays as it is. A backslash takes a brace or bracket as it is, as
browsers write them.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice, product

_PIECE = re.compile(
    r"\\(?P<escaped>[{}\[\]])|(?<!\{)\{(?P<words>[^{}\[\]]++)\}(?!\})"
    r"|\[(?P<first>\d{1,9})-(?P<last>\d{1,9})(?::(?P<step>\d{1,9}))?\]"
    r"|\[(?P<from>[a-z])-(?P<to>[a-z])(?::(?P<by>\d{1,2}))?\]|\[(?P<above>[A-Z])-(?P<below>[A-Z])(?::(?P<with>\d{1,2}))?\]"
    r"|[^\\{\[]++|."
)  # fmt: skip


def spelled_out(url: str, most: int) -> list[str]:
    """All URLs that a pattern stands for, in curl's order; one more than `most` where they are more."""
    pieces = [_choices(found) for found in _PIECE.finditer(url)]
    return ["".join(each) for each in islice(product(*pieces), most + 1)]


def _choices(found: "re.Match[str]") -> Sequence[str]:
    if found["escaped"] is not None:
        return (found["escaped"],)
    if found["words"] is not None:
        return found["words"].split(",")
    if found["first"] is not None:
        numbers = range(int(found["first"]), int(found["last"]) + 1, int(found["step"] or 1) or 1)
        width = len(found["first"]) if found["first"].startswith("0") else 1
        return [str(number).zfill(width) for number in numbers[:1000]] or (found[0],)
    for first, last, step in (("from", "to", "by"), ("above", "below", "with")):
        if found[first] is not None:
            letters = range(ord(found[first]), ord(found[last]) + 1, int(found[step] or 1) or 1)
            return [chr(letter) for letter in letters] or (found[0],)
    return (found[0],)


def without_dots(url: str) -> str:
    """The URL with what `.` and `..` in its path stand for, as RFC 3986 (5.2.4) removes them."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    path, mark, query = path.partition("?")
    if not slash or "?" in host or not any(part in (".", "..") for part in path.split("/")):
        return url
    return f"{scheme}{separator}{host}/{'/'.join(_kept(path.split('/')))}{mark}{query}"


def _kept(parts: Sequence[str]) -> Iterator[str]:
    kept: list[str] = []
    for part in parts:
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    yield from kept
