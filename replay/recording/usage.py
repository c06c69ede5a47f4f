"""Token counts that a model's response tells of, and when its first token came, from its body as it passes. Sans I/O.

Bounded: of JSON the first MiB, of a stream one event of at most a MiB at a time. What the counts look like is known
to replay.dialects.
"""

from collections.abc import Callable
from time import monotonic_ns

from replay.dialects.bodies import read_body
from replay.dialects.streams import StreamReader, is_event_stream
from replay.dialects.types import Usage
from replay.http.codings import CodingError, Uncoder, codings_of, uncoder

_MOST_BYTES = 1 << 20


class UsageReader:
    """Fed a response's body without its transfer coding. Other content types and codings are passed over.

    now: the clock, in ns.
    """

    def __init__(self, content_type: str, content_encoding: str, now: Callable[[], int] = monotonic_ns) -> None:
        self._now = now
        kind = content_type.partition(";")[0].strip().lower()
        self._stream = (
            StreamReader("model") if is_event_stream(content_type.encode("latin-1", "replace")) else None
        )
        self._uncoder: Uncoder | None = uncoder(content_encoding, _MOST_BYTES)
        is_readable = self._uncoder is not None or codings_of(content_encoding) == []
        self._is_over = not is_readable or not (self._stream is not None or kind.endswith("json"))
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._uncoder is not None:
            try:
                data = self._uncoder.feed(data)
            except CodingError:
                self._give_up()
                return
        if self._stream is not None:
            self._stream.feed(data, self._now())
            return
        self._buffer += data
        if len(self._buffer) > _MOST_BYTES:
            self._give_up()

    @property
    def first_token_ns(self) -> int | None:
        """When the first token of a stream came; None where there was none, or it is no stream."""
        return None if self._stream is None else self._stream.first_token_ns or None

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
