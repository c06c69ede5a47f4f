"""Tells from a request what it asks for: its kind and name by its path, its token limit by its body."""

import re
from urllib.parse import unquote

from replay.planes.modelled.types import Asked
from replay.trace.types import Kind

NOTHING_ASKED = Asked()
CHAT_PATH = b"/chat/completions"
_TOOLS_PATH = b"/tools/"

# A key has bare quotes and a colon after them, which cannot both be inside a JSON string such as a prompt.
_FIELD = re.compile(rb'"(max_tokens|max_completion_tokens|stream)"\s*:\s*(\d{1,9}|true|false)(?=[\s,}])')
# The longest field that is found across two chunks of a body, white space included.
_OVERLAP_BYTES = 96


def kind_and_name(path: bytes) -> tuple[Kind, str]:
    """Return a request's kind and name; path is without query.

    /v1/chat/completions (under any prefix) is a model call, /tools/NAME a tool, /mcp an MCP call; all else is
    plain HTTP under its own path.
    """
    if path.endswith(CHAT_PATH):
        return "llm", "chat"
    if path.startswith(_TOOLS_PATH):
        return "tool", unquote(path[len(_TOOLS_PATH) :].decode("latin-1"))
    if path == b"/mcp" or path.startswith(b"/mcp/"):
        return "mcp", "mcp"
    return "http", unquote(path.decode("latin-1"))


class BodyScan:
    """Finds the token limit and `stream` in a JSON body that passes by in chunks; keeps only its last bytes.

    It does not parse: a prompt of many megabytes costs one pass of a regular expression. The first mention of
    a field counts, at whatever depth it stands. prompt_tokens: its words, each of which has a blank before it.
    """

    __slots__ = ("_found", "_tail", "prompt_tokens")

    def __init__(self) -> None:
        self._tail = b""
        self.prompt_tokens = 0
        self._found: dict[bytes, bytes] = {}

    def feed(self, chunk: bytes) -> None:
        self.prompt_tokens += chunk.count(b" ")
        if self._tail:
            chunk = self._tail + chunk
        for match in _FIELD.finditer(chunk):
            self._found.setdefault(match[1], match[2])
        self._tail = chunk[-_OVERLAP_BYTES:]

    def asked(self) -> Asked:
        found = self._found
        limit = found.get(b"max_completion_tokens") or found.get(b"max_tokens")
        return Asked(int(limit) if limit and limit.isdigit() else None, found.get(b"stream") == b"true")
