"""What one side of a TCP connection sent, in order: segments that came again, too early or not at all. Pure.

A hole is waited for until much has come behind it, or the other side says that it has it: then the capture lacks it.
"""

from collections.abc import Iterator
from heapq import heappop, heappush

from replay.importers.captures.packets.types import Packet, Piece

_MOST_WAITING_BYTES = 4 << 20
_MOST_WAITING = 4_096
_WHOLE = 1 << 32


class SentBytes:
    """Told of a side's packets, tells what it sent."""

    def __init__(self) -> None:
        # Places count on where numbers of the sequence begin again.
        self._next: int | None = None
        # By their places, then by their times.
        self._waiting: list[tuple[int, int, int, Packet]] = []
        self._waiting_bytes = self._count = 0
        self._first: int | None = None

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
            seq += 1
            if self._next is None:
                self._next = self._first = seq
        if not packet.size and not packet.reassembled:
            return
        place = seq if self._next is None else self._next + _signed(seq - self._next)
        if packet.reassembled and not self._waiting and (self._next is None or place > self._next):
            yield from self._rebuilt(place, packet)
        if self._next is None:
            self._next = place
        if self._first is None:
            self._first = place
        if place > self._next:
            self._count += 1
            heappush(self._waiting, (place, packet.at_ns, self._count, packet))
            self._waiting_bytes += len(packet.data)
            if self._waiting_bytes > _MOST_WAITING_BYTES or len(self._waiting) > _MOST_WAITING:
                yield from self.give_up()
            return
        yield from self._in_order(place, packet, packet.at_ns)
        yield from self._waited(packet.at_ns)

    def give_up(self) -> Iterator[Piece]:
        """All that waits, with the holes in front of it. It came when it was captured: what lacks was not late."""
        while self._waiting and self._next is not None:
            place, at_ns, *_ = self._waiting[0]
            if place > self._next:
                yield Piece(b"", at_ns, False, place - self._next)
                self._next = place
            yield from self._waited(0)

    def began_elsewhere(self, seq: int) -> bool | None:
        """Whether its first byte was another one than this, by its number; None where none has come."""
        return None if self._first is None else _signed(seq - self._first) != 0

    def has_acknowledged_hole(self, ack: int | None) -> bool:
        """Whether the other side has what is waited for."""
        if ack is None or self._next is None or not self._waiting:
            return False
        return _signed(ack - self._next) > 0

    def _waited(self, at_ns: int) -> Iterator[Piece]:
        """What waited and is in order now."""
        while self._waiting and self._next is not None and self._waiting[0][0] <= self._next:
            place, _, _, packet = heappop(self._waiting)
            self._waiting_bytes -= len(packet.data)
            yield from self._in_order(place, packet, at_ns)

    def _rebuilt(self, place: int, packet: Packet) -> Iterator[Piece]:
        """What was not captured in front of a packet, as far as it is part of the message that ends in it."""
        before = _before(packet)
        if not before:
            return
        hole = len(before) if self._next is None else place - self._next
        lacking = max(0, hole - len(before))
        yield Piece(before[len(before) - hole + lacking :], packet.at_ns, False, lacking)
        self._next = place

    def _in_order(self, place: int, packet: Packet, at_ns: int) -> Iterator[Piece]:
        """What of a packet has not come before. at_ns: when what is in front of it had come."""
        assert self._next is not None
        known = self._next - place
        if known >= packet.size:
            return
        self._next = place + packet.size
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
    shared = _shared(whole, data)
    return whole[:-shared] if shared else b""


def _shared(before: bytes, after: bytes) -> int:
    """How many bytes at the end of one text are the beginning of another one, at most.

    In time that grows with their length alone, whatever they hold (Knuth, Morris and Pratt, SIAM J. Comput. 6, 1977).
    """
    size = min(len(before), len(after))
    # How far a beginning of the text, of the length of each, is also its own end.
    borders = [0] * (size + 1)
    border = 0
    for n in range(1, size):
        while border and after[n] != after[border]:
            border = borders[border]
        border += after[n] == after[border]
        borders[n + 1] = border
    shared = 0
    for byte in before[len(before) - size :]:
        while shared and byte != after[shared]:
            shared = borders[shared]
        shared += byte == after[shared]
    return shared


def _signed(difference: int) -> int:
    """How far one number of a sequence lies behind another, which begins again after 4 GiB (RFC 9293, section 3.4)."""
    return (difference + (_WHOLE >> 1)) % _WHOLE - (_WHOLE >> 1)
