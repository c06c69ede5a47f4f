"""Regular expressions that strangers write or that strangers' text is searched for: each takes time linear in the text.

They run on RE2 (https://github.com/google/re2), which simulates an automaton instead of trying one way after another,
and therefore has no back-references and no look-around. What is left is bounded by the size of the automaton: a byte of
text costs at most about 2 ns an instruction without groups, several times as much with them.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol

LONGEST_PATTERN = 300
# With the 16 KiB of a body that are searched: below 0.1 s for all patterns of a step. \pL, any letter, takes 1,200.
MOST_INSTRUCTIONS = 2_000


class Match(Protocol):
    """Where a pattern was found."""

    def __getitem__(self, group: int | str, /) -> str | None: ...
    def start(self) -> int: ...
    def end(self) -> int: ...
    def span(self, group: int, /) -> tuple[int, int]: ...


class Pattern(Protocol):
    """A regular expression, to search with as with one of the re module."""

    @property
    def groups(self) -> int: ...
    @property
    def groupindex(self) -> dict[str, int]: ...
    @property
    def programsize(self) -> int: ...
    def search(self, text: str, /) -> Match | None: ...
    def finditer(self, text: str, /) -> Iterator[Match]: ...


class PatternProblem(ValueError):
    """A regular expression that cannot be used; str() says why, to follow its name ("has a regex ...")."""


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Pattern:
    """The pattern, ready to search with. Raises PatternProblem."""
    # Loaded with the first pattern: most traces have none, and it takes as long as reading 500 steps.
    import re2

    if len(pattern) > LONGEST_PATTERN:
        raise PatternProblem(f"has a regex of {len(pattern)} characters; at most {LONGEST_PATTERN} are allowed")
    options = re2.Options()
    options.log_errors = False
    try:
        found: Pattern = re2.compile(pattern, options)
    except UnicodeEncodeError as error:
        raise PatternProblem("has a regex with half of a surrogate pair in it") from error
    except re2.error as error:
        raise PatternProblem(f"has a regex that cannot be used: {_told(error)}") from error
    if found.programsize > MOST_INSTRUCTIONS:
        raise PatternProblem(
            f"has a regex that takes {found.programsize:,} instructions to match, since it counts far or names"
            f" large classes; at most {MOST_INSTRUCTIONS:,} are allowed"
        )
    return found


def pattern_problem(pattern: str) -> str | None:
    """Why a regular expression cannot be used, to follow its name; None if it can."""
    try:
        compiled(pattern)
    except PatternProblem as problem:
        return str(problem)
    return None


class Replacement:
    """A text that takes the place of a match: \\1 and \\g<name> stand for its groups, \\\\ for a backslash.

    Raises PatternProblem for another escape, or a group that the pattern does not have.
    """

    def __init__(self, text: str, pattern: Pattern) -> None:
        self._parts: list[str | int] = []
        place = 0
        while place < len(text):
            found = _PIECE.match(text, place)
            if found is None:
                raise PatternProblem(
                    f"has in its replacement {text[place : place + 2]!r}, which stands for nothing"
                )
            if found["text"] is not None:
                self._parts.append("\\" if found["text"] == r"\\" else found["text"])
            else:
                self._parts.append(_group(found["number"] or found["name"], pattern))
            place = found.end()

    def __call__(self, match: Match) -> str:
        """What takes this match's place."""
        return "".join(part if isinstance(part, str) else match[part] or "" for part in self._parts)


def replaced(pattern: Pattern, replacement: Callable[[Match], str], text: str) -> str:
    """The text with each match of the pattern replaced by what the function says of it."""
    pieces: list[str] = []
    end = 0
    for match in pattern.finditer(text):
        pieces += text[end : match.start()], replacement(match)
        end = match.end()
    return "".join((*pieces, text[end:])) if pieces else text


_PIECE = re.compile(r"(?P<text>[^\\]++|\\\\)|\\(?P<number>[1-9][0-9]?)|\\g<(?P<name>[A-Za-z0-9_]{1,100})>")


def _group(name: str, pattern: Pattern) -> int:
    number = int(name) if name.isdecimal() and len(name) < 3 else pattern.groupindex.get(name, -1)
    if not 0 <= number <= pattern.groups:
        raise PatternProblem(f"has in its replacement the group {name}, which the regex does not have")
    return number


def _told(error: Exception) -> str:
    """What RE2 says, with a word on what it leaves out on purpose."""
    said = error.args[0] if error.args else error
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    if text.startswith(("invalid perl operator", "invalid escape sequence", "bad repetition operator")):
        text += " (as of RE2: no look-around, no back-references, no possessive repetition; \\z is the end of a text)"
    return text
