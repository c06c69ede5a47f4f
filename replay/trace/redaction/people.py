"""Names of people, of a list, in a text: as whole words, in any case. Pure, but for reading the list.

Words may have a blank, a hyphen, a dot or an underscore between them. A text is gone through once, word by word,
however many names there are.
"""

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from unicodedata import normalize

from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.file.stored import cannot_read

_LARGEST_LIST_BYTES = 8 << 20
_MOST_WORDS = 8
_MOST_BETWEEN = 3
# With the marks that stand above letters, where these are written as two characters.
_WORD = re.compile(r"[^\W_][^\W_\u0300-\u036f]*+(?:[\u0300-\u036f]++[^\W_\u0300-\u036f]*+)*+")


class People:
    """Finds names. Raises ValueError where a name has no word, or more than 8."""

    def __init__(self, names: Iterable[str]) -> None:
        by_first: dict[str, set[tuple[str, ...]]] = {}
        for name in names:
            words = tuple(map(_folded, _WORD.findall(name)))
            if not 1 <= len(words) <= _MOST_WORDS or sum(map(len, words)) < 2:
                raise ValueError(name)
            by_first.setdefault(words[0], set()).add(words)
        self._by_first = {word: sorted(each, key=len, reverse=True) for word, each in by_first.items()}

    def replaced(self, text: str, put: Callable[[str], str]) -> str:
        """The text with what is put for each name. put: given the name in small letters, its words with blanks."""
        pieces: list[str] = []
        end = 0
        words = list(_WORD.finditer(text))
        for n, found in enumerate(words):
            names = self._by_first.get(_folded(found[0])) if found.start() >= end else None
            name = next((name for name in names or () if _stands_at(words, n, name)), None)
            if name is not None:
                pieces += (text[end : found.start()], put(" ".join(name)))
                end = words[n + len(name) - 1].end()
        return "".join([*pieces, text[end:]]) if pieces else text


def _folded(word: str) -> str:
    """As words are compared: whatever their case, and in however many characters their letters are written."""
    return normalize("NFC", normalize("NFC", word).casefold())


def read_people(path: Path) -> People:
    """The names in a file, one a line; blank lines and those that begin with # are none. Raises TraceError."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_LIST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise TraceError(cannot_read(path, error)) from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{shown_path(path)}: not valid UTF-8.") from error
    if len(data) > _LARGEST_LIST_BYTES:
        raise TraceError(f"{shown_path(path)}: more than {_LARGEST_LIST_BYTES >> 20} MiB of names.")
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
    names = {line: n for n, line in lines if line and not line.startswith("#")}
    if not names:
        raise TraceError(f"{shown_path(path)}: no names. Write one a line.")
    try:
        return People(names)
    except ValueError as error:
        name = str(error)
        text = (
            f"{shown(name)} is not a name that can be searched for. It takes two letters, and 8 words at most."
        )
        raise TraceError(f"{shown_path(path)}, line {names[name]}: {text}") from error


def _stands_at(words: list["re.Match[str]"], n: int, name: tuple[str, ...]) -> bool:
    found = words[n : n + len(name)]
    if len(found) < len(name) or any(_folded(a[0]) != b for a, b in zip(found, name, strict=True)):
        return False
    return all(b.start() - a.end() <= _MOST_BETWEEN for a, b in pairwise(found))
