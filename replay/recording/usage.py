"""Token counts that a model's response tells of, from its body as it passes. Sans I/O.

Bounded: of JSON the first MiB, of a stream one event of at most a MiB at a time. What the counts look like is known
to replay.dialects.
"""

import zlib

from replay.dialects.bodies import read_body
from replay.dialects.streams import StreamReader
from replay.dialects.types import Usage

_MOST_BYTES = 1 << 20
_GZIP_OR_ZLIB = 47  # wbits: 32 to tell the two apart, 15 for the window
_CODINGS = ("", "identity", "gzip", "x-gzip", "deflate")


class UsageReader:
    """Fed a response's body without its transfer coding. Other content types and codings are passed over."""

    def __init__(self, content_type: str, content_encoding: str) -> None:
        kind = content_type.partition(";")[0].strip().lower()
        coding = content_encoding.strip().lower()
        self._stream = StreamReader("model") if kind == "text/event-stream" else None
        self._is_over = coding not in _CODINGS or not (self._stream is not None or kind.endswith("json"))
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB) if coding not in ("", "identity") else None
        self._buffer = bytearray()

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
        if self._stream is not None:
            self._stream.feed(data, 0)
            return
        self._buffer += data
        if len(self._buffer) > _MOST_BYTES:
            self._give_up()

    def counts(self) -> dict[str, int]:
        """What was found, once the body is complete: input_tokens, output_tokens, cached_tokens."""
        usage: Usage | None = None
        if self._stream is not None:
            self._stream.finish()
            usage = self._stream.usage
        elif not self._is_over:
            usage = read_body(bytes(self._buffer), "model").usage
        self._give_up()
        if usage is None:
            return {}
        return {name: count for name, count in usage._asdict().items() if count is not None}

    def _give_up(self) -> None:
        self._is_over = True
        self._buffer = bytearray()
