"""Token counts that a model's response tells of, read from JSON or an event stream as it passes. Sans I/O.

Bounded: of JSON the first MiB, of a stream one line of at most a MiB at a time, and only lines that speak of usage.
Shapes: OpenAI chat completions and responses (`usage`, `response.usage`), Anthropic messages (`usage`, and in streams
`message.usage`, whose input counts leave cached tokens out: they are added here).
"""

import zlib
from typing import Any

import msgspec

_MOST_BYTES = 1 << 20
_GZIP_OR_ZLIB = 47  # wbits: 32 to tell the two apart, 15 for the window
_CODINGS = ("", "identity", "gzip", "x-gzip", "deflate")


class UsageReader:
    """Fed a response's body without its transfer coding. Other content types and codings are passed over."""

    def __init__(self, content_type: str, content_encoding: str) -> None:
        kind = content_type.partition(";")[0].strip().lower()
        coding = content_encoding.strip().lower()
        self._is_stream = kind == "text/event-stream"
        self._is_over = coding not in _CODINGS or not (self._is_stream or kind.endswith("json"))
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB) if coding not in ("", "identity") else None
        self._buffer = bytearray()
        self._found: dict[str, Any] = {}

    def feed(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._inflate is not None:
            try:
                data = self._inflate.decompress(data, _MOST_BYTES)
            except zlib.error:
                self._give_up()
                return
            if self._inflate.unconsumed_tail:
                self._give_up()
                return
        self._buffer += data
        if self._is_stream and b"\n" in data:
            *lines, rest = self._buffer.split(b"\n")
            self._buffer = bytearray(rest)
            for line in lines:
                self._read_line(line)
        if len(self._buffer) > _MOST_BYTES:
            self._give_up()

    def counts(self) -> dict[str, int]:
        """What was found, once the body is complete: input_tokens, output_tokens, cached_tokens."""
        if not self._is_over:
            if self._is_stream:
                self._read_line(self._buffer)
            else:
                self._read(bytes(self._buffer))
        self._give_up()
        return _counts(self._found)

    def _give_up(self) -> None:
        self._is_over = True
        self._buffer = bytearray()

    def _read_line(self, line: bytearray) -> None:
        if line.startswith(b"data:") and b'"usage"' in line:
            self._read(bytes(line[5:]))

    def _read(self, data: bytes) -> None:
        try:
            value = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return
        if not isinstance(value, dict):
            return
        for holder in (value, value.get("response"), value.get("message")):
            usage = holder.get("usage") if isinstance(holder, dict) else None
            if isinstance(usage, dict):
                self._found.update({key: inner for key, inner in usage.items() if inner is not None})


def _counts(usage: dict[str, Any]) -> dict[str, int]:
    details = usage.get("prompt_tokens_details", usage.get("input_tokens_details"))
    read, written = (
        _count(usage.get("cache_read_input_tokens")),
        _count(usage.get("cache_creation_input_tokens")),
    )
    given = _count(usage.get("input_tokens", usage.get("prompt_tokens")))
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else read
    counts = {
        "input_tokens": None if given is None else given + (read or 0) + (written or 0),
        "output_tokens": _count(usage.get("output_tokens", usage.get("completion_tokens"))),
        "cached_tokens": cached,
    }
    return {name: count for name, count in counts.items() if count is not None}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None
