"""Bodies of model calls by a user's template: JSON, in which names in double braces stand for what a call has."""

import json
import re
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from replay.target.errors import TargetError
from replay.words.numbers import size

MOST_BYTES = 1 << 20
_PLACES = re.compile(rb"\{\{\s*([A-Za-z_]{1,40})\s*\}\}")


class Call(NamedTuple):
    """What a template is filled with: the fields of an llm step, and whose it is. prompt: needs no escapes in JSON."""

    prompt: bytes
    input_tokens: int
    output_tokens: int
    stream: bool
    model: str
    session: str
    step: str


class Template:
    """Read once. Raises TargetError where the file cannot be read, names what no call has, or makes no JSON."""

    def __init__(self, path: Path) -> None:
        self._path = path
        parts = _PLACES.split(_read(path))
        # Text and names in turn.
        self._texts, self._names = parts[0::2], [name.decode() for name in parts[1::2]]
        for name in self._names:
            if name not in Call._fields:
                raise TargetError(f"template {path}: {{{{{name}}}}} stands for nothing.{_nearest(name)}")
        try:
            json.loads(self.filled(Call(b"a prompt", 1, 1, True, 'a"b', "s", "a")))
        except ValueError as cause:
            raise TargetError(
                f"template {path}: makes no JSON once it is filled in ({cause}). Texts such as {{{{prompt}}}} "
                "belong in quotation marks, numbers and {{stream}} do not."
            ) from None

    def __repr__(self) -> str:
        return f"<Template {self._path}>"

    def filled(self, call: Call) -> bytes:
        """The body of one call."""
        body = [self._texts[0]]
        for name, text in zip(self._names, self._texts[1:], strict=True):
            body += (_written(getattr(call, name)), text)
        return b"".join(body)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as cause:
        raise TargetError(f"template {path} under [shape] cannot be read: {cause.strerror}.") from cause
    if len(text) > MOST_BYTES:
        raise TargetError(f"template {path} under [shape] is longer than {size(MOST_BYTES)}.")
    return text


def _written(value: bytes | int | bool | str) -> bytes:
    """As it stands in JSON, a text without its quotation marks."""
    if isinstance(value, bytes):
        return value
    written = json.dumps(value).encode()
    return written[1:-1] if isinstance(value, str) else written


def _nearest(name: str) -> str:
    near = get_close_matches(name, Call._fields, 1)
    if near:
        return f" Did you mean {{{{{near[0]}}}}}?"
    return f" Known are: {', '.join(Call._fields)}."
