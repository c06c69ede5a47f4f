"""What is wrong with a trace, in one or two plain sentences, and how names from files are shown to people."""

import unicodedata

from replay.errors import InputError

_LONGEST_NAME = 80


class TraceError(InputError, ValueError):
    """A trace, or a file that was to become one, cannot be used as it is; str() is the whole message."""


def escaped(text: str) -> str:
    """text with everything that could move a terminal's cursor, hide or reorder text spelled out."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if (c.isprintable() and unicodedata.category(c)[0] not in "CZ") or c == " " else ascii(c)[1:-1]
        for c in text
    )


def shortened(text: str, longest: int = _LONGEST_NAME) -> str:
    """text, escaped, with the middle left out when it is longer than `longest` characters."""
    if len(text) > longest:
        half = longest // 2
        return f"{escaped(text[:half])}...{escaped(text[-half:])}"
    return escaped(text)


def shown(name: str) -> str:
    """A name from a file, quoted, escaped and shortened, to stand in a message."""
    return '"' + shortened(name).replace('"', '\\"') + '"'


def shown_path(path: object) -> str:
    """A path as the user gave it, escaped, unquoted, to open a message."""
    return escaped(str(path))
