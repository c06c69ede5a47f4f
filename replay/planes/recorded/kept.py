"""The bodies and headers that a recording has kept, as far as there is room for them."""

import re

import msgspec

from replay.http.fields import NOT_OF_A_TRACE, is_not_for_value
from replay.trace.types import Recorded

MOST_KEPT_BYTES = 256 << 20
"""Of all bodies and headers together; what comes after is left out, and counted."""

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


def _may_be_sent(name: str, value: str) -> bool:
    """Whether it is a header that belongs to the answer. No trace is trusted to have been recorded."""
    return (
        name.lower() not in _NOT_AGAIN
        and _is_name(name) is not None
        and is_not_for_value(value) is None
        and all(ord(letter) < 256 for letter in value)
    )
