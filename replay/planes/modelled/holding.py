"""How a modelled instance answers on WebSockets: as its script plans, what its recording has, what a run tells.

A message that a run tells of takes the time that was recorded and ends its step as that says; the model of the instance
gives what is not told. A message that asks a model is answered with its events.
"""

import asyncio
from typing import Protocol

import msgspec

from replay.dialects.types import Scripted
from replay.http.heads import RequestHead, pairs_of
from replay.planes.modelled.answers import AWAY, FAILED, NOT_RECORDED, opens_nothing, plain
from replay.planes.modelled.asking import NOTHING_ASKED, asked_by_message
from replay.planes.modelled.house import House, Job
from replay.planes.modelled.messages import ModelsAnswer, Said, asks_model, ending, usual_answer, with_id_of
from replay.planes.modelled.replies import replied
from replay.planes.modelled.script import (
    UNKNOWN,
    OnSocket,
    Plan,
    Recorded,
    ids_of,
    key_of,
    on_socket_of,
    recorded_of,
    told_of,
)
from replay.planes.modelled.sockets import Gap, HeldSocket, OpeningTurn, Turn
from replay.planes.modelled.types import Asked
from replay.planes.modelled.wording import answer_name
from replay.planes.recorded.recording import ON_SOCKET, OPENING
from replay.planes.recorded.types import Question, RecordedAnswer
from replay.trace.edges.names import grouped_name
from replay.trace.types import Kind
from replay.websocket.handshake import read_asked
from replay.websocket.types import BrokenRule

_LEAST_FAILURE = 400


class Works(Protocol):
    """The instance."""

    number: int
    house: House

    def begin(self, job: Job, time_ms: float) -> None: ...

    def give_up(self, job: Job) -> None: ...

    def lacks_memory(self) -> bool: ...


def open_socket(
    instance: Works, transport: asyncio.Transport, head: RequestHead, text: bytes
) -> HeldSocket | None:
    """Begin the connection that a request asks for; None where it is refused, which is answered. text: of the head."""
    try:
        asked = read_asked({name.lower(): value for name, value in pairs_of(head.fields)})
    except BrokenRule:
        transport.write(opens_nothing())
        transport.close()
        return None
    holding = _Holding(instance, head.target)
    plan, is_known = holding.opening(text)
    if not is_known:
        transport.write(plain(404, NOT_RECORDED, keep_alive=False))
        transport.close()
        return None
    socket = holding.socket = HeldSocket(holding, transport, asked)
    if plan is None:
        socket.open()
    else:
        status = instance.house.spec.faults.error_status
        refusal = plain(status, AWAY if plan.fate == "away" else FAILED, keep_alive=False)
        instance.begin(OpeningTurn(socket, plan, refusal), plan.work_ms + (plan.body_ms or 0.0))
    return socket


class _Holding:
    """What is said on one connection of an instance. target: its path with the query."""

    def __init__(self, instance: Works, target: bytes) -> None:
        self._instance, self._house = instance, instance.house
        self._target, self._path = target, target.partition(b"?")[0]
        self._name = grouped_name(ON_SOCKET.decode(), target.decode("latin-1"))
        self.socket: HeldSocket

    def __repr__(self) -> str:
        return f"<_Holding {self._name}>"

    def opening(self, head: bytes) -> tuple[Plan | None, bool]:
        """What becomes of the request for the connection; None where it is opened at once. And whether it may be."""
        house, recorded = self._house, None
        done = on_socket_of(head)
        is_opening = done is not None and done.action == "open"
        if house.spec.as_recorded and is_opening:
            recorded = recorded_of(head)
        if house.recording is not None:
            question = self._question(OPENING, b"", head)
            if not house.recording.opens(question):
                return None, False
            if (answer := house.recording.opening(question)) is not None:
                is_opening, recorded = True, Recorded(answer.took_ms, None, "ws", answer.name)
        if not is_opening:
            return None, True
        return self._plan(b"GET", NOTHING_ASKED, key_of(head), recorded), True

    def hear(self, told: bytes, message: bytes) -> None:
        house = self._house
        done = on_socket_of(told)
        answering = asks_model(self._path, message)
        if answering is None and done is not None and done.ends_as_sent:
            house.came()
            return
        recorded = recorded_of(told) if house.spec.as_recorded else None
        asked, prompt = (NOTHING_ASKED, 0) if answering is None else asked_by_message(self._path, message)
        answer: RecordedAnswer | None = None
        is_known = True
        if house.recording is not None:
            question = self._question(ON_SOCKET, message, told, is_model=answering is not None)
            answer = house.recording.answer(question)
            is_known = answer is not None
            if answer is not None:
                recorded, asked, reply = replied(answer, question, asked, can_tell_tokens=answering is not None)
                prompt = prompt if reply.prompt_tokens is None else reply.prompt_tokens
                asked = msgspec.structs.replace(asked, stream=answering is not None)
        if answering is None and recorded is not None:
            recorded = recorded._replace(comes_whole=True)
        method = b"POST" if answering is not None else ON_SOCKET
        plan = self._plan(method, asked, key_of(told), recorded) if is_known else self._count(UNKNOWN)
        if answer is not None and (answer.status is None or answer.status >= _LEAST_FAILURE):
            plan = plan._replace(fate="fails")
        said: Said | None
        if answering is not None:
            said = ModelsAnswer(answering, Scripted(answer_name(house.requests), max(1, plan.tokens), prompt))
        else:
            said = self._said(message, plan, done, answer)
        if said is None:
            return
        self.socket.answer(plan, said, self._gap_of(said))

    def begin(self, turn: Turn, wait_ms: float, /) -> None:
        self._instance.begin(turn, wait_ms)

    def give_up(self, turn: Turn, /) -> None:
        self._instance.give_up(turn)

    def crash(self) -> None:
        self._house.die(self._instance.number)

    def _said(
        self, message: bytes, plan: Plan, done: OnSocket | None, answer: RecordedAnswer | None
    ) -> Said | None:
        """What is said in answer to a message; None where nobody waits for anything."""
        until = None if done is None else done.until
        kept, size = b"", None
        if answer is not None and answer.on_socket is not None:
            if until is None and answer.on_socket.is_known:
                if answer.on_socket.until is None:
                    return None
                until = (
                    answer.on_socket.until
                    if answer.way == "step"
                    else with_id_of(answer.on_socket.until, message)
                )
            kept, size = answer.json, answer.body_bytes
        if until is None:
            return usual_answer(message)
        found = ending(until, kept, size, is_slow=bool(plan.body_ms))
        # Where no message ends the step, it gets one that says what can be said.
        return usual_answer(message) if found is None else found

    def _plan(self, method: bytes, asked: Asked, key: bytes, recorded: Recorded | None) -> Plan:
        house = self._house
        own = house.came()
        usual: Kind | None = None if method == b"POST" else "ws"
        return self._count(
            house.script.plan(method, self._path, asked, key or own, house.elapsed_s(), recorded, usual)
        )

    def _count(self, plan: Plan) -> Plan:
        self._house.counts[plan.fate] += 1
        self._house.counts["slow"] += plan.is_slow
        return plan

    def _gap_of(self, said: Said) -> Gap:
        script = self._house.script

        def gap_ms(plan: Plan) -> float:
            if plan.body_ms is not None:
                return plan.body_ms / (said.parts - 1)
            if plan.tokens:
                return script.gap_ms(plan.random) if plan.gap_ms is None else plan.gap_ms
            return 0.0

        return gap_ms

    def _question(self, method: bytes, message: bytes, head: bytes, *, is_model: bool = False) -> Question:
        usual: tuple[Kind, str] = ("llm", "chat") if is_model else ("ws", self._name)
        return Question(method, self._target, message, ids_of(head), told_of(head), usual)
