"""Steps on WebSockets, which the session of the trace holds: sent to the connection that they are about.

It is closed when the session is over.
"""

from collections.abc import Sequence

from replay.engine.attempt import Attempt, Holds, Sender, Sends
from replay.engine.dispatch.conversing import Conversing
from replay.engine.walker import Walk
from replay.trace.types import WsCall
from replay.trace.values.sockets import Named
from replay.websocket.types import BINARY, NORMAL, TEXT
from replay.wire.types import OnSocket


class WebSockets:
    """One run's. held, by_request: for each place that steps go to, what holds its WebSockets, and what sends requests.

    wires: what sends what they do on WebSockets there; calls: what sends model calls, on WebSockets or by requests.
    """

    __slots__ = ("_conversing", "_held", "calls", "wires")

    def __init__(self, sender: Sender, held: Sequence[Holds], by_request: Sequence[Sends]) -> None:
        self._held = held
        # Where nothing is really sent, steps are looked at as any other.
        self.wires: Sequence[Sends] = [_Place(one) for one in held] or by_request
        self.calls = by_request
        self._conversing: Conversing | None = None
        if sender.conversation is not None and self._held:
            self._conversing = Conversing(sender.conversation, self._held)
            self.calls = [_Calls(self._conversing, where) for where in range(len(self._held))]

    def __repr__(self) -> str:
        return f"<WebSockets to {len(self._held)} places>"

    def end(self, walk: Walk) -> None:
        """A session of the trace is over."""
        for held in self._held:
            held.end_session(walk)
        if self._conversing is not None:
            self._conversing.end(walk)


class _Place:
    """Where the WebSockets to one place are."""

    __slots__ = ("_held",)

    def __init__(self, held: Holds) -> None:
        self._held = held

    def send(self, attempt: Attempt, /) -> None:
        call = attempt.step.ws
        assert call is not None
        attempt.socket = _on_socket(call)
        self._held.send(attempt)


class _Calls:
    """Where model calls to one place are sent."""

    __slots__ = ("_conversing", "_where")

    def __init__(self, conversing: Conversing, where: int) -> None:
        self._conversing, self._where = conversing, where

    def send(self, attempt: Attempt, /) -> None:
        self._conversing.send(attempt, self._where)


def _on_socket(call: WsCall) -> OnSocket:
    return OnSocket(
        (call.path, call.connection),
        call.action,
        TEXT if call.text is not None or call.json else BINARY,
        None if call.until is None else Named(call.until),
        call.protocols,
        NORMAL if call.code is None else call.code,
    )
