"""What a relay asks of whoever decides where requests go, and one request on its way."""

from typing import TYPE_CHECKING, Protocol

from replay.http.framing import Body
from replay.http.heads import RequestHead, ResponseHead, request_body

if TYPE_CHECKING:
    from replay.relay.backend import Backend
    from replay.relay.doorway import Doorway

# A request waits for its connection with at most so much of its body in memory; then the client is not read on.
WAITING_MOST_BYTES = 1 << 20


class Passage:
    """One request on its way. doorway: its client's; None once that needs no more. chunks: what was not sent on yet.

    answered: whether its response has begun. is_tunnel: whether that made a WebSocket of its connections. A front that
    wants to know what passes overrides the last five.
    """

    __slots__ = ("answered", "backend", "body", "chunks", "doorway", "is_tunnel", "request", "waiting_bytes")

    def __init__(self, doorway: "Doorway", request: RequestHead) -> None:
        self.doorway: Doorway | None = doorway
        self.request = request
        self.body: Body = request_body(request)
        self.chunks: list[bytes] = []
        self.waiting_bytes = 0
        self.backend: Backend | None = None
        self.answered = False
        self.is_tunnel = False

    def __repr__(self) -> str:
        where = "answered" if self.answered else "waiting" if self.backend is None else "sent"
        return f"<{type(self).__name__} {self.request.method.decode()} {where}>"

    def took(self, data: bytes) -> None:
        """These bytes of the request's body, framing included, have come; or of what its client says in a tunnel."""

    def own_lines(self) -> bytes:
        """Header lines for the response, each with its end."""
        return b""

    def began(self, response: ResponseHead) -> ResponseHead:
        """The response's head has come; returns it as it is to be passed on."""
        return response

    def ends(self) -> None:
        """The response is complete, and its last bytes are not passed on yet."""

    def passed(self, data: bytes) -> None:
        """These bytes of the response's body, framing included, are passed on."""


class Front(Protocol):
    """Whoever decides where requests go."""

    @property
    def takes_sockets(self) -> bool:
        """Whether WebSockets are passed on."""

    @property
    def own_line(self) -> bytes:
        """A header line, with its end, by which answers in the front's own name can be told; or nothing."""

    def arrived(self, doorway: "Doorway", request: RequestHead) -> Passage:
        """A request's head has come. Raises Refused. `send` follows once its first bytes are in the passage."""

    def send(self, passage: Passage) -> None:
        """Have the request served: by a backend's `start`, or by an answer."""

    def left(self, passage: Passage, why: str) -> None:
        """The client needs no answer any more; its passage has a doorway still."""

    def finished(self, backend: "Backend", passage: Passage, is_reusable: bool) -> None:
        """A response is complete. The front keeps the backend or closes it, and tells the doorway."""

    def lost(self, backend: "Backend", passage: Passage | None, why: str) -> None:
        """A connection to a server is gone, perhaps in the middle of a response."""
