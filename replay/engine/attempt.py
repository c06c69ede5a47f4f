"""One attempt of a step, and what a run asks of the target's side: to place steps, to render and to send them."""

from collections.abc import Hashable, Sequence
from typing import Protocol, runtime_checkable

from replay.dialects.types import BodyFacts
from replay.engine.answers.pages import asked_instead_of_page
from replay.engine.requests.login import LoginAt
from replay.engine.requests.render import Rendered
from replay.engine.walker import Walk
from replay.target.mcp import Mcp
from replay.trace.types import Step
from replay.wire.types import Exchange


class Expectation(Protocol):
    """What an answer is held to (replay/engine/outcome.py).

    family, keeps_body: as in Exchange. keeps_headers: whether the response's headers are looked at.
    """

    keeps_body: int

    @property
    def family(self) -> str | None: ...

    @property
    def keeps_headers(self) -> bool: ...

    def settle(self, attempt: "Attempt") -> None:
        """Give an attempt whose response is whole its error, if it has one."""


class Attempt(Exchange, eq=False, gc=False):
    """An exchange with what the run knows of it; the wire sees nothing of that.

    step: the one at this index of the walk's session. place: where it goes, as Sender numbers them. intended_ns: when
    the step was first due. started_ns: when its turn came, before it was rendered and handed to the wire. number: 2 for
    the first retry. expected: None where a status below 400 is all that is asked. check: the name of the expectation
    that was not met. facts: what the answer's body says of itself. handshake_ns: how long it waited for its session
    to log in, or for the one with an MCP server to be opened. hops: how many redirects led to it.
    grpc_status: how a gRPC call ended, where its answer says so.
    """

    step: Step
    walk: Walk
    index: int
    place: int
    intended_ns: int
    started_ns: int
    number: int = 1
    expected: Expectation | None = None
    check: str | None = None
    facts: BodyFacts | None = None
    handshake_ns: int = 0
    hops: int = 0
    grpc_status: str | None = None

    @property
    def watches_pages(self) -> bool:
        return asked_instead_of_page(self.step) is not None

    @property
    def written_ns(self) -> int:
        """When this machine had done its part of sending: when it was sent, unless the target kept it waiting first.

        Until it was put by, for want of a connection or of room in a socket, it was ours; and so is what it waited for
        because this machine had run short of something.
        """
        if self.stale_retries:
            # Put by once more, when its first connection turned out to be closed.
            return self.started_ns + self.held_ns
        if self.queued_ns:
            return self.queued_ns + self.held_ns - self.handshake_ns
        if self.held_ns or not self.sent_ns:
            return self.started_ns + self.held_ns
        return self.sent_ns - self.handshake_ns


class Renders(Protocol):
    def render(self, step: Step, session_id: str, number: int = 1) -> Rendered:
        """number: of the attempt."""

    def is_current(self, rendered: Rendered) -> bool:
        """Whether a request rendered ahead may still go out as it is."""


class Follows(Protocol):
    """Follows redirects (replay/engine/requests/redirects.py)."""

    def leads_on(self, attempt: Attempt) -> bool:
        """Whether an answer is a redirect to be followed."""

    def onward(self, attempt: Attempt) -> tuple[int, Rendered] | str:
        """The place and the request that it leads to, or why none."""


class Sends(Protocol):
    def send(self, attempt: Attempt, /) -> None: ...


class Holds(Sends, Protocol):
    """Sends on connections that sessions hold."""

    def holds(self, walk: Walk, connection: Hashable, /) -> bool:
        """Whether this session has this connection, and it is open."""

    def end_session(self, walk: Walk, /) -> None:
        """Close what this session holds."""


class Converses(Protocol):
    """How model calls go on from earlier answers on WebSockets."""

    def path(self, step: Step) -> str:
        """Where this model call goes."""

    def following(self, place: int, step: Step, session_id: str, tokens: int, earlier: str) -> bytes:
        """The message of a call that goes on from the answer of this id, with so many tokens that are new."""

    def id_of(self, message: bytes) -> str | None:
        """The id of the answer that this message ends."""


@runtime_checkable
class Gathers(Protocol):
    """A wire that writes at once what it is given between cork and uncork."""

    def cork(self) -> None: ...

    def uncork(self) -> None: ...


class Sender(Protocol):
    """Turns steps into attempts on wires: the target's side of a run."""

    @property
    def renderers(self) -> Sequence[Renders]:
        """One for each place that steps go to."""

    @property
    def wires(self) -> Sequence[Sends]:
        """One for each place that steps go to."""

    def decide(self, step: Step) -> int:
        """The index of the renderer and the wire for this step, or WAIT."""

    def withholds(self, step: Step) -> bool:
        """Whether this step is a wait only because the run is read-only."""

    def sweep(self, now: int) -> None: ...

    def prepare(self, connections: int) -> None: ...

    def refused(self, place: int, sent_ns: int) -> None:
        """A request that was sent to this place then was answered with 401."""

    @property
    def logins(self) -> Sequence[LoginAt | None]:
        """For each place that steps go to, how sessions log in there; none where nothing is really sent."""

    @property
    def gathering(self) -> Sequence[Gathers]:
        """Those of the wires that can gather what a burst of steps sends."""

    @property
    def mcp(self) -> Mcp | None:
        """How MCP servers are spoken to; None where nothing is really sent."""

    @property
    def conversation(self) -> "Converses | None":
        """How models are asked on WebSockets; None where they are asked by requests."""

    @property
    def websockets(self) -> "Sequence[Holds]":
        """For each place that steps go to, what holds its WebSockets; none where nothing is really sent."""

    keeps_by_session: bool

    @property
    def redirects(self) -> "Follows | None":
        """What follows redirects; None where none are followed."""

    def end_session(self, walk: Walk) -> None: ...
