"""The ways by which steps go to their places: as requests, as messages of sessions with MCP servers, or on WebSockets
that sessions hold; all of them once the session has logged in, where the target asks for that.
"""

from collections.abc import Callable

from replay.engine.attempt import Attempt, Sender, Sends
from replay.engine.dispatch.composer import Composer
from replay.engine.dispatch.logins import Logins
from replay.engine.dispatch.mcp_sessions import McpSessions
from replay.engine.dispatch.websockets import WebSockets
from replay.engine.pacing.pacer import Pacer
from replay.engine.records.recorder import Recorder
from replay.engine.walker import Walk
from replay.trace.types import Step


class Ways:
    """One run's. done: what ends a step's attempt. check_over: told when nothing may be left to do.

    by_request: for each place that steps go to, what sends requests there.
    """

    def __init__(
        self,
        sender: Sender,
        composer: Composer,
        recorder: Recorder,
        pacer: Pacer,
        now: Callable[[], int],
        *,
        done: Callable[[Attempt], None],
        check_over: Callable[[], None],
    ) -> None:
        self._sender = sender
        self.logins = Logins(sender, composer, recorder, now)
        self.by_request = self.logins.wires
        self._mcp = McpSessions(
            sender,
            composer,
            recorder,
            pacer,
            now,
            by=self.by_request,
            done=done,
            ended=self.logins.is_refused,
            check_over=check_over,
        )
        self._websockets = WebSockets(sender, self.logins.websockets, self.by_request)

    def __repr__(self) -> str:
        return f"<Ways {self.logins}, {self._mcp}, {self._websockets}>"

    @property
    def is_taking_leave(self) -> bool:
        """Whether a server is being told something last, which the run waits for."""
        return self._mcp.closing > 0

    def of(self, step: Step, where: int) -> Sends:
        """What sends this step, which is no plain request, to this place."""
        if step.mcp is not None or (step.kind == "mcp" and step.request is not None):
            return self._mcp.wires[where]
        if step.grpc is not None or step.request is not None:
            return self.by_request[where]
        return (self._websockets.calls if step.ws is None else self._websockets.wires)[where]

    def end(self, walk: Walk) -> None:
        """A session of the trace is over."""
        self._websockets.end(walk)
        if not self._mcp.end(walk) and self._sender.keeps_by_session:
            self._sender.end_session(walk)
        # After what takes leave, which has to be let in.
        self.logins.end(walk)
