"""What the decoder says about a line of a trace, told in the trace's own words: session, step, field.

Pure, and only reached when something is wrong, so it may decode the line again to find the names.
"""

import re
from difflib import get_close_matches
from typing import Any

import msgspec

from replay.trace.errors import escaped, shortened, shown
from replay.trace.file.weight import is_too_heavy
from replay.trace.graph import Problem
from replay.trace.types import FORMAT, VERSION

_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}
_CHOICES = {
    "kind": ("llm", "tool", "http", "mcp", "ws", "grpc"),
    "anchor": ("end", "first_byte", "start"),
    "action": ("message", "open", "ping", "close"),
}
_PLACE = re.compile(r" - at (?:`key` in )?`(?P<path>[^`]*)`$")
_STEP = re.compile(r"\$\.steps\[(?P<index>\d+)\](?:\.(?P<field>.*))?$")
_EXPECTED = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_ENUM = re.compile(r"Invalid enum value (?P<value>'.*')$", re.DOTALL)
_EXAMPLE = f'{{"format":"{FORMAT}","version":{VERSION},"name":"..."}}'
HEADER = "the header"
# Mostly a log, or a capture, that was given as it is.
_IMPORT_IT = "If it is a log or a recording, make a trace of it first: replay trace import."
_CUT_OFF = "The file was probably cut off while it was written or copied."


def sentence(session_id: str, problem: Problem) -> str:
    """A problem found in a session, as a whole sentence (or two, with a suggestion)."""
    of = f"session {shown(session_id)}"
    if problem.step is not None:
        of = f"step {shown(problem.step)} of {of}"
    end = "" if problem.text.endswith(("?", ".")) else "."
    return f"{of} {problem.text}{end}"


def header_fault(line: bytes) -> str | None:
    """Why the first line is not the header of a trace that this version reads; None when it is.

    Raises msgspec.DecodeError or RecursionError if it is not JSON.
    """
    found = msgspec.json.decode(line)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        hint = "Another tool's file must be imported first."
        return f"not the header of a trace, which would read {_EXAMPLE}. {hint}"
    version = found.get("version")
    if version != VERSION or isinstance(version, bool):
        said = shortened(repr(version))
        return f"version {said} of the trace format, but this release reads version {VERSION}."
    return None


def decoding_fault(line: bytes, error: Exception, what: str) -> str:
    """Why a line could not be decoded, as a sentence without the file and line.

    what: the line itself, in words, for where no session or step can be named.
    """
    if isinstance(error, RecursionError):
        return "nested too deeply to be read."
    if isinstance(error, UnicodeDecodeError):
        fault = f"not valid UTF-8 (byte {_utf8_position(line)} of the line)."
        return f"{fault} {_IMPORT_IT}" if what == HEADER else fault
    if not isinstance(error, msgspec.ValidationError):
        fault = _syntax_fault(line, str(error))
        is_foreign = what == HEADER and not line.lstrip().startswith(b"{")
        return f"{fault} {_IMPORT_IT}" if is_foreign else fault
    message = str(error)
    place = _PLACE.search(message)
    path = place["path"] if place else "$"
    said = message[: place.start()] if place else message
    document = _decoded(line)
    in_step = _STEP.match(path)
    if in_step:
        owner, of = _step_owner(document, int(in_step["index"]))
        field = in_step["field"] or ""
    else:
        owner = document
        of = f"session {shown(document['id'])}" if _has_id(document) else ""
        field = path.removeprefix("$").removeprefix(".")
    text = _fault(said, field, owner, is_key=place is not None and "`key`" in place[0])
    return f"{of} {text}" if of else f"{what} {text}"


def in_words(kinds: str) -> str:
    """The decoder's names for kinds of values, as in `str | null`, in words."""
    named = kinds.split(" | ")
    return " or ".join(_WORDS.get(kind, kind) for kind in named if kind != "int" or "float" not in named)


def _utf8_position(line: bytes) -> int:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _syntax_fault(line: bytes, message: str) -> str:
    if "truncated" in message:
        text = "not valid JSON: the line ends too early."
        return text if line.endswith(b"\n") else f"{text} {_CUT_OFF}"
    return f"not valid JSON: {message.removeprefix('JSON is malformed: ')}."


def _decoded(line: bytes) -> Any:
    """The line as Python has it; None where it cannot be, or would take too much memory for an explanation."""
    if is_too_heavy(line):
        return None
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _has_id(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str)


def _step_owner(document: Any, index: int) -> tuple[Any, str]:
    """The step at this index as it stands in the line, and how to name it."""
    try:
        step = document["steps"][index]
    except (LookupError, TypeError):
        step = None
    name = f"step {shown(step['id'])}" if _has_id(step) else f"step number {index + 1}"
    if _has_id(document):
        name += f" of session {shown(document['id'])}"
    return step, name


def _fault(what: str, field: str, owner: Any, *, is_key: bool) -> str:
    missing = _MISSING.search(what)
    if missing:
        return f"lacks {_within(field, missing[1])}."
    expected = _EXPECTED.search(what)
    if expected:
        wanted, got = (in_words(kinds) for kinds in expected.groups())
        if not field:
            return f"must be {wanted}, not {got}."
        if is_key:
            field += " (a name in it)"
        return f"has {got} in {_named(field, owner)}, where {wanted} belongs."
    enum = _ENUM.search(what)
    if enum:
        choices = _CHOICES.get(field.rpartition(".")[2], ())
        value = enum["value"][1:-1]
        near = get_close_matches(value, choices, n=1)
        hint = f" Did you mean {shown(near[0])}?" if near else ""
        return f"has {field} {shown(value)}, which must be one of {', '.join(choices)}.{hint}"
    if "out of range" in what:
        return f"has a number in {field} that is too large."
    return f"cannot be read: {escaped(what)}{f' in {field}' if field else ''}."


def _within(field: str, name: str) -> str:
    return f"the field {field}.{name}" if field else f"the field {name}"


def _named(field: str, owner: Any) -> str:
    """field, with `[...]` (some entry) made precise where the entry that is not a string can be found."""
    if not field.endswith("[...]"):
        return field
    field = field.removesuffix("[...]")
    value = owner
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, dict):
        for key, entry in value.items():
            if not isinstance(entry, str):
                return f"{field}[{shown(key)}]"
    return field
