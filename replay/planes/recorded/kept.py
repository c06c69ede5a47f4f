"""What a recording has kept as far as there is room for it: bodies and headers, and what ends steps on WebSockets."""

import re

import msgspec

from replay.http.fields import NOT_OF_A_TRACE, is_not_for_value
from replay.planes.recorded.types import Ending
from replay.trace.types import Recorded, Until

MOST_KEPT_BYTES = 256 << 20
"""Of all bodies and headers together; what comes after is left out, and counted."""

MOST_ENDINGS_BYTES = 64 << 20
"""Of what ends steps on WebSockets; further ones are answered as messages of which nobody knows that."""

_NOTHING: tuple[bytes, tuple[tuple[str, str], ...]] = (b"", ())
_is_name = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
# A kept body is decoded. A date, and what a server says of its connection, are those of the answer that is given now.
_NOT_AGAIN = NOT_OF_A_TRACE | {"content-encoding", "date"}


class KeptBodies:
    """Bodies and headers by row."""

    def __init__(self, most_bytes: int = MOST_KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: dict[int, tuple[bytes, tuple[tuple[str, str], ...]]] = {}
        self._bytes = 0
        self.left_out = 0

    def __repr__(self) -> str:
        return f"<KeptBodies {len(self._kept)}, {self._bytes} bytes>"

    def add(self, row: int, recorded: Recorded) -> None:
        document = recorded.response_json
        json = b"" if document is None else msgspec.json.encode(document)
        headers = tuple(
            (name, value) for name, value in recorded.response_headers.items() if _may_be_sent(name, value)
        )
        if not json and not headers:
            return
        size = len(json) + sum(len(name) + len(value) for name, value in headers)
        if self._bytes + size > self._most_bytes:
            self.left_out += 1
            return
        self._bytes += size
        self._kept[row] = json, headers

    def of(self, row: int) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        return self._kept.get(row, _NOTHING)


class KeptEndings:
    """What ended steps on WebSockets, by row; many end alike."""

    def __init__(self, most_bytes: int = MOST_ENDINGS_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._numbers: dict[bytes, int] = {}
        self._of: dict[int, int] = {}
        self._kept: list[Ending] = [Ending(None), Ending(None, is_known=False)]

    def __repr__(self) -> str:
        return f"<KeptEndings of {len(self._of)} steps>"

    def add(self, row: int, until: Until | None) -> None:
        if until is None:
            self._of[row] = 0
            return
        try:
            written = msgspec.json.encode(until)
        except UnicodeEncodeError:
            # It holds half a surrogate pair.
            written = repr(until).encode("utf-8", "surrogatepass")
        number = self._numbers.get(written)
        if number is None:
            number = 1
            if self._bytes + len(written) <= self._most_bytes:
                self._bytes += len(written)
                number = self._numbers[written] = len(self._kept)
                self._kept.append(Ending(until))
        self._of[row] = number

    def of(self, row: int) -> Ending | None:
        number = self._of.get(row)
        return None if number is None else self._kept[number]


def _may_be_sent(name: str, value: str) -> bool:
    """Whether it is a header that belongs to the answer. No trace is trusted to have been recorded."""
    return (
        name.lower() not in _NOT_AGAIN
        and _is_name(name) is not None
        and is_not_for_value(value) is None
        and all(ord(letter) < 256 for letter in value)
    )
