"""Model calls on WebSockets that a session holds, each going on from the answer that it followed when it was recorded.

A connection has one answer under way at a time, and keeps the latest. A call goes to a connection without one: to that
whose latest prompt and answer are most of what the call's prompt has, by the token counts of the trace; then only the
rest is sent, with the id of that answer. Where no prompt can have grown out of an earlier one, all of it is sent. After
a failure, and on a connection that is opened anew, nothing is left to go on from.
"""

from collections.abc import Callable, Sequence
from functools import partial

from replay.engine.attempt import Attempt, Converses, Holds
from replay.engine.walker import Walk
from replay.wire.types import ALWAYS, OnSocket

Done = Callable[[Attempt], None]


class _LayoutsEnd:
    """No message ends a call by itself: the layout's end does."""

    messages = 1

    def fits(self, message: bytes, /) -> bool:
        return False


_END = _LayoutsEnd()


class _Line:
    """One connection: the id of its latest answer, and the tokens of that and of its prompt, if it has one."""

    __slots__ = ("earlier", "is_busy", "name", "tokens")

    def __init__(self, name: tuple[str, int]) -> None:
        self.name = name
        self.is_busy = False
        self.earlier: str | None = None
        self.tokens = 0


class Conversing:
    """One run's."""

    __slots__ = ("_conversation", "_held", "_lines")

    def __init__(self, conversation: Converses, held: Sequence[Holds]) -> None:
        self._conversation, self._held = conversation, held
        self._lines: dict[Walk, dict[int, list[_Line]]] = {}

    def __repr__(self) -> str:
        return f"<Conversing in {len(self._lines)} sessions>"

    def send(self, attempt: Attempt, where: int) -> None:
        """Send a model call to this place, on a connection of its session that has none under way."""
        step, held = attempt.step, self._held[where]
        assert step.llm is not None
        lines = self._lines.setdefault(attempt.walk, {}).setdefault(where, [])
        for line in lines:
            if line.earlier is not None and not held.holds(attempt.walk, line.name):
                line.earlier = None
        prompt = step.llm.input_tokens
        free = [line for line in lines if not line.is_busy]
        grown = [line for line in free if line.earlier is not None and line.tokens < prompt]
        if grown:
            line = max(grown, key=lambda line: line.tokens)
            assert line.earlier is not None
            new = prompt - line.tokens
            attempt.body = self._conversation.following(where, step, attempt.walk.id, new, line.earlier)
        elif free:
            line = free[0]
        else:
            line = _Line((self._conversation.path(step), len(lines)))
            lines.append(line)
        line.is_busy = True
        attempt.socket = OnSocket(line.name, awaits=_END)
        attempt.keeps_body = attempt.keeps_body or ALWAYS
        attempt.on_done = partial(self._ended, line, attempt.on_done)
        held.send(attempt)

    def _ended(self, line: _Line, done: Done, attempt: Attempt) -> None:
        line.is_busy = False
        line.earlier = None
        llm = attempt.step.llm
        assert llm is not None
        has_failed = attempt.error is not None or (
            attempt.events is not None and attempt.events.error is not None
        )
        if not has_failed and attempt.captured:
            line.earlier = self._conversation.id_of(bytes(attempt.captured))
            line.tokens = llm.input_tokens + llm.output_tokens
        done(attempt)

    def end(self, walk: Walk) -> None:
        """A session of the trace is over."""
        self._lines.pop(walk, None)
