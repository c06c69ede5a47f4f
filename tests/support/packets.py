"""Packets as tshark writes them, made by hand: connections, and what their two sides send."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

SYN, ACK, FIN, RST = 0x02, 0x10, 0x01, 0x04
_START_NS = 1_767_225_600_000_000_000  # 2026-01-01
Packet = dict[str, Any]


class Wire:
    """A connection as it is captured. at_ms: of each packet, from a common start."""

    def __init__(
        self,
        stream: int = 0,
        *,
        port: int = 50_000,
        address: str = "10.0.0.1",
        opens: bool = True,
        at_ms: float = 0.0,
        begins: tuple[int, int] = (1_000, 9_000),
    ) -> None:
        """at_ms: when it opens, if it does. begins: the first number of the client, and of the server."""
        self.packets: list[Packet] = []
        self._stream = stream
        self._ends = {True: (address, port + stream), False: ("10.0.0.2", 8080)}
        self._begins = dict(zip((True, False), begins, strict=True))
        self._next = self._begins.copy()
        if opens:
            self._add(True, b"", at_ms, SYN)
            self._add(False, b"", at_ms + 0.1, SYN | ACK)

    def sent(self, data: bytes, at_ms: float, flags: int = ACK) -> "Wire":
        """The client sent this."""
        return self._add(True, data, at_ms, flags)

    def came(self, data: bytes, at_ms: float, flags: int = ACK) -> "Wire":
        """The server sent this."""
        return self._add(False, data, at_ms, flags)

    def opened_again(self, at_ms: float, *, is_sent: bool) -> "Wire":
        """A side's opening came once more, without what it carried."""
        place, self._next[is_sent] = self._next[is_sent], self._begins[is_sent]
        self._add(is_sent, b"", at_ms, SYN if is_sent else SYN | ACK)
        self._next[is_sent] = place
        return self

    def lost(self, size: int, *, is_sent: bool) -> "Wire":
        """So many bytes of a side were not captured."""
        self._next[is_sent] += size
        return self

    def _add(self, is_sent: bool, data: bytes, at_ms: float, flags: int) -> "Wire":
        (source, source_port), (target, target_port) = self._ends[is_sent], self._ends[not is_sent]
        at_ns = _START_NS + round(at_ms * 1_000_000)
        tcp = {
            "tcp.srcport": str(source_port),
            "tcp.dstport": str(target_port),
            "tcp.stream": str(self._stream),
            "tcp.len": str(len(data)),
            "tcp.seq": str(self._next[is_sent]),
            "tcp.ack": str(self._next[not is_sent]),
            "tcp.flags": f"0x{flags:04x}",
        }
        if data:
            tcp["tcp.payload"] = data.hex(":")
        self._next[is_sent] += len(data) + bool(flags & (SYN | FIN))
        frame = {"frame.time_epoch": f"{at_ns // 1_000_000_000}.{at_ns % 1_000_000_000:09}"}
        layers = {"frame": frame, "ip": {"ip.src": source, "ip.dst": target}, "tcp": tcp}
        self.packets.append({"_index": "packets-2026-01-01", "_type": "doc", "_source": {"layers": layers}})
        return self


def request(path: str = "/a", method: str = "GET", headers: str = "", body: bytes = b"") -> bytes:
    """A request of HTTP/1.1, with its length where it has a body."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: shop\r\n{headers}{length}\r\n".encode() + body


def answer(body: bytes = b"{}", headers: str = "", status: str = "200 OK") -> bytes:
    """An answer of HTTP/1.1."""
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def array(packets: Iterable[Packet]) -> str:
    """As -T json writes them."""
    return "[\n" + ",\n".join(json.dumps(packet, indent=2) for packet in packets) + "\n]\n"


def in_order(*wires: Wire) -> Sequence[Packet]:
    """The packets of several connections by their times."""
    packets = [packet for wire in wires for packet in wire.packets]
    return sorted(packets, key=lambda packet: packet["_source"]["layers"]["frame"]["frame.time_epoch"])
