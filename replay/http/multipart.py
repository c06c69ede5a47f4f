"""A multipart body (RFC 2046, section 5.1) cut at its boundary, and put together again. Sans I/O.

Lines may end in LF alone, as many readers of forms allow. A line that begins with the boundary and goes on is a
delimiter to some readers and not to others, so what it stands in is no part.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

_BOUNDARY = re.compile(r';\s*+boundary\s*+=\s*+(?:"([^"]*+)"|([^\s;"]++))', re.IGNORECASE)
_FIRST_LINE = re.compile(r"(?:\r?\n)*+--([^\r\n]++)\r?\n").match
_DASHED_LINE = re.compile(r"^--([^\n]*+)", re.MULTILINE)
_HEAD = re.compile(
    r"\r?\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[^\r\n]*+(?:\r?\n[ \t][^\r\n]*+)*+\r?\n)*+)\r?\n"
).match
_HEADER_END = re.compile(r"\r?\n(?![ \t])")
_PARAMETER = re.compile(r'\s*+;\s*+([^\s;="]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s;"]*+))', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PLAIN_CODINGS = frozenset(("", "7bit", "8bit", "binary", "identity"))
_BLANKS = " \t"


class Part(NamedTuple):
    """A part of a body. headers: names in lower case, values on one line. content: as it is sent, coded perhaps."""

    headers: list[tuple[str, str]]
    content: str

    @property
    def content_type(self) -> str | None:
        """Empty where none is given, None where it cannot be told."""
        return self._value("content-type")

    @property
    def is_plain(self) -> bool:
        """Whether the content stands for itself, and not for what a coding makes of it."""
        codings = (self._value(name) for name in ("content-transfer-encoding", "content-encoding"))
        return all(coding is not None and coding.lower() in _PLAIN_CODINGS for coding in codings)

    @property
    def field_names(self) -> list[str] | None:
        """What readers may take for the name of its field; empty where it has none, None where that cannot be told."""
        disposition = self._value("content-disposition")
        if disposition is None:
            return None
        names: list[str] = []
        at = len(disposition.partition(";")[0])
        while parameter := _PARAMETER.match(disposition, at):
            at = parameter.end()
            key, name = parameter[1].lower(), parameter[2] or parameter[3] or ""
            if key == "name*":  # which RFC 7578, section 4.2, forbids, and some write
                return None
            if key == "name":
                names += [name, _ESCAPED.sub(r"\1", name), unquote(name)]
        return None if disposition[at:].strip("; \t") else names

    def _value(self, name: str) -> str | None:
        """Of a header; empty where there is none, None where there are several."""
        values = [value for key, value in self.headers if key == name]
        return None if len(values) > 1 else values[0] if values else ""


def with_contents(body: str, content_type: str, told: Callable[[Part], str], withheld: str) -> str | None:
    """The body with what `told` makes of each part's content in its place; None where no boundary is found.

    content_type: of the body, whose boundary counts; where the body has none of that, the one of its first line does.
    withheld: takes the place of all that has not the shape of a part, what stands before the first and after the last
    included.
    """
    boundary = _boundary(body, content_type)
    if boundary is None:
        return None
    made: list[str] = []
    begin, is_part, is_odd = 0, False, False
    for line, is_closing in _delimiters(body, boundary):
        if is_closing is None:
            is_odd = True
            continue
        end = line.start()
        end -= 2 if body[max(begin, end - 2) : end] == "\r\n" else min(1, end - begin)
        made.append(_piece(body[begin:end], is_part and not is_odd, told, withheld))
        begin = line.end() - line[1].endswith("\r")
        made.append(body[end:begin])
        is_part, is_odd = not is_closing, False
    made.append(_piece(body[begin:], is_part and not is_odd, told, withheld))
    return "".join(made)


def _delimiters(body: str, boundary: str) -> Iterator[tuple[re.Match[str], bool | None]]:
    """The lines that begin with the boundary, each with whether it closes the body; None: it may delimit nothing."""
    for line in _DASHED_LINE.finditer(body):
        if line[1].startswith(boundary):
            rest = line[1].removeprefix(boundary).removesuffix("\r").rstrip(_BLANKS)
            yield line, {"": False, "--": True}.get(rest)


def _boundary(body: str, content_type: str) -> str | None:
    stated = {quoted or bare for quoted, bare in _BOUNDARY.findall(content_type)}
    if len(stated) > 1:
        return None
    first = _FIRST_LINE(body)
    candidates = [*stated, first[1].rstrip(_BLANKS) if first else ""]
    return next(
        (one for one in candidates if one and any(known is not None for _, known in _delimiters(body, one))),
        None,
    )


def _piece(text: str, is_part: bool, told: Callable[[Part], str], withheld: str) -> str:
    """What is kept of what stands between two delimiters, the end of the first one's line included."""
    if not text.strip():
        return text
    head = _HEAD(text) if is_part else None
    if head is None:
        return f"\r\n{withheld}" if text.startswith(("\r", "\n")) else withheld
    headers = []
    for line in _HEADER_END.split(head[1])[:-1]:
        name, _, value = line.partition(":")
        headers.append((name.lower(), " ".join(value.split())))
    return head[0] + told(Part(headers, text[head.end() :]))
