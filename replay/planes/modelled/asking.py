"""Tells from a request what it asks for: its kind and name by its path, its token limit by its body."""

import base64
import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

import msgspec

from replay.dialects.asked import answered_in
from replay.dialects.carried import DEFINITION_TOKENS
from replay.dialects.images import HEAD_BYTES, size_of
from replay.dialects.types import Size
from replay.planes.modelled.tools import is_mcp_server
from replay.planes.modelled.types import Asked
from replay.trace.types import Kind

NOTHING_ASKED = Asked()
_TOOLS_PATH = b"/tools/"

_HEAD_CHARACTERS = HEAD_BYTES // 3 * 4
# The longest thing that is found across two chunks of a body, white space included.
_OVERLAP_BYTES = 96 + _HEAD_CHARACTERS
# The schema of a tool's definition, and the beginning of an image in base64.
_carried = re.compile(
    rb'"type":\s?"object"|(?:;base64,|"data":\s?"|"bytes":\s?")([A-Za-z0-9+/]{40,%d}+)' % _HEAD_CHARACTERS
).finditer
_UNKNOWN_SIZE = Size(1024, 1024)


def kind_and_name(path: bytes) -> tuple[Kind, str]:
    """Return a request's kind and name; path is without query.

    A path at which a dialect is answered (under any prefix) is a model call, /tools/NAME a tool, /mcp an MCP call; all
    else is plain HTTP under its own path.
    """
    if answered_in(path) is not None:
        return "llm", "chat"
    if path.startswith(_TOOLS_PATH):
        return "tool", unquote(path[len(_TOOLS_PATH) :].decode("latin-1"))
    if is_mcp_server(path):
        return "mcp", "mcp"
    return "http", unquote(path.decode("latin-1"))


@lru_cache
def _field(limits: tuple[str, ...]) -> re.Pattern[bytes]:
    # A key has bare quotes and a colon after them, which cannot both be inside a JSON string such as a prompt.
    names = "|".join((*limits, "stream", "include_usage"))
    return re.compile(rf'"({names})"\s*:\s*(\d{{1,9}}|true|false)(?=[\s,}}])'.encode())


class BodyScan:
    """Finds the token limit and `stream` in a JSON body that passes by in chunks; keeps only its last bytes.

    It does not parse: a prompt of many megabytes costs one pass of a regular expression. The first mention of
    a field counts, at whatever depth it stands. limits: the fields that may bound the answer, the first that is there;
    where there is none, nothing is generated. streams: whether the path has told that the answer streams.
    prompt_tokens: its words, each of which has a blank before it, and what image_tokens counts for images.
    """

    __slots__ = (
        "_begin",
        "_counted_to",
        "_found",
        "_image_tokens",
        "_limits",
        "_search",
        "_streams",
        "_tail",
        "prompt_tokens",
    )

    def __init__(
        self,
        limits: tuple[str, ...],
        *,
        streams: bool = False,
        image_tokens: Callable[[Size], int] | None = None,
    ) -> None:
        self._limits, self._streams, self._image_tokens = limits, streams, image_tokens
        self._search = _field(limits).finditer
        self._tail = b""
        # Where in the body what is looked at begins, and where the last that was counted did.
        self._begin, self._counted_to = 0, -1
        self.prompt_tokens = 0
        self._found: dict[bytes, bytes] = {}

    def feed(self, chunk: bytes) -> None:
        self.prompt_tokens += chunk.count(b" ")
        if self._tail:
            chunk = self._tail + chunk
        for match in self._search(chunk):
            self._found.setdefault(match[1], match[2])
        if self._image_tokens is not None:
            self._count_carried(chunk, self._image_tokens)
        self._tail = chunk[-_OVERLAP_BYTES:]
        self._begin += len(chunk) - len(self._tail)

    def _count_carried(self, chunk: bytes, image_tokens: Callable[[Size], int]) -> None:
        for match in _carried(chunk):
            at = self._begin + match.start()
            head = match[1]
            is_cut = head is not None and len(head) < _HEAD_CHARACTERS and match.end() == len(chunk)
            if at <= self._counted_to or is_cut:
                continue
            self._counted_to = at
            if head is None:
                self.prompt_tokens += DEFINITION_TOKENS
            else:
                size = size_of(base64.b64decode(head[: len(head) // 4 * 4]))
                self.prompt_tokens += image_tokens(size or _UNKNOWN_SIZE)

    def asked(self) -> Asked:
        if not self._limits:
            return Asked(1)
        found = self._found
        limit = next((found[name.encode()] for name in self._limits if name.encode() in found), None)
        return Asked(
            int(limit) if limit and limit.isdigit() else None,
            self._streams or found.get(b"stream") == b"true",
            found.get(b"include_usage") == b"true",
        )


def scan_for(path: bytes) -> BodyScan | None:
    """What looks at the body of a request to a path, without its query; None where no model is asked there."""
    dialect = answered_in(path)
    if dialect is None:
        return None
    streams = dialect.streams_at is not None and path.endswith(dialect.streams_at.encode())
    carrying = None if dialect.prompting is None else dialect.prompting.carrying
    return BodyScan(
        dialect.limits, streams=streams, image_tokens=None if carrying is None else carrying.image_tokens
    )


def asked_by_message(path: bytes, message: bytes) -> tuple[Asked, int]:
    """What a message on a WebSocket asks of a model at a path, answered event by event; and its prompt in tokens."""
    scan = scan_for(path)
    if scan is None:
        return NOTHING_ASKED, 0
    scan.feed(message)
    return msgspec.structs.replace(scan.asked(), stream=True), scan.prompt_tokens
