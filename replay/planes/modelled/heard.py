"""How a modelled target without a plane answers on WebSockets: each message after the time that its model draws."""

import asyncio
from collections.abc import Callable
from random import Random

from replay.dialects.types import Scripted
from replay.planes.modelled.asking import NOTHING_ASKED, asked_by_message
from replay.planes.modelled.messages import ModelsAnswer, Said, asks_model, ending, usual_answer
from replay.planes.modelled.model import Model
from replay.planes.modelled.script import Plan, key_of, on_socket_of
from replay.planes.modelled.sockets import HeldSocket, Turn
from replay.planes.modelled.types import Answer
from replay.planes.modelled.wording import answer_name
from replay.trace.types import Kind

_MS = 1_000_000
_NS = 1_000_000_000


class Heard:
    """What is said on one connection. count: counts a message, and returns its number."""

    def __init__(self, model: Model, path: bytes, clock: Callable[[], int], count: Callable[[], int]) -> None:
        self._model, self._path, self._clock, self._count = model, path, clock, count
        self._loop = asyncio.get_running_loop()
        self._timers: dict[Turn, asyncio.TimerHandle] = {}
        self.socket: HeldSocket

    def __repr__(self) -> str:
        return f"<Heard {len(self._timers)} under way>"

    def hear(self, told: bytes, message: bytes) -> None:
        number = self._count()
        answering, done = asks_model(self._path, message), on_socket_of(told)
        if answering is None and done is not None and done.ends_as_sent:
            return
        asked, prompt = (NOTHING_ASKED, 0) if answering is None else asked_by_message(self._path, message)
        kind: Kind = "ws" if answering is None else "llm"
        name = self._path.decode("latin-1") if answering is None else "chat"
        answer = self._model.answer(kind, name, asked, key_of(told) or b"%d" % number)
        plan = Plan("answers" if answer.status == 200 else "fails", answer.wait_ms, Random(0), answer.tokens)
        said: Said | None
        if answering is not None:
            said = ModelsAnswer(answering, Scripted(answer_name(number), max(1, answer.tokens), prompt))
        elif done is not None and done.until is not None:
            said = ending(done.until) or usual_answer(message)
        else:
            said = usual_answer(message)
        self.socket.answer(plan, said, _Gaps(self._model, answer))

    def begin(self, turn: Turn, wait_ms: float, /) -> None:
        self._await(turn, self._clock() + int(wait_ms * _MS))

    def give_up(self, turn: Turn, /) -> None:
        if (timer := self._timers.pop(turn, None)) is not None:
            timer.cancel()

    def crash(self) -> None:
        """It has no instance that could."""

    def _await(self, turn: Turn, due_ns: int) -> None:
        wait_s = max(0, due_ns - self._clock()) / _NS
        self._timers[turn] = self._loop.call_later(wait_s, self._go_on, turn, due_ns)

    def _go_on(self, turn: Turn, due_ns: int) -> None:
        del self._timers[turn]
        gap_ms = turn.go_on()
        if gap_ms is not None and turn.plan is not None:
            # From when it was due, so that late timers do not add up.
            self._await(turn, due_ns + int(gap_ms * _MS))


class _Gaps:
    """The times between the parts of one answer."""

    def __init__(self, model: Model, answer: Answer) -> None:
        self._model, self._answer = model, answer
        self._n = 0

    def __repr__(self) -> str:
        return f"<_Gaps, {self._n} of them told>"

    def __call__(self, plan: Plan, /) -> float:
        self._n += 1
        return self._model.gap_ms(self._answer.draw, self._n) if plan.tokens else 0.0
