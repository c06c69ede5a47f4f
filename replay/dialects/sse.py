"""Cuts a server-sent event stream into its events, from bytes cut anywhere.

Line ends and fields: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from replay.dialects.documents import MOST_BYTES

_BOM = b"\xef\xbb\xbf"


class EventCutter:
    """Fed with a stream's bytes; gives the blocks of lines between empty lines, their line ends made LF.

    Of a block no more than MOST_BYTES are kept. is_between: nothing of a next block was
    seen, nor half a line end.
    """

    __slots__ = ("_ends_in_newline", "_follows_cr", "_is_over_long", "_is_start", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._follows_cr = self._is_over_long = self._ends_in_newline = False
        self._is_start = True

    @property
    def is_between(self) -> bool:
        return not (self._rest or self._follows_cr)

    def feed(self, data: bytes) -> list[bytes]:
        """The blocks that these bytes complete."""
        rest = self._rest
        is_plain = not (rest or self._is_start or self._follows_cr or b"\r" in data)
        # One event in one read, as usual.
        if is_plain and 0 < data.find(b"\n\n") == len(data) - 2:
            return [data[:-2]]
        if self._follows_cr and data:
            self._follows_cr = False
            if data[0] == 0x0A:
                data = data[1:]
        if b"\r" in data:
            self._follows_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not data:
            return []
        if rest:
            seen = len(rest)
            if self._is_over_long:
                data = self._skipped(data)
                if not data:
                    return []
            rest += data
            if rest.find(b"\n\n", seen - 1) < 0:
                self._bound()
                return []
            data = bytes(rest)
        blocks = data.split(b"\n\n")
        tail = blocks.pop()
        if tail or rest:
            self._rest = bytearray(tail)
            self._bound()
        if len(data) > MOST_BYTES:
            # As they would be had they come in small pieces.
            blocks = [
                block[:MOST_BYTES].rstrip(b"\n") if len(block) > MOST_BYTES else block for block in blocks
            ]
        if self._is_start and blocks:
            self._is_start = False
            blocks[0] = blocks[0].removeprefix(_BOM)
        return blocks

    def unfinished(self) -> bytes:
        """What came after the last empty line."""
        return bytes(self._rest).removeprefix(_BOM) if self._is_start else bytes(self._rest)

    def _bound(self) -> None:
        rest = self._rest
        if len(rest) > MOST_BYTES:
            self._is_over_long = True
            self._ends_in_newline = rest.endswith(b"\n")
            # No line end at its end: only the next empty line may end it.
            del rest[MOST_BYTES:]
            while rest.endswith(b"\n"):
                rest.pop()

    def _skipped(self, data: bytes) -> bytes:
        """What is to be kept of data while a block is over-long: nothing before the empty line that ends it."""
        if self._ends_in_newline and data[0] == 0x0A:
            self._is_over_long = False
            return b"\n" + data
        end = data.find(b"\n\n")
        if end < 0:
            self._ends_in_newline = data.endswith(b"\n")
            return b""
        self._is_over_long = False
        return data[end:]


def fields_of(block: bytes) -> tuple[bytes, bytes | None]:
    """An event's name, empty if it has none, and its data; None if it has none."""
    if block.startswith(b"data:") and b"\n" not in block:
        return b"", block[6:] if block.startswith(b"data: ") else block[5:]
    name, values = b"", []
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            values.append(line[5:].removeprefix(b" "))
        elif line.startswith(b"event:"):
            name = line[6:].strip()
        elif line == b"data":
            values.append(b"")
        elif line == b"event":
            name = b""
    return name, b"\n".join(values) if values else None
