"""One request on its way through a relay, and what those ask of one another who see to it: the connection to its client
(`doorway.py`), the one to its server (`backend.py`), and whoever decides where requests go.
"""

from collections.abc import Hashable
from typing import Protocol

from replay.http.framing import Body
from replay.http.heads import RequestHead, ResponseHead, request_body

# A request waits for its connection with at most so much of its body in memory; then the client is not read on.
WAITING_MOST_BYTES = 1 << 20


class Passage:
    """One request on its way. doorway: its client's; None once that needs no more. chunks: what was not sent on yet.

    answered: whether its response has begun. is_tunnel: whether that made a WebSocket of its connections. A front that
    wants to know what passes overrides the last five.
    """

    __slots__ = ("answered", "backend", "body", "chunks", "doorway", "is_tunnel", "request", "waiting_bytes")

    def __init__(self, doorway: "ClientConnection", request: RequestHead) -> None:
        self.doorway: ClientConnection | None = doorway
        self.request = request
        self.body: Body = request_body(request)
        self.chunks: list[bytes] = []
        self.waiting_bytes = 0
        self.backend: ServerConnection | None = None
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


class ClientConnection(Protocol):
    """A client's connection. is_full: whether it reads so slowly that nothing more should be written."""

    client: str
    is_full: bool

    @property
    def own_address(self) -> bytes:
        """Where the client reached this."""

    def hold(self, is_held: bool) -> None:
        """Read no more of the client, or go on."""

    def interim(self, response: ResponseHead) -> None:
        """Pass on that the server goes on."""

    def answer_head(self, passage: Passage, response: ResponseHead, ends_with_connection: bool) -> bytes:
        """A response's head as this client gets it."""

    def write(self, data: bytes) -> None:
        """Pass on what the server said."""

    def tunnel(self) -> None:
        """From now on what comes goes to the server as it is, and what came already."""

    def passage_over(self) -> None:
        """The response is complete."""

    def answer(self, status: int, why: str) -> None:
        """Answer in the front's own name."""

    def cut(self) -> None:
        """End the connection at once: a response that cannot be completed must not look complete."""


class ServerConnection(Protocol):
    """A connection to a server: one passage at a time. place: which server."""

    @property
    def place(self) -> Hashable:
        """As its front named it."""

    @property
    def is_usable(self) -> bool:
        """Whether another passage may start on it."""

    def start(self, passage: Passage) -> None:
        """Send what is there of the passage's request."""

    def send(self, data: bytes) -> None:
        """Send more of it."""

    def hold(self, is_held: bool) -> None:
        """Read no more of the server, or go on."""

    def keep(self, idle_s: float | None) -> None:
        """Wait for the next passage, and give up after a while. None: never."""

    def may_send_again(self, passage: Passage) -> bool:
        """Whether a request that this connection lost may be sent on another."""

    def close(self) -> None:
        """Take no further passage, and drop the one that is under way."""


class Front(Protocol):
    """Whoever decides where requests go."""

    @property
    def takes_sockets(self) -> bool:
        """Whether WebSockets are passed on."""

    @property
    def own_line(self) -> bytes:
        """A header line, with its end, by which answers in the front's own name can be told; or nothing."""

    def arrived(self, doorway: ClientConnection, request: RequestHead) -> Passage:
        """A request's head has come. Raises Refused. `send` follows once its first bytes are in the passage."""

    def send(self, passage: Passage) -> None:
        """Have the request served: by a backend's `start`, or by an answer."""

    def left(self, passage: Passage, why: str) -> None:
        """The client needs no answer any more; its passage has a doorway still."""

    def finished(self, backend: ServerConnection, passage: Passage, is_reusable: bool) -> None:
        """A response is complete. The front keeps the backend or closes it, and tells the doorway."""

    def lost(self, backend: ServerConnection, passage: Passage | None, why: str) -> None:
        """A connection to a server is gone, perhaps in the middle of a response."""
