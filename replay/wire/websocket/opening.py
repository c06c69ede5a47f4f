"""The opening of one WebSocket: what asks for it, and the answer as it comes."""

from collections.abc import Mapping
from typing import NamedTuple

from replay.websocket.handshake import Agreed, new_key, opening_lines, read_answer, settled
from replay.websocket.types import BrokenRule
from replay.wire.answers import LONGEST_INSTANCE, Tells, says_cold
from replay.wire.reasons import ENDLESS_HEAD

SWITCHED = 101
_HEAD_MOST_BYTES = 64 * 1024


class Answer(NamedTuple):
    """agreed: to what, where it is a WebSocket. lines: the headers as they came. rest: what follows the head."""

    status: int
    headers: Mapping[str, str]
    lines: list[tuple[bytes, bytes]]
    agreed: Agreed
    rest: bytes

    def instance(self, tells: Tells) -> str | None:
        """Which instance answered, if that is told."""
        value = None if tells.instance is None else self.headers.get(tells.instance.decode())
        return None if value is None else value[:LONGEST_INSTANCE]

    def cold(self, tells: Tells) -> bool | None:
        """Whether that was a cold start, if that is told."""
        value = None if tells.cold is None else self.headers.get(tells.cold.decode())
        return None if value is None else says_cold(value.encode("latin-1"))


class Opening:
    """asks: the head that asks. compresses: whether compression is asked for. tells: whether it is offered to tell how
    messages were recorded.
    """

    __slots__ = ("_compresses", "_key", "_protocols", "_tells", "_unread", "asks")

    def __init__(
        self, head: bytes, protocols: tuple[str, ...], *, compresses: bool, tells: bool = False
    ) -> None:
        """head: of the request, ended by its empty line, without what makes it one for a WebSocket."""
        self._key, self._protocols, self._compresses, self._tells = new_key(), protocols, compresses, tells
        self._unread = bytearray()
        lines = opening_lines(self._key, protocols, compresses=compresses, tells=tells)
        self.asks = head[:-2] + lines + b"\r\n"

    def __repr__(self) -> str:
        return f"<Opening, {len(self._unread)} bytes of an answer>"

    def feed(self, data: bytes) -> Answer | None:
        """The answer, once its head is whole. Raises BrokenRule where it agrees to what was not asked for, or to
        nothing.
        """
        self._unread += data
        while 0 <= (end := self._unread.find(b"\r\n\r\n")) <= _HEAD_MOST_BYTES:
            head = bytes(self._unread[:end])
            del self._unread[: end + 4]
            status, headers = read_answer(head)
            if 100 <= status < SWITCHED or SWITCHED < status < 200:
                # An interim answer.
                continue
            agreed = Agreed()
            if status == SWITCHED:
                agreed = settled(
                    headers, self._key, self._protocols, compresses=self._compresses, tells=self._tells
                )
            return Answer(status, headers, _lines(head), agreed, bytes(self._unread))
        if end > 0 or len(self._unread) > _HEAD_MOST_BYTES + 3:
            raise BrokenRule(ENDLESS_HEAD)
        return None


def _lines(head: bytes) -> list[tuple[bytes, bytes]]:
    parts = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return [(name, value.strip(b" \t")) for name, _, value in parts]
