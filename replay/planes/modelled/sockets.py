"""One WebSocket that a modelled target holds: opened, heard, answered, closed.

Who holds it plans what becomes of each message, and wakes its Turn when the next part of the answer is due. Times are
the holder's business; rules and bytes of the connection are this module's.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from replay.http.statuses import reason_of
from replay.planes.modelled.messages import Said
from replay.planes.modelled.script import Plan
from replay.planes.recorded.bodies import Filled
from replay.websocket.frames import frame_bytes, frame_head
from replay.websocket.handshake import Asked, agreeing_lines
from replay.websocket.messages import MessageReader, closing, code_in
from replay.websocket.telling import TOLD
from replay.websocket.types import CLOSE, PING, PONG, TEXT, BrokenRule, Message

_INTERNAL_ERROR, _NOT_FOR_THIS = 1011, 1008
# How long a client may take to close a connection after us.
_LEAVE_S = 1.0
# Messages under way at once on one connection; then nothing more is read of it until one is answered.
_MOST_UNDER_WAY = 256


class Holder(Protocol):
    """Whoever answers what is said on a connection."""

    def hear(self, told: bytes, message: bytes) -> None:
        """A message has come. told: what its run says of it."""

    def begin(self, turn: "Turn", wait_ms: float, /) -> None:
        """The first part of an answer is due so much later: `go_on` is called then, and again as that says."""

    def give_up(self, turn: "Turn", /) -> None:
        """An answer comes to nothing."""

    def crash(self) -> None:
        """The instance dies."""


class Turn:
    """The answer to one message. plan: what becomes of it; None once it is over. gap_ms: how long after each of its
    parts the next one is due.
    """

    __slots__ = ("_gap_ms", "_n", "_said", "_socket", "plan")

    def __init__(self, socket: "HeldSocket", plan: Plan, said: Said, gap_ms: "Gap") -> None:
        self._socket, self._said, self._gap_ms = socket, said, gap_ms
        self.plan: Plan | None = plan
        self._n = 0

    def __repr__(self) -> str:
        return f"<Turn {self._n} of {self._said.parts} parts>"

    @property
    def background_ms(self) -> float:
        """The work that it leaves behind."""
        return self.plan.background_ms if self.plan is not None else 0.0

    def begin(self) -> None:
        plan = self.plan
        assert plan is not None
        # One message is the first and the last: it comes when the last one is due.
        is_late = plan.fate == "answers" and self._said.parts == 1
        self._socket.holder.begin(self, plan.work_ms + (plan.body_ms or 0.0) * is_late)

    def go_on(self) -> float | None:
        """Do what is due; returns the time in ms until the next part of the answer, None where there is none."""
        plan, socket = self.plan, self._socket
        if plan is None:
            return None
        if plan.fate == "dies":
            socket.holder.crash()
        elif plan.fate == "resets":
            socket.end()
        elif plan.fate == "unknown":
            socket.close(_NOT_FOR_THIS)
        elif plan.fate != "answers":
            socket.close(_INTERNAL_ERROR)
        else:
            socket.say(self._said.part(self._n))
            self._n += 1
            if self._n < self._said.parts:
                return self._gap_ms(plan)
            self.plan = None
            socket.is_over(self)
        return None


class OpeningTurn:
    """The answer to the request for a connection, where that takes a time of its own."""

    __slots__ = ("_refusal", "_socket", "plan")

    def __init__(self, socket: "HeldSocket", plan: Plan, refusal: bytes) -> None:
        """refusal: the answer where the plan has it fail."""
        self._socket, self._refusal = socket, refusal
        self.plan: Plan | None = plan

    def __repr__(self) -> str:
        return f"<OpeningTurn {self.plan}>"

    @property
    def background_ms(self) -> float:
        return self.plan.background_ms if self.plan is not None else 0.0

    def go_on(self) -> None:
        """Do what is due."""
        plan, socket, self.plan = self.plan, self._socket, None
        if plan is None:
            return
        if plan.fate == "dies":
            socket.holder.crash()
        elif plan.fate == "resets":
            socket.end()
        elif plan.fate == "answers":
            socket.open()
        else:
            socket.refuse(self._refusal)


class Gap(Protocol):
    """How long the next part of an answer takes after the one before, in ms."""

    def __call__(self, plan: Plan, /) -> float: ...


class HeldSocket:
    """One connection, from the request that asks for it. lines: further header lines of the answer, with their ends."""

    def __init__(self, holder: Holder, transport: asyncio.Transport, asked: Asked, lines: bytes = b"") -> None:
        self.holder = holder
        self._transport = transport
        self._asked, self._lines = asked, lines
        self._reader: MessageReader | None = None
        self._early = b""
        self._told = b""
        self._turns: set[Turn] = set()
        self._is_closing = self._is_over = self._is_full = self._is_held = False
        self._leaving: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        state = "over" if self._is_over else "asked for" if self._reader is None else "open"
        return f"<HeldSocket {state}, {len(self._turns)} under way>"

    def open(self) -> None:
        """Agree to it."""
        if self._is_over:
            return
        self._transport.write(
            b"HTTP/1.1 101 %s\r\n%b%b\r\n" % (reason_of(101), self._lines, agreeing_lines(self._asked))
        )
        self._reader = MessageReader(is_masked=True, is_told=self._asked.may_tell)
        early, self._early = self._early, b""
        self._hold()
        self.received(early)

    def refuse(self, answer: bytes) -> None:
        """Answer otherwise, and end the connection."""
        if not self._is_over:
            self._transport.write(answer)
            self.end()

    def received(self, data: bytes) -> None:
        if self._reader is None:
            # A client that does not wait for the answer has to wait.
            self._early += data
            self._hold()
            return
        try:
            for message in self._reader.feed(data, 0):
                self._take(message)
                if self._is_over:
                    return
        except BrokenRule as broken:
            if not self._is_closing:
                self._transport.write(frame_bytes(CLOSE, closing(broken.code), is_masked=False))
            self.end()

    def _take(self, message: Message) -> None:
        opcode, payload, _ = message
        if opcode == CLOSE:
            code = code_in(payload)
            if not self._is_closing:
                self._transport.write(frame_bytes(CLOSE, closing(code), is_masked=False))
            self.end()
        elif self._is_closing:
            return
        elif opcode == PING:
            self._transport.write(frame_bytes(PONG, payload, is_masked=False))
        elif opcode == TOLD:
            self._told = payload
        elif opcode != PONG:
            told, self._told = self._told, b""
            self.holder.hear(told, payload)

    def answer(self, plan: Plan, said: Said, gap_ms: Gap) -> None:
        """Begin the answer to a message."""
        turn = Turn(self, plan, said, gap_ms)
        self._turns.add(turn)
        self._hold()
        turn.begin()

    def is_over(self, turn: Turn) -> None:
        """An answer is complete."""
        self._turns.discard(turn)
        self._hold()

    def say(self, messages: Sequence[Filled]) -> None:
        for message in messages:
            self._transport.write(frame_head(TEXT, message.size))
            for part in message.between(0, message.size):
                self._transport.write(part)

    def close(self, code: int) -> None:
        """Close it, and give the client a while to close it too. What is under way comes to nothing."""
        if self._is_closing or self._is_over:
            return
        self._is_closing = True
        self._give_up()
        self._transport.write(frame_bytes(CLOSE, closing(code), is_masked=False))
        self._leaving = asyncio.get_running_loop().call_later(_LEAVE_S, self.end)

    def end(self) -> None:
        """Nothing more goes by it. Where it was not closed before, that is an end without a close."""
        if not self._is_over:
            self.lost()
            self._transport.close()

    def lost(self) -> None:
        """The connection is gone."""
        self._is_over = True
        if self._leaving is not None:
            self._leaving.cancel()
        self._give_up()

    def full(self, is_full: bool) -> None:
        """Whether the client reads so slowly that nothing more should be written: then it is not heard either."""
        self._is_full = is_full
        self._hold()

    def _give_up(self) -> None:
        turns, self._turns = self._turns, set()
        for turn in turns:
            turn.plan = None
            self.holder.give_up(turn)

    def _hold(self) -> None:
        """Read no more of a client that says too much, or go on."""
        is_held = self._is_full or self._reader is None or len(self._turns) >= _MOST_UNDER_WAY
        if is_held == self._is_held or self._transport.is_closing():
            return
        self._is_held = is_held
        (self._transport.pause_reading if is_held else self._transport.resume_reading)()
