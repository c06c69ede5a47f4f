"""What one side of a TCP connection sent, in order: segments that came again, too early or not at all. Pure.

A hole is waited for until much has come behind it, or the other side says that it has it: then the capture lacks it.
"""

from collections.abc import Iterator

from replay.importers.captures.packets.types import Packet, Piece

_MOST_WAITING_BYTES = 4 << 20
_MOST_WAITING = 4_096
_WHOLE = 1 << 32


class SentBytes:
    """Told of a side's packets, tells what it sent."""

    def __init__(self) -> None:
        self._next: int | None = None
        # By how far they lie behind what has come, which moves with it.
        self._waiting: list[tuple[int, Packet]] = []
        self._waiting_bytes = 0

    def __repr__(self) -> str:
        return f"<SentBytes, {len(self._waiting)} waiting>"

    def take(self, packet: Packet) -> Iterator[Piece]:
        """What is in order now."""
        if packet.seq is None:
            if packet.data:
                yield Piece(packet.data, packet.at_ns)
            return
        seq = packet.seq
        if packet.is_first:
            seq = (seq + 1) % _WHOLE
            self._next = seq
        if not packet.size and not packet.reassembled:
            return
        rebuilt = _before(packet)
        if self._next is None:
            self._next = (seq - len(rebuilt)) % _WHOLE
        ahead = _signed(seq - self._next)
        if ahead > 0 and rebuilt and not self._waiting:
            lacking = max(0, ahead - len(rebuilt))
            yield Piece(rebuilt[len(rebuilt) - ahead + lacking :], packet.at_ns, False, lacking)
            self._next, ahead = seq, 0
        if ahead > 0:
            self._waiting.append((seq, packet))
            self._waiting_bytes += len(packet.data)
            if self._waiting_bytes > _MOST_WAITING_BYTES or len(self._waiting) > _MOST_WAITING:
                yield from self.give_up()
            return
        yield from self._in_order(seq, packet, packet.at_ns)
        yield from self._waited(packet.at_ns)

    def give_up(self) -> Iterator[Piece]:
        """All that waits, with the holes in front of it. It came when it was captured: what lacks was not late."""
        while self._waiting and self._next is not None:
            following = self._next
            ahead, at_ns = min((_signed(seq - following), packet.at_ns) for seq, packet in self._waiting)
            if ahead > 0:
                yield Piece(b"", at_ns, False, ahead)
                self._next = (following + ahead) % _WHOLE
            yield from self._waited(0)

    def has_acknowledged_hole(self, ack: int | None) -> bool:
        """Whether the other side has what is waited for."""
        if ack is None or self._next is None or not self._waiting:
            return False
        return _signed(ack - self._next) > 0

    def _waited(self, at_ns: int) -> Iterator[Piece]:
        """What waited and is in order now."""
        found = True
        while found and self._waiting and self._next is not None:
            found = False
            for n, (seq, packet) in enumerate(self._waiting):
                if _signed(seq - self._next) <= 0:
                    del self._waiting[n]
                    self._waiting_bytes -= len(packet.data)
                    yield from self._in_order(seq, packet, at_ns)
                    found = True
                    break

    def _in_order(self, seq: int, packet: Packet, at_ns: int) -> Iterator[Piece]:
        """What of a packet has not come before. at_ns: when what is in front of it had come."""
        assert self._next is not None
        known = -_signed(seq - self._next)
        if known >= packet.size:
            return
        self._next = (seq + packet.size) % _WHOLE
        data = packet.data[known:]
        if data:
            yield Piece(data, max(at_ns, packet.at_ns))
        lacking = packet.size - max(known, len(packet.data))
        if lacking > 0:
            yield Piece(b"", max(at_ns, packet.at_ns), lacking=lacking)


def _before(packet: Packet) -> bytes:
    """What stands in front of a packet's data in the message that ends in it."""
    whole, data = packet.reassembled, packet.data
    if whole.endswith(data):
        return whole[: len(whole) - len(data)]
    # The packet holds the beginning of the next message, too.
    for end in range(len(data) - 1, 0, -1):
        if whole.endswith(data[:end]):
            return whole[:-end]
    return b""


def _signed(difference: int) -> int:
    """How far one number of a sequence lies behind another, which begins again after 4 GiB (RFC 9293, section 3.4)."""
    return (difference + (_WHOLE >> 1)) % _WHOLE - (_WHOLE >> 1)
