"""Packets as tshark writes them: with -T json, -T ek, and with -e, of any selection of fields that tells enough.

A packet is told by how it begins, so that a file is read a packet at a time. In the objects of -T json keys occur
several times; of these the last one counts, which is the innermost, and nothing is read that is of interest in all.
Behind the fields of TCP stands what tshark made of the data. Where that is long, it is passed over.
"""

import binascii
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import msgspec

from replay.importers.captures.packets.types import Packet
from replay.reading.opened import open_recording
from replay.reading.timestamps import scaled_ns, unix_ns
from replay.trace.errors import TraceError, shown_path

_READ_BYTES = 1 << 20
_LONG_BYTES = 4 << 20
_LONGEST_BYTES = 64 << 20
# What stands in front of a key by which a packet is told. The lines of -T ek between packets hold an _index, too.
_IN_FRONT = {
    b'"_index"': re.compile(rb'(?<!"index":)\{\s*\Z'),
    b'"layers"': re.compile(rb'\{"timestamp"\s*:\s*"?\d{1,19}"?\s*,\s*\Z'),
}
_MOST_BEGINNING = 256
_LOOKS_WRITTEN = re.compile(
    rb'(?:\[\s*)?\{\s*"_index"\s*:.{0,500}?"_source"\s*:\s*\{\s*"layers"\s*:'
    rb'|(?:\{"index":\{"_index":"packets-[^\n]{0,200}\n)?\{"timestamp"\s*:\s*"?\d{1,19}"?\s*,\s*"layers"\s*:',
    re.DOTALL,
).match
# What stands behind the fields of TCP, by the layout.
_BEHIND = ((b'"tcp.segments"', b"}}}"), (b'"tcp_tcp_segments"', b"}}"))
_IS_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}").fullmatch
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
# Twice what Linux puts together to one packet (BIG TCP, at most 512 KiB).
_MOST_PACKET_BYTES = 1 << 20

_Object = dict[str, msgspec.Raw]
_object = msgspec.json.Decoder(_Object).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


class _Source(msgspec.Struct):
    layers: _Object


class _Written(msgspec.Struct):
    """source: of -T json. layers: of -T ek."""

    source: _Source | None = msgspec.field(default=None, name="_source")
    layers: _Object | None = None


_written = msgspec.json.Decoder(_Written).decode


def looks_written(first_bytes: bytes) -> bool:
    """Whether a file begins as tshark writes packets."""
    return _LOOKS_WRITTEN(first_bytes.lstrip(b" \t\r\n")) is not None


class Fields:
    """What a packet says, field by field."""

    def __init__(self, layers: _Object, *, is_ek: bool) -> None:
        self._layers = layers
        self._between = "_" if is_ek else "."
        self._is_ek = is_ek
        self._opened: dict[str, Mapping[str, msgspec.Raw]] = {}

    def has_layer(self, name: str) -> bool:
        """Whether this protocol was found in the packet, at any depth."""
        return name in self._layers or f":{name}" in (self.text("frame", "protocols") or "")

    def raw(self, layer: str, field: str) -> bytes:
        """The JSON of a field, the last one where there are several; empty where there is none."""
        name = f"{layer}{self._between}{field.replace('.', self._between)}"
        own = f"{layer}_{name}" if self._is_ek else name
        found = self._inside(layer).get(own) or self._layers.get(own) or self._layers.get(name) or b""
        return _last(bytes(found))

    def text(self, layer: str, field: str) -> str | None:
        """A field's text; None where there is none."""
        value = self.raw(layer, field)
        if not value:
            return None
        return _text(value) if value.startswith(b'"') else value.decode()

    def number(self, layer: str, field: str) -> int | None:
        """A field's number, which may be hexadecimal; None where there is none."""
        text = self.text(layer, field)
        if text is None:
            return None
        try:
            return int(text, 16 if text.startswith("0x") else 10) if len(text) <= 20 else None
        except ValueError:
            return None

    def data(self, layer: str, field: str) -> bytes:
        """A field's bytes, which stand there in hexadecimal; none where it is something else."""
        return _unhex(self.raw(layer, field))

    @property
    def reassembled(self) -> bytes:
        """The message that ends in this packet, where it began in others."""
        within = self._inside("tcp.segments").get("tcp.reassembled.data")
        return _unhex(_last(bytes(within))) if within else self.data("tcp", "reassembled.data")

    def _inside(self, layer: str) -> Mapping[str, msgspec.Raw]:
        if layer not in self._opened:
            value = _last(bytes(self._layers.get(layer, b"")))
            self._opened[layer] = _object(value) if value.startswith(b"{") else {}
        return self._opened[layer]


def _last(value: bytes) -> bytes:
    """The last value of an array, or the value; empty for null."""
    if value.startswith(b"["):
        values = _items(value)
        value = bytes(values[-1]) if values else b""
    return b"" if value == b"null" else value


def _unhex(value: bytes) -> bytes:
    """The bytes that stand in a text in hexadecimal; none where it is something else."""
    try:
        return binascii.unhexlify(value.strip(b'"').replace(b":", b""))
    except (binascii.Error, ValueError):
        return b""


def read_packets(file: Path) -> Iterator[tuple[str, bytes]]:
    """The packets in a file, as JSON, each with its place. Raises TraceError."""
    shown_file = shown_path(file)
    with open_recording(file) as source:
        rest, n, is_over, is_passed = bytearray(), 0, False, False
        while not is_over:
            block = source.read(_READ_BYTES)
            is_over = not block
            looked_at = max(1, len(rest) - _MOST_BEGINNING)
            rest += block
            begins = _begins(rest, looked_at if n else 0)
            if n:
                begins = [0, *begins]
            elif begins:
                n = 1
            for begin, end in pairwise(begins):
                if not is_passed:
                    yield f"{shown_file}, packet {n}", bytes(rest[begin:end])
                n, is_passed = n + 1, False
            if not n and (is_over or len(rest) > _LONG_BYTES):
                raise TraceError(f"{shown_file}: has no packets as tshark -T json or -T ek writes them.")
            if begins:
                del rest[: begins[-1]]
            if is_passed:
                del rest[1:-_MOST_BEGINNING]
            elif len(rest) > _LONG_BYTES and (short := _without_what_is_behind(rest)) is not None:
                yield f"{shown_file}, packet {n}", short
                is_passed = True
            elif len(rest) > _LONGEST_BYTES:
                text = f"is longer than {_LONGEST_BYTES >> 20} MiB; was it written by tshark?"
                raise TraceError(f"{shown_file}, packet {n}: {text}")
        if n and not is_passed:
            yield f"{shown_file}, packet {n}", bytes(rest)


def _begins(text: bytearray, at: int) -> list[int]:
    """Where packets begin in a text, from there on."""
    found = []
    for key, in_front in _IN_FRONT.items():
        place = text.find(key, at)
        while place >= 0:
            begin = max(0, place - _MOST_BEGINNING // 2)
            match = in_front.search(text[begin:place])
            if match is not None and begin + match.start() >= at:
                found.append(begin + match.start())
            place = text.find(key, place + len(key))
    return sorted(found)


def _without_what_is_behind(packet: bytearray) -> bytes | None:
    """A long packet, of which nothing is left behind the fields of TCP; None where it has not come so far."""
    for name, closing in _BEHIND:
        at = packet.find(name)
        if at > 0:
            return bytes(packet[:at]).rstrip(b", \t\r\n") + closing
    return None


def fields_of(packet: bytes, place: str) -> Fields:
    """What a packet says. Raises TraceError, which begins with its place."""
    # What stands between packets goes with the one before.
    text = packet.partition(b"\n")[0] if packet.startswith(b'{"timestamp"') else packet
    try:
        found = _written(text.rstrip(b", \t\r\n]"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise TraceError(f"{place}: not a packet as tshark writes one. Is the file cut off?") from error
    if found.source is not None:
        return Fields(found.source.layers, is_ek=False)
    if found.layers is not None:
        return Fields(found.layers, is_ek=True)
    raise TraceError(f"{place}: has no layers. Was it written by tshark -T json or -T ek?")


def packet_of(fields: Fields, place: str) -> Packet | None:
    """A packet of TCP; None for any other. Raises TraceError, which begins with its place."""
    try:
        return _packet(fields, place)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise TraceError(f"{place}: not a packet as tshark writes one. Is the file cut off?") from error


def _packet(fields: Fields, place: str) -> Packet | None:
    source_port, target_port = fields.number("tcp", "srcport"), fields.number("tcp", "dstport")
    if source_port is None or target_port is None:
        if fields.has_layer("tcp") or fields.has_layer("frame_raw"):
            raise TraceError(f"{place}: has no tcp.srcport or tcp.dstport. {_ENOUGH}")
        return None
    time = fields.text("frame", "time_epoch")
    at_ns = None if time is None else (scaled_ns(time, "s") or unix_ns(time))
    if at_ns is None:
        raise TraceError(f"{place}: has no time (frame.time_epoch). {_ENOUGH}")
    source, target = (
        f"{_address(fields, side)}:{port}" for side, port in (("src", source_port), ("dst", target_port))
    )
    data, size = fields.data("tcp", "payload"), fields.number("tcp", "len")
    size = len(data) if size is None else max(size, len(data))
    if size > _MOST_PACKET_BYTES:
        raise TraceError(f"{place}: carries {size:,} bytes (tcp.len), and no packet of TCP is that long.")
    told, stream = fields.number("tcp", "flags"), fields.number("tcp", "stream")
    flags = told or 0
    return Packet(
        at_ns=at_ns,
        connection=" ".join(sorted((source, target))) if stream is None else str(stream),
        source=source,
        target=target,
        seq=fields.number("tcp", "seq"),
        ack=fields.number("tcp", "ack") if told is None or flags & _ACK else None,
        is_first=bool(flags & _SYN),
        is_last=bool(flags & _FIN),
        is_reset=bool(flags & _RST),
        size=size,
        data=data,
        reassembled=fields.reassembled,
    )


def _address(fields: Fields, side: str) -> str:
    for layer, written in (("ip", "{}"), ("ipv6", "[{}]")):
        address = fields.text(layer, side)
        if address is not None and _IS_ADDRESS(address):
            return written.format(address)
    return ""


_ENOUGH = "tshark -T json without -e, -j or -J writes all that is needed."
