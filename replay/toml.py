"""TOML that a user wrote: read, or refused in words. Pure."""

import re
import tomllib
from typing import Any

# https://toml.io/en/v1.0.0#integer: what does not fit is an error.
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_MOST_CHARACTERS = 60
# Python's reader takes time and memory as the square of a dotted key's parts: ten thousand of them took 1.4 GB.
_MOST_PARTS = 100
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
# What a text is made of, so that no text within a value is taken for a key. What has no end is one thing up to there.
_THINGS = (
    rf"(?P<long_key>(?:{_PART}[ \t]*+\.[ \t]*+){{{_MOST_PARTS}}})",
    r'"""(?:(?!""")(?:[^\\]|\\.))*+(?:""")?',
    r"'''(?:(?!''').)*+(?:''')?",
    r'"(?:[^"\\\n]|\\.)*+"?',
    r"'[^'\n]*+'?",
    r"#[^\n]*+",
    r"[A-Za-z0-9_-]++",
    r"""[^\n"'#A-Za-z0-9_-]++""",
    r".",
)
_things = re.compile("|".join(_THINGS), re.DOTALL).finditer


class TomlError(ValueError):
    """What is wrong with the file, as the end of a sentence that begins with its name, without the full stop."""


def read_toml(content: bytes) -> dict[str, Any]:
    """The tables of a file. Raises TomlError."""
    try:
        # Editors on Windows put a byte order mark before it.
        text = content.decode("utf-8-sig")
        has_long_key = any(thing.lastgroup for thing in _things(text))
        written = {} if has_long_key else tomllib.loads(text)
        place = _too_large(written)
    except RecursionError as cause:
        raise TomlError("is nested too deeply") from cause
    except UnicodeDecodeError as cause:
        raise TomlError("is not TOML: it is not UTF-8 text") from cause
    except tomllib.TOMLDecodeError as cause:
        raise TomlError(f"is not TOML: {cause}") from cause
    except ValueError as cause:
        # Python reads no number of more than some thousand digits.
        raise TomlError("is not TOML: it holds a whole number beyond 64 bits") from cause
    if has_long_key:
        raise TomlError("is nested too deeply")
    if place is not None:
        raise TomlError(f"{place[:_MOST_CHARACTERS]}: is a whole number beyond 64 bits")
    return written


def _too_large(value: object) -> str | None:
    """Where the first whole number stands that does not fit; empty for the value itself, None if there is none."""
    if isinstance(value, int):
        return None if _LEAST <= value <= _MOST else ""
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = dict(enumerate(value)).items()
    else:
        return None
    for key, inner in inside:
        place = _too_large(inner)
        if place is not None:
            name = ascii(key).strip("'")
            return f"{name}.{place}" if place else name
    return None
