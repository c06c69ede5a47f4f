"""JSON on standard output: the one door by which every `--json` goes."""

import re
import sys
from typing import Any

import click
import msgspec

# In JSON these stand within strings only, where an escape means the same: what may not be printed, and the first of two
# number signs, with which commands begin in the logs of CI systems.
_ACTED_ON = re.compile(r"[^\n -~]|#(?=[^ -~]*#)")
_BEYOND_ASCII = re.compile(r"[^\n -~]")


def print_json(document: Any, indent: int = 2) -> None:
    """Print a value of the types that we write, for programs, and harmless where people look at it.

    What a terminal would act on, and what a CI system takes for a command in its log, is escaped, since names come from
    anywhere, and so is what the encoding of the output cannot say; any reader of JSON gets the same characters.
    indent: -1 for all of it on one line.
    """
    text = as_json(document, indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = _BEYOND_ASCII.sub(_as_escape, text)
    click.echo(text)


def as_json(document: Any, indent: int = 2) -> str:
    """The same text, for a file."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=indent).decode()
    return _ACTED_ON.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() and character != "#":
        return character
    return _as_escape(found)


def _as_escape(found: re.Match[str]) -> str:
    character = found[0]
    halves = character.encode("utf-16-be")
    return "".join(f"\\u{halves[n : n + 2].hex()}" for n in range(0, len(halves), 2))
