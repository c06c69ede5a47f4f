"""WebSockets in virtual time: each is one request of its plane, from its opening until it ends.

So serverless platforms have it, and machines behind a proxy in effect: it takes a slot of one instance, which is busy,
and billed, as long as it lasts, though nothing is said; it waits for a slot, and for a boot, as any request; and it has
the limit of any request. What is said on it takes its time in that instance, and no slot of its own. It ends when the
session closes it or is over, without a close when its instance dies or has been drained for as long as it may be, and
when its limit is up: what was under way on it has failed then (`reset`), and the session's next step opens another.

Sources: https://cloud.google.com/run/docs/triggering/websockets, and RFC 6455 for the codes.
"""

from collections.abc import Hashable
from typing import Protocol

from replay.engine.attempt import Attempt
from replay.engine.walker import Walk
from replay.planes.core.types import InstanceId
from replay.planes.modelled.script import Plan
from replay.wire.types import OnSocket

_SWITCHED, _BAD_GATEWAY, _UPGRADE_REFUSED = 101, 502, 504
# What an endpoint closes with whose handler has failed, and what stands for an end without a close.
_INTERNAL_ERROR, _ABNORMAL = 1011, 1006


class Hosts(Protocol):
    """The plane, as connections need it."""

    def new_number(self) -> int:
        """Of a request, or of what is done within one."""

    def arrive(self, number: int) -> None:
        """A connection is asked for; `opened` or `refused` is told, now or later."""

    def depart(self, number: int, *, is_open: bool) -> None:
        """A connection has ended, or is asked for no more."""

    def work(self, number: int, instance: InstanceId, attempt: Attempt) -> None:
        """Begin what a step asks of an instance; `ended` is told when it is done."""

    def drop(self, number: int) -> None:
        """What was begun so comes to nothing."""

    def done(self, attempt: Attempt) -> None:
        """An attempt is over, in whatever way: it is told once this call is."""

    @property
    def error_status(self) -> int:
        """Of what fails on purpose."""

    @property
    def now_ns(self) -> int: ...


class _Connection:
    """One WebSocket of a session. number: of the request that it is to the plane. instance: None until it has one.

    name: as records call that one. is_opening: whether that takes its time to answer the opening, which is a step.
    waiting: steps that wait for it to open. under_way: steps by their numbers.
    """

    __slots__ = ("instance", "is_opening", "key", "name", "number", "under_way", "waiting", "walk")

    def __init__(self, walk: Walk, key: Hashable, number: int) -> None:
        self.walk, self.key, self.number = walk, key, number
        self.instance: InstanceId | None = None
        self.is_opening = False
        self.name = ""
        self.waiting: list[Attempt] = []
        self.under_way: dict[int, Attempt] = {}


class Sockets:
    """Those of one plane; what sends steps on WebSockets there."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._of: dict[Walk, dict[Hashable, _Connection]] = {}
        self._by_number: dict[int, _Connection] = {}
        self._steps: dict[int, _Connection] = {}

    def __repr__(self) -> str:
        return f"<Sockets {len(self._by_number)}>"

    def __contains__(self, number: object) -> bool:
        """Whether a request to the plane is a connection."""
        return number in self._by_number

    def holds(self, walk: Walk, connection: Hashable, /) -> bool:
        found = self._of.get(walk, {}).get(connection)
        return found is not None and found.instance is not None

    def send(self, attempt: Attempt, /) -> None:
        socket, now = _socket(attempt), self._hosts.now_ns
        connection = self._of.get(attempt.walk, {}).get(socket.connection)
        if socket.action == "close":
            attempt.sent_ns = now
            attempt.status = 0 if connection is None else _SWITCHED
            if connection is not None:
                attempt.instance, attempt.cold = connection.name or None, False
                self._end(connection, "closed", socket.code)
                socket.close_code = socket.code
            self._hosts.done(attempt)
            return
        if socket.action == "open":
            attempt.sent_ns = now
            if connection is not None:
                self._end(connection, "closed", None)
                connection = None
        if connection is None:
            connection = _Connection(attempt.walk, socket.connection, self._hosts.new_number())
            self._of.setdefault(attempt.walk, {})[socket.connection] = connection
            self._by_number[connection.number] = connection
            attempt.is_new_connection = True
            connection.waiting.append(attempt)
            attempt.queued_ns = now
            self._hosts.arrive(connection.number)
        elif connection.instance is None or connection.is_opening:
            attempt.queued_ns = now
            connection.waiting.append(attempt)
        else:
            self._begin(connection, connection.instance, attempt)

    def end_session(self, walk: Walk, /) -> None:
        for connection in list(self._of.pop(walk, {}).values()):
            self._end(connection, "closed", None)

    def opened(self, number: int, instance: InstanceId, name: str, *, waited_for_boot: bool) -> None:
        """The plane has given a connection to this instance, which is called so."""
        connection = self._by_number[number]
        connection.instance, connection.name = instance, name
        for attempt in connection.waiting:
            attempt.cold = waited_for_boot and attempt.is_new_connection
            if attempt.is_new_connection and _socket(attempt).action != "open":
                attempt.connect_ns = self._hosts.now_ns - attempt.queued_ns
        first = connection.waiting[0]
        if _socket(first).action == "open":
            connection.is_opening = True
            del connection.waiting[0]
            self._begin(connection, instance, first)
        else:
            self._begin_waiting(connection, instance)

    def _begin_waiting(self, connection: _Connection, instance: InstanceId) -> None:
        """It is open: begin what waited for that."""
        waiting, connection.waiting = connection.waiting, []
        for attempt in waiting:
            # One of them may have brought the instance down, and the connection with it.
            if self._by_number.get(connection.number) is connection:
                self._begin(connection, instance, attempt)
            else:
                self._fail(attempt, "reset", _ABNORMAL)

    def refused(self, number: int, status: int = _UPGRADE_REFUSED) -> None:
        """The plane answers a connection that is asked for with this status."""
        connection = self._by_number.pop(number)
        self._forget(connection)
        self._refuse_waiting(connection, status)

    def _refuse_waiting(self, connection: _Connection, status: int) -> None:
        waiting, connection.waiting = connection.waiting, []
        for attempt in waiting:
            attempt.sent_ns = attempt.sent_ns or attempt.queued_ns
            attempt.status = status
            attempt.first_byte_ns = self._hosts.now_ns
            self._hosts.done(attempt)

    def lost(self, number: int, status: int) -> None:
        """The instance of a connection is no more, or has cut it off; the plane has let go of it.

        status: that the plane answers the request for it with, where that was not answered yet.
        """
        connection = self._by_number.pop(number)
        self._forget(connection)
        if connection.is_opening:
            self._answer_opening(connection, status)
        else:
            self._fail_all(connection, "reset", _ABNORMAL)

    def _answer_opening(self, connection: _Connection, status: int) -> None:
        """The plane answers in the place of an instance, of which nothing is told then."""
        for number, attempt in list(connection.under_way.items()):
            del self._steps[number]
            self._hosts.drop(number)
            attempt.instance = attempt.cold = None
            connection.waiting.insert(0, attempt)
        connection.under_way.clear()
        self._refuse_waiting(connection, status)

    def ended(self, number: int, attempt: Attempt, plan: Plan) -> None:
        """What a step asked of its instance is done, or has come to what its plan says."""
        connection = self._steps.pop(number)
        del connection.under_way[number]
        attempt.status = _SWITCHED
        is_opening, connection.is_opening = connection.is_opening, False
        if is_opening and plan.fate in ("fails", "away", "resets"):
            # What takes no connection answers the request for one; where it breaks off, the plane does.
            status = self._hosts.error_status
            if plan.fate == "resets":
                status, attempt.instance, attempt.cold = _BAD_GATEWAY, None, None
            connection.waiting.insert(0, attempt)
            self._refuse_waiting(connection, status)
            self._end(connection, "closed", None)
            return
        if plan.fate in ("fails", "away", "resets"):
            error, code = ("reset", _ABNORMAL) if plan.fate == "resets" else ("closed", _INTERNAL_ERROR)
            self._fail(attempt, error, code)
            self._end(connection, error, code)
            return
        recorded = attempt.step.recorded
        if recorded is not None:
            attempt.response_bytes = recorded.response_bytes or 0
        self._hosts.done(attempt)
        if is_opening and connection.instance is not None:
            self._begin_waiting(connection, connection.instance)

    def is_step(self, number: int) -> bool:
        """Whether this is the number of a step on a connection."""
        return number in self._steps

    def _begin(self, connection: _Connection, instance: InstanceId, attempt: Attempt) -> None:
        socket = _socket(attempt)
        attempt.sent_ns = attempt.sent_ns or self._hosts.now_ns
        attempt.instance, attempt.cold = connection.name, bool(attempt.cold)
        if socket.action == "ping" or (socket.action == "message" and socket.awaits is None):
            # The network takes no time, and nobody waits for what it leads to.
            attempt.status = _SWITCHED
            self._hosts.done(attempt)
            return
        number = self._hosts.new_number()
        connection.under_way[number] = attempt
        self._steps[number] = connection
        self._hosts.work(number, instance, attempt)

    def _end(self, connection: _Connection, error: str, code: int | None) -> None:
        """Let go of a connection that the plane still has. What is under way on it fails so."""
        if self._by_number.pop(connection.number, None) is None:
            return
        self._forget(connection)
        self._fail_all(connection, error, code)
        self._hosts.depart(connection.number, is_open=connection.instance is not None)

    def _forget(self, connection: _Connection) -> None:
        of_walk = self._of.get(connection.walk)
        if of_walk is not None and of_walk.get(connection.key) is connection:
            del of_walk[connection.key]
            if not of_walk:
                del self._of[connection.walk]

    def _fail_all(self, connection: _Connection, error: str, code: int | None) -> None:
        for number, attempt in list(connection.under_way.items()):
            del self._steps[number]
            self._hosts.drop(number)
            self._fail(attempt, error, code)
        connection.under_way.clear()
        waiting, connection.waiting = connection.waiting, []
        for attempt in waiting:
            self._fail(attempt, error, code)

    def _fail(self, attempt: Attempt, error: str, code: int | None) -> None:
        attempt.error, attempt.phase = error, "body" if attempt.first_byte_ns else "first_byte"
        attempt.status = _SWITCHED
        _socket(attempt).close_code = code
        self._hosts.done(attempt)


def _socket(attempt: Attempt) -> OnSocket:
    assert attempt.socket is not None
    return attempt.socket
