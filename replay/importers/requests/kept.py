"""Requests that are kept until all are known, in parts of which each holds whole sessions.

What is equal for all requests of a session says which part they go to, so that one part after the other can be made
into sessions. Up to 64 MiB are held in memory; beyond, the parts are written to the disk, each piece in one go.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from replay.importers.requests.spilled import Spilled
from replay.importers.requests.types import ROW, Rows

MOST_HELD_BYTES = 64 << 20

PART_BYTES = 8 << 20
"""So much of a recording is to make a part, which is worked upon in about six times as much memory."""

_MOST_PARTS = 256

_Piece = tuple[Rows, bytes]


def parts_for(recording_bytes: int) -> int:
    """How many parts requests are kept in whose recording is so long."""
    return max(1, min(_MOST_PARTS, -(-recording_bytes // PART_BYTES)))


class KeptRequests:
    """Takes requests, each with its text, and gives them part by part.

    A text is what its step has before `after`, a line break, and what it has behind `at_ms`, as JSON.
    """

    def __init__(self, parts: int, most_held_bytes: int = MOST_HELD_BYTES) -> None:
        self._held: list[list[_Piece]] = [[] for _ in range(parts)]
        self._written: list[list[tuple[tuple[int, int], tuple[int, int]]]] = [[] for _ in range(parts)]
        self._most_held_bytes = most_held_bytes
        self._held_bytes = 0
        self._spilled: Spilled | None = None

    def keep(self, rows: Rows, texts: Sequence[str]) -> None:
        """Keep these. Raises TraceError where the disk takes no more."""
        parts = len(self._held)
        if parts == 1:
            self._hold(0, rows, texts)
        else:
            of = rows["key"] % parts
            order = np.argsort(of, kind="stable")
            ends = np.cumsum(np.bincount(of, minlength=parts)).tolist()
            rows, texts = rows[order], [texts[n] for n in order.tolist()]
            for part, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
                if end > begin:
                    self._hold(part, rows[begin:end], texts[begin:end])
        if self._held_bytes > self._most_held_bytes:
            self._write()

    def _hold(self, part: int, rows: Rows, texts: Sequence[str]) -> None:
        text = "\n".join(texts).encode()
        self._held[part].append((rows, text))
        self._held_bytes += len(text) + rows.nbytes

    def _write(self) -> None:
        spilled = self._spilled = self._spilled or Spilled()
        for held, written in zip(self._held, self._written, strict=True):
            if held:
                rows = spilled.put(rows.tobytes() for rows, _ in held)
                written.append((rows, spilled.put([b"\n".join(text for _, text in held)])))
                held.clear()
        self._held_bytes = 0

    def parts(self) -> Iterator[tuple[Rows, bytes]]:
        """The requests of each part and their texts, a line for each half of one; each is given once."""
        for part, held in enumerate(self._held):
            pieces = list(held)
            if self._spilled is not None:
                pieces += (
                    (np.frombuffer(self._spilled.get(*rows), ROW), self._spilled.get(*text))
                    for rows, text in self._written[part]
                )
            held.clear()
            if pieces:
                yield np.concatenate([rows for rows, _ in pieces]), b"\n".join(text for _, text in pieces)
