"""Records what each step was answered, in answers.jsonl: not what an answer says, but what it looks like.

On the hot path an attempt is only appended to a queue. In the pacer's slack its body is read, a slice at a time, and
forgotten; then a line is written. A shape is written once, before the first answer that has it (again where a run has
more shapes than are remembered).
"""

from collections import deque
from collections.abc import Callable, Generator

import msgspec

from replay.engine.answers.digests import Digests
from replay.engine.answers.shape import Shape
from replay.engine.answers.telling import Told, telling
from replay.engine.attempt import Attempt
from replay.results.answer_types import ANSWERS_SCHEMA, AnswersHead, ShapeRecord

# Bodies that wait may take this much memory; beyond it, they are read without slack.
_PRESSING_BYTES = 32 << 20
_PRESSING = 1_024
_CHUNK_BYTES = 1 << 18
_MOST_SHAPES = 16_384
_MOST_SHAPES_PATHS = 1 << 20


class AnswersRecorder:
    """Records the answers of one run. write: takes what is to be written. digests: None where values do not count."""

    def __init__(self, write: Callable[[bytes], None], digests: Digests | None = None) -> None:
        self._write = write
        self._digests = digests
        self._encode = msgspec.json.Encoder().encode
        self._waiting: deque[Attempt] = deque()
        self._waiting_bytes = 0
        self._under_way: Generator[None, None, Told] | None = None
        self._shapes: dict[Shape, int] = {}
        self._paths_known = self._last_shape = 0
        self._out = bytearray()
        if digests is None:
            self._line(AnswersHead(ANSWERS_SCHEMA, "shape"))
        else:
            self._line(AnswersHead(ANSWERS_SCHEMA, "values", digests.key_id))

    def __repr__(self) -> str:
        return f"<AnswersRecorder {len(self._waiting)} waiting, {self._last_shape} shapes>"

    @property
    def is_pressing(self) -> bool:
        """Whether so much waits that it must be worked on without slack."""
        return self._waiting_bytes > _PRESSING_BYTES or len(self._waiting) > _PRESSING

    def ended(self, attempt: Attempt) -> None:
        """The last attempt of a step is over. Its body belongs to this recorder from here on."""
        self._waiting.append(attempt)
        if attempt.captured is not None:
            self._waiting_bytes += len(attempt.captured)

    def work(self) -> bool:
        """One slice; returns whether there is more."""
        if self._under_way is None:
            if not self._waiting:
                return False
            attempt = self._waiting.popleft()
            if attempt.captured is not None:
                self._waiting_bytes -= len(attempt.captured)
            self._under_way = telling(attempt, self._digests)
        try:
            next(self._under_way)
        except StopIteration as end:
            self._under_way = None
            told, shape = end.value
            if shape is not None:
                told.shape = self._id_of(shape)
            self._line(told)
        return bool(self._waiting) or self._under_way is not None

    def flush(self) -> None:
        """Hand the lines so far to the writer."""
        if self._out:
            self._write(bytes(self._out))
            self._out.clear()

    def finish(self) -> None:
        """Everything that waits is read, and handed to the writer."""
        while self.work():
            pass
        self.flush()

    def _line(self, record: msgspec.Struct) -> None:
        self._out += self._encode(record)
        self._out += b"\n"
        if len(self._out) > _CHUNK_BYTES:
            self.flush()

    def _id_of(self, shape: Shape) -> int:
        known = self._shapes.get(shape)
        if known is None:
            self._paths_known += len(shape.paths)
            if len(self._shapes) >= _MOST_SHAPES or self._paths_known > _MOST_SHAPES_PATHS:
                self._shapes.clear()
                self._paths_known = len(shape.paths)
            self._last_shape += 1
            known = self._shapes[shape] = self._last_shape
            self._line(ShapeRecord(known, list(shape.paths), shape.is_partial))
        return known
