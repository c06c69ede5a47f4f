"""Files of OTLP trace data: told apart by how they begin, and read message by message.

What is read: JSON (one document, JSON Lines, an array), one protobuf message, messages behind their length as a
varint, and messages behind their length in 4 bytes, big-endian, as the collector's file exporter writes them: in
protobuf, and in either encoding once it compresses, each message by itself. Any of these may be compressed with
zstandard as a whole. Traces of MLflow's own, in JSON or its database, are told by their objects and tables.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import zstandard

from replay.importers.tracing.layouts.mlflow_spans import mlflow_spans, span_of_row
from replay.importers.tracing.otlp_json import spans_in_item
from replay.importers.tracing.otlp_protobuf import WireError, spans_in_message, spans_of_resource, varint
from replay.importers.tracing.otlp_spans import OtlpSpan, Wanted
from replay.reading.damage import Damage
from replay.reading.databases import MAGIC, table_rows
from replay.reading.inputs import decoded, refuse_heavy
from replay.reading.json_items import Item, read_items
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stored import StoredBytes, open_lines, unfolded_too_far, unfolds_too_far

LARGEST_MESSAGE_BYTES = 256 << 20

# json: text. message: one protobuf message. length: messages behind 4 bytes of length. varint: behind a varint.
Framing = Literal["json", "message", "length", "varint"]

_HEAD_BYTES = 64
_BUFFER_BYTES = 1 << 20
_LARGEST_WINDOW_BYTES = 1 << 27
_SLICE_BYTES = (
    2048  # what a hostile message unpacks to at once is then bounded, see replay/trace/file/stored.py
)
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*\}|\[\s*\]|[\[{][\s\[{]*"[A-Za-z])').match
# The tags of a ResourceSpans' fields: its resource, its spans, its schema.
_RESOURCE_SPANS_TAGS = b"\x0a\x12\x1a"
_RESOURCE_SPANS = 0x0A


def read_spans(path: Path, wanted: Wanted, damage: Damage) -> Iterator[OtlpSpan | None]:
    """The spans of a file; None for an object that holds none (metrics, logs). Raises TraceError with its place."""
    file = shown_path(path)
    if _head(path, is_raw=False).startswith(MAGIC):
        yield from _rows(path, wanted, damage)
        return
    framing = framing_of(_head(path, is_raw=True))
    is_raw = framing == "length"
    if not is_raw:
        framing = framing_of(_head(path, is_raw=False))
    if framing is None:
        what = "neither OTLP in JSON nor OTLP in protobuf. Name a file of trace data in one of these."
        raise TraceError(f"{file}: {what}")
    if framing == "json":
        for item in read_items(path, ("traces",), damage):
            yield from _item_spans(item, wanted)
        return
    with StoredBytes(path, hashed=False) as stored, _source(stored, path, is_raw) as source:
        n = 0
        for message in _messages(source, framing, file):
            n += 1
            damage.lines += 1
            place = f"{file}, message {n}"
            if framing == "length":
                message = _decompressed(message, place)
                if _JSON(message):
                    refuse_heavy(message, place, 1)
                    yield from _item_spans(Item(decoded(message, dict[str, msgspec.Raw], place), place), wanted)
                    continue
            try:
                yield from (spans_of_resource if framing == "message" else spans_in_message)(message, wanted)
            except WireError as error:
                raise TraceError(f"{place}: not OTLP trace data: {error}.") from error


def _rows(path: Path, wanted: Wanted, damage: Damage) -> Iterator[OtlpSpan | None]:
    """The spans in MLflow's database. A row that is damaged costs itself only."""
    sessions = {
        row[0]: row[1] for row in table_rows(path, "trace_info", ("request_id", "session_id"), "request_id")
    }
    rows = table_rows(path, "spans", ("trace_id", "content"), "start_time_unix_nano")
    for n, (trace_id, content) in enumerate(rows, 1):
        damage.lines += 1
        try:
            yield from span_of_row(
                str(content), sessions.get(trace_id), f"{shown_path(path)}, row {n} of spans", wanted
            )
        except TraceError as error:
            damage.lose(error)


def framing_of(head: bytes) -> Framing | None:
    """How a file that begins with these bytes holds its messages; None where it cannot be OTLP."""
    if _JSON(head):
        return "json"
    if _begins_message(head, 0, LARGEST_MESSAGE_BYTES):
        return "message"
    size = int.from_bytes(head[:4], "big")
    starts = head[4:5] == b"{" or head[4:8] == _ZSTD_MAGIC
    if 0 < size <= LARGEST_MESSAGE_BYTES and (starts or _begins_message(head, 4, size)):
        return "length"
    try:
        size, at = varint(head, 0, len(head))
    except WireError:
        return None
    return "varint" if _begins_message(head, at, size) else None


def is_printable(head: bytes) -> bool:
    """Whether these bytes are lines of ASCII text, which no protobuf message with a span in it is."""
    return all(byte in b"\t\n\r" or 0x20 <= byte < 0x7F for byte in head)


def _begins_message(head: bytes, at: int, size: int) -> bool:
    """Whether a TracesData of this size may begin here: with a ResourceSpans that fits, as far as bytes go."""
    if head[at : at + 1] != b"\x0a":
        return False
    try:
        inner, start = varint(head, at + 1, len(head))
        if start - at + inner > size:
            return False
        if inner == 0 or start >= len(head):
            return True
        if head[start] not in _RESOURCE_SPANS_TAGS:
            return False
        innermost, innermost_start = varint(head, start + 1, len(head))
    except WireError:
        return False
    return innermost_start - start + innermost <= inner


def _head(path: Path, is_raw: bool) -> bytes:
    with StoredBytes(path, hashed=False) as stored:
        if is_raw:
            with io.BufferedReader(stored, _HEAD_BYTES) as source:
                return source.read(_HEAD_BYTES)
        with _source(stored, path, is_raw) as source:
            return source.read(_HEAD_BYTES)


def _source(stored: StoredBytes, path: Path, is_raw: bool) -> BinaryIO:
    """is_raw: as stored, for a file whose messages are compressed one by one."""
    return io.BufferedReader(stored, _BUFFER_BYTES) if is_raw else open_lines(stored, path)


def _item_spans(item: Item, wanted: Wanted) -> Iterator[OtlpSpan | None]:
    spans = mlflow_spans(item, wanted) or spans_in_item(item, wanted)
    if spans is None:
        yield None
    else:
        yield from spans


def _messages(source: BinaryIO, framing: Framing, file: str) -> Iterator[bytes]:
    """The messages of a file; of a single message, each of the ResourceSpans that it holds."""
    n = 0
    while True:
        n += 1
        place = f"{file}, message {n}"
        if framing == "length":
            prefix = source.read(4)
            if not prefix:
                return
            size = int.from_bytes(prefix, "big") if len(prefix) == 4 else LARGEST_MESSAGE_BYTES
        else:
            tag = _RESOURCE_SPANS
            if framing == "message":
                found = _read_varint(source, place)
                if found is None:
                    return
                tag = found
            length = _read_varint(source, place) if tag & 7 == 2 else {1: 8, 5: 4}.get(tag & 7)
            if length is None and framing == "varint":
                return
            if length is None:
                raise TraceError(f"{place}: not OTLP trace data: no ResourceSpans begins here.")
            size = length
            if tag != _RESOURCE_SPANS:
                n -= 1
                _read_whole(source, size, place)
                continue
        if size:
            yield _read_whole(source, size, place)


def _read_whole(source: BinaryIO, size: int, place: str) -> bytes:
    if size > LARGEST_MESSAGE_BYTES:
        raise _too_long(place)
    data = source.read(size)
    if len(data) < size:
        what = "ends too early. The file was probably cut off while it was written or copied."
        raise TraceError(f"{place}: {what}")
    return data


def _too_long(place: str) -> TraceError:
    most = f"{LARGEST_MESSAGE_BYTES >> 20} MiB, the most that a message may take"
    return TraceError(f"{place}: longer than {most}.")


def _read_varint(source: BinaryIO, place: str) -> int | None:
    """The number that comes next; None at the end of the file."""
    data = b""
    while byte := source.read(1):
        data += byte
        if byte[0] < 0x80 or len(data) >= 10:
            break
    if not data:
        return None
    try:
        return varint(data, 0, len(data))[0]
    except WireError as error:
        raise TraceError(f"{place}: not OTLP trace data: {error}.") from error


def _decompressed(message: bytes, place: str) -> bytes:
    if not message.startswith(_ZSTD_MAGIC):
        return message
    frame = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW_BYTES).decompressobj()
    data = bytearray()
    for at in range(0, len(message), _SLICE_BYTES):
        try:
            data += frame.decompress(message[at : at + _SLICE_BYTES])
        except zstandard.ZstdError as error:
            raise TraceError(f"{place}: not a readable zstandard stream ({error}).") from error
        if len(data) > LARGEST_MESSAGE_BYTES:
            raise _too_long(place)
        if unfolds_too_far(len(message), len(data)):
            raise TraceError(f"{place}: {unfolded_too_far('zstandard')}")
        if frame.eof:
            return bytes(data)
    raise TraceError(f"{place}: not a readable zstandard stream (it ends too early).")
