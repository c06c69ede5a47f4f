"""A chunked body (RFC 9112, section 7.1) put together. Pure."""

import re

_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n").match


def unchunked(body: bytes) -> tuple[bytes, bool]:
    """What the chunks hold, and whether they came to their end; the body as it is where it holds no chunks."""
    pieces: list[bytes] = []
    at = 0
    while found := _SIZE(body, at):
        size = int(found[1], 16)
        begin = found.end()
        if not size:
            return b"".join(pieces), True
        pieces.append(body[begin : begin + size])
        at = begin + size
        if body[at : at + 2] == b"\r\n":
            at += 2
        elif body[at : at + 1] == b"\n":
            at += 1
    if not pieces:
        return body, True
    return b"".join(pieces), False
