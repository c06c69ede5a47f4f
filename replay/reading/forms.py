"""The body of a form whose parts are all texts, as curl and Postman send it. Pure.

A part of curl's `-F` is `name=content`, behind which `;type=`, `;filename=` and other words may stand; content in
quotes holds what would end it. The layout is that of RFC 7578, with the boundary made of what is in it, so that it is
always the same.
"""

import hashlib
import re
from collections.abc import Sequence

import msgspec

_QUOTED = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*+)"').match
_ESCAPED = re.compile(r'\\([\\"])')
_WORD = re.compile(r';\s{0,9}(?P<name>\w{1,20})=(?P<value>"(?:[^"\\]|\\.){0,300}+"|[^;]*+)', re.DOTALL)


class FormPart(msgspec.Struct, frozen=True):
    """One part. kind: its type; "" where none is said."""

    name: str
    content: str
    kind: str = ""
    filename: str = ""


def form_part(value: str) -> FormPart | None:
    """A part as `-F` has it; None where its content is in a file."""
    name, _, rest = value.partition("=")
    if rest.startswith(("@", "<")):
        return None
    quoted = _QUOTED(rest)
    content, _, _ = rest.partition(";") if quoted is None else (_unescaped(quoted["text"]), "", "")
    words = {
        found["name"].lower(): _unescaped(found["value"].strip().strip('"'))
        for found in _WORD.finditer(rest, quoted.end() if quoted else len(content))
    }
    return FormPart(name, content, words.get("type", ""), words.get("filename", ""))


def form_body(parts: Sequence[FormPart]) -> tuple[str, str]:
    """The body, and its type."""
    told = "\0".join(f"{part.name}\0{part.content}" for part in parts)
    boundary = "-" * 24 + hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:16]
    lines: list[str] = []
    for part in parts:
        filename = f'; filename="{_in_quotes(part.filename)}"' if part.filename else ""
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{_in_quotes(part.name)}"{filename}']
        lines += [f"Content-Type: {part.kind}"] if part.kind else []
        lines += ["", part.content]
    return "\r\n".join([*lines, f"--{boundary}--", ""]), f"multipart/form-data; boundary={boundary}"


def _unescaped(text: str) -> str:
    return _ESCAPED.sub("\\1", text)


def _in_quotes(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
