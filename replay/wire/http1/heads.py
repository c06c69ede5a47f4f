"""Heads of responses that RFC 9112 lets a client read though llhttp does not: put into the form that it takes.

| head | read as | source |
|---|---|---|
| empty lines before the status line | as if they were not there | as section 2.2 has servers do |
| lines that end in LF alone | as if CR stood before | section 2.2 |
| a line that begins with a blank (obs-fold) | a part of the line before, a space between | section 5.2 |
| content-length twice, all values equal | as once | section 6.3, 5 |
| transfer-encoding and content-length | by the former; the connection takes no further request | section 6.3, 3 |

Lengths that differ stay as they are, and are refused.
"""

import re
from typing import NamedTuple

_END = re.compile(rb"\r?\n\r?\n")


class PlainHead(NamedTuple):
    """A head, with the empty line that ends it, as llhttp takes it; and whether another response may follow it."""

    head: bytes
    is_reusable: bool


def head_end(data: bytes) -> int:
    """Where the body begins, or -1 where the head has no end yet. Empty lines at the start end nothing."""
    start = len(data) - len(data.lstrip(b"\r\n"))
    found = _END.search(data, start)
    return -1 if found is None else found.end()


def plain_head(head: bytes) -> PlainHead:
    """The same head without what llhttp refuses, where that may be read."""
    lines: list[bytes] = []
    for line in head.lstrip(b"\r\n").split(b"\n"):
        line = line.removesuffix(b"\r")
        if line[:1] in (b" ", b"\t") and len(lines) > 1:
            lines[-1] += b" " + line.strip(b" \t")
        elif line:
            lines.append(line)
    names = [line.partition(b":")[0].lower() for line in lines]
    is_chunked = b"transfer-encoding" in names[1:]
    lengths = {
        value.strip()
        for line, name in zip(lines, names, strict=True)
        if name == b"content-length"
        for value in line.partition(b":")[2].split(b",")
    }
    is_twofold = is_chunked and bool(lengths)
    if is_twofold or (len(lengths) == 1 and names.count(b"content-length") > 0):
        lines = [line for line, name in zip(lines, names, strict=True) if name != b"content-length"]
        if not is_twofold:
            lines.append(b"content-length: " + lengths.pop())
    return PlainHead(b"\r\n".join(lines) + b"\r\n\r\n", not is_twofold)
