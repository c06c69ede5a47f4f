"""What is wrong with a file that a user wrote, in plain words: unknown keys, values of another kind. Pure."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

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
    wrong = re.fullmatch(r"Expected `(.+)`, got `(.+)`", problem)
    if wrong:
        wanted, got = (
            " or ".join(_KINDS.get(kind, kind) for kind in part.split(" | ") if kind != "null")
            for part in wrong.groups()
        )
        return f"must be {wanted}, and is {got}"
    return problem.replace("`", '"')


def ended(sentence: str) -> str:
    """With a full stop where it has no end yet."""
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."
